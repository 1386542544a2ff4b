//! What must be known of an ELF file before the symbol library may see it.
//!
//! Headers are read through plain reads, not a mapping, so a file that shrinks under our hands is a
//! read error and no SIGBUS. Every size is checked before it is believed.

use crate::engine::ports::Missing;
use crate::model::module::BuildId;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};
use object::read::{ReadCache, ReadRef as _};
use object::{Endianness, U32Bytes};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

type Header = FileHeader64<Endianness>;
type Data<'a> = &'a ReadCache<File>;

/// Notes longer than this are not looked at, bytes; a build-id's is 36.
const MAX_NOTES: u64 = 64 * 1024;
/// Most decompressed debug information that one file may announce, bytes. The library reserves what
/// a compressed section announces, so an absurd number would end the tracer.
const MAX_DECOMPRESSED: u64 = 1 << 30;

/// An open ELF file and what its headers say.
#[derive(Debug)]
pub(super) struct ElfFile {
    file: File,
    segments: Vec<Segment>,
    /// The GNU build-id.
    pub(super) build_id: Option<BuildId>,
    /// What its sections offer.
    pub(super) sections: Sections,
}

/// A loaded part of the file.
#[derive(Clone, Copy, Debug)]
struct Segment {
    offset: u64,
    size: u64,
    address: u64,
}

/// What the sections of a file offer.
#[derive(Debug, Default)]
pub(super) struct Sections {
    /// A full symbol table.
    pub(super) symbols: bool,
    /// It exports functions by name, as even stripped libraries and some programs do.
    pub(super) dynamic_symbols: bool,
    /// DWARF functions (`.debug_info`).
    pub(super) debug_info: bool,
    /// DWARF line tables (`.debug_line`).
    pub(super) debug_lines: bool,
    /// Where separate debug information is said to be.
    pub(super) debug_link: Option<DebugLink>,
    /// Refers to other files (`.gnu_debuglink`, `.gnu_debugaltlink`, `.debug_sup`).
    pub(super) links: bool,
    /// A compressed symbol table inside (`.gnu_debugdata`).
    pub(super) embedded_symbols: bool,
    /// Sum of what its compressed debug sections announce, bytes.
    pub(super) decompressed: u64,
}

impl Sections {
    /// Debug information is there and of a size that we can bear.
    pub(super) const fn usable_debug_info(&self) -> bool {
        self.debug_info && self.decompressed <= MAX_DECOMPRESSED
    }
}

/// Contents of `.gnu_debuglink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DebugLink {
    /// File name, without directories.
    pub(super) name: OsString,
    /// CRC-32 of the file's contents.
    pub(super) checksum: u32,
}

impl ElfFile {
    /// Opens `path` and reads its headers.
    ///
    /// # Errors
    /// [`Missing::FileGone`] if it cannot be opened or is no regular file,
    /// [`Missing::Unreadable`] if it is not a 64-bit ELF file.
    pub(super) fn open(path: &Path) -> Result<Self, Missing> {
        let file = open_regular(path).ok_or(Missing::FileGone)?;
        let reader = ReadCache::new(file.try_clone().map_err(|_| Missing::FileGone)?);
        let (segments, build_id, sections) = read(&reader).ok_or(Missing::Unreadable)?;
        Ok(Self { file, segments, build_id, sections })
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

    /// Only the administrator could have written it.
    pub(super) fn owned_by_root(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.uid() == 0)
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

fn read(data: Data<'_>) -> Option<(Vec<Segment>, Option<BuildId>, Sections)> {
    let header = Header::parse(data).ok()?;
    let endian = header.endian().ok()?;
    // Counts over 65,279 are kept elsewhere; no program or library has them.
    if header.e_phnum(endian) == elf::PN_XNUM {
        return None;
    }
    let programs = header.program_headers(endian, data).ok()?;
    let mut reader = SectionReader { data, endian, sections: Sections::default(), build_id: None };
    if header.e_shnum(endian) != 0
        && let Ok(table) = header.sections(endian, data)
    {
        for section in table.iter() {
            reader.visit(table.section_name(endian, section).unwrap_or_default(), section);
        }
    }
    let build_id = reader.build_id.or_else(|| build_id_of_segments(programs, endian, data));
    Some((segments(programs, endian), build_id, reader.sections))
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

struct SectionReader<'a> {
    data: Data<'a>,
    endian: Endianness,
    sections: Sections,
    build_id: Option<BuildId>,
}

impl SectionReader<'_> {
    fn visit(&mut self, name: &[u8], section: &SectionHeader64<Endianness>) {
        if section.sh_type(self.endian) == elf::SHT_NOBITS {
            return;
        }
        match name {
            b".symtab" => self.sections.symbols = true,
            b".dynsym" => {
                self.sections.dynamic_symbols = self.exports_functions(section).unwrap_or(false);
            }
            b".debug_info" => self.sections.debug_info = true,
            b".debug_line" => self.sections.debug_lines = true,
            b".gnu_debugdata" => self.sections.embedded_symbols = true,
            b".gnu_debugaltlink" | b".debug_sup" => self.sections.links = true,
            b".gnu_debuglink" => {
                self.sections.links = true;
                self.sections.debug_link = self.debug_link(section);
            }
            b".note.gnu.build-id" => self.build_id = self.build_id(section),
            _ => {}
        }
        if section.sh_flags(self.endian) & u64::from(elf::SHF_COMPRESSED) != 0 {
            let announced = self.announced(section).unwrap_or(u64::MAX);
            self.sections.decompressed = self.sections.decompressed.saturating_add(announced);
        }
    }

    /// Whether a table of dynamic symbols defines a function; imports alone name nothing here.
    fn exports_functions(&self, section: &SectionHeader64<Endianness>) -> Option<bool> {
        const ENTRY: u64 = size_of::<elf::Sym64<Endianness>>() as u64;
        const MOST: u64 = 1 << 20;
        let count = (section.sh_size(self.endian) / ENTRY).min(MOST);
        let offset = section.sh_offset(self.endian);
        let symbols: &[elf::Sym64<Endianness>] =
            self.data.read_slice_at(offset, usize::try_from(count).ok()?).ok()?;
        let defined = |symbol: &elf::Sym64<Endianness>| {
            symbol.st_shndx.get(self.endian) != elf::SHN_UNDEF && symbol.st_type() == elf::STT_FUNC
        };
        Some(symbols.iter().any(defined))
    }

    /// What a compressed section says its decompressed size is.
    fn announced(&self, section: &SectionHeader64<Endianness>) -> Option<u64> {
        let header: &elf::CompressionHeader64<Endianness> =
            self.data.read_at(section.sh_offset(self.endian)).ok()?;
        Some(header.ch_size.get(self.endian))
    }

    fn build_id(&self, section: &SectionHeader64<Endianness>) -> Option<BuildId> {
        if section.sh_size(self.endian) > MAX_NOTES {
            return None;
        }
        let mut notes = section.notes(self.endian, self.data).ok()??;
        let note = notes.next().ok()??;
        (note.n_type(self.endian) == elf::NT_GNU_BUILD_ID).then(|| BuildId::new(note.desc()))?
    }

    /// A name, a zero, padding to four bytes, four bytes of checksum.
    fn debug_link(&self, section: &SectionHeader64<Endianness>) -> Option<DebugLink> {
        let size = section.sh_size(self.endian);
        if size > 4096 {
            return None;
        }
        let bytes = self.data.read_bytes_at(section.sh_offset(self.endian), size).ok()?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let place = (end + 1).next_multiple_of(4);
        let checksum: [u8; 4] = bytes.get(place..place.checked_add(4)?)?.try_into().ok()?;
        let name = bytes.get(..end)?;
        let plain = !name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..";
        plain.then(|| DebugLink {
            name: OsString::from_vec(name.to_vec()),
            checksum: U32Bytes::<Endianness>::from_bytes(checksum).get(self.endian),
        })
    }
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
