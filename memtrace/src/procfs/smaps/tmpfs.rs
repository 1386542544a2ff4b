//! Which devices are tmpfs, whose pages the kernel counts as shared memory.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Bytes of `mountinfo` that are read. What is mounted beyond counts as any file.
const MAX_MOUNTINFO: u64 = 1 << 20;

/// The devices of all tmpfs mounts that the process sees.
pub(super) fn devices(directory: &Path) -> Vec<(u32, u32)> {
    let mut text = Vec::new();
    let read = File::open(directory.join("mountinfo"))
        .and_then(|file| file.take(MAX_MOUNTINFO).read_to_end(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    let mut devices: Vec<(u32, u32)> =
        text.split(|byte| *byte == b'\n').filter_map(tmpfs).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

/// `id parent major:minor root mount-point options [fields] - type source options`
/// (`proc_pid_mountinfo(5)`).
fn tmpfs(line: &[u8]) -> Option<(u32, u32)> {
    let line = str::from_utf8(line).ok()?;
    let (before, after) = line.split_once(" - ")?;
    if after.split(' ').next()? != "tmpfs" {
        return None;
    }
    let (major, minor) = before.split(' ').nth(2)?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::tmpfs;

    #[test]
    fn devices_of_tmpfs_are_found() {
        let line = b"29 23 0:26 / /dev/shm rw,nosuid shared:4 - tmpfs tmpfs rw,inode64";
        assert_eq!(tmpfs(line), Some((0, 26)));
        assert_eq!(tmpfs(b"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw"), None);
        assert_eq!(tmpfs(b"22 1 x / / rw - tmpfs t rw"), None);
        assert_eq!(tmpfs(b""), None);
    }
}
