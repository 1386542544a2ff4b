//! Whose memory is, against a count page by page.

use super::cases::{PID, frames, malloc, process, seen, send, stack, watching};
use crate::engine::heap::ranges::PAGE;
use crate::engine::heap::usable::usable;
use crate::engine::limits::Limits;
use crate::engine::snapshot::{Owner, Owners, PictureSnapshot, ProcessSnapshot, ResidentBounds};
use crate::engine::tracker::Tracker;
use crate::model::event::{CodeMapping, Exec, Map, Remap, StackRef, Unmap, What};
use crate::model::ids::ModuleId;
use crate::model::module::Module;
use crate::model::picture::{Area, PageBits, PageKind, PageSum, Picture};
use memtrace_common::classes::{SizeClasses, Sizing};
use memtrace_common::wire::StackEnd;
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

const START: u64 = 0x7f00_0000_0000;
/// Where the only file's code is mapped, and in it the allocator's.
const CODE: u64 = 0x40_0000;
const OWN: (u64, u64) = (0x800, 0x900);

/// A process with one file of code, of which a part is an allocator's.
fn with_allocator() -> Tracker {
    let mut tracker = watching(Limits::default());
    let id = ModuleId(0);
    let module = Module { id, path: PathBuf::from("/lib/libc.so.6"), build_id: None };
    send(&mut tracker, 0, What::ModuleSeen(Arc::new(module)));
    let code = CodeMapping { start: CODE, end: CODE + PAGE, file_offset: 0, module: id };
    send(&mut tracker, 0, What::Mappings([code].into()));
    send(&mut tracker, 0, What::AllocatorCode { module: id, spans: [OWN].into() });
    tracker
}

/// Who maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Allocator,
    Program,
    Nobody,
}

impl By {
    const fn owner(self) -> Owner {
        match self {
            Self::Allocator => Owner::Allocator,
            Self::Program => Owner::Program,
            Self::Nobody => Owner::Unknown,
        }
    }

    /// Sends what `make` makes with the stack of this one's call.
    fn send(self, tracker: &mut Tracker, make: impl FnOnce(StackRef<'_>) -> What<'_>) {
        let through = |offset| frames(&[CODE + 0x10, CODE + offset, CODE + 0x20]);
        let (id, frames) = match self {
            Self::Allocator => (1, through(OWN.0)),
            Self::Program => (2, through(OWN.1)),
            Self::Nobody => (3, through(OWN.1)),
        };
        let end = if self == Self::Nobody { StackEnd::NoTable } else { StackEnd::Complete };
        send(tracker, 1, make(StackRef { end, ..stack(id, &frames) }));
    }

    fn map(self, tracker: &mut Tracker, page: u64, pages: u64) {
        let (address, length) = (START + page * PAGE, pages * PAGE);
        let map = Map { address, length, protection: 3, flags: 0x22, file_offset: 0 };
        self.send(tracker, |stack| What::Map(map, stack));
    }
}

/// An area from a page on; of its pages are resident those that `there` says, and looked at.
fn area(page: u64, there: &[bool]) -> Area {
    let mut bits = PageBits::default();
    there.iter().for_each(|it| bits.push(*it));
    let start = START + page * PAGE;
    Area {
        start,
        end: start + there.len() as u64 * PAGE,
        resident: bits.bytes(),
        kind: PageKind::Anonymous,
        writable: true,
        pages: Some(bits),
    }
}

fn look(tracker: &mut Tracker, areas: &[Area]) -> PictureSnapshot {
    let mut picture = Picture { began: 2, ..Picture::default() };
    for area in areas {
        let sum = &mut picture.kinds[area.kind as usize];
        *sum = sum.plus(PageSum { resident: area.resident, ..PageSum::default() });
    }
    send(tracker, 3, What::Picture(Box::new(picture), areas.into()));
    let snapshot: ProcessSnapshot = process(tracker);
    snapshot.picture.unwrap()
}

fn exactly(bytes: u64) -> ResidentBounds {
    ResidentBounds { least: bytes, most: bytes }
}

fn beyond(owners: &Owners) -> [u64; Owner::COUNT] {
    Owner::ALL.map(|owner| {
        let beyond = owners.of(owner).beyond;
        assert_eq!(beyond.least, beyond.most, "{owner:?}");
        beyond.least / PAGE
    })
}

#[test]
fn one_mapping_of_the_kernel_has_several_owners() {
    let mut tracker = with_allocator();
    // Pages 2 to 5 are the allocator's, 6 to 9 the program's, 12 and 13 nobody's; the others are older.
    By::Allocator.map(&mut tracker, 2, 4);
    By::Program.map(&mut tracker, 6, 4);
    By::Nobody.map(&mut tracker, 12, 2);
    // Of 100 bytes 104 are taken; and a block in the older part behind 9 says whose that is.
    send(&mut tracker, 1, malloc(START + 2 * PAGE + 16, 100, StackRef::default()));
    send(&mut tracker, 1, malloc(START + 10 * PAGE + 16, PAGE - 24, StackRef::default()));
    let there: Vec<bool> = (0..14).map(|page| !matches!(page, 0 | 3 | 7 | 8 | 13)).collect();
    let seen = look(&mut tracker, &[area(0, &there)]);
    let owners = seen.owners;
    assert_eq!((seen.blocks.touched_least, seen.blocks.touched_most), (PAGE + 76, PAGE + 76));
    assert_eq!(owners.of(Owner::Allocator).resident, exactly(3 * PAGE));
    assert_eq!(owners.of(Owner::Allocator).writable, 4 * PAGE);
    assert_eq!(owners.of(Owner::Allocator).live, 100);
    assert_eq!(owners.of(Owner::Allocator).rounding, exactly(4));
    assert_eq!(owners.of(Owner::Allocator).beyond, exactly(3 * PAGE - 104));
    assert_eq!(owners.of(Owner::OlderAllocator).beyond, exactly(PAGE + 24));
    assert_eq!(owners.of(Owner::Program).beyond, exactly(2 * PAGE));
    assert_eq!(owners.of(Owner::Older).beyond, exactly(PAGE));
    assert_eq!(owners.of(Owner::Unknown).beyond, exactly(PAGE));
    assert_eq!((owners.rounding(), owners.undecided), (exactly(4), 0));
}

#[test]
fn who_mapped_stays_so_when_others_cut_and_move() {
    let mut tracker = with_allocator();
    By::Allocator.map(&mut tracker, 0, 8);
    By::Program.map(&mut tracker, 2, 2);
    let unmap = Unmap { address: START + 5 * PAGE, length: PAGE, entered: 2 };
    send(&mut tracker, 1, What::Unmap(unmap));
    // The program moves one page of the allocator's, and grows it.
    let remap = Remap {
        old_address: START + 6 * PAGE,
        old_length: PAGE,
        address: START + 20 * PAGE,
        length: 3 * PAGE,
        entered: 2,
    };
    By::Program.send(&mut tracker, |stack| What::Remap(remap, stack));
    let areas = [area(0, &[true; 5]), area(7, &[true; 1]), area(20, &[true; 3])];
    assert_eq!(beyond(&look(&mut tracker, &areas).owners), [5, 0, 4, 0, 0]);
    let mapped = process(&mut tracker).mapped;
    let by = |allocator: Option<ModuleId>| {
        mapped.iter().filter(|it| it.allocator == allocator).map(|it| it.live_bytes).sum::<u64>()
    };
    assert_eq!((by(Some(ModuleId(0))), by(None)), (5 * PAGE, 4 * PAGE));
}

#[test]
fn the_heap_segment_is_an_allocators_by_convention() {
    let mut tracker = with_allocator();
    send(&mut tracker, 1, What::BreakSeen { start: START, end: START + 2 * PAGE });
    let grow = |tracker: &mut Tracker, by: Option<By>, page: u64| {
        let end = START + page * PAGE;
        match by {
            Some(by) => by.send(tracker, |stack| What::Break { end, stack }),
            None => send(tracker, 1, What::Break { end, stack: StackRef::default() }),
        }
    };
    grow(&mut tracker, Some(By::Allocator), 3);
    grow(&mut tracker, Some(By::Program), 4);
    grow(&mut tracker, Some(By::Nobody), 5);
    grow(&mut tracker, None, 6);
    let segment = Area { kind: PageKind::HeapSegment, ..area(0, &[true; 6]) };
    let owners = look(&mut tracker, &[segment]).owners;
    assert_eq!(beyond(&owners), [3, 2, 1, 0, 0]);
    assert_eq!(owners.allocator_mapped, 3 * PAGE);
}

#[test]
fn what_a_new_program_finds_is_its_own() {
    let mut tracker = with_allocator();
    By::Allocator.map(&mut tracker, 0, 1);
    let older = [area(0, &[true; 2])];
    assert_eq!(beyond(&look(&mut tracker, &older).owners), [1, 0, 0, 1, 0]);
    send(&mut tracker, 1, What::Exec(Exec::default()));
    send(&mut tracker, 1, seen(PID, 1));
    let picture = Picture { began: 2, ..Picture::default() };
    send(&mut tracker, 3, What::Picture(Box::new(picture), older.into()));
    let processes = tracker.snapshot(9, &crate::engine::snapshot::SnapshotOptions::default());
    let owners = processes.processes[1].picture.unwrap().owners;
    assert_eq!(beyond(&owners), [0, 0, 2, 0, 0]);
}

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Absent,
    Resident,
    /// The page of zeroes: there, but not counted.
    Zero,
}

/// One process: areas as pages with the gaps behind them, who maps which pages, and blocks.
#[derive(Clone, Debug)]
struct Scene {
    areas: Vec<(Vec<Page>, u64, bool)>,
    mapped: Vec<(By, u64, u64)>,
    blocks: Vec<(u64, u64)>,
}

fn scene() -> impl Strategy<Value = Scene> {
    let page = prop::sample::select(vec![Page::Absent, Page::Resident, Page::Resident, Page::Zero]);
    let areas =
        prop::collection::vec((prop::collection::vec(page, 1..8), 0..2_u64, any::<bool>()), 1..6);
    let by = prop::sample::select(vec![By::Allocator, By::Program, By::Nobody]);
    let mapped = prop::collection::vec((by, 0..40_u64, 1..9_u64), 0..8);
    let blocks = prop::collection::vec((1..9_000_u64, 0..9_000_u64), 0..16);
    (areas, mapped, blocks).prop_map(|(areas, mapped, blocks)| Scene { areas, mapped, blocks })
}

/// Blocks one after the other, with what each takes.
fn placed(blocks: &[(u64, u64)]) -> Vec<(u64, u64, u64)> {
    let mut at = START + 16;
    let mut all = Vec::new();
    for &(size, gap) in blocks {
        let takes = usable(Sizing::of(SizeClasses::GLIBC), at, size).unwrap();
        all.push((at, size, takes));
        at = (at + takes + gap + 8).next_multiple_of(16);
    }
    all
}

/// Bytes that both have.
fn common(start: u64, end: u64, from: u64, length: u64) -> u64 {
    end.min(from + length).saturating_sub(start.max(from))
}

proptest! {
    /// Whichever pages are counted, each true figure lies between its bounds, and all add up.
    #[test]
    fn the_sum_is_what_is_resident(scene in scene()) {
        let mut tracker = with_allocator();
        let mut whose = [None; 64];
        for &(by, page, pages) in &scene.mapped {
            by.map(&mut tracker, page, pages);
            whose[page as usize..(page + pages) as usize].fill(Some(by));
        }
        let blocks = placed(&scene.blocks);
        for &(address, size, _) in &blocks {
            send(&mut tracker, 1, malloc(address, size, StackRef::default()));
        }
        let (mut areas, mut next, mut exact) = (Vec::new(), 0, true);
        let (mut truth, mut rounding, mut asked) = ([0; Owner::COUNT], 0, 0);
        for (pages, gap, looked_at) in &scene.areas {
            let bits: Vec<bool> = pages.iter().map(|page| *page != Page::Absent).collect();
            let resident = pages.iter().filter(|page| **page == Page::Resident).count() as u64 * PAGE;
            let area = Area { resident, ..area(next, &bits) };
            exact &= *looked_at && !pages.contains(&Page::Zero);
            let numbers = next as usize..next as usize + pages.len();
            for (number, page) in numbers.clone().zip(pages) {
                let start = START + number as u64 * PAGE;
                let in_page = |from, length| common(start, start + PAGE, from, length);
                let owner = whose[number].map_or_else(|| {
                    // The run of pages that nobody was seen to map.
                    let is_older = |at: &usize| whose[*at].is_none();
                    let first = (numbers.start..=number).rev().take_while(is_older).last().unwrap();
                    let last = (number..numbers.end).take_while(is_older).last().unwrap();
                    let (from, to) = (START + first as u64 * PAGE, START + (last as u64 + 1) * PAGE);
                    let holds = blocks.iter().any(|&(at, size, _)| common(from, to, at, size) > 0);
                    if holds { Owner::OlderAllocator } else { Owner::Older }
                }, By::owner);
                if *page == Page::Resident {
                    let here: u64 = blocks.iter().map(|&(at, size, _)| in_page(at, size)).sum();
                    let more: u64 = blocks.iter().map(|&(at, size, takes)| in_page(at + size, takes - size)).sum();
                    asked += here;
                    rounding += more;
                    truth[owner as usize] += PAGE - here - more;
                }
            }
            areas.push(if *looked_at { area } else { Area { pages: None, ..area } });
            next += pages.len() as u64 + gap;
        }
        let PictureSnapshot { owners, blocks, picture, .. } = look(&mut tracker, &areas);
        let holds = |bounds: ResidentBounds, truth| bounds.least <= truth && truth <= bounds.most;
        for owner in Owner::ALL {
            let beyond = owners.of(owner).beyond;
            let truth = truth[owner as usize];
            prop_assert!(holds(beyond, truth), "{owner:?} {beyond:?} {truth}");
            prop_assert!(!exact || beyond == exactly(truth), "{owner:?} {beyond:?} {truth}");
        }
        prop_assert!(holds(owners.rounding(), rounding));
        let touched = ResidentBounds { least: blocks.touched_least, most: blocks.touched_most };
        prop_assert!(holds(touched, asked));
        let least: u64 = owners.sums.iter().map(|it| it.beyond.least + it.rounding.least).sum();
        prop_assert_eq!(least + touched.least + owners.undecided, picture.sum().resident);
        prop_assert!(!exact || owners.undecided == 0);
    }
}
