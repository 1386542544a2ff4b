//! Who maps a file.

use super::maps;
use crate::model::ids::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;

/// Most bytes read of a process's mappings: some 100,000 of them.
const MAX_MAPS: u64 = 16 << 20;

/// Device (major, minor) and inode.
pub type FileNumber = (u32, u32, u64);

/// Whether one of the processes that `among` names maps this file. What cannot be looked at, or has gone
/// meanwhile, does not.
#[must_use]
pub fn maps_file(file: FileNumber, among: impl Fn(Pid) -> bool) -> bool {
    let wanted = BTreeSet::from([file]);
    pids().filter(|pid| among(*pid)).any(|pid| !mapped(pid, &wanted).is_empty())
}

/// Which processes of those that `among` names map each of these files; files that none maps are left out. What cannot be looked at, or
/// has gone meanwhile, maps nothing.
#[must_use]
pub fn mappers(
    files: &BTreeSet<FileNumber>,
    among: impl Fn(Pid) -> bool,
) -> BTreeMap<FileNumber, Vec<Pid>> {
    let mut all: BTreeMap<FileNumber, Vec<Pid>> = BTreeMap::new();
    for pid in pids().filter(|pid| among(*pid)) {
        for file in mapped(pid, files) {
            all.entry(file).or_default().push(pid);
        }
    }
    all
}

fn pids() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Those of `files` that the process maps.
fn mapped(pid: Pid, files: &BTreeSet<FileNumber>) -> BTreeSet<FileNumber> {
    let mut text = Vec::new();
    let file = File::open(format!("/proc/{pid}/maps"));
    let read = file.and_then(|file| file.take(MAX_MAPS).read_to_end(&mut text));
    if read.is_err() {
        return BTreeSet::new();
    }
    let number = |it: &maps::Mapping| (it.device.0, it.device.1, it.inode);
    maps::parse(&text).iter().map(number).filter(|it| files.contains(it)).collect()
}

#[cfg(test)]
mod tests {
    use super::{mappers, maps_file};
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn this_test_maps_its_own_program() {
        let own = std::fs::metadata("/proc/self/exe").unwrap();
        let (major, minor) = (libc::major(own.dev()), libc::minor(own.dev()));
        let (file, nowhere) = ((major, minor, own.ino()), (major, minor, u64::MAX));
        let ourselves = |pid| pid == std::process::id();
        assert!(maps_file(file, ourselves));
        assert!(!maps_file(file, |_| false));
        assert!(!maps_file(nowhere, ourselves));
        let found = mappers(&[file, nowhere].into(), |_| true);
        assert!(found[&file].contains(&std::process::id()));
        assert!(!found.contains_key(&nowhere));
        let others = mappers(&[file].into(), |pid| pid != std::process::id());
        assert!(!others.get(&file).is_some_and(|pids| pids.contains(&std::process::id())));
    }
}
