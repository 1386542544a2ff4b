//! For whom a file's probes are: for each target by itself, or for all processes that map the file
//! ([`super::choice`] says why), and for how long.
//!
//! What is decided for a file holds until its links go. Changing the kind under way would leave a gap without
//! links, or a time with both, when calls count twice; and taking a perf link down costs 0.1 s. So who comes
//! to pay later is counted and reported instead.

use super::choice::{Users, are_for_all};
use crate::daemon::settings::LinkFor;
use crate::model::ids::Pid;
use crate::probe::allocator::{FoundAllocator, MappedFile};
use crate::procfs::{CpuTimes, FileNumber, mappers};
use crate::report::LinkFacts;
use std::collections::{BTreeMap, BTreeSet};

/// Looks in a row, one a second, at which no target mapped a file, after which its links go. A target that
/// executes maps its files again, and where processes come and go one after the other links should stay.
const LINGER: u32 = 5;

pub(super) fn key(file: &MappedFile) -> FileNumber {
    (file.device.0, file.device.1, file.inode)
}

/// Where an allocator is, and which of those there.
pub(super) type Place = (FileNumber, String);

pub(super) fn place(found: &FoundAllocator) -> Place {
    (key(&found.file), found.name.clone())
}

/// What is to be linked for a target and a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A link for this process.
    Filtered,
    /// One for all processes.
    ForAll,
    /// Nothing: there is one for all, or it is closed.
    Nothing,
}

/// Why all links are for all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The kernel's filter does not work for one of the targets, as its first thread has ended.
    LeaderGone,
    /// Every process is meant.
    Everybody,
}

/// The links of an allocator.
#[derive(Debug)]
struct Decided {
    /// By which the kernel side knows them.
    number: u32,
    for_all: bool,
    /// Those for all were taken down, as nobody had a use for them.
    down: bool,
    /// Processes that map the file and are no targets, as of the last look; these pay if links are for all.
    others: usize,
    /// Looks in a row at which no target mapped the file.
    unused: u32,
}

impl Decided {
    /// What is to be linked for one more target. Links for all are in place then, if it is `open`.
    const fn wanted(&mut self, open: bool) -> Wanted {
        match (open, self.for_all) {
            (true, false) => Wanted::Filtered,
            (true, true) if self.down => {
                self.down = false;
                Wanted::ForAll
            }
            _ => Wanted::Nothing,
        }
    }
}

/// The decisions so far.
#[derive(Debug)]
pub(super) struct Scopes {
    /// Why links are for all processes whoever maps the file, if they are.
    for_all: Option<Reason>,
    wish: LinkFor,
    /// Children are traced, too.
    follow: bool,
    /// All that are traced.
    pub(super) targets: BTreeSet<Pid>,
    /// A file may hold several allocators, and functions that the user describes besides, each with links of
    /// their own.
    places: BTreeMap<Place, Decided>,
    /// Number of the next one's links.
    next: u32,
    /// What processes used before tracing.
    cpu: CpuTimes,
}

impl Scopes {
    /// Nothing is decided yet.
    pub(super) fn new(
        targets: BTreeSet<Pid>,
        for_all: Option<Reason>,
        wish: LinkFor,
        follow: bool,
    ) -> Self {
        let (places, cpu) = (BTreeMap::new(), CpuTimes::take());
        Self { for_all, wish, follow, targets, places, next: 0, cpu }
    }

    /// Decides for an allocator that a target has brought, the first time.
    /// `open`: the target's allocations are told now.
    pub(super) fn wanted(&mut self, found: &FoundAllocator, open: bool) -> Wanted {
        let place = place(found);
        if let Some(decided) = self.places.get_mut(&place) {
            return decided.wanted(open);
        }
        let users = self.users(place.0);
        let for_all = self.for_all.is_some() || are_for_all(self.wish, users);
        tracing::debug!("{}: {users:?}: for all: {for_all}", found.name);
        let (number, others) = (self.next, users.others);
        let mut decided = Decided { number, for_all, down: for_all, others, unused: 0 };
        let wanted = decided.wanted(open);
        self.next += 1;
        self.places.insert(place, decided);
        wanted
    }

    /// Numbers of links for all that are in place and not among those that are `used`. They are taken to be taken
    /// down.
    pub(super) fn idle(&mut self, used: &BTreeSet<Place>) -> Vec<u32> {
        let idle = self.places.iter_mut().filter(|(place, it)| !it.down && !used.contains(*place));
        let idle = idle.filter(|(_, decided)| decided.for_all);
        idle.map(|(_, decided)| {
            decided.down = true;
            decided.number
        })
        .collect()
    }

    /// The links for all could not be made after all.
    pub(super) fn take_down(&mut self, found: &FoundAllocator) {
        self.places.entry(place(found)).and_modify(|decided| decided.down = true);
    }

    /// By which number the kernel side knows the allocator's links.
    pub(super) fn number(&self, found: &FoundAllocator) -> u32 {
        self.places.get(&place(found)).map_or(u32::MAX, |decided| decided.number)
    }

    /// Who maps a file, and how busy they are.
    fn users(&self, file: FileNumber) -> Users {
        let all = mappers(&BTreeSet::from([file])).remove(&file).unwrap_or_default();
        let is_target = |pid: &Pid| self.targets.contains(pid);
        let (targets, others): (Vec<Pid>, Vec<Pid>) = all.into_iter().partition(is_target);
        let cores = |pids: &[Pid]| pids.iter().map(|pid| self.cpu.cores(*pid)).sum();
        Users {
            // A command that has not begun yet maps nothing.
            targets: targets.len().max(1),
            others: others.len(),
            target_cores: cores(&targets),
            other_cores: cores(&others),
            follow: self.follow,
        }
    }

    /// Whether the kernel's filter by process is never used.
    pub(super) const fn are_for_all(&self) -> bool {
        self.for_all.is_some()
    }

    /// Whether the allocator has links for each target.
    pub(super) fn is_filtered(&self, found: &FoundAllocator) -> bool {
        self.places.get(&place(found)).is_some_and(|decided| !decided.for_all)
    }

    /// Files with links for all, which others may have come to map.
    pub(super) fn shared_files(&self) -> BTreeSet<FileNumber> {
        let shared = self.places.iter().filter(|(_, decided)| decided.for_all);
        shared.map(|((file, _), _)| *file).collect()
    }

    /// Takes in who maps files now.
    pub(super) fn note_mappers(&mut self, mappers: &BTreeMap<FileNumber, Vec<Pid>>) {
        let Self { places, targets, .. } = self;
        for ((file, _), decided) in places.iter_mut().filter(|(_, decided)| decided.for_all) {
            let all = mappers.get(file).map_or(&[][..], Vec::as_slice);
            decided.others = all.iter().filter(|pid| !targets.contains(pid)).count();
        }
    }

    /// Looks at which files are mapped by targets; gives those that have not been for long enough.
    pub(super) fn unused(&mut self, mapped: &BTreeSet<FileNumber>) -> BTreeSet<FileNumber> {
        for ((file, _), decided) in &mut self.places {
            decided.unused = if mapped.contains(file) { 0 } else { decided.unused + 1 };
        }
        let long = self.places.iter().filter(|(_, decided)| decided.unused >= LINGER);
        long.map(|((file, _), _)| *file).collect()
    }

    /// A target maps the file after all.
    pub(super) fn keep(&mut self, file: FileNumber) {
        let of_file = self.places.iter_mut().filter(|((key, _), _)| *key == file);
        of_file.for_each(|(_, decided)| decided.unused = 0);
    }

    /// Forgets what was decided for a file. Gives the numbers of its links, which are to go.
    pub(super) fn forget(&mut self, file: FileNumber) -> Vec<u32> {
        let gone = self.places.extract_if(.., |(key, _), _| *key == file);
        gone.map(|(_, decided)| decided.number).collect()
    }

    /// What a report says of the links. `users` tells how many targets use an allocator.
    pub(super) fn facts(&self, users: &BTreeMap<Place, usize>) -> Vec<LinkFacts> {
        let fact = |(place, decided): (&Place, &Decided)| LinkFacts {
            allocator: place.1.clone(),
            for_all: decided.for_all,
            processes: users.get(place).copied().unwrap_or_default(),
            others: if decided.for_all { decided.others } else { 0 },
        };
        self.places.iter().map(fact).collect()
    }

    /// How many of `targets`' lists each allocator is in.
    pub(super) fn count<'a>(
        found: impl Iterator<Item = &'a FoundAllocator>,
    ) -> BTreeMap<Place, usize> {
        let mut counts = BTreeMap::new();
        found.for_each(|found| *counts.entry(place(found)).or_default() += 1);
        counts
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
        };
        Some(what.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, BTreeSet, Decided, LINGER, LinkFor, Scopes, Wanted};

    const FILE: (u32, u32, u64) = (8, 1, 77);

    fn with_shared_file() -> Scopes {
        let mut scopes = Scopes::new([1, 2].into(), None, LinkFor::Auto, true);
        let decided = Decided { number: 3, for_all: true, down: false, others: 0, unused: 0 };
        scopes.places.insert((FILE, "libc.so.6".to_owned()), decided);
        scopes
    }

    #[test]
    fn links_go_when_nobody_has_mapped_their_file_for_a_while() {
        let (mut scopes, nobody) = (with_shared_file(), BTreeSet::new());
        for _ in 1..LINGER {
            assert!(scopes.unused(&nobody).is_empty());
        }
        assert!(scopes.unused(&[FILE].into()).is_empty(), "somebody came");
        for _ in 1..LINGER {
            assert!(scopes.unused(&nobody).is_empty(), "the time begins anew");
        }
        assert_eq!(scopes.unused(&nobody), [FILE].into());
        assert_eq!(scopes.forget(FILE), [3]);
        assert!(scopes.places.is_empty() && scopes.unused(&nobody).is_empty());
    }

    #[test]
    fn links_for_all_stay_as_long_as_somebody_is_open() {
        let mut scopes = with_shared_file();
        let place = (FILE, "libc.so.6".to_owned());
        assert!(scopes.idle(&[place.clone()].into()).is_empty());
        assert_eq!(scopes.idle(&BTreeSet::new()), [3]);
        assert!(scopes.idle(&BTreeSet::new()).is_empty(), "they are down");
        let decided = scopes.places.get_mut(&place).unwrap();
        assert_eq!(decided.wanted(false), Wanted::Nothing, "a closed one has no use for them");
        assert_eq!(decided.wanted(true), Wanted::ForAll);
        assert_eq!(decided.wanted(true), Wanted::Nothing, "they are there again");
        assert_eq!(scopes.idle(&BTreeSet::new()), [3]);
    }

    #[test]
    fn who_comes_to_pay_is_counted() {
        let mut scopes = with_shared_file();
        assert_eq!(scopes.shared_files(), [FILE].into());
        scopes.note_mappers(&BTreeMap::from([(FILE, vec![1, 2, 3, 4])]));
        assert_eq!(scopes.facts(&BTreeMap::new())[0].others, 2);
        scopes.note_mappers(&BTreeMap::new());
        assert_eq!(scopes.facts(&BTreeMap::new())[0].others, 0);
    }
}
