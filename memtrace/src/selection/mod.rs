//! Floor 2: which processes are meant. Pure: what is known of a process goes in, a decision with its
//! reason comes out. Where the facts come from is `procfs`' business.

mod admission;
mod container;
mod decide;
mod facts;
mod pattern;

pub use admission::{AdmissionRules, UnifiedGroup};
pub use container::{Container, ContainerRef, PodRef, Runtime, is_id_prefix};
pub use decide::{Decision, Exclusion, Miss};
pub use facts::{ExeFacts, Facts, FileId, Hierarchy, Membership};
pub use pattern::{COMM_BYTES, Pattern, PatternError, names};

use crate::model::ids::Pid;
use std::fmt;
use std::path::PathBuf;

/// The processes that a user means.
///
/// Selectors of different kinds are combined by *and*, those of one kind by *or*: `--uid alice --comm
/// nginx --comm redis*` is every process of alice that is called nginx or like redis. Exclusions win
/// over everything. `all` is the selector that every process satisfies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// These processes.
    pub pids: Vec<Pid>,
    /// Every process.
    pub all: bool,
    /// Processes with such a name.
    pub comms: Vec<Pattern>,
    /// Processes that run such a program.
    pub exes: Vec<ExeSelector>,
    /// Processes whose real user is one of these: who started them, as reports show it.
    pub uids: Vec<u32>,
    /// Processes in one of these control groups, or in one below.
    pub cgroups: Vec<CgroupSelector>,
    /// Processes of these containers.
    pub containers: Vec<ContainerRef>,
    /// Processes of these pods.
    pub pods: Vec<PodRef>,
    /// Processes with such a name are not meant, whatever else is said.
    pub exclude_comms: Vec<Pattern>,
    /// These are not meant, whatever else is said.
    pub exclude_pids: Vec<Pid>,
    /// Children of what is meant are meant, too.
    pub follow: bool,
    /// Nothing that is meant need be there yet.
    pub wait: bool,
}

/// A program by its file.
#[derive(Clone, Debug, PartialEq)]
pub enum ExeSelector {
    /// One file. Device and inode decide where it exists, so hard links are the same program, and a file
    /// of the same name in another mount namespace (a container) is another one; a process whose file was
    /// deleted under that name since counts as well. Where it does not exist, the path decides as each
    /// process sees it.
    File {
        /// Its path, canonical where the file exists.
        path: PathBuf,
        /// The file, where it exists.
        file: Option<FileId>,
    },
    /// A pattern of paths as each process sees them; `*` does not match a `/`, `**` does.
    Like(Pattern),
}

/// A control group and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupSelector {
    /// In which tree.
    pub hierarchy: Hierarchy,
    /// Path within the tree, as `/proc/PID/cgroup` has it: `/` or `/a/b`.
    pub path: String,
}

impl Selection {
    /// Whether processes are looked for, and not only named by number.
    #[must_use]
    pub fn is_search(&self) -> bool {
        self.all
            || !(self.comms.is_empty()
                && self.exes.is_empty()
                && self.uids.is_empty()
                && self.cgroups.is_empty()
                && self.containers.is_empty()
                && self.pods.is_empty())
    }

    /// Whether it means nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pids.is_empty() && !self.is_search()
    }
}

/// What was looked for, for people: `comm nginx or redis*, uid 1000`.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exe = |exe: &ExeSelector| match exe {
            ExeSelector::File { path, .. } => path.display().to_string(),
            ExeSelector::Like(pattern) => pattern.to_string(),
        };
        let parts = [
            kind("pid", self.pids.iter().map(ToString::to_string)),
            kind("comm", self.comms.iter().map(ToString::to_string)),
            kind("exe", self.exes.iter().map(exe)),
            kind("uid", self.uids.iter().map(ToString::to_string)),
            kind("cgroup", self.cgroups.iter().map(|group| group.path.clone())),
            kind("container", self.containers.iter().map(|it| it.typed.clone())),
            kind("pod", self.pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name))),
        ];
        let said: Vec<String> = parts.into_iter().flatten().collect();
        if said.is_empty() {
            return f.write_str(if self.all { "any process" } else { "no process" });
        }
        f.write_str(&said.join(", "))
    }
}

fn kind(name: &str, values: impl Iterator<Item = String>) -> Option<String> {
    let values: Vec<String> = values.collect();
    (!values.is_empty()).then(|| format!("{name} {}", values.join(" or ")))
}

#[cfg(test)]
mod tests;
