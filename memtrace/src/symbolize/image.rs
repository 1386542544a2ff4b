//! Private, sealed copies of what the symbol library needs of an ELF file.
//!
//! The library maps whole files. A mapped file that its owner truncates is SIGBUS for whoever reads
//! the mapping (mmap(2)), and files of traced processes have owners we do not know. So the library
//! gets a file of our own making in memory (`memfd_create(2)`): only the sections that hold names, read
//! with plain reads, decompressed within bounds, behind headers that we wrote. It has no links that
//! lead elsewhere but those that we put there. Seals keep it from ever changing.

use super::compressed;
use super::elf::ElfFile;
use super::nesting;
use super::sections::Section;
use super::view::View;
use super::weight::Weight;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

/// Symbol tables.
const SYMBOLS: [&[u8]; 4] = [b".symtab", b".strtab", b".dynsym", b".dynstr"];
/// DWARF that names and lines are found with; locations, types' names and macros are not.
const DEBUG: [&[u8]; 11] = [
    b".debug_info",
    b".debug_types",
    b".debug_abbrev",
    b".debug_str",
    b".debug_str_offsets",
    b".debug_line",
    b".debug_line_str",
    b".debug_ranges",
    b".debug_rnglists",
    b".debug_addr",
    b".debug_aranges",
];

/// A section that holds symbols.
pub(super) fn is_symbols(name: &[u8]) -> bool {
    SYMBOLS.contains(&name)
}

/// A section that holds debug information of use here.
pub(super) fn is_debug(name: &[u8]) -> bool {
    DEBUG.contains(&name)
}

/// The copy. Its path stays valid as long as it lives.
#[derive(Debug)]
pub(super) struct Image {
    file: File,
    /// Where `.debug_info`, `.debug_abbrev` and `.debug_line` are in it: offset and size.
    debug: [(u64, u64); 3],
    bytes: u64,
}

impl Image {
    /// A copy of `elf`'s symbols, and of its debug information if `debug` says so, in at most `room`
    /// bytes. Debug information that refers to another file will find `alternative` there.
    ///
    /// # Errors
    /// The file ended early, a section is damaged, or memory is short.
    pub(super) fn of(
        elf: &ElfFile,
        debug: bool,
        alternative: Option<(&Self, &[u8])>,
        room: u64,
    ) -> io::Result<Self> {
        let mut builder = Builder::new(room)?;
        let mut seen: Vec<&[u8]> = Vec::new();
        for section in elf.table() {
            let wanted = is_symbols(&section.name) || (debug && is_debug(&section.name));
            if wanted && !seen.contains(&section.name.as_slice()) {
                seen.push(&section.name);
                builder.section(section, elf.file())?;
            }
        }
        if let Some(build_id) = &elf.build_id {
            builder.own(b".note.gnu.build-id", SHT_NOTE, &note(build_id.bytes()))?;
        }
        if let Some((image, build_id)) = alternative {
            let mut link = image.file.as_raw_fd().to_string().into_bytes();
            link.push(0);
            link.extend(build_id);
            builder.own(b".gnu_debugaltlink", SHT_PROGBITS, &link)?;
        }
        let image = builder.finish()?;
        if elf.has_changed() {
            return Err(io::Error::other("the file changed while it was read"));
        }
        Ok(image)
    }

    /// The path under which the library opens it.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("{DIRECTORY}/{}", self.file.as_raw_fd()))
    }

    /// Bytes that it takes.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The library can follow its debug information without running out of stack or time, and without
    /// keeping more than about `limit` bytes.
    pub(super) fn is_bearable(&self, limit: u64) -> bool {
        let Ok(view) = View::of(&self.file, self.bytes) else { return false };
        let [info, table, lines] = self.debug.map(|(offset, size)| view.part(offset, size));
        let mut weight = Weight::new(limit, lines.unwrap_or_default());
        info.zip(table).is_some_and(|(info, table)| nesting::is_bearable(info, table, &mut weight))
    }
}

/// The directory of the paths of copies; links in copies are relative to it.
pub(super) const DIRECTORY: &str = "/proc/self/fd";

const SHT_PROGBITS: u32 = 1;
const SHT_STRTAB: u32 = 3;
const SHT_NOTE: u32 = 7;
const HEADER: usize = 64;

/// A note as elf(5) has it: sizes of name and descriptor, type `NT_GNU_BUILD_ID`, name, descriptor.
fn note(build_id: &[u8]) -> Vec<u8> {
    let size = u32::try_from(build_id.len()).unwrap_or(0);
    let mut note: Vec<u8> = [4_u32, size, 3].iter().flat_map(|word| word.to_le_bytes()).collect();
    note.extend(b"GNU\0");
    note.extend(build_id);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// An empty file in memory.
///
/// # Errors
/// No memory or no descriptor.
pub(super) fn memory_file() -> io::Result<File> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string that outlives the call.
    let descriptor = unsafe { libc::memfd_create(c"memtrace-symbols".as_ptr(), flags) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor, and nobody else has it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// Writes an ELF file that has nothing but sections.
struct Builder {
    file: File,
    end: u64,
    names: Vec<u8>,
    headers: Vec<u8>,
    debug: [(u64, u64); 3],
    buffer: Vec<u8>,
    /// Most bytes of contents.
    room: u64,
}

impl Builder {
    fn new(room: u64) -> io::Result<Self> {
        // A table of sections begins with one that is all zeros, one of names with an empty name.
        let headers = vec![0; HEADER];
        let buffer = vec![0; 256 << 10];
        let (file, debug) = (memory_file()?, [(0, 0); 3]);
        Ok(Self { file, end: HEADER as u64, names: vec![0], headers, debug, buffer, room })
    }

    /// Copies a section's contents. One that cannot be decompressed is left out.
    fn section(&mut self, section: &Section, file: &File) -> io::Result<()> {
        let Some(size) = section.plain_size() else { return Ok(()) };
        if size > self.room.saturating_sub(self.end) {
            return Err(io::Error::other("more than is copied"));
        }
        let (begin, is_compressed) = (self.end, section.compression.is_some());
        let mut reader = compressed::reader(section, file)?;
        match self.copy(&mut *reader, size) {
            Ok(()) => self.header(&section.name, section.kind, section.entry_size, begin),
            Err(_) if is_compressed => self.end = begin,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn copy(&mut self, from: &mut dyn Read, size: u64) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let read = from.read(&mut self.buffer[..most])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.file.write_all_at(&self.buffer[..read], self.end)?;
            self.end += read as u64;
            left -= read as u64;
        }
        Ok(())
    }

    fn own(&mut self, name: &[u8], kind: u32, contents: &[u8]) -> io::Result<()> {
        let begin = self.end;
        self.file.write_all_at(contents, begin)?;
        self.end += contents.len() as u64;
        self.header(name, kind, 0, begin);
        Ok(())
    }

    /// A section header (elf(5), `Elf64_Shdr`) for what was written since `begin`.
    fn header(&mut self, name: &[u8], kind: u32, entry_size: u64, begin: u64) {
        let at = u32::try_from(self.names.len()).unwrap_or(0);
        self.names.extend(name);
        self.names.push(0);
        let size = self.end - begin;
        match name {
            b".debug_info" => self.debug[0] = (begin, size),
            b".debug_abbrev" => self.debug[1] = (begin, size),
            b".debug_line" => self.debug[2] = (begin, size),
            _ => {}
        }
        self.end = self.end.next_multiple_of(8);
        self.headers.extend(at.to_le_bytes());
        self.headers.extend(kind.to_le_bytes());
        // Flags, address, place, size, two links, alignment, size of an entry.
        for word in [0, 0, begin, size, 0, 8, entry_size] {
            self.headers.extend(u64::to_le_bytes(word));
        }
    }

    fn finish(mut self) -> io::Result<Image> {
        let begin = self.end;
        let mut names = std::mem::take(&mut self.names);
        let at = u32::try_from(names.len()).unwrap_or(0);
        names.extend(b".shstrtab\0");
        self.names = names.clone();
        self.own(b"", SHT_STRTAB, &names)?;
        let last = self.headers.len() - HEADER;
        self.headers[last..last + 4].copy_from_slice(&at.to_le_bytes());
        debug_assert!(self.end > begin);
        let table = self.end;
        self.file.write_all_at(&self.headers, table)?;
        let count = u16::try_from(self.headers.len() / HEADER).unwrap_or(0);
        self.file.write_all_at(&file_header(table, count), 0)?;
        self.file.flush()?;
        seal(&self.file)?;
        let bytes = table + self.headers.len() as u64;
        Ok(Image { file: self.file, debug: self.debug, bytes })
    }
}

/// `Elf64_Ehdr` of a 64-bit little-endian shared object without program headers.
fn file_header(table: u64, count: u16) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &3_u16.to_le_bytes());
    put(20, &1_u32.to_le_bytes());
    put(40, &table.to_le_bytes());
    for (at, value) in [(52, 64), (54, 56), (58, 64), (60, count), (62, count.saturating_sub(1))] {
        put(at, &u16::to_le_bytes(value));
    }
    header
}

/// Nothing can change the file from now on.
fn seal(file: &File) -> io::Result<()> {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;
    // SAFETY: no pointers are passed; the descriptor is open.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::{Image, memory_file};
    use crate::symbolize::elf::ElfFile;
    use object::{Object as _, ObjectSection as _};
    use std::io::Write as _;
    use std::os::unix::fs::FileExt as _;

    fn own() -> ElfFile {
        ElfFile::open(&std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_copy_is_an_elf_file_with_the_same_names() {
        let elf = own();
        let image = Image::of(&elf, true, None, u64::MAX).unwrap();
        let (copy, whole) = (std::fs::read(image.path()).unwrap(), elf.file().try_clone().unwrap());
        let copy = object::File::parse(&*copy).unwrap();
        let whole = object::ReadCache::new(whole);
        let whole = object::File::parse(&whole).unwrap();
        assert_eq!(copy.build_id().unwrap(), whole.build_id().unwrap());
        for name in [".symtab", ".strtab", ".debug_info", ".debug_line", ".debug_str"] {
            let of = |data: Result<&[u8], _>| data.unwrap().to_vec();
            let copied = of(copy.section_by_name(name).unwrap().data());
            assert!(copied == of(whole.section_by_name(name).unwrap().data()), "{name}");
        }
        assert!(
            copy.section_by_name(".text").is_none() && copy.section_by_name(".debug_loc").is_none()
        );
    }

    #[test]
    fn nothing_can_change_a_copy() {
        let image = Image::of(&own(), false, None, u64::MAX).unwrap();
        let again = std::fs::OpenOptions::new().write(true).open(image.path()).unwrap();
        assert!(again.write_all_at(b"x", 0).is_err());
        assert!(again.set_len(0).is_err() && again.set_len(1 << 40).is_err());
        assert!(memory_file().unwrap().write_all(b"not sealed").is_ok());
    }
}
