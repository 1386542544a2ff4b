//! For whom a file's probes are: for each target by itself, or for all processes that map the file
//! ([`super::choice`] says why), and for how long.
//!
//! What is decided for a file holds until its links go. Changing the kind under way would leave a gap without
//! links, or a time with both, when calls count twice; and taking a perf link down costs 0.1 s. So who comes
//! to pay later is counted and reported instead.

use super::choice::{Users, are_for_all};
use crate::daemon::settings::LinkFor;
use crate::model::ids::Pid;
use crate::model::module::FileState;
use crate::probe::allocator::{FoundAllocator, MappedFile};
use crate::procfs::{CpuTimes, FileNumber, mappers};
use crate::report::LinkFacts;
use std::collections::{BTreeMap, BTreeSet};

/// Looks in a row, one a second, at which no target mapped a file, after which its links go. A target that
/// executes maps its files again, and where processes come and go one after the other links should stay.
const LINGER: u32 = 5;

/// What became of the wish for links for all where return probes may kill.
const FOR_EACH_INSTEAD: &str = "each process has probes of its own, as return probes of this kernel may kill other \
    processes whose system calls are filtered (seccomp); Linux 6.14 and newer stable updates let them by";

pub(super) const fn key(file: &MappedFile) -> FileNumber {
    (file.device.0, file.device.1, file.inode)
}

/// A file in one of the contents that it had.
pub(super) type Content = (FileNumber, FileState);

pub(super) const fn content(file: &MappedFile) -> Content {
    (key(file), file.state)
}

/// Where an allocator is, or a file's static probes are, which of those there, and in which of the contents that the
/// file had.
pub(super) type Place = (FileNumber, String, FileState);

pub(super) fn place(found: &FoundAllocator) -> Place {
    (key(&found.file), found.name.clone(), found.file.state)
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
    /// Links for all were wanted, and are not to be had here.
    for_each_instead: bool,
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
        Self { for_all, for_each_instead: false, wish, follow, targets, places, next: 0, cpu }
    }

    /// Decides for what is to be probed and a target has brought, the first time. Where a link `writes` to the
    /// memory of processes it is for nobody who is not meant, whoever would pay for that. `open`: what the target
    /// does there is told now.
    pub(super) fn wanted(&mut self, place: &Place, writes: bool, open: bool) -> Wanted {
        if let Some(decided) = self.places.get_mut(place) {
            return decided.wanted(open);
        }
        let users = self.users(place.0);
        let for_all = if writes {
            self.for_all == Some(Reason::Everybody) || self.wish == LinkFor::All
        } else {
            self.for_all.is_some() || are_for_all(self.wish, users)
        };
        tracing::debug!("{}: {users:?}: for all: {for_all}", place.1);
        let (number, others) = (self.next, users.others);
        let mut decided = Decided { number, for_all, down: for_all, others, unused: 0 };
        let wanted = decided.wanted(open);
        self.next += 1;
        self.places.insert(place.clone(), decided);
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

    /// Links for all are not to be had here: it gets some for each target.
    pub(super) fn for_each_instead(&mut self, place: &Place) -> Wanted {
        if !std::mem::replace(&mut self.for_each_instead, true) {
            tracing::warn!("{FOR_EACH_INSTEAD}");
        }
        self.for_all = None;
        self.places.entry(place.clone()).and_modify(|decided| {
            (decided.for_all, decided.down) = (false, false);
        });
        Wanted::Filtered
    }

    /// Whether processes have links of their own only because links for all are not to be had.
    pub(super) const fn are_each_instead(&self) -> bool {
        self.for_each_instead
    }

    /// The links for all could not be made after all.
    pub(super) fn take_down(&mut self, place: &Place) {
        self.places.entry(place.clone()).and_modify(|decided| decided.down = true);
    }

    /// By which number the kernel side knows the links.
    pub(super) fn number(&self, place: &Place) -> u32 {
        self.places.get(place).map_or(u32::MAX, |decided| decided.number)
    }

    /// Who maps a file, and how busy they are.
    fn users(&self, file: FileNumber) -> Users {
        let all = mappers(&BTreeSet::from([file]), |_| true).remove(&file).unwrap_or_default();
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

    /// Whether there are links for each target.
    pub(super) fn is_filtered(&self, place: &Place) -> bool {
        self.places.get(place).is_some_and(|decided| !decided.for_all)
    }

    /// Files with links for all, which others may have come to map.
    pub(super) fn shared_files(&self) -> BTreeSet<FileNumber> {
        let shared = self.places.iter().filter(|(_, decided)| decided.for_all);
        shared.map(|((file, ..), _)| *file).collect()
    }

    /// Takes in who maps files now. Targets may be among them or not.
    pub(super) fn note_mappers(&mut self, mappers: &BTreeMap<FileNumber, Vec<Pid>>) {
        let Self { places, targets, .. } = self;
        for ((file, ..), decided) in places.iter_mut().filter(|(_, decided)| decided.for_all) {
            let all = mappers.get(file).map_or(&[][..], Vec::as_slice);
            decided.others = all.iter().filter(|pid| !targets.contains(pid)).count();
        }
    }

    /// Looks at which files are mapped by targets; gives those that have not been for long enough.
    pub(super) fn unused(&mut self, mapped: &BTreeSet<FileNumber>) -> BTreeSet<FileNumber> {
        for ((file, ..), decided) in &mut self.places {
            decided.unused = if mapped.contains(file) { 0 } else { decided.unused + 1 };
        }
        let long = self.places.iter().filter(|(_, decided)| decided.unused >= LINGER);
        long.map(|((file, ..), _)| *file).collect()
    }

    /// A target maps the file after all.
    pub(super) fn keep(&mut self, file: FileNumber) {
        let of_file = self.places.iter_mut().filter(|((key, ..), _)| *key == file);
        of_file.for_each(|(_, decided)| decided.unused = 0);
    }

    /// Forgets what was decided for contents that files have no more: `now` tells what they are like. Gives where that
    /// was, and the numbers of the links, which are to go at once.
    pub(super) fn forget_changed(
        &mut self,
        now: impl Fn(FileNumber) -> Option<FileState>,
    ) -> Vec<(Place, u32)> {
        let is_gone = |place: &Place| now(place.0).is_some_and(|state| state != place.2);
        let gone = self.places.extract_if(.., |place, _| is_gone(place));
        gone.map(|(place, decided)| (place, decided.number)).collect()
    }

    /// Forgets what was decided for a file. Gives the numbers of its links, which are to go.
    pub(super) fn forget(&mut self, file: FileNumber) -> Vec<u32> {
        let gone = self.places.extract_if(.., |(key, ..), _| *key == file);
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

    /// How many targets use each of these places.
    pub(super) fn count(places: impl Iterator<Item = Place>) -> BTreeMap<Place, usize> {
        let mut counts = BTreeMap::new();
        places.for_each(|place| *counts.entry(place).or_default() += 1);
        counts
    }

    /// What the reader of a report must know.
    pub(super) fn note(&self) -> Option<String> {
        if self.for_each_instead {
            return Some(FOR_EACH_INSTEAD.to_owned());
        }
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
    use super::{
        BTreeMap, BTreeSet, Decided, FileState, LINGER, LinkFor, Place, Reason, Scopes, Wanted,
    };

    const FILE: (u32, u32, u64) = (8, 1, 77);

    fn libc() -> Place {
        (FILE, "libc.so.6".to_owned(), FileState::default())
    }

    fn with_shared_file() -> Scopes {
        let mut scopes = Scopes::new([1, 2].into(), None, LinkFor::Auto, true);
        let decided = Decided { number: 3, for_all: true, down: false, others: 0, unused: 0 };
        scopes.places.insert(libc(), decided);
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
    fn a_link_that_writes_is_for_those_who_are_meant() {
        let place = (FILE, "otel_memory of x".to_owned(), FileState::default());
        let wanted = |for_all, wish, writes| {
            Scopes::new([1, 2].into(), for_all, wish, true).wanted(&place, writes, true)
        };
        assert_eq!(wanted(None, LinkFor::Auto, false), Wanted::ForAll);
        assert_eq!(wanted(None, LinkFor::Auto, true), Wanted::Filtered);
        assert_eq!(wanted(Some(Reason::LeaderGone), LinkFor::Auto, true), Wanted::Filtered);
        assert_eq!(wanted(Some(Reason::Everybody), LinkFor::Auto, true), Wanted::ForAll);
        assert_eq!(wanted(None, LinkFor::All, true), Wanted::ForAll);
    }

    #[test]
    fn links_for_all_stay_as_long_as_somebody_is_open() {
        let mut scopes = with_shared_file();
        let place = libc();
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
    fn links_to_a_content_that_was_written_over_go() {
        let mut scopes = with_shared_file();
        assert!(scopes.forget_changed(|_| None).is_empty(), "nobody knows");
        assert!(scopes.forget_changed(|_| Some(FileState::default())).is_empty());
        let now = FileState { size: 1, ..FileState::default() };
        assert_eq!(scopes.forget_changed(|_| Some(now)), [(libc(), 3)]);
        let (file, name, _) = libc();
        assert_eq!(scopes.wanted(&(file, name, now), false, true), Wanted::ForAll);
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
