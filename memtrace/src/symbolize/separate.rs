//! Finds debug information that was split off into a file of its own.
//!
//! The two rules are those of GDB's manual, "Debugging Information in Separate Files": by build-id
//! under `DIR/.build-id/ab/cdef….debug`, and by the name in `.gnu_debuglink` next to the file, in
//! `.debug` next to it, and in `DIR` + the file's directory.

use super::elf::ElfFile;
use super::sections::{AlternativeLink, DebugLink};
use crate::debug_files::{build_id_path, linked};
use crate::model::module::BuildId;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::PathBuf;

/// The file with `elf`'s debug information, if there is one that truly belongs to it. `debug_dirs`
/// are the system's directories of debug files.
pub(super) fn find(elf: &ElfFile, debug_dirs: &[PathBuf]) -> Option<ElfFile> {
    by_build_id(elf, debug_dirs).or_else(|| by_link(elf, debug_dirs))
}

/// The file of debug information that `elf` shares with others, as `dwz` makes it: by build-id, or
/// where the link says, from `elf`'s own directory on. Only the build-id that the link has proves it.
pub(super) fn alternative(
    elf: &ElfFile,
    link: &AlternativeLink,
    debug_dirs: &[PathBuf],
) -> Option<ElfFile> {
    with_build_id(&link.build_id, debug_dirs).or_else(|| {
        let own = fs::read_link(elf.stable_path()).ok()?;
        let found = ElfFile::open(&own.parent()?.join(&link.path)).ok()?;
        (found.build_id.as_ref() == Some(&link.build_id)).then_some(found)
    })
}

fn by_build_id(elf: &ElfFile, debug_dirs: &[PathBuf]) -> Option<ElfFile> {
    with_build_id(elf.build_id.as_ref()?, debug_dirs)
}

fn with_build_id(build_id: &BuildId, debug_dirs: &[PathBuf]) -> Option<ElfFile> {
    let name = build_id_path(build_id);
    debug_dirs
        .iter()
        .filter_map(|dir| ElfFile::open(&dir.join(&name)).ok())
        .find(|found| found.build_id.as_ref() == Some(build_id))
}

fn by_link(elf: &ElfFile, debug_dirs: &[PathBuf]) -> Option<ElfFile> {
    let link = elf.sections.debug_link.as_ref()?;
    let path = fs::read_link(elf.stable_path()).ok()?;
    let directory = path.parent()?;
    linked(directory, &link.name, debug_dirs)
        .filter(|candidate| *candidate != path)
        .filter_map(|candidate| ElfFile::open(&candidate).ok())
        .find(|found| belongs(found, elf, link))
}

/// Largest file whose checksum is taken; a gigabyte takes half a second.
const MAX_DEBUG_FILE: u64 = 1 << 30;

/// Equal build-ids prove it; without any, the link's checksum over the whole file does.
fn belongs(found: &ElfFile, elf: &ElfFile, link: &DebugLink) -> bool {
    if elf.build_id.is_some() {
        return found.build_id == elf.build_id;
    }
    // A sum over a sparse file of exabytes would take hours.
    let small = found.file().metadata().is_ok_and(|metadata| metadata.len() <= MAX_DEBUG_FILE);
    small && checksum(found.file()).is_ok_and(|sum| sum == link.checksum)
}

/// CRC-32 (ISO-HDLC, reflected polynomial 0xedb88320) of a whole file.
fn checksum(mut file: &File) -> io::Result<u32> {
    io::Seek::rewind(&mut file)?;
    let mut buffer = vec![0; 1 << 16];
    let mut sum = crc32fast::Hasher::new();
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(sum.finalize());
        }
        sum.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::checksum;
    use std::io::Write as _;

    #[test]
    fn the_checksum_is_the_usual_one() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"123456789").unwrap();
        assert_eq!(checksum(file.as_file()).unwrap(), 0xcbf4_3926);
    }
}
