//! `/etc/ld.so.cache`: where `ldconfig(8)` has seen libraries. The layout is that of glibc's
//! `sysdeps/generic/dl-cache.h`, which has not changed since 1999 but for what stands behind the entries.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Most bytes of the cache that are read; that of a machine with everything installed has under 1 MB.
const MOST_BYTES: u64 = 16 << 20;
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// `FLAG_ELF_LIBC6 | FLAG_X8664_LIB64`.
const X86_64: u32 = 0x0303;

/// The cache of a root directory; empty where there is none.
#[derive(Debug, Default)]
pub(super) struct Cache(Vec<u8>);

impl Cache {
    pub(super) fn read(path: &Path) -> Self {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
        if read.is_err() {
            return Self::default();
        }
        // Before glibc 2.32 the older format stood before this one.
        let start = bytes.windows(MAGIC.len()).position(|window| window == MAGIC);
        Self(start.map(|start| bytes.split_off(start)).unwrap_or_default())
    }

    /// All libraries of this name for this machine: one, and variants for newer processors.
    pub(super) fn find(&self, name: &OsStr) -> Vec<PathBuf> {
        let entries = self.0.get(HEADER..).unwrap_or_default().chunks_exact(ENTRY);
        let count = self.number(MAGIC.len()).unwrap_or(0);
        let mut found: Vec<PathBuf> = Vec::new();
        for entry in entries.take(count as usize) {
            let word = |at: usize| entry.get(at..at + 4).and_then(little_endian);
            if word(0) == Some(X86_64)
                && word(4).and_then(|key| self.text(key)) == Some(name.as_bytes())
            {
                let path =
                    word(8).and_then(|value| self.text(value)).filter(|it| it.starts_with(b"/"));
                found.extend(path.map(|path| PathBuf::from(OsStr::from_bytes(path))));
            }
        }
        found
    }

    fn number(&self, at: usize) -> Option<u32> {
        self.0.get(at..at + 4).and_then(little_endian)
    }

    fn text(&self, at: u32) -> Option<&[u8]> {
        self.0.get(at as usize..)?.split(|byte| *byte == 0).next()
    }
}

fn little_endian(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::{Cache, HEADER, MAGIC};
    use std::ffi::OsStr;
    use std::path::PathBuf;

    fn cache(entries: &[(u32, &str, &str)]) -> Vec<u8> {
        let count = u32::try_from(entries.len()).unwrap();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(count.to_le_bytes());
        bytes.resize(HEADER, 0);
        let mut strings = Vec::new();
        let base = u32::try_from(HEADER).unwrap() + 24 * count;
        let mut place = |text: &str| {
            let at = base + u32::try_from(strings.len()).unwrap();
            strings.extend(text.bytes().chain([0]));
            at
        };
        for (flags, name, path) in entries {
            for word in [*flags, place(name), place(path), 0, 0, 0] {
                bytes.extend(word.to_le_bytes());
            }
        }
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn libraries_of_this_machine_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ld.so.cache");
        let entries = [
            (0x0303, "libc.so.6", "/lib64/glibc-hwcaps/x86-64-v3/libc.so.6"),
            (0x0303, "libc.so.6", "/lib64/libc.so.6"),
            (0x0003, "libc.so.6", "/lib32/libc.so.6"),
            (0x0303, "libm.so.6", "relative"),
        ];
        // Behind the older format, too.
        for before in [&b""[..], b"ld.so-1.7.0\0\0\0\0\0"] {
            std::fs::write(&file, [before, &cache(&entries)].concat()).unwrap();
            let cache = Cache::read(&file);
            let found = cache.find(OsStr::new("libc.so.6"));
            let expected = [entries[0].2, entries[1].2].map(PathBuf::from);
            assert_eq!(found, expected);
            assert!(cache.find(OsStr::new("libm.so.6")).is_empty());
            assert!(cache.find(OsStr::new("libx.so")).is_empty());
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ld.so.cache");
        let whole = cache(&[(0x0303, "libc.so.6", "/lib64/libc.so.6")]);
        for size in 0..whole.len() {
            std::fs::write(&file, &whole[..size]).unwrap();
            let _ = Cache::read(&file).find(OsStr::new("libc.so.6"));
        }
        let mut wild = whole;
        wild[MAGIC.len()..].fill(0xff);
        std::fs::write(&file, wild).unwrap();
        assert!(Cache::read(&file).find(OsStr::new("libc.so.6")).is_empty());
        assert!(Cache::read(folder.path()).find(OsStr::new("x")).is_empty());
    }
}
