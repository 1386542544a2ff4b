//! What is read of an ELF file when it is first seen: its build-id, and where it begins. A few bounded reads.

use crate::model::module::BuildId;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Of `elf.h`.
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// Program headers and bytes of notes that are looked at; real files have a dozen and a few hundred.
const MAX_HEADERS: u16 = 256;
const MAX_NOTES: u64 = 64 << 10;

/// The file's build-id; `None` if it has none or is no 64-bit little-endian ELF file.
pub(super) fn read(file: &File) -> Option<BuildId> {
    let header = Header::read(file)?;
    header.segments(file).filter(|segment| segment.kind == PT_NOTE).find_map(|notes| {
        BuildId::from_notes(&bytes(file, notes.offset, notes.length.min(MAX_NOTES))?)
    })
}

/// Offset in the file of its first instruction, where it has one: programs and the dynamic linker do.
pub(super) fn entry_point(file: &File) -> Option<u64> {
    let header = Header::read(file)?;
    let entry = Some(header.entry).filter(|entry| *entry != 0)?;
    let mut segments = header.segments(file).filter(|segment| segment.kind == PT_LOAD);
    segments.find_map(|segment| {
        let at = entry.checked_sub(segment.address)?;
        (at < segment.length).then(|| segment.offset.checked_add(at))?
    })
}

/// What the file's first 64 bytes say.
struct Header {
    entry: u64,
    table: u64,
    size: u16,
    count: u16,
}

impl Header {
    fn read(file: &File) -> Option<Self> {
        let header = bytes(file, 0, 64)?;
        if header.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let half = |at: usize| Some(u16::from_le_bytes(header.get(at..at + 2)?.try_into().ok()?));
        let (size, count) = (half(54)?, half(56)?.min(MAX_HEADERS));
        Some(Self { entry: word(&header, 24)?, table: word(&header, 32)?, size, count })
    }

    fn segments(&self, file: &File) -> impl Iterator<Item = Segment> {
        let (table, size) = (self.table, u64::from(self.size));
        (0..u64::from(self.count))
            .filter_map(move |index| Segment::read(file, table.checked_add(index * size)?))
    }
}

/// A program header.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    /// In the file.
    length: u64,
}

impl Segment {
    fn read(file: &File, at: u64) -> Option<Self> {
        let header = bytes(file, at, 56)?;
        let kind = u32::from_le_bytes(header.get(..4)?.try_into().ok()?);
        let (offset, address, length) = (word(&header, 8)?, word(&header, 16)?, word(&header, 32)?);
        Some(Self { kind, offset, address, length })
    }
}

fn word(header: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?))
}

fn bytes(file: &File, offset: u64, length: u64) -> Option<Vec<u8>> {
    let mut buffer = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut buffer, offset).ok()?;
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::{entry_point, read};
    use std::fs::File;
    use std::io::Write as _;

    #[test]
    fn files_without_one_have_none() {
        assert_eq!(read(&File::open("/dev/null").unwrap()), None);
        assert_eq!(read(&File::open("/proc/self/status").unwrap()), None);
    }

    #[test]
    fn a_program_begins_somewhere_in_its_code() {
        let headers = |entry: u64| {
            let mut bytes = b"\x7fELF\x02\x01".to_vec();
            bytes.resize(64, 0);
            bytes[24..32].copy_from_slice(&entry.to_le_bytes());
            bytes[32] = 64;
            (bytes[54], bytes[56]) = (56, 3);
            // Kind, offset, address, length in the file.
            for segment in
                [[6, 64, 0x1040, 1 << 20], [1, 0, 0x1000, 0x200], [1, 0x200, 0x5200, 0x80]]
            {
                let [kind, offset, address, length] = segment;
                for word in [kind, offset, address, 0, length, 0, 0] {
                    bytes.extend(u64::to_le_bytes(word));
                }
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            entry_point(&file)
        };
        assert_eq!(headers(0x1010), Some(0x10));
        assert_eq!(headers(0x527f), Some(0x27f));
        for nowhere in [0, 0x1200, 0x5280, u64::MAX] {
            assert_eq!(headers(nowhere), None);
        }
        assert_eq!(entry_point(&File::open("/dev/null").unwrap()), None);
    }
}
