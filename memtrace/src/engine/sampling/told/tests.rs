//! What a program tells, against sums made by hand and against a map that keeps everything.

use super::{Oddities, Sum, Sums, Told, ToldBlocks};
use crate::engine::sampling::Weight;
use crate::model::ids::StackId;
use proptest::prelude::*;
use std::collections::BTreeMap;

const INTERVAL: u64 = 512 << 10;

fn told(size: u64, weighted: u64) -> Told {
    Told { size, weighted, stack: None }
}

fn of_stack(size: u64, weighted: u64, stack: u32) -> Told {
    Told { stack: Some(StackId(stack)), ..told(size, weighted) }
}

fn room(blocks: usize, stacks: usize) -> ToldBlocks {
    ToldBlocks::new(blocks, stacks, 1)
}

#[test]
fn known_weights_have_exact_sums() {
    let mut account = room(10, 10);
    account.allocate(0x10, of_stack(16, INTERVAL, 1), true);
    account.allocate(0x20, of_stack(1 << 20, 1 << 20, 2), true);
    account.allocate(0x30, of_stack(64, INTERVAL, 1), true);
    account.free(0x10);
    let Sums { live, allocated } = *account.totals();
    assert_eq!(live.bytes.value(), ((1 << 20) + INTERVAL) as f64);
    assert_eq!(live.blocks.value(), (1 + INTERVAL / 64) as f64);
    assert_eq!(allocated.bytes.value(), ((1 << 20) + 2 * INTERVAL) as f64);
    assert_eq!(allocated.blocks.value(), (INTERVAL / 16 + 1 + INTERVAL / 64) as f64);
    let by_stack: BTreeMap<u32, f64> =
        account.stacks().map(|(stack, sums)| (stack.0, sums.live.bytes.value())).collect();
    assert_eq!(by_stack, BTreeMap::from([(1, INTERVAL as f64), (2, f64::from(1 << 20))]));
    assert_eq!(account.oddities(), Oddities::default());
}

#[test]
fn what_stands_for_itself_is_certain_and_the_rest_is_not() {
    let mut account = room(10, 0);
    account.allocate(1, told(1 << 20, 1 << 20), true);
    let certain = account.totals().live.bytes.interval(0.0);
    assert_eq!((certain.low, certain.high), (f64::from(1 << 20), f64::from(1 << 20)));
    account.allocate(2, told(16, INTERVAL), true);
    let open = account.totals().live.bytes.interval(0.0);
    // One sample: at least what was seen.
    assert!(open.low >= ((1 << 20) + 16) as f64 && open.low < ((1 << 20) + INTERVAL) as f64);
    assert!(open.high > ((1 << 20) + INTERVAL) as f64);
}

#[test]
fn the_probability_is_that_of_the_weight() {
    for size in [1_u64, 4096, 100_000, 1 << 20, 10 << 20] {
        let weight = Weight::of(size, INTERVAL);
        let block = told(size, weight.bytes.round() as u64);
        // What is told of is whole bytes.
        assert!((block.missed() - weight.missed).abs() < 1e-5, "{size}");
        assert!((block.blocks() / weight.blocks - 1.0).abs() < 1e-5, "{size}");
    }
}

#[test]
fn what_stands_for_less_than_itself_is_counted_and_uncertain() {
    let mut account = room(10, 0);
    account.allocate(1, told(INTERVAL + 1, INTERVAL), true);
    let live = account.totals().live;
    assert_eq!(live.bytes.value(), INTERVAL as f64);
    assert_eq!(live.blocks.value(), 1.0);
    assert!(live.bytes.interval(0.0).high > (INTERVAL + 1) as f64);
    assert_eq!(account.oddities().below_size, 1);
}

#[test]
fn a_child_has_what_lived_and_did_none_of_it() {
    let mut account = room(10, 10);
    account.allocate(0x10, of_stack(16, INTERVAL, 1), true);
    account.allocate(0x20, of_stack(16, INTERVAL, 2), true);
    account.free(0x20);
    let mut child = account.forked(true);
    assert_eq!(child.totals().live, account.totals().live);
    assert_eq!(child.totals().allocated, Sum::default());
    assert_eq!(child.oddities(), Oddities { inherited: 1, ..Oddities::default() });
    assert_eq!(child.stacks().map(|(stack, _)| stack.0).collect::<Vec<_>>(), [1]);
    child.free(0x10);
    assert!(is_nothing(&child.totals().live));
    assert_eq!(account.len(), 1, "it is another account");
    let without = account.forked(false);
    assert_eq!((without.len(), without.oddities().evicted), (0, 1));
    assert_eq!(*without.totals(), Sums::default());
}

#[test]
fn without_room_a_block_is_evicted() {
    let mut account = room(10, 10);
    account.allocate(1, told(16, INTERVAL), false);
    assert_eq!((account.len(), account.oddities().evicted), (0, 1));
    assert_eq!(account.totals().allocated.bytes.value(), INTERVAL as f64);
}

#[test]
fn where_no_sample_is_there_may_be_as_much_as_one_stands_for() {
    let mut account = room(10, 0);
    account.allocate(1, told(1 << 20, 1 << 20), true);
    assert_eq!(account.unseen().bytes, 0.0, "what is surely taken tells nothing of the rest");
    account.free(1);
    account.allocate(2, told(16, INTERVAL), true);
    account.allocate(3, told(4096, INTERVAL + 2048), true);
    account.free(2);
    account.free(3);
    assert_eq!(account.unseen().bytes, INTERVAL as f64);
    let (bytes, _) = account.totals().live.confidence(account.unseen());
    assert_eq!(bytes.low, 0);
    assert!(bytes.high > 3 * INTERVAL && bytes.high < 4 * INTERVAL, "{bytes:?}");
}

/// What is over is nothing, and exactly so.
fn is_nothing(sum: &Sum) -> bool {
    let of = |it: &super::Estimate| (it.value(), it.samples(), it.interval(0.0).high);
    of(&sum.bytes) == (0.0, 0, 0.0) && of(&sum.blocks) == (0.0, 0, 0.0)
}

#[test]
fn a_block_of_no_bytes_is_a_block() {
    let mut account = room(10, 0);
    account.allocate(1, told(0, 0), true);
    assert_eq!(account.totals().live.blocks.value(), 1.0);
    assert_eq!(account.totals().live.bytes.value(), 0.0);
    account.free(1);
    assert!(is_nothing(&account.totals().live));
}

#[test]
fn odd_things_are_counted() {
    let mut account = room(2, 1);
    account.free(7);
    account.allocate(1, of_stack(8, 80, 1), true);
    account.allocate(1, of_stack(8, 160, 1), true);
    account.allocate(2, of_stack(8, 80, 2), true);
    account.allocate(3, of_stack(8, 80, 1), true);
    let expected = Oddities {
        unknown_frees: 1,
        missed_frees: 1,
        evicted: 1,
        crowded_out: 1,
        below_size: 0,
        inherited: 0,
    };
    assert_eq!(account.oddities(), expected);
    assert_eq!(account.totals().live.bytes.value(), 240.0);
    assert_eq!(account.totals().allocated.bytes.value(), 400.0);
    let (_, only) = account.stacks().next().expect("a stack");
    assert_eq!((only.live.bytes.value(), account.stacks().count()), (160.0, 1));
}

/// A step: a block, or `None` for a free.
fn steps() -> impl Strategy<Value = Vec<(u64, Option<Told>)>> {
    let block = (0_u64..5000, 0_u64..1 << 20, prop::option::of(0_u32..5))
        .prop_map(|(size, weighted, stack)| Told { size, weighted, stack: stack.map(StackId) });
    prop::collection::vec((0_u64..8, prop::option::of(block)), 0..80)
}

proptest! {
    /// Against a map that keeps everything.
    #[test]
    fn sums_are_those_of_what_is_live(steps in steps()) {
        let mut account = room(5, 3);
        let mut naive: BTreeMap<u64, Told> = BTreeMap::new();
        let mut allocated = 0;
        for (address, block) in steps {
            let Some(block) = block else {
                account.free(address);
                naive.remove(&address);
                continue;
            };
            account.allocate(address, block, true);
            allocated += block.weighted;
            naive.remove(&address);
            if naive.len() < 5 {
                naive.insert(address, block);
            }
        }
        let live: u64 = naive.values().map(|block| block.weighted).sum();
        let totals = account.totals();
        // Whole numbers far below 2^53 are added without rounding.
        prop_assert_eq!(totals.live.bytes.value(), live as f64);
        prop_assert_eq!(totals.live.bytes.samples(), naive.len() as u64);
        prop_assert_eq!(totals.allocated.bytes.value(), allocated as f64);
        let by_stack: f64 = account.stacks().map(|(_, sums)| sums.live.bytes.value()).sum();
        prop_assert!(by_stack <= live as f64 && account.stacks().count() <= 3);
        let interval = totals.live.bytes.interval(0.0);
        prop_assert!(interval.low <= live as f64 && live as f64 <= interval.high);
    }

    #[test]
    fn anything_may_be_told(size: u64, weighted: u64) {
        let mut account = room(1, 0);
        account.allocate(1, told(size, weighted), true);
        let interval = account.totals().live.blocks.interval(0.0);
        prop_assert!(interval.low.is_finite() && interval.high.is_finite());
        account.free(1);
        prop_assert!(is_nothing(&account.totals().live));
    }
}
