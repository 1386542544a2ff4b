//! `/proc/PID/maps`, read as bytes: paths are whatever the target made them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One line of `/proc/PID/maps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// May be executed.
    pub execute: bool,
    /// Offset in the file, bytes.
    pub offset: u64,
    /// Device, major and minor number; 0, 0 without a file.
    pub device: (u32, u32),
    /// Inode; 0 without a file.
    pub inode: u64,
    /// Path with the kernel's " (deleted)" taken off, or a name such as `[heap]`; empty without.
    pub path: PathBuf,
}

/// Lines that are kept; the kernel's default limit on mappings is 65,530.
const MAX_MAPPINGS: usize = 1 << 20;

/// Parses a whole file. Lines that make no sense are left out.
pub(super) fn parse(text: &[u8]) -> Vec<Mapping> {
    text.split(|byte| *byte == b'\n').filter_map(line).take(MAX_MAPPINGS).collect()
}

/// `start-end perms offset major:minor inode   path`, all numbers but the inode in hexadecimal.
fn line(text: &[u8]) -> Option<Mapping> {
    let (range, rest) = word(text)?;
    let (permissions, rest) = word(rest)?;
    let (offset, rest) = word(rest)?;
    let (device, rest) = word(rest)?;
    let (inode, rest) = word(rest).unwrap_or((rest, &[]));
    let (start, end) = pair(range, '-')?;
    let (major, minor) = pair(device, ':')?;
    Some(Mapping {
        start,
        end: (end > start).then_some(end)?,
        execute: permissions.get(2) == Some(&b'x'),
        offset: hexadecimal(offset)?,
        device: (u32::try_from(major).ok()?, u32::try_from(minor).ok()?),
        inode: str::from_utf8(inode).ok()?.parse().ok()?,
        path: path(rest),
    })
}

pub(super) fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b' ')?;
    Some((&text[..end], &text[end + 1..]))
}

pub(super) fn hexadecimal(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(str::from_utf8(text).ok()?, 16).ok()
}

pub(super) fn pair(text: &[u8], separator: char) -> Option<(u64, u64)> {
    let (low, high) = str::from_utf8(text).ok()?.split_once(separator)?;
    Some((hexadecimal(low.as_bytes())?, hexadecimal(high.as_bytes())?))
}

/// The kernel writes a line break in a path as `\012` (`seq_path`) and nothing else specially.
fn path(padded: &[u8]) -> PathBuf {
    let begin = padded.iter().position(|byte| *byte != b' ').unwrap_or(padded.len());
    let name = &padded[begin..];
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.windows(4).position(|window| window == b"\\012") {
        bytes.extend_from_slice(&rest[..at]);
        bytes.push(b'\n');
        rest = &rest[at + 4..];
    }
    bytes.extend_from_slice(rest);
    PathBuf::from(OsString::from_vec(bytes))
}

/// The segment that `brk` moves: its first byte and the first after it. `None` if there is none yet.
#[must_use]
pub fn heap_segment(mappings: &[Mapping]) -> Option<(u64, u64)> {
    let mut parts = mappings.iter().filter(|mapping| mapping.path.as_os_str() == "[heap]");
    let first = parts.next()?;
    Some((first.start, parts.next_back().map_or(first.end, |last| last.end)))
}

#[cfg(test)]
mod tests {
    use super::{heap_segment, parse};
    use proptest::prelude::*;
    use std::path::Path;

    const TEXT: &[u8] = b"\
55d0c8a00000-55d0c8a02000 r-xp 00001000 fe:00 131090                     /usr/bin/a b (deleted)
55d0c9000000-55d0c9021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 rw-p 00000000 00:00 0 
7f0000002000-7f0000003000 r--s 00000000 00:05 77                         /tmp/new\\012line
garbage
";

    #[test]
    fn lines_are_read_with_their_paths() {
        let mappings = parse(TEXT);
        assert_eq!(mappings.len(), 4);
        assert!(mappings[0].execute && !mappings[1].execute);
        assert_eq!(mappings[0].path, Path::new("/usr/bin/a b"));
        assert_eq!((mappings[0].offset, mappings[0].inode), (0x1000, 131_090));
        assert_eq!(mappings[0].device, (0xfe, 0));
        assert_eq!(mappings[2].path, Path::new(""));
        assert_eq!(mappings[3].path, Path::new("/tmp/new\nline"));
        assert_eq!(heap_segment(&mappings), Some((0x55d0_c900_0000, 0x55d0_c902_1000)));
        assert_eq!(heap_segment(&mappings[2..]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            for mapping in parse(&text) {
                prop_assert!(mapping.start < mapping.end);
            }
        }
    }
}
