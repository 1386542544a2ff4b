//! `/proc/PID/maps` (proc(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// A process has at most 65,530 mappings unless `vm.max_map_count` was raised; this holds ten times
/// as many with usual paths.
pub(super) const MAX_TEXT: u64 = 64 << 20;

/// A range of a process's address space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
    /// Writes stay private (copy on write); otherwise shared.
    pub private: bool,
    /// Offset in the file of `start`, bytes.
    pub offset: u64,
    /// Device of the file, major and minor number; (0, 0) without a file.
    pub device: (u32, u32),
    /// Inode of the file; 0 without a file.
    pub inode: u64,
    /// Path of the file as the process sees it, a name such as `[heap]`, or empty.
    pub path: PathBuf,
    /// The file has no name any more. The kernel marks it by a suffix, which a file's name could
    /// end in as well: then the mark is a false one.
    pub deleted: bool,
}

impl Mapping {
    /// Whether it maps a file that has, or had, a path.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.inode != 0 && self.path.is_absolute()
    }

    /// Reads one line.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut rest = line;
        let mut field = || {
            let start = rest.iter().position(|&byte| byte != b' ')?;
            rest = rest.get(start..)?;
            let length = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
            let (field, behind) = rest.split_at(length);
            rest = behind;
            std::str::from_utf8(field).ok()
        };
        let (start, end) = field()?.split_once('-')?;
        let permissions = field()?.as_bytes();
        let offset = hex(field()?)?;
        let (major, minor) = field()?.split_once(':')?;
        let inode = field()?.parse().ok()?;
        let has = |at: usize, letter| permissions.get(at) == Some(&letter);
        let (path, deleted) = path(rest);
        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            read: has(0, b'r'),
            write: has(1, b'w'),
            execute: has(2, b'x'),
            private: has(3, b'p'),
            offset,
            device: (hex(major)?.try_into().ok()?, hex(minor)?.try_into().ok()?),
            inode,
            path,
            deleted,
        })
    }
}

/// All mappings in the text of a maps file; lines that make no sense are left out.
pub(super) fn parse(text: &[u8]) -> Vec<Mapping> {
    text.split(|&byte| byte == b'\n')
        .filter_map(Mapping::parse)
        .filter(|mapping| mapping.start < mapping.end)
        .collect()
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

/// The path behind the fixed fields. The kernel writes a newline in a name as `\012` and nothing
/// else, so a name with that very text in it is read wrongly.
fn path(rest: &[u8]) -> (PathBuf, bool) {
    let start = rest.iter().position(|&byte| byte != b' ').unwrap_or(rest.len());
    let name = rest.get(start..).unwrap_or_default();
    let (name, deleted) = match name.strip_suffix(b" (deleted)") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let mut plain = Vec::with_capacity(name.len());
    let mut left = name;
    while let Some((&byte, behind)) = left.split_first() {
        match left.strip_prefix(br"\012") {
            Some(behind) => {
                plain.push(b'\n');
                left = behind;
            }
            None => {
                plain.push(byte);
                left = behind;
            }
        }
    }
    (OsString::from_vec(plain).into(), deleted)
}

/// The heap segment that `brk` moves: first address, and first address after it. A process that has
/// never called `brk` has none, nor has a thread's view where the kernel does not name it.
#[must_use]
pub fn heap_segment(mappings: &[Mapping]) -> Option<(u64, u64)> {
    let heap = || mappings.iter().filter(|mapping| mapping.path.as_os_str() == "[heap]");
    Some((heap().map(|part| part.start).min()?, heap().map(|part| part.end).max()?))
}

#[cfg(test)]
mod tests {
    use super::{Mapping, heap_segment, parse};
    use proptest::prelude::{any, prop_assert, proptest};
    use std::path::Path;

    const TEXT: &[u8] = b"\
5581d7a00000-5581d7a21000 r-xp 00002000 fe:00 1835034                    /usr/bin/a b
5581d8000000-5581d8021000 rw-p 00000000 00:00 0                          [heap]
5581d8021000-5581d8031000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 rw-s 00001000 00:01 1026                       /memfd:x (deleted)
7f0000001000-7f0000002000 r--p 00000000 fe:00 77                         /tmp/odd\\012name (deleted) (deleted)
7f0000002000-7f0000003000 ---p 00000000 00:00 0 
";

    #[test]
    fn lines_are_read() {
        let mappings = parse(TEXT);
        assert_eq!(mappings.len(), 6);
        let program = &mappings[0];
        assert_eq!((program.start, program.end), (0x5581_d7a0_0000, 0x5581_d7a2_1000));
        assert_eq!((program.offset, program.device, program.inode), (0x2000, (0xfe, 0), 1_835_034));
        assert!(program.read && !program.write && program.execute && program.private);
        assert!(program.is_file() && !program.deleted);
        assert_eq!(program.path, Path::new("/usr/bin/a b"));
        assert!(mappings[3].deleted && !mappings[3].private && mappings[3].is_file());
        assert_eq!(mappings[4].path, Path::new("/tmp/odd\nname (deleted)"));
        assert_eq!(mappings[5].path, Path::new(""));
        assert!(!mappings[5].is_file());
    }

    #[test]
    fn the_heap_segment_may_be_split_or_absent() {
        assert_eq!(heap_segment(&parse(TEXT)), Some((0x5581_d800_0000, 0x5581_d803_1000)));
        assert_eq!(heap_segment(&[]), None);
    }

    #[test]
    fn broken_lines_are_left_out() {
        for line in ["", "x", "1-2", "2-1 r--p 0 0:0 0", "1-2 r--p 0 0 0", "1-2 r--p 0 0:0 x"] {
            assert_eq!(parse(line.as_bytes()), [], "{line}");
        }
        assert_eq!(
            parse(b"1-2 r 0 0:0 0"),
            [Mapping { start: 1, end: 2, read: true, ..Mapping::default() }]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).iter().all(|mapping| mapping.start < mapping.end));
        }
    }
}
