//! Any records in any order: nothing panics, and what must add up adds up.

use super::wire_events::{WireEvent, wire_event};
use crate::engine::alerts::{Rate, Thresholds};
use crate::engine::limits::Limits;
use crate::engine::snapshot::{HeapTotals, ProcessSnapshot, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::engine::zoom;
use crate::model::event::{CodeMapping, Event, Look, LookCost, What};
use crate::model::ids::{ModuleId, ProcessKey, SECOND};
use crate::model::mark::MarkName;
use crate::model::picture::{Area, PageBits, PageKind, Picture};
use crate::model::process::{ProcessInfo, Usage};
use proptest::prelude::*;
use std::sync::Arc;

/// Bounds that are reached soon.
fn tight() -> Limits {
    Limits {
        max_blocks: 20,
        max_told_blocks: 7,
        max_told_stacks: 3,
        max_stacks: 10,
        max_stack_ids: 5,
        max_processes: 3,
        max_closed: 2,
        max_ranges: 6,
        max_modules: 2,
        closing: SnapshotOptions::default(),
        alerts: Thresholds::default(),
        total_alerts: Thresholds::default(),
        zoom: Some(zoom::Settings {
            growth: Rate { bytes: 1, per: SECOND },
            pace: 2,
            budget: Some(100),
        }),
    }
}

/// What `/proc` tells, in any order too.
fn proc_event() -> impl Strategy<Value = What<'static>> {
    let seen = (0_u32..5, 0_u64..3).prop_map(|(pid, start_time)| {
        let key = ProcessKey { pid, start_time };
        What::ProcessSeen(Arc::new(ProcessInfo { key, ..ProcessInfo::default() }))
    });
    let mappings =
        prop::collection::vec(any::<(u64, u64, u64, u32)>(), 0..4).prop_map(|mappings| {
            let mapping = |(start, end, file_offset, module)| {
                let module = ModuleId(module);
                CodeMapping { start, end, file_offset, module }
            };
            What::Mappings(mappings.into_iter().map(mapping).collect())
        });
    let break_seen = any::<(u64, u64)>().prop_map(|(start, end)| What::BreakSeen { start, end });
    let files = prop::collection::vec(any::<(u64, u64)>(), 0..4)
        .prop_map(|files| What::FilesSeen(files.into()));
    let bits = prop::option::of(prop::collection::vec(any::<bool>(), 0..9)).prop_map(|pages| {
        pages.map(|pages| {
            let mut bits = PageBits::default();
            pages.into_iter().for_each(|there| bits.push(there));
            bits
        })
    });
    let area = (any::<(u64, u64, u64, bool)>(), bits).prop_map(
        |((start, end, resident, writable), pages)| {
            let kind = PageKind::Anonymous;
            Area { start, end, resident, kind, writable, pages }
        },
    );
    let code = (0_u32..3, any::<(u64, u64)>()).prop_map(|(module, span)| What::AllocatorCode {
        module: ModuleId(module),
        spans: [span].into(),
    });
    let entry = (0_u32..3, any::<u64>())
        .prop_map(|(module, offset)| What::EntryPoint { module: ModuleId(module), offset });
    let picture = (any::<u64>(), prop::collection::vec(area, 0..4)).prop_map(|(began, areas)| {
        What::Picture(Box::new(Picture { began, ..Picture::default() }), areas.into())
    });
    let usage = any::<(u64, u64)>().prop_map(|(resident_anonymous, swap)| {
        What::Usage(Usage { resident_anonymous, swap, ..Usage::default() })
    });
    let look = (0..3_u8, any::<u64>()).prop_map(|(what, number)| {
        What::Look(match what {
            0 => Look::Began { interval: number },
            1 => Look::Refused("so".into()),
            _ => Look::Ended(LookCost { hits: number, ..LookCost::default() }),
        })
    });
    prop_oneof![2 => usage, 1 => look, 3 => seen, 1 => mappings, 1 => break_seen, 1 => files, 1 => picture, 1 => code, 1 => entry,
                1 => Just(What::Mark), 1 => (1_u64..9).prop_map(|number| What::Named(MarkName::numbered(number))), 2 => Just(What::WindowClosed), 2 => Just(What::WindowOpened)]
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Record(WireEvent, u32, u64),
    Proc(What<'static>, u32, u64),
    Forget(u32),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (wire_event(), 0_u32..5, any::<u64>(), prop::bool::weighted(0.8)).prop_map(
            |(event, pid, time, squeeze)| {
                Step::Record(if squeeze { event.squeezed() } else { event }, pid, time)
            },
        ),
        3 => (proc_event(), 0_u32..5, any::<u64>()).prop_map(|(what, pid, time)| {
            Step::Proc(what, pid, time)
        }),
        1 => (0_u32..5).prop_map(Step::Forget),
    ]
}

pub(super) fn apply(tracker: &mut Tracker, step: &Step) {
    match step {
        Step::Record(event, process, time) => {
            tracker.apply(&Event { process: *process, time: *time, ..event.as_event() });
        }
        Step::Proc(what, process, time) => {
            let (time, process, what) = (*time, *process, what.clone());
            tracker.apply(&Event { time, process, thread: 0, what });
        }
        Step::Forget(pid) => tracker.forget(*pid),
    }
}

/// Sums of estimates are rounded one by one.
fn check_estimates(process: &ProcessSnapshot) {
    let heap = process.heap;
    let came = heap.inherited_blocks as f64 + heap.allocated_blocks as f64;
    let went = heap.freed_blocks as f64 + heap.missed_frees as f64 + heap.evicted_blocks as f64;
    let went = went + heap.unknown_blocks as f64;
    let slack = 4.0 + came * 1e-9;
    // What does not fit 64 bits is cut.
    if came < (1_u64 << 60) as f64 {
        assert!((heap.live_blocks as f64 - (came - went)).abs() <= slack, "{heap:?}");
        let stacks = process.stacks.iter().map(|stack| stack.live_blocks as f64).sum::<f64>();
        let slack = slack + process.stacks.len() as f64;
        assert!((heap.live_blocks as f64 - stacks).abs() <= slack, "{heap:?}, {stacks} by stacks");
    }
    let confidence = heap.confidence.unwrap().live_blocks;
    assert!(confidence.low <= heap.live_blocks.saturating_add(1), "{heap:?}");
    assert!(heap.live_blocks <= confidence.high.saturating_add(1), "{heap:?}");
}

/// Byte sums wrap where sizes are absurd; the identities hold all the same.
fn check(process: &ProcessSnapshot) {
    if process.heap.confidence.is_some() {
        return check_estimates(process);
    }
    let HeapTotals { live_bytes, live_blocks, .. } = process.heap;
    let heap = process.heap;
    let came = heap.inherited_bytes.wrapping_add(heap.allocated_bytes);
    let went = [heap.freed_bytes, heap.missed_bytes, heap.evicted_bytes, heap.unknown_bytes];
    assert_eq!(live_bytes, went.into_iter().fold(came, u64::wrapping_sub));
    let came = heap.inherited_blocks + heap.allocated_blocks;
    let held = live_blocks + heap.unknown_blocks;
    assert_eq!(held + heap.freed_blocks + heap.missed_frees + heap.evicted_blocks, came);
    if !process.windows.is_open() {
        assert_eq!((live_blocks, live_bytes), (0, 0), "nobody knows what lives");
    }
    let mappings = process.mappings;
    let came = mappings.inherited_bytes.wrapping_add(mappings.mapped_bytes);
    let went = mappings.unmapped_bytes.wrapping_add(mappings.evicted_bytes);
    assert_eq!(mappings.live_bytes, came.wrapping_sub(went));
    assert_eq!(mappings.live_bytes, mappings.live_by_kind.into_iter().fold(0, u64::wrapping_add));
    let stacks = &process.stacks;
    let blocks: u64 = stacks.iter().map(|stack| stack.live_blocks).sum();
    let bytes = stacks.iter().fold(0, |sum: u64, stack| sum.wrapping_add(stack.live_bytes));
    assert_eq!((live_bytes, live_blocks), (bytes, blocks));
    let unknown = stacks.iter().fold(0, |sum: u64, stack| sum.wrapping_add(stack.unknown_bytes));
    assert_eq!(heap.unknown_bytes, unknown);
    assert_eq!(heap.unknown_blocks, stacks.iter().map(|stack| stack.unknown_blocks).sum::<u64>());
    assert_eq!(
        heap.allocated_blocks,
        stacks.iter().map(|stack| stack.allocated_blocks).sum::<u64>()
    );
    assert_eq!(heap.freed_blocks, stacks.iter().map(|stack| stack.freed_blocks).sum::<u64>());
}

proptest! {
    #[test]
    fn nothing_panics_and_sums_hold(
        steps in prop::collection::vec(step(), 0..120),
        is_tight in any::<bool>(),
    ) {
        let mut tracker = Tracker::new(if is_tight { tight() } else { Limits::default() });
        for step in &steps {
            apply(&mut tracker, step);
        }
        let options = SnapshotOptions { blocks_per_stack: 3, ..SnapshotOptions::default() };
        let snapshot = tracker.snapshot(u64::MAX, &options);
        snapshot.processes.iter().for_each(check);
        if is_tight {
            prop_assert!(tracker.live_blocks() <= 20);
            prop_assert!(snapshot.processes.len() <= 3 + 2);
        }
        (0..5).for_each(|pid| tracker.forget(pid));
        prop_assert_eq!(tracker.live_blocks(), 0);
        prop_assert!(tracker.snapshot(0, &options).processes.is_empty());
        prop_assert_eq!((tracker.spaces.len(), tracker.stack_ids), (0, 0));
        prop_assert!(tracker.stacks.is_empty(), "stacks leak");
        tracker.take_forgotten();
    }
}
