//! Floor 3: where symbols are that were split off a file, or packed into it; for all adapters.
//!
//! The rules are those of GDB's manual, "Debugging Information in Separate Files" and "Debugging information in a
//! special section". Whether a file that is found belongs to the one that it is for is for the caller to prove.

use crate::model::module::BuildId;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use xz2::stream::Stream;

/// Where Linux distributions put separate debug files.
pub const SYSTEM: &str = "/usr/lib/debug";

/// Memory that unpacking xz data may take, bytes: twice the dictionary of its usual presets.
const XZ_MEMORY: u64 = 64 << 20;

/// Where a directory of debug files has the one of a build-id.
#[must_use]
pub fn build_id_path(build_id: &BuildId) -> PathBuf {
    let id = build_id.to_string();
    let (first, rest) = id.split_at(2);
    PathBuf::from(format!(".build-id/{first}/{rest}.debug"))
}

/// Where a file called `name` may be that `.gnu_debuglink` of a file in `directory` names: next to it, in
/// `.debug` next to it, and below each of `debug_dirs`.
pub fn linked<'a>(
    directory: &'a Path,
    name: &'a OsStr,
    debug_dirs: &'a [PathBuf],
) -> impl Iterator<Item = PathBuf> + 'a {
    let below = directory.strip_prefix("/").unwrap_or(directory);
    let near = [directory.join(name), directory.join(".debug").join(name)];
    near.into_iter().chain(debug_dirs.iter().map(move |dir| dir.join(below).join(name)))
}

/// Part of a file, through plain reads at a place.
#[derive(Debug)]
pub struct Part<'a> {
    /// The file.
    pub file: &'a File,
    /// Where to read next, bytes.
    pub offset: u64,
    /// Bytes that are left.
    pub left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Writes the contents of an xz section (`.gnu_debugdata`) into `to`. `None` if it is damaged or has more than
/// `most` bytes, packed or unpacked.
pub fn unpack(part: &Part<'_>, most: u64, to: &mut impl Write) -> Option<()> {
    let part = Part { left: part.left.min(most), ..*part };
    let stream = Stream::new_stream_decoder(XZ_MEMORY, 0).ok()?;
    let mut plain = xz2::read::XzDecoder::new_stream(part, stream).take(most + 1);
    let size = io::copy(&mut plain, to).ok()?;
    (size <= most).then_some(())
}

#[cfg(test)]
mod tests {
    use super::{BuildId, Part, build_id_path, unpack};
    use std::io::Write as _;
    use std::path::Path;

    #[test]
    fn build_ids_are_spread_over_directories() {
        let build_id = BuildId::new(&[0xab, 0xcd, 0x01]).unwrap();
        assert_eq!(build_id_path(&build_id), Path::new(".build-id/ab/cd01.debug"));
        let short = BuildId::new(&[0xab]).unwrap();
        assert_eq!(build_id_path(&short), Path::new(".build-id/ab/.debug"));
    }

    #[test]
    fn what_is_packed_is_unpacked_within_bounds() {
        let mut packed = xz2::write::XzEncoder::new(Vec::new(), 1);
        packed.write_all(&[7; 1000]).unwrap();
        let packed = packed.finish().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"head").unwrap();
        file.write_all(&packed).unwrap();
        let unpacked = |left: usize, most| {
            let mut plain = Vec::new();
            let part = Part { file: &file, offset: 4, left: left as u64 };
            unpack(&part, most, &mut plain).map(|()| plain)
        };
        assert_eq!(unpacked(packed.len(), 1000), Some(vec![7; 1000]));
        assert_eq!(unpacked(packed.len(), 999), None);
        assert_eq!(unpacked(packed.len() - 5, 1000), None);
    }
}
