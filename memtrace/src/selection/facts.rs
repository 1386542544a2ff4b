//! What is known of a process that may be meant.

use super::container::Container;
use crate::model::ids::{Pid, ProcessKey};
use std::path::PathBuf;

/// A process as it was at one moment. What could not be read is absent, and nothing matches it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its identity.
    pub key: ProcessKey,
    /// Its parent, in the reader's pid namespace; 0 if that is outside of it.
    pub parent: Pid,
    /// Name of its main thread, at most 15 bytes of anything.
    pub comm: Vec<u8>,
    /// The program that it runs.
    pub exe: Option<ExeFacts>,
    /// Real user id: who started it.
    pub uid: Option<u32>,
    /// Effective user id: as whom it acts.
    pub effective_uid: Option<u32>,
    /// The control groups that it is in, one per hierarchy.
    pub cgroups: Vec<Membership>,
    /// The container that these groups belong to.
    pub container: Option<Container>,
    /// Uid of the Kubernetes pod that these groups belong to.
    pub pod_uid: Option<String>,
    /// Its number in each pid namespace that it is in, the reader's first (`NSpid`, Linux 4.1).
    pub inner_pids: Vec<Pid>,
    /// It is a thread of the kernel, and has no memory of its own.
    pub kernel_thread: bool,
    /// It has ended, and nobody has waited for it.
    pub zombie: bool,
}

/// The program that a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExeFacts {
    /// Its path as the process sees it, without the ` (deleted)` that the kernel adds.
    pub path: PathBuf,
    /// Its last name has gone (`proc_pid_exe(5)`).
    pub deleted: bool,
    /// The file; unknown where we may not look.
    pub file: Option<FileId>,
}

/// A file, whatever its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// A tree of control groups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hierarchy {
    /// The one of version 2.
    Unified,
    /// One of version 1: its controllers, or `name=…`, as `/proc/PID/cgroup` has them, sorted.
    Legacy(Vec<String>),
}

/// The place of a process in one of these trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Which tree.
    pub hierarchy: Hierarchy,
    /// Path of the group, as the reader's cgroup namespace sees it: `/a/b`, or `/../c` outside of it.
    pub path: String,
}

impl Hierarchy {
    /// The hierarchy with these controllers, comma-separated; none are version 2's.
    #[must_use]
    pub fn with_controllers(controllers: &str) -> Self {
        if controllers.is_empty() {
            return Self::Unified;
        }
        let mut names: Vec<String> = controllers.split(',').map(str::to_owned).collect();
        names.sort_unstable();
        Self::Legacy(names)
    }
}

impl Membership {
    /// Whether this group is `group` or lies below it. A namespace's root holds nothing that is outside
    /// of the namespace, whose paths begin with `/..` (`cgroup_namespaces(7)`).
    #[must_use]
    pub fn is_within(&self, group: &str) -> bool {
        let group = group.trim_end_matches('/');
        let rest = self.path.strip_prefix(group);
        let is_below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_below && !rest.is_some_and(|rest| rest == "/.." || rest.starts_with("/../"))
    }
}
