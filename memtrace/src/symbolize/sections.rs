//! What the sections of an ELF file offer to who looks for names.

use super::image::{is_debug, is_symbols};
use crate::model::module::BuildId;
use object::elf::{self, SectionHeader64};
use object::read::elf::SectionHeader as _;
use object::read::{ReadCache, ReadRef as _};
use object::{Endianness, U32Bytes};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// A file through plain reads, which are kept.
pub(super) type Data<'a> = &'a ReadCache<File>;

/// Notes longer than this are not looked at, bytes; a build-id's is 36.
pub(super) const MAX_NOTES: u64 = 64 * 1024;
/// Longest contents of a section that says where another file is, bytes.
const MAX_LINK: u64 = 4096;

/// The section of a compressed symbol table (`MiniDebugInfo`).
pub(super) const EMBEDDED: &[u8] = b".gnu_debugdata";

/// A section with contents, as its header has it.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// Its name.
    pub(super) name: Vec<u8>,
    /// `sh_type`.
    pub(super) kind: u32,
    /// Offset in the file, bytes.
    pub(super) offset: u64,
    /// Size in the file, bytes.
    pub(super) size: u64,
    /// `sh_entsize`.
    pub(super) entry_size: u64,
    /// How it is packed.
    pub(super) compression: Option<Compression>,
}

impl Section {
    /// Bytes when unpacked; `None` if it is packed in a way that we do not know.
    pub(super) const fn plain_size(&self) -> Option<u64> {
        match self.compression {
            None => Some(self.size),
            Some(Compression::Zlib(size) | Compression::Zstd(size)) => Some(size),
            Some(Compression::Unknown) => None,
        }
    }
}

/// How a section is packed, and the size that it announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// `ELFCOMPRESS_ZLIB`.
    Zlib(u64),
    /// `ELFCOMPRESS_ZSTD`.
    Zstd(u64),
    /// Anything else.
    Unknown,
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
    /// Where shared debug information is said to be (`dwz`).
    pub(super) alternative: Option<AlternativeLink>,
    /// Bytes of the symbol tables.
    symbol_bytes: u64,
    /// Bytes of the debug information, unpacked.
    debug_bytes: u64,
}

impl Sections {
    /// Symbols are there, and a copy of them fits into `room` bytes.
    pub(super) const fn usable_symbols(&self, room: u64) -> bool {
        (self.symbols || self.dynamic_symbols) && self.bytes(false) <= room
    }

    /// Debug information is there, and a copy of it and of the symbols fits into `room` bytes.
    pub(super) const fn usable_debug_info(&self, room: u64) -> bool {
        self.debug_info && self.bytes(true) <= room
    }

    /// Bytes that a copy takes at most.
    pub(super) const fn bytes(&self, debug: bool) -> u64 {
        let debug = if debug { self.debug_bytes } else { 0 };
        debug.saturating_add(self.symbol_bytes).saturating_add(SLACK)
    }
}

/// Room for headers and padding in a copy, bytes.
const SLACK: u64 = 64 << 10;

/// Contents of `.gnu_debugaltlink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AlternativeLink {
    /// Where it is, as the file says.
    pub(super) path: PathBuf,
    /// The build-id that it must have.
    pub(super) build_id: BuildId,
}

/// Contents of `.gnu_debuglink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DebugLink {
    /// File name, without directories.
    pub(super) name: OsString,
    /// CRC-32 of the file's contents.
    pub(super) checksum: u32,
}

/// Reads one section header after the other.
pub(super) struct SectionReader<'a> {
    data: Data<'a>,
    endian: Endianness,
    pub(super) table: Vec<Section>,
    pub(super) sections: Sections,
    pub(super) build_id: Option<BuildId>,
}

impl<'a> SectionReader<'a> {
    pub(super) fn new(data: Data<'a>, endian: Endianness) -> Self {
        Self { data, endian, table: Vec::new(), sections: Sections::default(), build_id: None }
    }

    pub(super) fn visit(&mut self, name: &[u8], header: &SectionHeader64<Endianness>) {
        if header.sh_type(self.endian) == elf::SHT_NOBITS {
            return;
        }
        match name {
            b".symtab" => self.sections.symbols = true,
            b".debug_info" => self.sections.debug_info = true,
            b".debug_line" => self.sections.debug_lines = true,
            b".dynsym" => {
                self.sections.dynamic_symbols = self.exports_functions(header).unwrap_or(false);
            }
            b".gnu_debuglink" => self.sections.debug_link = self.debug_link(header),
            b".gnu_debugaltlink" => self.sections.alternative = self.alternative(header),
            b".note.gnu.build-id" => self.build_id = self.build_id(header),
            _ => {}
        }
        self.note_contents(name, header);
    }

    /// Remembers a section that names come from.
    fn note_contents(&mut self, name: &[u8], header: &SectionHeader64<Endianness>) {
        let (symbols, debug) = (is_symbols(name), is_debug(name));
        if !symbols && !debug && name != EMBEDDED {
            return;
        }
        let section = Section {
            name: name.to_vec(),
            kind: header.sh_type(self.endian),
            offset: header.sh_offset(self.endian),
            size: header.sh_size(self.endian),
            entry_size: header.sh_entsize(self.endian),
            compression: self.compression(header),
        };
        let size = section.plain_size().unwrap_or(0);
        if symbols {
            self.sections.symbol_bytes = self.sections.symbol_bytes.saturating_add(size);
        } else if debug {
            self.sections.debug_bytes = self.sections.debug_bytes.saturating_add(size);
        }
        self.table.push(section);
    }

    fn compression(&self, header: &SectionHeader64<Endianness>) -> Option<Compression> {
        if header.sh_flags(self.endian) & u64::from(elf::SHF_COMPRESSED) == 0 {
            return None;
        }
        let at = header.sh_offset(self.endian);
        let Ok(packed) = self.data.read_at::<elf::CompressionHeader64<Endianness>>(at) else {
            return Some(Compression::Unknown);
        };
        let size = packed.ch_size.get(self.endian);
        Some(match packed.ch_type.get(self.endian) {
            elf::ELFCOMPRESS_ZLIB => Compression::Zlib(size),
            elf::ELFCOMPRESS_ZSTD => Compression::Zstd(size),
            _ => Compression::Unknown,
        })
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

    fn build_id(&self, section: &SectionHeader64<Endianness>) -> Option<BuildId> {
        if section.sh_size(self.endian) > MAX_NOTES {
            return None;
        }
        let mut notes = section.notes(self.endian, self.data).ok()??;
        let note = notes.next().ok()??;
        (note.n_type(self.endian) == elf::NT_GNU_BUILD_ID).then(|| BuildId::new(note.desc()))?
    }

    /// The contents of a section that says where another file is.
    fn link(&self, section: &SectionHeader64<Endianness>) -> Option<&[u8]> {
        let size = section.sh_size(self.endian);
        let offset = section.sh_offset(self.endian);
        (size <= MAX_LINK).then(|| self.data.read_bytes_at(offset, size).ok())?
    }

    /// A path, a zero, a build-id.
    fn alternative(&self, section: &SectionHeader64<Endianness>) -> Option<AlternativeLink> {
        let bytes = self.link(section)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let (path, build_id) = (bytes.get(..end)?, BuildId::new(bytes.get(end + 1..)?)?);
        let path = PathBuf::from(OsString::from_vec(path.to_vec()));
        (end > 0).then_some(AlternativeLink { path, build_id })
    }

    /// A name, a zero, padding to four bytes, four bytes of checksum.
    fn debug_link(&self, section: &SectionHeader64<Endianness>) -> Option<DebugLink> {
        let bytes = self.link(section)?;
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
