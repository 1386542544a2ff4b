//! For whom a file's probes are: for each target by itself, or for all processes that map the file.
//!
//! A link that the kernel filters by process costs nobody else anything, but does not see a child before
//! it is linked for that, too. One for all sees children from their first instruction, with the kernel
//! side's own filter behind it, and costs every process that maps the file a trap per call. So it is taken
//! where nobody would pay but the targets.

use crate::model::ids::Pid;
use crate::probe::allocator::{FoundAllocator, MappedFile};
use crate::procfs::maps_file;
use std::collections::{BTreeMap, BTreeSet};

/// Device (major, minor) and inode.
pub(super) type FileKey = (u32, u32, u64);

pub(super) fn key(file: &MappedFile) -> FileKey {
    (file.device.0, file.device.1, file.inode)
}

/// Where an allocator is, and which of those there.
fn place(found: &FoundAllocator) -> (FileKey, String) {
    (key(&found.file), found.name.clone())
}

/// What is to be linked for a target and a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A link for this process.
    Filtered,
    /// One for all processes.
    ForAll,
    /// Nothing: there is one for all.
    Nothing,
}

/// Why all links are for all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The kernel's filter does not work for one of the targets, as its first thread has ended.
    LeaderGone,
    /// Every process is meant.
    Everybody,
    /// There are so many targets that their own links would be in each other's way.
    Many,
}

/// Targets that may have links of their own. The kernel asks each link of a place for its filter whenever
/// anybody comes there: a pair of malloc and free took 8 µs with one link, 20 µs with 100 and 185 µs with 1,000,
/// and each link takes 20 ms to take down (measured on Linux 6.18). Where the link is for all, others pay
/// 1.4 µs for a pair.
const MOST_FILTERED: usize = 128;

/// The decisions so far.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    /// Why links are for all processes whoever maps the file, if they are.
    for_all: Option<Reason>,
    /// Children are traced, too.
    follow: bool,
    /// All that are traced.
    pub(super) targets: BTreeSet<Pid>,
    /// Whether the links of a file's allocator are for all. A file may hold several, and functions that the
    /// user describes besides, each with links of their own.
    files: BTreeMap<(FileKey, String), bool>,
}

impl Scopes {
    /// Nothing is decided yet.
    pub(super) fn new(targets: BTreeSet<Pid>, for_all: Option<Reason>, follow: bool) -> Self {
        let for_all = for_all.or_else(|| (targets.len() > MOST_FILTERED).then_some(Reason::Many));
        Self { for_all, follow, targets, files: BTreeMap::new() }
    }

    /// Decides for an allocator that a target has brought, the first time.
    pub(super) fn wanted(&mut self, found: &FoundAllocator) -> Wanted {
        let (file, place) = (&found.file, place(found));
        let decided = self.files.get(&place).copied();
        if let Some(for_all) = decided {
            return if for_all { Wanted::Nothing } else { Wanted::Filtered };
        }
        let for_all = self.for_all.is_some() || self.follow && self.is_theirs_alone(file);
        self.files.insert(place, for_all);
        if for_all { Wanted::ForAll } else { Wanted::Filtered }
    }

    /// Whether the kernel's filter by process is never used.
    pub(super) const fn are_for_all(&self) -> bool {
        self.for_all.is_some()
    }

    /// What the reader of a report must know.
    pub(super) fn note(&self) -> Option<String> {
        let what = match self.for_all? {
            Reason::LeaderGone => {
                "the main thread of a target has ended, so the kernel's filter by process does not work: \
                 every process that uses the same library pays for the probes"
            }
            Reason::Everybody => {
                "every process is meant, so the probes are for all: those that are left out pay for them, \
                 too"
            }
            Reason::Many => {
                "so many processes are traced that the probes are for all: every process that uses the same \
                 library pays for them"
            }
        };
        Some(what.to_owned())
    }

    /// Whether the allocator has links for each target.
    pub(super) fn is_filtered(&self, found: &FoundAllocator) -> bool {
        self.files.get(&place(found)) == Some(&false)
    }

    /// Whether nobody but targets maps the file.
    fn is_theirs_alone(&self, file: &MappedFile) -> bool {
        let stranger = |pid: Pid| !self.targets.contains(&pid);
        !maps_file(file.device, file.inode, stranger)
    }
}
