//! The build-id of an ELF file, read with a few bounded reads.

use crate::model::module::BuildId;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// `PT_NOTE` of `elf.h`.
const PT_NOTE: u32 = 4;
/// Program headers and bytes of notes that are looked at; real files have a dozen and a few hundred.
const MAX_HEADERS: u16 = 256;
const MAX_NOTES: u64 = 64 << 10;

/// The file's build-id; `None` if it has none or is no 64-bit little-endian ELF file.
pub(super) fn read(file: &File) -> Option<BuildId> {
    let header = bytes(file, 0, 64)?;
    if header.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = u64::from_le_bytes(header.get(32..40)?.try_into().ok()?);
    let size = u16::from_le_bytes(header.get(54..56)?.try_into().ok()?);
    let count = u16::from_le_bytes(header.get(56..58)?.try_into().ok()?).min(MAX_HEADERS);
    (0..u64::from(count))
        .filter_map(|index| note_segment(file, table.checked_add(index * u64::from(size))?))
        .find_map(|(offset, length)| {
            BuildId::from_notes(&bytes(file, offset, length.min(MAX_NOTES))?)
        })
}

fn bytes(file: &File, offset: u64, length: u64) -> Option<Vec<u8>> {
    let mut buffer = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut buffer, offset).ok()?;
    Some(buffer)
}

/// Offset and length of the notes, if the program header at `at` is of that kind.
fn note_segment(file: &File, at: u64) -> Option<(u64, u64)> {
    let header = bytes(file, at, 56)?;
    let word = |from: usize| Some(u64::from_le_bytes(header.get(from..from + 8)?.try_into().ok()?));
    let kind = u32::from_le_bytes(header.get(..4)?.try_into().ok()?);
    (kind == PT_NOTE).then_some((word(8)?, word(32)?))
}

#[cfg(test)]
mod tests {
    use super::read;
    use std::fs::File;

    #[test]
    fn files_without_one_have_none() {
        assert_eq!(read(&File::open("/dev/null").unwrap()), None);
        assert_eq!(read(&File::open("/proc/self/status").unwrap()), None);
    }
}
