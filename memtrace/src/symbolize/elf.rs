//! What must be known of an ELF file before the symbol library may see it.
//!
//! Headers are read through plain reads, not a mapping, so a file that shrinks under our hands is a
//! read error and no SIGBUS. Every size is checked before it is believed.

use super::sections::{Data, MAX_NOTES, Section, SectionReader, Sections};
use crate::engine::ports::Missing;
use crate::model::module::BuildId;
use object::Endianness;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

type Header = FileHeader64<Endianness>;

/// Most sections that are looked at; programs and libraries have some 40. Each name may cost 4 KiB.
const MAX_SECTIONS: u16 = 8192;

/// An open ELF file and what its headers say.
#[derive(Debug)]
pub(super) struct ElfFile {
    file: File,
    /// Of the file when it was opened.
    stamp: Stamp,
    segments: Vec<Segment>,
    table: Vec<Section>,
    /// The GNU build-id.
    pub(super) build_id: Option<BuildId>,
    /// What its sections offer.
    pub(super) sections: Sections,
}

/// What changes when somebody writes to a file: size, and seconds and nanoseconds of its change time.
type Stamp = (u64, i64, i64);

fn stamp(file: &File) -> Option<Stamp> {
    let metadata = file.metadata().ok()?;
    Some((metadata.len(), metadata.ctime(), metadata.ctime_nsec()))
}

/// A loaded part of the file.
#[derive(Clone, Copy, Debug)]
struct Segment {
    offset: u64,
    size: u64,
    address: u64,
}

impl ElfFile {
    /// Opens `path` and reads its headers.
    ///
    /// # Errors
    /// [`Missing::FileGone`] if it cannot be opened or is no regular file,
    /// [`Missing::Unreadable`] if it is not a 64-bit ELF file.
    pub(super) fn open(path: &Path) -> Result<Self, Missing> {
        Self::of(open_regular(path).ok_or(Missing::FileGone)?)
    }

    /// Reads the headers of an open file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn of(file: File) -> Result<Self, Missing> {
        let stamp = stamp(&file).ok_or(Missing::FileGone)?;
        let reader = ReadCache::new(file.try_clone().map_err(|_| Missing::FileGone)?);
        let (segments, reader) = read(&reader).ok_or(Missing::Unreadable)?;
        let SectionReader { table, sections, build_id, .. } = reader;
        Ok(Self { file, stamp, segments, table, build_id, sections })
    }

    /// The sections that have contents.
    pub(super) fn table(&self) -> &[Section] {
        &self.table
    }

    /// Somebody wrote to the file since it was opened.
    pub(super) fn has_changed(&self) -> bool {
        stamp(&self.file) != Some(self.stamp)
    }

    /// The open file.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// A path that opens this very file, whatever happens to its name.
    pub(super) fn stable_path(&self) -> PathBuf {
        descriptor_path(&self.file)
    }

    /// The virtual address, as the file's symbols have it, of a file offset.
    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let inside = offset.checked_sub(segment.offset)?;
            (inside < segment.size).then(|| segment.address.checked_add(inside))?
        })
    }
}

/// The path of an open file's descriptor.
fn descriptor_path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Opens `path` for reading if it is a regular file. Opening anything else may block (a FIFO) or
/// act (some devices), so what it is is found out through `O_PATH` first.
pub(super) fn open_regular(path: &Path) -> Option<File> {
    let handle = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_CLOEXEC)
        .open(path)
        .ok()?;
    if !handle.metadata().ok()?.is_file() {
        return None;
    }
    File::open(descriptor_path(&handle)).ok()
}

fn read(data: Data<'_>) -> Option<(Vec<Segment>, SectionReader<'_>)> {
    let header = Header::parse(data).ok()?;
    let endian = header.endian().ok()?;
    // Counts over 65,279 are kept elsewhere; no program or library has them. Nor do programs for the
    // other byte order run here.
    if header.e_phnum(endian) == elf::PN_XNUM || endian != Endianness::Little {
        return None;
    }
    let programs = header.program_headers(endian, data).ok()?;
    let mut reader = SectionReader::new(data, endian);
    if (1..=MAX_SECTIONS).contains(&header.e_shnum(endian))
        && let Ok(table) = header.sections(endian, data)
    {
        for section in table.iter() {
            reader.visit(table.section_name(endian, section).unwrap_or_default(), section);
        }
    }
    reader.build_id =
        reader.build_id.take().or_else(|| build_id_of_segments(programs, endian, data));
    Some((segments(programs, endian), reader))
}

fn segments(programs: &[ProgramHeader64<Endianness>], endian: Endianness) -> Vec<Segment> {
    let loaded = programs.iter().filter(|program| program.p_type(endian) == elf::PT_LOAD);
    let segment = |program: &ProgramHeader64<Endianness>| Segment {
        offset: program.p_offset(endian),
        size: program.p_filesz(endian),
        address: program.p_vaddr(endian),
    };
    loaded.map(segment).collect()
}

fn build_id_of_segments(
    programs: &[ProgramHeader64<Endianness>],
    endian: Endianness,
    data: Data<'_>,
) -> Option<BuildId> {
    let small = programs.iter().filter(|program| program.p_filesz(endian) <= MAX_NOTES);
    small.filter_map(|program| program.notes(endian, data).ok()?).find_map(|mut notes| {
        while let Ok(Some(note)) = notes.next() {
            if note.n_type(endian) == elf::NT_GNU_BUILD_ID && note.name() == elf::ELF_NOTE_GNU {
                return BuildId::new(note.desc());
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::{ElfFile, open_regular};
    use crate::engine::ports::Missing;
    use std::io::Write as _;
    use std::path::Path;

    #[test]
    fn our_own_headers_make_sense() {
        let elf = ElfFile::open(&std::env::current_exe().unwrap()).unwrap();
        assert!(elf.sections.symbols && elf.sections.debug_info && elf.sections.debug_lines);
        assert!(elf.address(0).is_some());
        assert_eq!(elf.address(u64::MAX), None);
    }

    #[test]
    fn what_is_no_elf_file_says_so() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"#!/bin/sh\n").unwrap();
        assert_eq!(ElfFile::open(file.path()).unwrap_err(), Missing::Unreadable);
        assert_eq!(ElfFile::open(Path::new("/nonexistent")).unwrap_err(), Missing::FileGone);
    }

    #[test]
    fn only_regular_files_are_opened() {
        assert!(open_regular(Path::new("/dev/null")).is_none());
        assert!(open_regular(Path::new("/proc")).is_none());
    }

    #[test]
    fn damaged_headers_never_panic() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let head = &whole[..4096.min(whole.len())];
        for position in 0..64 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = head.to_vec();
                damaged[position] = value;
                let mut file = tempfile::NamedTempFile::new().unwrap();
                file.write_all(&damaged).unwrap();
                if let Ok(elf) = ElfFile::open(file.path()) {
                    let _ = elf.address(0x1000);
                }
            }
        }
    }
}
