//! Whether a process is meant, and why or why not.

use super::facts::{Facts, FileId};
use super::pattern::names;
use super::{ExeSelector, Selection};
use crate::model::ids::Pid;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;

/// Whether a process is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It satisfies every kind of selector.
    Meant,
    /// It does not satisfy one.
    NotMeant(Miss),
    /// It never is, whatever it satisfies.
    Excluded(Exclusion),
}

/// The first kind of selector that a process does not satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Nothing was selected at all.
    Nothing,
    /// `--pid`.
    Pid,
    /// `--comm`.
    Comm,
    /// `--exe`.
    Exe,
    /// `--uid`.
    Uid,
    /// `--cgroup`.
    Cgroup,
    /// `--container`.
    Container,
    /// `--pod`.
    Pod,
}

/// Why a process is out of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// It is the tracer: each event would make events.
    Ourselves,
    /// It has no memory of its own.
    KernelThread,
    /// It has ended already.
    Zombie,
    /// `--exclude-pid`.
    Pid,
    /// `--exclude-comm`.
    Comm,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Meant => "meant",
            Self::NotMeant(Miss::Nothing) => "nothing was selected",
            Self::NotMeant(Miss::Pid) => "not named by --pid",
            Self::NotMeant(Miss::Comm) => "its name does not match --comm",
            Self::NotMeant(Miss::Exe) => "its program does not match --exe",
            Self::NotMeant(Miss::Uid) => "its real user does not match --uid",
            Self::NotMeant(Miss::Cgroup) => "it is not in --cgroup",
            Self::NotMeant(Miss::Container) => "it is not in --container",
            Self::NotMeant(Miss::Pod) => "it is not in --pod",
            Self::Excluded(Exclusion::Ourselves) => "it is memtrace itself",
            Self::Excluded(Exclusion::KernelThread) => "it is a kernel thread",
            Self::Excluded(Exclusion::Zombie) => "it has ended already",
            Self::Excluded(Exclusion::Pid) => "excluded by --exclude-pid",
            Self::Excluded(Exclusion::Comm) => "excluded by --exclude-comm",
        })
    }
}

impl Selection {
    /// Whether this process is meant. `ourselves` is the tracer's own number, which never is.
    #[must_use]
    pub fn decide(&self, facts: &Facts, ourselves: Pid) -> Decision {
        if let Some(exclusion) = self.exclusion(facts, ourselves) {
            return Decision::Excluded(exclusion);
        }
        let kinds = [
            (Miss::Nothing, !self.is_empty()),
            (Miss::Pid, self.pids.is_empty() || self.pids.contains(&facts.key.pid)),
            (Miss::Comm, self.comms.is_empty() || names(&self.comms, &facts.comm)),
            (Miss::Uid, self.uids.is_empty() || self.has_uid(facts)),
            (Miss::Exe, self.exes.is_empty() || self.runs(facts)),
            (Miss::Cgroup, self.cgroups.is_empty() || in_cgroup(self, facts)),
            (Miss::Container, self.containers.is_empty() || in_container(self, facts)),
            (Miss::Pod, self.pods.is_empty() || in_pod(self, facts)),
        ];
        let miss = kinds.iter().find(|(_, satisfied)| !satisfied);
        miss.map_or(Decision::Meant, |(kind, _)| Decision::NotMeant(*kind))
    }

    /// Whether it is outside of the control groups, containers or pods that are selected.
    #[must_use]
    pub fn is_elsewhere(&self, facts: &Facts) -> bool {
        !(self.cgroups.is_empty() || in_cgroup(self, facts))
            || !(self.containers.is_empty() || in_container(self, facts))
            || !(self.pods.is_empty() || in_pod(self, facts))
    }

    fn exclusion(&self, facts: &Facts, ourselves: Pid) -> Option<Exclusion> {
        let reasons = [
            (Exclusion::Ourselves, facts.key.pid == ourselves),
            (Exclusion::KernelThread, facts.kernel_thread),
            (Exclusion::Zombie, facts.zombie),
            (Exclusion::Pid, self.exclude_pids.contains(&facts.key.pid)),
            (Exclusion::Comm, names(&self.exclude_comms, &facts.comm)),
        ];
        reasons.into_iter().find(|(_, applies)| *applies).map(|(reason, _)| reason)
    }

    fn has_uid(&self, facts: &Facts) -> bool {
        facts.uid.is_some_and(|uid| self.uids.contains(&uid))
    }

    fn runs(&self, facts: &Facts) -> bool {
        let Some(exe) = &facts.exe else { return false };
        self.exes.iter().any(|selector| match selector {
            ExeSelector::Like(pattern) => pattern.matches(exe.path.as_os_str().as_bytes()),
            ExeSelector::File { path, file: Some(file) } => {
                same(exe.file, *file) || (exe.deleted && exe.path == *path)
            }
            ExeSelector::File { path, file: None } => exe.path == *path,
        })
    }
}

/// Whether a process is in a control group that is wanted.
pub(super) fn in_cgroup(selection: &Selection, facts: &Facts) -> bool {
    selection.cgroups.iter().any(|group| {
        let mut places = facts.cgroups.iter();
        places.any(|place| place.hierarchy == group.hierarchy && place.is_within(&group.path))
    })
}

/// … in a container.
pub(super) fn in_container(selection: &Selection, facts: &Facts) -> bool {
    let means = |container| selection.containers.iter().any(|named| named.means(container));
    facts.container.as_ref().is_some_and(means)
}

/// … in a pod.
pub(super) fn in_pod(selection: &Selection, facts: &Facts) -> bool {
    let (uid, container) = (facts.pod_uid.as_deref(), facts.container.as_ref());
    selection.pods.iter().any(|pod| pod.means(uid, container))
}

fn same(known: Option<FileId>, wanted: FileId) -> bool {
    known == Some(wanted)
}
