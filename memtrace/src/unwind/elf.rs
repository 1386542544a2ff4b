//! What is taken from an ELF file: where its code is, and the bytes of its unwind information.

use super::error::UnwindError;
use crate::model::module::BuildId;
use gimli::{BaseAddresses, EhFrameHdr, Pointer};
use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64};
use object::read::ReadRef;
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _, SectionTable};
use std::ops::Range;

type Header = FileHeader64<LittleEndian>;
type Program = ProgramHeader64<LittleEndian>;
type Section = SectionHeader64<LittleEndian>;

/// Largest unwind information that is looked at, bytes; rustc's, the largest that we met, has
/// 10 MB. The worst that can be written into so many bytes takes some seconds.
pub(super) const MAX_EH_FRAME: u64 = 64 << 20;
/// Text must end here, bytes into the file. The code model of nearly all programs ends at 2 GiB.
pub(super) const MAX_TEXT_END: u64 = 1 << 32;
/// Sections that are looked at; linked files have some forty.
const MAX_SECTIONS: u16 = 4096;
/// Notes longer than this are not looked at, bytes; a build-id's is 36.
const MAX_NOTES: u64 = 64 << 10;
/// A header of the search table has at most this many bytes before the table.
const MAX_SEARCH_HEADER: u64 = 32;

const LE: LittleEndian = LittleEndian;

/// An executable segment.
#[derive(Clone, Copy, Debug)]
struct Code {
    address: u64,
    offset: u64,
    size: u64,
}

/// An ELF file's code and unwind information.
#[derive(Debug)]
pub(super) struct Image<'data> {
    code: Vec<Code>,
    /// The code's first byte in the file, and the first one behind.
    pub(super) text: Range<u64>,
    /// Virtual address and bytes of `.eh_frame`; no bytes where the file has none.
    pub(super) eh_frame: (u64, &'data [u8]),
}

impl<'data> Image<'data> {
    /// Reads the headers and the unwind information of `data`.
    ///
    /// # Errors
    /// When it is no ELF file for x86-64, is damaged, or has no code.
    pub(super) fn read<R: ReadRef<'data>>(data: R) -> Result<Self, UnwindError> {
        let (header, programs) = headers(data)?;
        let code = code(programs, data.len().unwrap_or(u64::MAX))?;
        let text = text(&code)?;
        let eh_frame = eh_frame(header, programs, data)?;
        Ok(Self { code, text, eh_frame })
    }

    /// File offsets of the code at these virtual addresses, cut where its segment ends.
    pub(super) fn offsets(&self, start: u64, length: u64) -> Option<Range<u64>> {
        self.code.iter().find_map(|code| {
            let inside = start.checked_sub(code.address).filter(|inside| *inside < code.size)?;
            let length = length.min(code.size - inside);
            let begin = code.offset + inside;
            Some(begin..begin + length)
        })
    }
}

impl Image<'_> {
    /// Whether these bytes of code and what is at `target` in the file are as far from each other in
    /// memory as they are in the file.
    pub(super) fn is_one_segment(&self, bytes: &Range<u64>, target: u64) -> bool {
        self.code.iter().any(|code| {
            let segment = code.offset..code.offset + code.size;
            segment.contains(&bytes.start) && segment.contains(&target)
        })
    }
}

fn headers<'data, R: ReadRef<'data>>(
    data: R,
) -> Result<(&'data Header, &'data [Program]), UnwindError> {
    let header = Header::parse(data).map_err(|_| UnwindError::Foreign)?;
    let endian = header.endian().map_err(|_| UnwindError::Foreign)?;
    let runs = matches!(header.e_type(endian), elf::ET_EXEC | elf::ET_DYN);
    // Counts over 65,279 are kept elsewhere; no program or library has them.
    let plain = header.e_phnum(endian) != elf::PN_XNUM;
    if header.e_machine(endian) != elf::EM_X86_64 || !runs || !plain {
        return Err(UnwindError::Foreign);
    }
    let what = UnwindError::malformed("the program headers");
    Ok((header, header.program_headers(endian, data).map_err(what)?))
}

/// The executable segments, as far as a file of this length has them: nothing runs behind its end, and a table of what
/// headers alone promise would be gigabytes. Their ends were checked: adding to them does not overflow.
fn code(programs: &[Program], length: u64) -> Result<Vec<Code>, UnwindError> {
    let loaded = programs.iter().filter(|program| {
        program.p_type(LE) == elf::PT_LOAD
            && program.p_flags(LE) & elf::PF_X != 0
            && program.p_filesz(LE) != 0
            && program.p_offset(LE) < length
    });
    loaded
        .map(|program| {
            let offset = program.p_offset(LE);
            let size = program.p_filesz(LE).min(length.saturating_sub(offset));
            let end = offset.saturating_add(size);
            if end > MAX_TEXT_END {
                let (what, limit) = ("the code", MAX_TEXT_END);
                return Err(UnwindError::TooLarge { what, size: end, limit });
            }
            Ok(Code { address: program.p_vaddr(LE), offset, size })
        })
        .collect()
}

fn text(code: &[Code]) -> Result<Range<u64>, UnwindError> {
    let start = code.iter().map(|code| code.offset).min().ok_or(UnwindError::NoText)?;
    let end = code.iter().map(|code| code.offset + code.size).max().ok_or(UnwindError::NoText)?;
    Ok(start..end)
}

/// `.eh_frame` by its section or, where section headers are missing, as the C library finds it: by
/// the segment of its search table.
fn eh_frame<'data, R: ReadRef<'data>>(
    header: &Header,
    programs: &[Program],
    data: R,
) -> Result<(u64, &'data [u8]), UnwindError> {
    if let Some(section) = section(header, data) {
        let (address, size) = (section.sh_addr(LE), section.sh_size(LE));
        let what = UnwindError::malformed(".eh_frame");
        check_size(size)?;
        return Ok((address, section.data(LE, data).map_err(what)?));
    }
    let Some(address) = address_from_search_table(programs, data) else { return Ok((0, &[])) };
    let Some((offset, size)) = loaded_from(programs, address) else { return Ok((0, &[])) };
    // How long it is nobody says; it ends with a zero.
    let bytes = data.read_bytes_at(offset, size.min(MAX_EH_FRAME));
    Ok((address, bytes.unwrap_or_default()))
}

fn check_size(size: u64) -> Result<(), UnwindError> {
    if size > MAX_EH_FRAME {
        return Err(UnwindError::TooLarge { what: ".eh_frame", size, limit: MAX_EH_FRAME });
    }
    Ok(())
}

fn section<'data, R: ReadRef<'data>>(header: &Header, data: R) -> Option<&'data Section> {
    if !(1..=MAX_SECTIONS).contains(&header.e_shnum(LE)) {
        return None;
    }
    let table: SectionTable<'data, Header, R> = header.sections(LE, data).ok()?;
    table.iter().find(|section| {
        section.sh_type(LE) != elf::SHT_NOBITS
            && section.sh_flags(LE) & u64::from(elf::SHF_COMPRESSED) == 0
            && table.section_name(LE, section) == Ok(b".eh_frame")
    })
}

fn address_from_search_table<'data, R: ReadRef<'data>>(
    programs: &[Program],
    data: R,
) -> Option<u64> {
    let segment = programs.iter().find(|program| program.p_type(LE) == elf::PT_GNU_EH_FRAME)?;
    let size = segment.p_filesz(LE).min(MAX_SEARCH_HEADER);
    let bytes = data.read_bytes_at(segment.p_offset(LE), size).ok()?;
    let bases = BaseAddresses::default().set_eh_frame_hdr(segment.p_vaddr(LE));
    let header = EhFrameHdr::new(bytes, gimli::LittleEndian).parse(&bases, 8).ok()?;
    match header.eh_frame_ptr() {
        Pointer::Direct(address) => Some(address),
        Pointer::Indirect(_) => None,
    }
}

/// Offset in the file of what is loaded at `address`, and how many bytes follow in its segment.
fn loaded_from(programs: &[Program], address: u64) -> Option<(u64, u64)> {
    programs.iter().filter(|program| program.p_type(LE) == elf::PT_LOAD).find_map(|program| {
        let inside = address.checked_sub(program.p_vaddr(LE))?;
        let left = program.p_filesz(LE).checked_sub(inside).filter(|left| *left != 0)?;
        Some((program.p_offset(LE).checked_add(inside)?, left))
    })
}

/// The linker's fingerprint of an ELF file.
pub(super) fn build_id_of<'data, R: ReadRef<'data>>(data: R) -> Option<BuildId> {
    let (_, programs) = headers(data).ok()?;
    let notes = programs.iter().filter(|program| program.p_type(LE) == elf::PT_NOTE);
    let short = notes.filter(|program| program.p_filesz(LE) <= MAX_NOTES);
    short.filter_map(|program| program.data(LE, data).ok()).find_map(BuildId::from_notes)
}
