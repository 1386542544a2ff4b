//! The control groups of version 2, which the kernel side knows by number.

use super::find::{MOST_GROUPS, found, subgroups};
use super::mounts::{CgroupMount, mounts};
use super::names::{container, pod_uid};
use crate::selection::{Facts, Hierarchy, Membership, UnifiedGroup};
use std::fs;
use std::path::{Path, PathBuf};

/// Their tree, where it is mounted.
#[derive(Clone, Debug, Default)]
pub struct UnifiedTree {
    mount: Option<CgroupMount>,
}

impl UnifiedTree {
    /// As it is mounted here; without groups where it is not.
    #[must_use]
    pub fn mounted() -> Self {
        Self::of(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    /// As these fields of `proc_pid_mountinfo(5)` say.
    #[must_use]
    pub fn of(mountinfo: &str) -> Self {
        let mut mounts = mounts(mountinfo, &[]).into_iter();
        Self { mount: mounts.find(|mount| mount.hierarchy == Hierarchy::Unified) }
    }

    /// All groups, outer ones before inner ones; at most `MOST_GROUPS`. None where they cannot be read.
    #[must_use]
    pub fn groups(&self) -> Vec<UnifiedGroup> {
        let Some(mount) = &self.mount else { return Vec::new() };
        let mut directories = vec![mount.point.clone()];
        let mut groups = Vec::new();
        while let Some(directory) = directories.pop() {
            groups.extend(unified(mount, directory.clone()));
            if groups.len() + directories.len() < MOST_GROUPS {
                directories.extend(subgroups(&directory));
            }
        }
        groups
    }

    /// The group with this path within the tree, and those that it lies in, outer ones before inner ones.
    /// What is not mounted here, or has gone, is left out.
    #[must_use]
    pub fn around(&self, path: &str) -> Vec<UnifiedGroup> {
        let Some(mount) = &self.mount else { return Vec::new() };
        let mut outwards: Vec<&Path> = Path::new(path).ancestors().collect();
        outwards.reverse();
        let there = outwards.into_iter().filter_map(|group| mount.directory(group));
        there.filter_map(|directory| unified(mount, directory)).collect()
    }
}

fn unified(mount: &CgroupMount, directory: PathBuf) -> Option<UnifiedGroup> {
    let found = found(mount, directory)?;
    let place = Membership { hierarchy: Hierarchy::Unified, path: found.selector.path };
    let cgroups = vec![place];
    let (container, pod_uid) = (container(&cgroups), pod_uid(&cgroups));
    let facts = Facts { cgroups, container, pod_uid, ..Facts::default() };
    Some(UnifiedGroup { id: found.inode, facts })
}

#[cfg(test)]
mod tests {
    use super::UnifiedTree;
    use crate::selection::UnifiedGroup;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    /// The groups `/a`, `/a/b` and `/ab`.
    fn tree(root: &Path) -> UnifiedTree {
        for group in ["a/b", "ab"] {
            fs::create_dir_all(root.join(group)).unwrap();
        }
        UnifiedTree::of(&format!("2 0 0:2 / {} rw - cgroup2 cgroup2 rw\n", root.display()))
    }

    fn paths(groups: &[UnifiedGroup]) -> Vec<&str> {
        groups.iter().map(|group| group.facts.cgroups[0].path.as_str()).collect()
    }

    #[test]
    fn all_groups_are_listed_from_the_outside_in() {
        let root = tempfile::tempdir().unwrap();
        let groups = tree(root.path()).groups();
        let paths = paths(&groups);
        let at = |path: &str| paths.iter().position(|it| *it == path).unwrap();
        assert!(paths.len() == 4 && at("/") < at("/a") && at("/a") < at("/a/b"), "{paths:?}");
        let inode = fs::metadata(root.path().join("a/b")).unwrap().ino();
        assert_eq!(groups[at("/a/b")].id, inode);
        assert_eq!(UnifiedTree::of("").groups(), []);
    }

    #[test]
    fn a_group_comes_with_those_that_it_lies_in() {
        let root = tempfile::tempdir().unwrap();
        let tree = tree(root.path());
        assert_eq!(paths(&tree.around("/a/b")), ["/", "/a", "/a/b"]);
        assert_eq!(paths(&tree.around("/a/gone")), ["/", "/a"]);
        assert_eq!(paths(&tree.around("/../x")), ["/"]);
        assert_eq!(UnifiedTree::of("").around("/a"), []);
    }
}
