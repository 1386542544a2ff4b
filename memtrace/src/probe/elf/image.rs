//! An ELF file's headers, segments and sections.

use super::ElfError;
use super::source::{Source, read};
use crate::model::module::BuildId;
use object::LittleEndian as LE;
use object::elf;
use object::pod::{Pod, from_bytes, slice_from_bytes};

/// Program headers are at most 65,535 of 56 bytes.
const MAX_SEGMENT_TABLE: u64 = 4 << 20;
/// Section headers are at most 65,535 of 64 bytes.
const MAX_SECTION_TABLE: u64 = 4 << 20;
const MAX_SECTION_NAMES: u64 = 4 << 20;
const MAX_NOTES: u64 = 1 << 20;
/// The kernel itself takes no interpreter path longer than `PATH_MAX`.
const MAX_INTERPRETER: u64 = 4096;

/// A part of the file that is mapped, or that says something about mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// `PT_*`.
    pub kind: u32,
    /// `PF_*`.
    pub flags: u32,
    /// Offset in the file, bytes.
    pub offset: u64,
    /// Virtual address.
    pub address: u64,
    /// Bytes in the file.
    pub file_size: u64,
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, with what is not UTF-8 replaced.
    pub name: String,
    /// `SHT_*`.
    pub kind: u32,
    /// Virtual address; 0 for one that is not loaded.
    pub address: u64,
    /// Offset in the file, bytes.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// Index of the section that belongs to it (a symbol table's strings).
    pub link: u32,
}

/// An ELF file for x86-64 whose headers have been read.
#[derive(Debug)]
pub struct Image<'a, S: Source + ?Sized> {
    pub(super) source: &'a S,
    /// `ET_*`.
    file_type: u16,
    segments: Vec<Segment>,
    sections: Vec<Section>,
}

/// A fixed-size record at the beginning of `bytes`.
pub(super) fn record<'a, T: Pod>(bytes: &'a [u8], what: &'static str) -> Result<&'a T, ElfError> {
    from_bytes(bytes).map(|(record, _)| record).map_err(|()| ElfError::Malformed { what })
}

/// As many records as `bytes` hold.
pub(super) fn records<'a, T: Pod>(
    bytes: &'a [u8],
    what: &'static str,
) -> Result<&'a [T], ElfError> {
    slice_from_bytes(bytes, bytes.len() / size_of::<T>())
        .map(|(records, _)| records)
        .map_err(|()| ElfError::Malformed { what })
}

impl<'a, S: Source + ?Sized> Image<'a, S> {
    /// Reads the headers.
    ///
    /// # Errors
    /// When the file is not an ELF file for x86-64, cannot be read, or its headers are broken. A file
    /// without section headers is none of that: it has no sections.
    pub fn open(source: &'a S) -> Result<Self, ElfError> {
        let bytes = read(source, "the ELF header", 0, 64, 64)?;
        let header: &elf::FileHeader64<LE> = record(&bytes, "the ELF header")?;
        if header.e_ident.magic != elf::ELFMAG {
            return Err(ElfError::NotElf);
        }
        let foreign = header.e_ident.class != elf::ELFCLASS64
            || header.e_ident.data != elf::ELFDATA2LSB
            || header.e_machine.get(LE) != elf::EM_X86_64;
        if foreign {
            return Err(ElfError::Foreign);
        }
        Ok(Self {
            source,
            file_type: header.e_type.get(LE),
            segments: read_segments(source, header)?,
            sections: read_sections(source, header)?,
        })
    }

    /// The segments, as the file lists them.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The sections, as the file lists them; the first one is empty.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The first section with this name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// A program, as opposed to a shared library: at a fixed address, or marked as a
    /// position-independent executable, or with an interpreter (as `libc.so.6`, which can be run).
    #[must_use]
    pub fn is_program(&self) -> bool {
        self.file_type == elf::ET_EXEC
            || self.has(elf::PT_INTERP)
            || !self.has(elf::PT_DYNAMIC)
            || self.is_marked_as_program()
    }

    fn has(&self, kind: u32) -> bool {
        self.segments.iter().any(|segment| segment.kind == kind)
    }

    /// A program that is linked statically: nothing in it is resolved at run time.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.is_program() && !self.has(elf::PT_INTERP)
    }

    /// The dynamic linker that the program asks for.
    #[must_use]
    pub fn interpreter(&self) -> Option<String> {
        let segment = self.segments.iter().find(|segment| segment.kind == elf::PT_INTERP)?;
        let what = "the interpreter's path";
        let bytes =
            read(self.source, what, segment.offset, segment.file_size, MAX_INTERPRETER).ok()?;
        let path = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(path).into_owned())
    }

    /// The file offset of a virtual address that is backed by the file.
    #[must_use]
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        let (segment, inside) = self.loaded(address)?;
        segment.offset.checked_add(inside)
    }

    /// Address and size of the code that the file has.
    pub fn code_segments(&self) -> impl Iterator<Item = (u64, u64)> {
        let is_code =
            |segment: &&Segment| segment.kind == elf::PT_LOAD && segment.flags & elf::PF_X != 0;
        self.segments.iter().filter(is_code).map(|segment| (segment.address, segment.file_size))
    }

    fn loaded(&self, address: u64) -> Option<(&Segment, u64)> {
        self.segments.iter().filter(|segment| segment.kind == elf::PT_LOAD).find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.file_size).then_some((segment, inside))
        })
    }

    /// At most `length` bytes of code from `address`; empty where there is no executable code.
    #[must_use]
    pub fn code(&self, address: u64, length: usize) -> Vec<u8> {
        let place = self.loaded(address).filter(|(segment, _)| segment.flags & elf::PF_X != 0);
        let Some((segment, inside)) = place else { return Vec::new() };
        let size = (length as u64).min(segment.file_size - inside);
        segment
            .offset
            .checked_add(inside)
            .and_then(|offset| read(self.source, "code", offset, size, size).ok())
            .unwrap_or_default()
    }

    /// The eight bytes that the file has at a virtual address; `None` where it has none.
    #[must_use]
    pub fn word(&self, address: u64) -> Option<u64> {
        let offset = self.file_offset(address)?;
        let bytes = read(self.source, "a pointer", offset, 8, 8).ok()?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The section's bytes, cut at `limit`. Nothing for a section that takes no room in the file.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn section_bytes(&self, section: &Section, limit: u64) -> Result<Vec<u8>, ElfError> {
        if section.kind == elf::SHT_NOBITS {
            return Ok(Vec::new());
        }
        read(self.source, "a section", section.offset, section.size.min(limit), limit)
    }

    /// The GNU build-id.
    #[must_use]
    pub fn build_id(&self) -> Option<BuildId> {
        self.segments.iter().filter(|segment| segment.kind == elf::PT_NOTE).find_map(|segment| {
            let notes =
                read(self.source, "notes", segment.offset, segment.file_size, MAX_NOTES).ok()?;
            BuildId::from_notes(&notes)
        })
    }

    /// The GNU build-id of a file that has debug information alone: its segments have no contents.
    #[must_use]
    pub fn section_build_id(&self) -> Option<BuildId> {
        let section = self.section(".note.gnu.build-id")?;
        BuildId::from_notes(&self.section_bytes(section, MAX_NOTES).ok()?)
    }
}

fn read_segments(
    source: &(impl Source + ?Sized),
    header: &elf::FileHeader64<LE>,
) -> Result<Vec<Segment>, ElfError> {
    let what = "the program header table";
    let size = table_size::<elf::ProgramHeader64<LE>>(
        header.e_phentsize.get(LE),
        header.e_phnum.get(LE),
        what,
    )?;
    let bytes = read(source, what, header.e_phoff.get(LE), size, MAX_SEGMENT_TABLE)?;
    let headers: &[elf::ProgramHeader64<LE>] = records(&bytes, what)?;
    Ok(headers
        .iter()
        .map(|header| Segment {
            kind: header.p_type.get(LE),
            flags: header.p_flags.get(LE),
            offset: header.p_offset.get(LE),
            address: header.p_vaddr.get(LE),
            file_size: header.p_filesz.get(LE),
        })
        .collect())
}

fn read_sections(
    source: &(impl Source + ?Sized),
    header: &elf::FileHeader64<LE>,
) -> Result<Vec<Section>, ElfError> {
    let what = "the section header table";
    let size = table_size::<elf::SectionHeader64<LE>>(
        header.e_shentsize.get(LE),
        header.e_shnum.get(LE),
        what,
    )?;
    let bytes = read(source, what, header.e_shoff.get(LE), size, MAX_SECTION_TABLE)?;
    let headers: &[elf::SectionHeader64<LE>] = records(&bytes, what)?;
    let names = match headers.get(usize::from(header.e_shstrndx.get(LE))) {
        Some(section) => {
            let (offset, size) = (section.sh_offset.get(LE), section.sh_size.get(LE));
            read(source, "the section names", offset, size, MAX_SECTION_NAMES)?
        }
        None => Vec::new(),
    };
    Ok(headers
        .iter()
        .map(|header| Section {
            name: String::from_utf8_lossy(string_at(&names, header.sh_name.get(LE))).into_owned(),
            kind: header.sh_type.get(LE),
            address: header.sh_addr.get(LE),
            offset: header.sh_offset.get(LE),
            size: header.sh_size.get(LE),
            link: header.sh_link.get(LE),
        })
        .collect())
}

fn table_size<T>(entry: u16, count: u16, what: &'static str) -> Result<u64, ElfError> {
    if count != 0 && usize::from(entry) != size_of::<T>() {
        return Err(ElfError::Malformed { what });
    }
    Ok(u64::from(entry) * u64::from(count))
}

/// The string that begins at `at` in a string table; empty if there is none. Names are cut at 4 KiB,
/// longer than any demanglable one, so that overlapping names cannot multiply a table's size much.
pub(super) fn string_at(strings: &[u8], at: u32) -> &[u8] {
    const LONGEST: usize = 4096;
    let rest = strings.get(at as usize..).unwrap_or_default();
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    rest.split(|&byte| byte == 0).next().unwrap_or_default()
}
