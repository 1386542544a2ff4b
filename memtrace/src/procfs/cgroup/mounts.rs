//! Where the trees of control groups are, and in which groups a process is.

use crate::selection::{Hierarchy, Membership};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

/// A mounted tree of control groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CgroupMount {
    /// Which tree.
    pub(super) hierarchy: Hierarchy,
    /// The group that is mounted, as our cgroup namespace sees it: `/` but for bind mounts.
    root: PathBuf,
    /// Where.
    pub(super) point: PathBuf,
}

impl CgroupMount {
    /// The directory of a group, given its path within the tree; `None` if that is not mounted here.
    pub(super) fn directory(&self, group: &Path) -> Option<PathBuf> {
        let below = group.strip_prefix(&self.root).ok()?;
        let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
        is_plain.then(|| self.point.join(below))
    }

    /// The path within the tree of the group in this directory.
    pub(super) fn group(&self, directory: &Path) -> Option<PathBuf> {
        let below = directory.strip_prefix(&self.point).ok()?;
        // Joining nothing would append a slash.
        let below = (!below.as_os_str().is_empty()).then_some(below);
        Some(below.map_or_else(|| self.root.clone(), |below| self.root.join(below)))
    }
}

/// The groups that `/proc/PID/cgroup` lists: lines `number:controllers:path` (`cgroups(7)`).
pub(in crate::procfs) fn memberships(text: &str) -> Vec<Membership> {
    let lines = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        if !path.starts_with('/') || (controllers.is_empty() && number != "0") {
            return None;
        }
        let path = path.strip_suffix(" (deleted)").unwrap_or(path).to_owned();
        Some(Membership { hierarchy: Hierarchy::with_controllers(controllers), path })
    });
    lines.collect()
}

/// The trees of `known` that are mounted, from fields of `proc_pid_mountinfo(5)`. Version 2 comes first,
/// then the ones in which most runtimes and service managers put processes.
pub(super) fn mounts(mountinfo: &str, known: &[Membership]) -> Vec<CgroupMount> {
    let mut mounts: Vec<CgroupMount> =
        mountinfo.lines().filter_map(|line| mount(line, known)).collect();
    // Stable: of several mounts of one tree the first stays the first.
    mounts.sort_by_key(|mount| rank(&mount.hierarchy));
    mounts
}

fn mount(line: &str, known: &[Membership]) -> Option<CgroupMount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut fields = mount.split(' ');
    let root = unescape(fields.nth(3)?);
    let point = unescape(fields.next()?);
    let mut kind = filesystem.split(' ');
    let hierarchy = match kind.next()? {
        "cgroup2" => Hierarchy::Unified,
        "cgroup" => legacy(kind.nth(1)?, known)?,
        _ => return None,
    };
    Some(CgroupMount { hierarchy, root, point })
}

/// The version 1 tree whose controllers are among the mount's options.
fn legacy(options: &str, known: &[Membership]) -> Option<Hierarchy> {
    let has = |name: &String| options.split(',').any(|option| option == name);
    let found = known.iter().find(|place| match &place.hierarchy {
        Hierarchy::Legacy(controllers) => controllers.iter().all(has),
        Hierarchy::Unified => false,
    });
    found.map(|place| place.hierarchy.clone())
}

fn rank(hierarchy: &Hierarchy) -> u8 {
    let Hierarchy::Legacy(controllers) = hierarchy else { return 0 };
    let has = |name: &str| controllers.iter().any(|controller| controller == name);
    match () {
        () if has("memory") => 1,
        () if has("name=systemd") => 2,
        () if has("pids") => 3,
        () => 4,
    }
}

/// Takes back `\040` and the like, which stand for spaces, tabs, line breaks and backslashes.
fn unescape(field: &str) -> PathBuf {
    let bytes = field.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = bytes.get(at + 1..at + 4).filter(|_| *byte == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                plain.push(code);
                at += 4;
            }
            None => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    PathBuf::from(OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::{Hierarchy, memberships, mounts};
    use std::path::{Path, PathBuf};

    const MOUNTS: &str = "\
30 20 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
34 30 0:29 /docker/a\\040b /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn trees_are_found_and_sorted() {
        let known = memberships("3:cpuacct,cpu:/x\n4:memory:/x\n1:name=systemd:/y\n0::/z\n");
        let mounts = mounts(MOUNTS, &known);
        let trees: Vec<&Hierarchy> = mounts.iter().map(|mount| &mount.hierarchy).collect();
        let tree = Hierarchy::with_controllers;
        assert_eq!(trees, [&tree(""), &tree("memory"), &tree("cpu,cpuacct")]);
    }

    #[test]
    fn what_is_mounted_may_be_a_part_of_the_tree() {
        let known = memberships("0::/z\n");
        let mounts = mounts(MOUNTS, &known);
        let directory = |group: &str| mounts[0].directory(Path::new(group));
        assert_eq!(directory("/docker/a b/c"), Some(PathBuf::from("/sys/fs/cgroup/unified/c")));
        assert_eq!(directory("/docker"), None);
        assert_eq!(directory("/docker/a b/../../etc"), None);
        let group = |directory: &str| mounts[0].group(Path::new(directory));
        assert_eq!(group("/sys/fs/cgroup/unified"), Some(PathBuf::from("/docker/a b")));
        assert_eq!(group("/sys/fs/cgroup/unified/c"), Some(PathBuf::from("/docker/a b/c")));
        assert_eq!(group("/sys/fs/cgroup/memory"), None);
    }

    #[test]
    fn groups_of_a_process_are_read() {
        let places = memberships("4:memory:/a:b\n0::/c (deleted)\n:x\nnonsense\n5::/odd\n");
        let paths: Vec<&str> = places.iter().map(|place| place.path.as_str()).collect();
        assert_eq!(paths, ["/a:b", "/c"]);
    }
}
