//! Which blocks a snapshot singles out by age and size: that was chosen when it was taken.

use crate::engine::snapshot::{Snapshot, SnapshotOptions, StackSnapshot};

/// What is said where not all blocks that would be listed are known.
const UNLISTED: &str = "single blocks are not listed of call stacks some of whose oldest blocks the run left out (--min-age, \
                        --min-size and --max-size while tracing): which ones they are is not recorded";

/// Has a snapshot single out the blocks that are `wanted`, as far as it can. Gives what is to be said of it.
///
/// # Errors
/// Why it cannot; it is as it was then.
pub(in crate::cli) fn single_out(
    snapshot: &mut Snapshot,
    wanted: &SnapshotOptions,
) -> Result<Option<&'static str>, &'static str> {
    let recorded = snapshot.options;
    let same_sizes = (recorded.min_size, recorded.max_size) == (wanted.min_size, wanted.max_size);
    if same_sizes && recorded.min_age == wanted.min_age {
        return Ok(None);
    }
    let has_all_sizes = wanted.min_size == 0 && wanted.max_size.is_none();
    if !same_sizes && !has_all_sizes {
        return Err("sizes of single blocks are not in it: leave out --min-size and --max-size");
    }
    if wanted.min_age != 0 {
        return Err("ages of single blocks are not in it: give --min-age 0, or leave it out");
    }
    if !has_all_sizes {
        return Err("which of the young blocks have the sizes that its run chose is not in it");
    }
    snapshot.options = SnapshotOptions { min_age: 0, min_size: 0, max_size: None, ..recorded };
    let mut are_listed = true;
    for process in &mut snapshot.processes {
        let stacks = process.stacks.iter_mut();
        let stacks = stacks.chain(&mut process.pools.stacks).chain(&mut process.device.stacks);
        stacks.for_each(|stack| are_listed &= with_all(stack, recorded.blocks_per_stack));
    }
    Ok((!are_listed).then_some(UNLISTED))
}

/// No block is singled out. Gives whether its oldest blocks are known still, of which `most` are listed.
fn with_all(stack: &mut StackSnapshot, most: usize) -> bool {
    // Young blocks come after all others, those of other sizes anywhere between them.
    let are_known =
        stack.filtered_blocks == 0 && (stack.young_blocks == 0 || stack.blocks.len() >= most);
    if !are_known {
        stack.blocks.clear();
    }
    (stack.young_bytes, stack.young_blocks) = (0, 0);
    (stack.filtered_bytes, stack.filtered_blocks) = (0, 0);
    if let Some((confidence, (bytes, blocks))) = stack.confidence.as_mut().zip(stack.all_live) {
        (confidence.live_bytes, confidence.live_blocks) = (bytes, blocks);
    }
    are_known || most == 0
}

#[cfg(test)]
mod tests {
    use super::single_out;
    use crate::engine::limits::Limits;
    use crate::engine::snapshot::{
        BlockSnapshot, ProcessSnapshot, Snapshot, SnapshotOptions, StackSnapshot,
    };
    use crate::engine::tracker::Tracker;
    use crate::model::event::{Allocation, Event, StackRef, What};
    use crate::model::ids::ProcessKey;
    use crate::model::process::ProcessInfo;
    use memtrace_common::classes::Sizing;
    use memtrace_common::function::FunctionId;
    use memtrace_common::wire::StackEnd;
    use std::sync::Arc;

    fn of_one_block() -> StackSnapshot {
        let mut tracker = Tracker::new(Limits::default());
        let mut apply = |what| {
            tracker.apply(&Event { time: 2, process: 1, thread: 1, what });
        };
        let key = ProcessKey { pid: 1, start_time: 1 };
        apply(What::ProcessSeen(Arc::new(ProcessInfo { key, ..ProcessInfo::default() })));
        let frames = 0x40_1000_u64.to_ne_bytes();
        apply(What::Allocation(Allocation {
            function: FunctionId::MALLOC,
            sizing: Sizing::default(),
            address: 8,
            size: 1,
            sample_interval: 0,
            stack: StackRef { id: 1, end: StackEnd::Complete, frames: &frames },
        }));
        let snapshot = tracker.snapshot(3, &SnapshotOptions::default());
        snapshot.processes[0].stacks[0].clone()
    }

    fn taken(options: SnapshotOptions) -> Snapshot {
        let processes = vec![ProcessSnapshot::default()];
        Snapshot { options, processes, ..Snapshot::default() }
    }

    #[test]
    fn only_what_was_summed_apart_can_be_added_again() {
        let none = SnapshotOptions::default();
        let aged = SnapshotOptions { min_age: 5, ..none };
        let sized = SnapshotOptions { min_size: 9, ..none };
        let both = SnapshotOptions { min_age: 5, min_size: 9, ..none };
        for (recorded, wanted, fits) in [
            (none, none, true),
            (aged, aged, true),
            (aged, none, true),
            (none, aged, false),
            (none, sized, false),
            (sized, none, true),
            (both, none, true),
            (sized, sized, true),
            (both, sized, false),
            (both, both, true),
        ] {
            let mut snapshot = taken(recorded);
            let outcome = single_out(&mut snapshot, &wanted);
            assert_eq!(outcome.is_ok(), fits, "{recorded:?} → {wanted:?}");
            assert_eq!(snapshot.options, if fits { wanted } else { recorded });
        }
    }

    #[test]
    fn only_the_oldest_blocks_of_all_are_listed() {
        // Blocks listed of at most two, of some that are young and some of other sizes.
        for (listed, young, filtered, stay) in [
            (2, 0, 0, true),
            (1, 0, 0, true),
            (2, 5, 0, true),
            (1, 5, 0, false),
            (0, 5, 0, false),
            (2, 0, 1, false),
            (2, 5, 1, false),
        ] {
            let stack = StackSnapshot {
                blocks: vec![BlockSnapshot { address: 8, size: 1, born: 2 }; listed],
                young_blocks: young,
                filtered_blocks: filtered,
                ..of_one_block()
            };
            let recorded =
                SnapshotOptions { min_age: 5, blocks_per_stack: 2, ..SnapshotOptions::default() };
            let mut snapshot = taken(recorded);
            snapshot.processes[0].stacks.push(stack);
            let wanted = SnapshotOptions { min_age: 0, ..recorded };
            let note = single_out(&mut snapshot, &wanted).unwrap();
            let case = format!("{listed} listed, {young} young, {filtered} of other sizes");
            assert_eq!(note.is_none(), stay, "{case}");
            let left = if stay { listed } else { 0 };
            assert_eq!(snapshot.processes[0].stacks[0].blocks.len(), left, "{case}");
        }
    }
}
