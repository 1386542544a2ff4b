//! Who maps a file.

use super::maps;
use crate::model::ids::Pid;
use std::fs::File;
use std::io::Read as _;

/// Most bytes read of a process's mappings: some 100,000 of them.
const MAX_MAPS: u64 = 16 << 20;

/// Whether one of the processes that `among` names maps the file with this device and inode. What cannot
/// be looked at, or has gone meanwhile, does not.
#[must_use]
pub fn maps_file(device: (u32, u32), inode: u64, among: impl Fn(Pid) -> bool) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return false };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let maps = |pid: &Pid| {
        let mut text = Vec::new();
        let file = File::open(format!("/proc/{pid}/maps"));
        let read = file.and_then(|file| file.take(MAX_MAPS).read_to_end(&mut text));
        let is_it = |mapping: &maps::Mapping| mapping.device == device && mapping.inode == inode;
        read.is_ok() && maps::parse(&text).iter().any(is_it)
    };
    pids.filter(|pid| among(*pid)).any(|pid: Pid| maps(&pid))
}

#[cfg(test)]
mod tests {
    use super::maps_file;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn this_test_maps_its_own_program() {
        let own = std::fs::metadata("/proc/self/exe").unwrap();
        let device = (libc::major(own.dev()), libc::minor(own.dev()));
        let ourselves = |pid| pid == std::process::id();
        assert!(maps_file(device, own.ino(), ourselves));
        assert!(!maps_file(device, own.ino(), |_| false));
        assert!(!maps_file(device, u64::MAX, ourselves));
    }
}
