//! Which blocks a snapshot singles out by age and size: that was chosen when it was taken.

use crate::engine::snapshot::{Snapshot, SnapshotOptions, StackSnapshot};

/// Has a snapshot single out the blocks that are `wanted`, as far as it can.
///
/// # Errors
/// Why it cannot; it is as it was then.
pub(in crate::cli) fn single_out(
    snapshot: &mut Snapshot,
    wanted: &SnapshotOptions,
) -> Result<(), &'static str> {
    let recorded = snapshot.options;
    let same_sizes = (recorded.min_size, recorded.max_size) == (wanted.min_size, wanted.max_size);
    if same_sizes && recorded.min_age == wanted.min_age {
        return Ok(());
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
    for process in &mut snapshot.processes {
        let stacks = process.stacks.iter_mut();
        let stacks = stacks.chain(&mut process.pools.stacks).chain(&mut process.device.stacks);
        stacks.for_each(with_all);
    }
    Ok(())
}

/// No block is singled out.
fn with_all(stack: &mut StackSnapshot) {
    (stack.young_bytes, stack.young_blocks) = (0, 0);
    (stack.filtered_bytes, stack.filtered_blocks) = (0, 0);
    if let Some((confidence, (bytes, blocks))) = stack.confidence.as_mut().zip(stack.all_live) {
        (confidence.live_bytes, confidence.live_blocks) = (bytes, blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::single_out;
    use crate::engine::snapshot::{ProcessSnapshot, Snapshot, SnapshotOptions};

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
}
