//! Simulated machines: who grows is looked at in time, and nobody else.

use super::{FIRST_PAUSE, LONGEST_LOOK, MOST_KEPT, MOST_LOOKS, Settings, State, Wish};
use crate::engine::alerts::Rate;
use crate::engine::limits::Limits;
use crate::engine::snapshot::{Found, Outcome, SnapshotOptions, Story};
use crate::engine::tracker::Tracker;
use crate::model::event::{Allocation, Event, Exec, Look, LookCost, StackRef, What};
use crate::model::ids::{Nanos, Pid, ProcessKey, SECOND};
use crate::model::process::{ProcessInfo, Usage};
use memtrace_common::classes::Sizing;
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const MIB: u64 = 1 << 20;
const PACE: u64 = 5;
const SETTINGS: Settings = Settings {
    growth: Rate { bytes: MIB, per: 60 * SECOND },
    pace: PACE * SECOND,
    budget: Some(100),
};

/// A machine whose processes are read once per pace, and whose wishes are granted at once.
struct Machine {
    tracker: Tracker,
    second: u64,
    looked_at: BTreeMap<Pid, Vec<u64>>,
    open: BTreeSet<Pid>,
    /// What a look costs, CPU time.
    cost: Nanos,
    /// Bytes that one stack of a process allocates between two reads while it is looked at.
    leaks: BTreeMap<Pid, u64>,
    blocks: u64,
}

impl Machine {
    fn new(pids: impl IntoIterator<Item = Pid>) -> Self {
        let limits = Limits { zoom: Some(SETTINGS), ..Limits::default() };
        let mut machine = Self {
            tracker: Tracker::new(limits),
            second: 0,
            looked_at: BTreeMap::new(),
            open: BTreeSet::new(),
            cost: 0,
            leaks: BTreeMap::new(),
            blocks: 0,
        };
        for pid in pids {
            let key = ProcessKey { pid, start_time: 1 };
            let info = ProcessInfo { key, ..ProcessInfo::default() };
            machine.feed(pid, What::ProcessSeen(Arc::new(info)));
        }
        machine
    }

    fn now(&self) -> Nanos {
        self.second * SECOND
    }

    fn feed(&mut self, process: Pid, what: What<'_>) {
        let time = self.now();
        self.tracker.apply(&Event { time, process, thread: process, what });
    }

    fn leak(&mut self, pid: Pid, size: u64) {
        self.blocks += 1;
        let frames = [7_u64.to_ne_bytes(), 9_u64.to_ne_bytes()].concat();
        let stack = StackRef { id: 5, end: StackEnd::Complete, frames: &frames };
        let allocation = Allocation {
            function: FunctionId::MALLOC,
            sizing: Sizing::default(),
            address: self.blocks * 4096 * 1024,
            size,
            sample_interval: 0,
            stack,
        };
        self.feed(pid, What::Allocation(allocation));
    }

    fn obey(&mut self) {
        for wish in self.tracker.take_wishes() {
            match wish {
                Wish::Open(pid) => {
                    assert!(self.open.insert(pid), "{pid} is looked at twice at once");
                    self.looked_at.entry(pid).or_default().push(self.second);
                    self.feed(pid, What::Look(Look::Began { interval: 0 }));
                }
                Wish::Close(pid) => {
                    assert!(self.open.remove(&pid), "{pid} is not looked at");
                    let cost = LookCost { cpu: Some(self.cost), ..LookCost::default() };
                    self.feed(pid, What::Look(Look::Ended(cost)));
                }
            }
        }
        assert!(self.open.len() <= MOST_LOOKS);
    }

    /// Reads all processes once per pace for so long.
    fn run(&mut self, seconds: u64, mut bytes: impl FnMut(Pid, u64) -> u64) {
        let pids: Vec<Pid> = self
            .tracker
            .snapshot(0, &SnapshotOptions::default())
            .processes
            .iter()
            .map(|process| process.info.key.pid)
            .collect();
        let end = self.second + seconds;
        while self.second < end {
            self.second += PACE;
            for &pid in &pids {
                if let Some(size) =
                    self.leaks.get(&pid).copied().filter(|_| self.open.contains(&pid))
                {
                    self.leak(pid, size);
                }
                // Half a core each.
                let (resident_anonymous, cpu) = (bytes(pid, self.second), self.now() / 2);
                let usage = Usage { resident_anonymous, cpu, ..Usage::default() };
                self.feed(pid, What::Usage(usage));
                self.obey();
            }
        }
    }

    fn story(&mut self, pid: Pid) -> Story {
        let snapshot = self.tracker.snapshot(self.now(), &SnapshotOptions::default());
        let process = snapshot.processes.into_iter().find(|it| it.info.key.pid == pid).unwrap();
        *process.story.unwrap()
    }
}

/// Numbers from 0 to 1, the same in each run.
fn chance() -> impl FnMut() -> f64 {
    let mut generator = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    move || f64::from(generator.next_u32()) / f64::from(u32::MAX)
}

fn mib(count: f64) -> u64 {
    (count * MIB as f64) as u64
}

/// What processes do that do not leak.
fn innocent(pid: Pid, at: u64, chance: &mut impl FnMut() -> f64) -> u64 {
    let (base, at) = (20.0 + f64::from(pid % 7) * 60.0, at as f64);
    let noise = base * 0.02 * chance();
    mib(noise
        + match pid % 5 {
            // Steady.
            0 => base,
            // A heap that is collected, every 7 s to 20 minutes.
            1 => {
                let period = [7.0, 19.0, 47.0, 131.0, 400.0, 1200.0][pid as usize / 5 % 6];
                base * (1.0 + 0.6 * (at + f64::from(pid)).rem_euclid(period) / period)
            }
            // A cache that fills in a minute or so.
            2 => base * (2.0 - (-at / (10.0 + f64::from(pid % 25))).exp()),
            // Load that comes and goes within an hour.
            3 => base * (1.0 + 0.3 * (at / 3600.0 * std::f64::consts::TAU + f64::from(pid)).sin()),
            // A step now and then, up and down.
            _ => {
                base * if ((at / 300.0 + f64::from(pid)) as u64).is_multiple_of(2) {
                    1.0
                } else {
                    1.2
                }
            }
        })
}

#[test]
fn growers_are_looked_at_soon_and_others_hardly_ever() {
    const ALL: Pid = 180;
    const HOURS: u64 = 2;
    let mut machine = Machine::new(1..=ALL);
    let mut chance = chance();
    let grows = |pid: Pid| pid.is_multiple_of(30);
    machine.run(HOURS * 3600, |pid, at| {
        if grows(pid) {
            // 4 MiB a minute on 20 MiB, and ups and downs beside.
            mib(20.0 + at as f64 * 4.0 / 60.0 + chance())
        } else {
            innocent(pid, at, &mut chance)
        }
    });
    for pid in (1..=ALL).filter(|pid| grows(*pid)) {
        let looks = &machine.looked_at[&pid];
        // 19 paces to know, looks at others before its turn, and some for the noise.
        assert!(looks[0] <= 300, "{pid}: {looks:?}");
        assert!((5..=10).contains(&looks.len()), "{pid}: {looks:?}");
        let pauses: Vec<u64> = looks.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(pauses.last() > pauses.first(), "{pauses:?}");
    }
    let innocent = machine.looked_at.iter().filter(|(pid, _)| !grows(**pid));
    let by_kind = innocent.fold(BTreeMap::<u32, usize>::new(), |mut sums, (pid, looks)| {
        *sums.entry(pid % 5).or_default() += looks.len();
        sums
    });
    let looks = |kind| by_kind.get(&kind).copied().unwrap_or_default();
    // Of 34 to 36 processes of each kind, in two hours. Who rises for a quarter of an hour or longer grows, as far
    // as anybody can tell then: a heap that is collected every 20 minutes, and load that takes half an hour.
    assert_eq!((looks(0), looks(4)), (0, 0), "steady ones, steps: {by_kind:?}");
    assert!(looks(2) <= 2, "caches that fill: {by_kind:?}");
    assert!(looks(1) <= 18, "heaps that are collected: {by_kind:?}");
    assert!(looks(3) <= 72, "load: {by_kind:?}");
}

#[test]
fn a_look_names_what_leaks_and_ends_before_its_time() {
    let mut machine = Machine::new([1]);
    machine.leaks.insert(1, 400_000);
    machine.run(300, |_, at| 30 * MIB + at * 80_000);
    let story = machine.story(1);
    let [look, ..] = &story.looks[..] else { panic!("no look") };
    assert_eq!(look.outcome, Outcome::Found(Found::Heap));
    let [found] = &look.found[..] else { panic!("{:?}", look.found) };
    assert_eq!((found.function, found.rate.middle), (FunctionId::MALLOC, 80_000.0));
    assert!(look.lasted < LONGEST_LOOK * PACE * SECOND, "{}", look.lasted);
    assert!((look.growth.rate.middle - 80_000.0).abs() < 1.0);
}

#[test]
fn what_grows_elsewhere_is_no_part_of_the_heap_and_is_asked_for_less_and_less() {
    let mut machine = Machine::new([1]);
    machine.run(2 * 3600, |_, at| 30 * MIB + at * 80_000);
    let story = machine.story(1);
    let outcomes: Vec<_> = story.looks.iter().map(|look| &look.outcome).collect();
    assert!(outcomes.iter().all(|it| **it == Outcome::Found(Found::NotTheHeap)), "{outcomes:?}");
    let first = FIRST_PAUSE * PACE;
    let pauses: Vec<u64> = machine.looked_at[&1].windows(2).map(|two| two[1] - two[0]).collect();
    let expected = (0..pauses.len()).map(|turn| (first << turn) + LONGEST_LOOK * PACE);
    assert_eq!(pauses, expected.collect::<Vec<_>>());
    assert!(matches!(story.state, State::Resting(_)) && story.growing.is_some());
}

/// A look that costs 100 s of CPU time, of a program that uses half a core: a tenth of that pays in 2,000 s.
#[test]
fn looks_are_paid_for_before_the_next() {
    let looks_in_an_hour = |cost, budget| {
        let mut machine = Machine::new([1]);
        machine.tracker = Tracker::new(Limits {
            zoom: Some(Settings { budget, ..SETTINGS }),
            ..Limits::default()
        });
        let key = ProcessKey { pid: 1, start_time: 1 };
        let info = ProcessInfo { key, ..ProcessInfo::default() };
        machine.feed(1, What::ProcessSeen(Arc::new(info)));
        machine.cost = cost;
        // Ever faster, which is a reason to look again at once.
        machine.run(3600, |_, at| 30 * MIB + at * 80_000 * (1 + at / 200).pow(2));
        machine.looked_at[&1].clone()
    };
    let dear = looks_in_an_hour(100 * SECOND, Some(100));
    assert!(dear.len() == 2 && dear[1] - dear[0] >= 2000, "{dear:?}");
    let lifted = looks_in_an_hour(100 * SECOND, None);
    // Of nothing that it pays with any look would be too dear.
    let cheap = looks_in_an_hour(SECOND, Some(0));
    assert_eq!(lifted, cheap, "what costs less than a twentieth of a core is free");
    assert!(lifted.len() > 4, "{lifted:?}");
}

#[test]
fn pauses_begin_anew_where_something_else_grows() {
    let mut machine = Machine::new([1]);
    let by = |rate: u64| move |_: Pid, at: u64| 30 * MIB + at * rate;
    machine.run(1200, by(50_000));
    let before = machine.looked_at[&1].len();
    let (began, grown) = (machine.second, 50_000 * machine.second);
    // Ten times as fast: it is not let alone for so long.
    machine.run(150, |_, at| 30 * MIB + grown + (at - began) * 500_000);
    let looks = &machine.looked_at[&1][before..];
    assert!(looks.first().is_some_and(|at| at - began <= 80), "{looks:?}, {began}");
    // It stops for an hour: the next growth is looked at as soon as the first was.
    let stopped = 30 * MIB + grown + 150 * 500_000;
    machine.run(3600, |_, _| stopped);
    let (before, began) = (machine.looked_at[&1].len(), machine.second);
    machine.run(400, |_, at| stopped + (at - began) * 500_000);
    let looks = &machine.looked_at[&1][before..];
    assert!(
        looks[0] - began <= 100 && looks[1] - looks[0] <= 2 * FIRST_PAUSE * PACE + 10,
        "{looks:?}"
    );
}

#[test]
fn a_heap_that_is_collected_and_leaks_is_found() {
    let mut machine = Machine::new([1]);
    // 60 MiB up and down every 17 s, over 100 MiB that become 6 MiB more each minute.
    machine.run(1800, |_, at| 100 * MIB + at * MIB / 10 + at % 17 * 60 * MIB / 17);
    assert!(machine.looked_at.contains_key(&1));
}

#[test]
fn a_process_that_goes_frees_its_place() {
    let mut machine = Machine::new(1..=6);
    machine.run(100, |_, at| 30 * MIB + at * 80_000);
    assert_eq!(machine.open.len(), MOST_LOOKS);
    let gone: Vec<Pid> = machine.open.iter().copied().collect();
    machine.feed(gone[0], What::Exit { status: None });
    machine.feed(gone[1], What::Exec(Exec::default()));
    machine.run(5, |_, at| 30 * MIB + at * 80_000);
    assert_eq!(machine.open.len(), MOST_LOOKS);
    assert!(machine.looked_at.contains_key(&5) && machine.looked_at.contains_key(&6));
    assert_eq!(machine.story(gone[0]).looks[0].outcome, Outcome::CutShort);
}

#[test]
fn who_cannot_be_traced_says_why_and_is_asked_again_later() {
    let mut machine = Machine::new([1]);
    let told = |machine: &mut Machine| {
        let wishes = machine.tracker.take_wishes();
        if wishes == [Wish::Open(1)] {
            machine.feed(1, What::Look(Look::Refused("no allocator".into())));
        }
        wishes.len()
    };
    let mut asked = Vec::new();
    for second in (0..1000).step_by(5) {
        machine.second = second;
        let resident_anonymous = 30 * MIB + second * 80_000;
        machine.feed(1, What::Usage(Usage { resident_anonymous, ..Usage::default() }));
        if told(&mut machine) > 0 {
            asked.push(second);
        }
    }
    // After 19 paces, and pauses of 1, 2, 4 and 8 minutes.
    assert_eq!(asked, [95, 155, 275, 515, 995]);
    assert_eq!(machine.story(1).looks[0].outcome, Outcome::Refused("no allocator".into()));
    assert_eq!(machine.tracker.look_totals().looking, 0);
}

#[test]
fn stories_are_bounded_and_keep_how_it_began() {
    let mut machine = Machine::new([1]);
    // Ever faster, so that pauses stay short.
    machine.run(3600, |_, at| 30 * MIB + at * 80_000 * (1 + at / 200).pow(2));
    let story = machine.story(1);
    let all = machine.looked_at[&1].len();
    assert_eq!(story.looks.len() as u64 + story.dropped, all as u64);
    assert!(story.looks.len() <= MOST_KEPT);
    assert_eq!(story.looks[0].time, machine.looked_at[&1][0] * SECOND);
}

proptest! {
    /// Looks are told of by the daemon; whatever it told, nothing panics and places come back.
    #[test]
    fn any_news_in_any_order_is_taken(
        news in prop::collection::vec((0..4_u32, 0..6_u8, 0..300_u64), 0..400),
    ) {
        let mut machine = Machine::new(1..=3);
        for (pid, what, step) in news {
            machine.second += step;
            let resident_anonymous = machine.second * MIB;
            let what = match what {
                0 => What::Look(Look::Began { interval: 7 }),
                1 => What::Look(Look::Ended(LookCost::default())),
                2 => What::Look(Look::Refused("so".into())),
                3 => What::Exec(Exec::default()),
                _ => What::Usage(Usage { resident_anonymous, ..Usage::default() }),
            };
            machine.feed(pid, what);
            let totals = machine.tracker.look_totals();
            prop_assert!(totals.looking <= 3 && totals.looking + totals.waiting <= 3);
        }
        machine.tracker.take_wishes();
        for pid in 1..=3 {
            machine.feed(pid, What::Exit { status: None });
        }
        prop_assert_eq!(machine.tracker.look_totals().looking, 0);
    }
}
