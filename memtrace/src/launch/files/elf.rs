//! What an ELF file says of the files that it needs.

use object::elf::{
    DT_FLAGS_1, DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, FileHeader64, PT_LOAD,
};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::read::{ReadCache, ReadRef as _};
use object::{Endianness, read};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Most libraries that a file needs.
const MOST_NEEDED: usize = 1024;
/// `DF_1_NODEFLIB` of `elf.h`: neither cache nor default directories.
const NO_DEFAULT: u64 = 0x800;

/// What the loader reads of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The loader, for programs.
    pub(super) interpreter: Option<PathBuf>,
    /// Libraries, by name or by path.
    pub(super) needed: Vec<OsString>,
    /// Where to look for them, unless the next is there.
    pub(super) rpath: Option<OsString>,
    /// Where to look for them, after `LD_LIBRARY_PATH`.
    pub(super) runpath: Option<OsString>,
    /// Nowhere else.
    pub(super) no_default: bool,
}

/// Reads a file. `None` if it is not ELF for 64-bit machines, or makes no sense.
pub(super) fn read(path: &Path) -> Option<Needs> {
    let file = File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    parse(&ReadCache::new(file)).ok()
}

fn parse(data: &ReadCache<File>) -> read::Result<Needs> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut needs = Needs::default();
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data)? {
            needs.interpreter = Some(PathBuf::from(OsStr::from_bytes(interpreter)));
        }
    }
    let dynamic =
        segments.iter().find_map(|it| it.dynamic(endian, data).transpose()).transpose()?;
    let Some(dynamic) = dynamic else { return Ok(needs) };
    let value = |tag: u32| {
        let entry = dynamic.iter().find(|it| it.d_tag(endian) == u64::from(tag));
        entry.map(|entry| entry.d_val(endian))
    };
    let address = value(DT_STRTAB).unwrap_or(0);
    let place = segments.iter().find_map(|segment| {
        let below = address.checked_sub(segment.p_vaddr(endian))?;
        let is_here = segment.p_type(endian) == PT_LOAD && below < segment.p_filesz(endian);
        is_here.then(|| segment.p_offset(endian).checked_add(below))?
    });
    let size = value(DT_STRSZ).unwrap_or(0);
    let text = |offset: u64| {
        let start = place?.checked_add(offset)?;
        let end = place?.checked_add(size)?;
        let bytes = data.read_bytes_at_until(start..end, 0).ok()?;
        (!bytes.is_empty()).then(|| OsStr::from_bytes(bytes).to_owned())
    };
    let needed = dynamic.iter().filter(|it| it.d_tag(endian) == u64::from(DT_NEEDED));
    needs.needed = needed.filter_map(|it| text(it.d_val(endian))).take(MOST_NEEDED).collect();
    needs.rpath = value(DT_RPATH).and_then(text);
    needs.runpath = value(DT_RUNPATH).and_then(text);
    needs.no_default = value(DT_FLAGS_1).is_some_and(|flags| flags & NO_DEFAULT != 0);
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::read;
    use std::path::Path;

    #[test]
    fn a_program_names_its_loader_and_libc() {
        let needs = read(&std::env::current_exe().unwrap()).unwrap();
        assert!(needs.interpreter.unwrap().is_absolute());
        assert!(needs.needed.iter().any(|name| name.to_string_lossy().contains("libc")));
    }

    #[test]
    fn what_is_no_program_names_nothing() {
        assert_eq!(read(Path::new("/etc/passwd")), None);
        assert_eq!(read(Path::new("/")), None);
        assert_eq!(read(Path::new("/dev/null")), None);
        let folder = tempfile::tempdir().unwrap();
        let half = folder.path().join("half");
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for size in [4, 16, 64, 200, 1000] {
            std::fs::write(&half, &whole[..size]).unwrap();
            let _ = read(&half);
        }
    }
}
