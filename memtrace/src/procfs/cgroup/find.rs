//! Finds a control group that a user named, and who is in it.

use super::mounts::{CgroupMount, memberships, mounts};
use crate::model::ids::Pid;
use crate::selection::{CgroupSelector, Hierarchy};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Most groups below one that are looked into.
pub(super) const MOST_GROUPS: usize = 65_536;
/// Most bytes of a list of members: as many processes as the kernel can have.
const MOST_BYTES: usize = 64 << 20;

/// Why a control group was not found.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// There are no trees.
    #[error(
        "no control groups are mounted here (/proc/self/mountinfo has neither cgroup2 nor cgroup): mount \
         them, or select by --pid, --comm, --exe or --uid"
    )]
    NotMounted,
    /// No tree has such a group.
    #[error(
        "no control group {path:?}: looked for {tried}; give its directory, or its path as \
         /proc/PID/cgroup has it"
    )]
    Unknown {
        /// What was typed.
        path: PathBuf,
        /// Where it would have been.
        tried: String,
    },
    /// `/proc` is not as it should be.
    #[error("cannot read {what}: {source}")]
    Unreadable {
        /// Which file.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// A control group that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCgroup {
    /// Its tree and its path there, to hold processes against.
    pub selector: CgroupSelector,
    /// Its directory.
    pub directory: PathBuf,
    /// Inode of the directory. In version 2 that is the group's id, which `bpf_get_current_cgroup_id`
    /// gives on 64-bit machines (`kernel/cgroup/cgroup.c`, `cgroup_id`); in version 1 it is not.
    pub inode: u64,
}

impl FoundCgroup {
    /// The group's id for programs in the kernel; version 1 has none that they could compare.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        (self.selector.hierarchy == Hierarchy::Unified).then_some(self.inode)
    }

    /// Members of the group and of all below it, in no order and as far as they could be read; groups
    /// that vanish meanwhile have none.
    #[must_use]
    pub fn members(&self) -> Vec<Pid> {
        let mut members = Vec::new();
        let mut groups = vec![self.directory.clone()];
        let mut seen = 0;
        while let Some(group) = groups.pop() {
            seen += 1;
            if let Ok(text) = fs::read_to_string(group.join("cgroup.procs"))
                && text.len() <= MOST_BYTES
            {
                // Processes outside of our pid namespace are called 0.
                members.extend(
                    text.lines()
                        .filter_map(|line| line.parse::<Pid>().ok())
                        .filter(|pid| *pid != 0),
                );
            }
            if seen + groups.len() < MOST_GROUPS {
                groups.extend(subgroups(&group));
            }
        }
        members.sort_unstable();
        members.dedup();
        members
    }
}

/// Directories are groups; nothing in these file systems is a symbolic link to one.
pub(super) fn subgroups(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let is_group = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_group).map(|entry| entry.path()).take(MOST_GROUPS).collect()
}

/// Finds the group that `path` names: a directory of a mounted tree, or a path within one, with or
/// without the slash before it. Where several trees have it version 2 wins, then the trees of the memory
/// controller, of systemd, of the pids controller, then any.
///
/// # Errors
/// When there is none.
pub fn find_cgroup(path: &Path) -> Result<FoundCgroup, CgroupError> {
    let read = |what: &'static str| {
        fs::read_to_string(what).map_err(|source| CgroupError::Unreadable { what, source })
    };
    find_in(path, &read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?)
}

fn find_in(path: &Path, mountinfo: &str, cgroups: &str) -> Result<FoundCgroup, CgroupError> {
    let mounts = mounts(mountinfo, &memberships(cgroups));
    if mounts.is_empty() {
        return Err(CgroupError::NotMounted);
    }
    let as_directory = path.is_absolute().then(|| by_directory(path, &mounts)).flatten();
    as_directory.or_else(|| by_group(path, &mounts)).ok_or_else(|| {
        let group = Path::new("/").join(path);
        let tried = mounts.iter().filter_map(|mount| mount.directory(&group));
        let tried: Vec<String> = tried.map(|it| it.display().to_string()).collect();
        CgroupError::Unknown { path: path.to_owned(), tried: tried.join(", ") }
    })
}

fn by_directory(path: &Path, mounts: &[CgroupMount]) -> Option<FoundCgroup> {
    // Links such as /sys/fs/cgroup/cpu -> cpu,cpuacct.
    let directory = path.canonicalize().ok()?;
    let mut holding: Vec<&CgroupMount> =
        mounts.iter().filter(|mount| directory.starts_with(&mount.point)).collect();
    holding.sort_by_key(|mount| mount.point.as_os_str().len());
    found(holding.pop()?, directory)
}

fn by_group(path: &Path, mounts: &[CgroupMount]) -> Option<FoundCgroup> {
    let group = Path::new("/").join(path);
    mounts.iter().find_map(|mount| found(mount, mount.directory(&group)?))
}

pub(super) fn found(mount: &CgroupMount, directory: PathBuf) -> Option<FoundCgroup> {
    let metadata = fs::metadata(&directory).ok().filter(fs::Metadata::is_dir)?;
    let path = mount.group(&directory)?.to_str()?.to_owned();
    let selector = CgroupSelector { hierarchy: mount.hierarchy.clone(), path };
    Some(FoundCgroup { selector, directory, inode: metadata.ino() })
}

#[cfg(test)]
mod tests {
    use super::{CgroupError, Hierarchy, find_in};
    use std::fs;
    use std::path::Path;

    const CGROUPS: &str = "4:memory:/\n2:cpu:/\n0::/\n";

    struct Trees(tempfile::TempDir);

    impl Trees {
        fn new() -> Self {
            let trees = Self(tempfile::tempdir().unwrap());
            for (group, members) in [
                ("unified/a", "1\n2\n0\n"),
                ("unified/a/b", "3\n"),
                ("unified/ab", "4\n"),
                ("memory/m", "5\n"),
                ("memory/a", "6\n"),
            ] {
                fs::create_dir_all(trees.0.path().join(group)).unwrap();
                fs::write(trees.0.path().join(group).join("cgroup.procs"), members).unwrap();
            }
            trees
        }

        fn mountinfo(&self) -> String {
            let root = self.0.path().display();
            format!(
                "1 0 0:1 / {root}/memory rw - cgroup cgroup rw,memory\n\
                 2 0 0:2 / {root}/unified rw - cgroup2 cgroup2 rw\n"
            )
        }

        fn members(&self, path: &Path) -> (Hierarchy, String, Vec<u32>) {
            let found = find_in(path, &self.mountinfo(), CGROUPS).unwrap();
            assert_eq!(found.id().is_some(), found.selector.hierarchy == Hierarchy::Unified);
            (found.selector.hierarchy.clone(), found.selector.path.clone(), found.members())
        }
    }

    #[test]
    fn a_group_is_named_by_directory_or_by_path() {
        let trees = Trees::new();
        let unified = (Hierarchy::Unified, "/a".to_owned(), vec![1, 2, 3]);
        for path in ["/a", "a", "a/"] {
            assert_eq!(trees.members(Path::new(path)), unified, "{path}");
        }
        assert_eq!(trees.members(&trees.0.path().join("unified/a")), unified);
        let memory = Hierarchy::with_controllers("memory");
        let directory = trees.0.path().join("memory/a");
        assert_eq!(trees.members(&directory), (memory.clone(), "/a".to_owned(), vec![6]));
        assert_eq!(trees.members(Path::new("m")), (memory, "/m".to_owned(), vec![5]));
        let root = trees.members(&trees.0.path().join("unified"));
        assert_eq!(root, (Hierarchy::Unified, "/".to_owned(), vec![1, 2, 3, 4]));
    }

    #[test]
    fn what_is_not_there_says_where_it_was_looked_for() {
        let trees = Trees::new();
        let error =
            find_in(Path::new("nope"), &trees.mountinfo(), CGROUPS).unwrap_err().to_string();
        assert!(error.contains("unified/nope") && error.contains("memory/nope"), "{error}");
        for path in ["../..", "/etc", "a/cgroup.procs"] {
            let found = find_in(Path::new(path), &trees.mountinfo(), CGROUPS);
            assert!(matches!(found, Err(CgroupError::Unknown { .. })), "{path}");
        }
        let error = find_in(Path::new("a"), "", CGROUPS).unwrap_err();
        assert!(matches!(error, CgroupError::NotMounted));
    }
}
