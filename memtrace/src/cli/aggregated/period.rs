//! What happened between snapshots: the differences of sums that only grow.

use crate::engine::slices::{Amount, Deeds, MOST_SLICES, NO_STACK, Slice};
use crate::engine::snapshot::{
    HeapTotals, PeriodFigures, PeriodSum, ProcessSnapshot, Snapshot, StackSnapshot,
};
use crate::model::ids::{Nanos, ProcessKey};
use crate::recording::snapshots::{Brief, Held};
use std::collections::HashMap;

/// A process and program for ever.
type Who = (ProcessKey, Nanos);

fn who(process: &ProcessSnapshot) -> Who {
    (process.info.key, process.seen)
}

/// What stacks came to, by process and number.
fn sums(snapshot: &Snapshot) -> HashMap<Who, HashMap<u32, Deeds>> {
    let of = |process: &ProcessSnapshot| (who(process), deeds(process));
    snapshot.processes.iter().map(of).collect()
}

/// What the heap's stacks came to, and with [`NO_STACK`] blocks without one.
fn deeds(process: &ProcessSnapshot) -> HashMap<u32, Deeds> {
    deeds_of(&process.heap, &process.stacks)
}

fn deeds_of(heap: &HeapTotals, stacks: &[StackSnapshot]) -> HashMap<u32, Deeds> {
    let mut all: HashMap<u32, Deeds> = HashMap::new();
    let mut without = Deeds {
        live: Amount { bytes: heap.live_bytes, blocks: heap.live_blocks },
        allocated: Amount { bytes: heap.allocated_bytes, blocks: heap.allocated_blocks },
        freed: Amount { bytes: heap.freed_bytes, blocks: heap.freed_blocks },
        temporary: Amount::default(),
    };
    for stack in stacks {
        let of_stack = of_stack(stack);
        without = without.minus(of_stack);
        let sum = all.entry(stack.past.number).or_default();
        *sum = sum.plus(of_stack);
    }
    all.insert(NO_STACK, without);
    all
}

const fn of_stack(stack: &StackSnapshot) -> Deeds {
    Deeds {
        live: Amount { bytes: stack.live_bytes, blocks: stack.live_blocks },
        allocated: Amount { bytes: stack.allocated_bytes, blocks: stack.allocated_blocks },
        freed: Amount { bytes: stack.freed_bytes, blocks: stack.freed_blocks },
        temporary: Amount { bytes: 0, blocks: 0 },
    }
}

/// Has `snapshot` tell what was allocated since `before`, in place of all that was.
///
/// # Errors
/// Why that is not known.
pub(in crate::cli) fn allocated_since(
    before: &Snapshot,
    snapshot: &mut Snapshot,
) -> Result<(), &'static str> {
    let are_samples = |it: &Snapshot| it.processes.iter().any(|it| it.heap.confidence.is_some());
    if are_samples(before) || are_samples(snapshot) {
        return Err(
            "allocations were sampled, and how sure a difference of two snapshots is is not in it",
        );
    }
    let before: HashMap<Who, &ProcessSnapshot> =
        before.processes.iter().map(|process| (who(process), process)).collect();
    let none = ProcessSnapshot::default();
    for process in &mut snapshot.processes {
        let before = before.get(&who(process)).copied().unwrap_or(&none);
        let pools = (&before.pools, &mut process.pools);
        for (before, now) in [pools, (&before.device, &mut process.device)] {
            let then = deeds_of(&before.totals, &before.stacks);
            now.stacks.iter_mut().for_each(|stack| tell_since(&then, stack));
        }
        let then = deeds(before);
        let without = deeds(process).get(&NO_STACK).copied().unwrap_or_default();
        process.period = Some(Box::new(since(&then, NO_STACK, without)));
        process.stacks.iter_mut().for_each(|stack| tell_since(&then, stack));
    }
    Ok(())
}

fn tell_since(before: &HashMap<u32, Deeds>, stack: &mut StackSnapshot) {
    let figures = since(before, stack.past.number, of_stack(stack));
    stack.period = Some(Box::new((figures, None)));
}

fn since(before: &HashMap<u32, Deeds>, number: u32, now: Deeds) -> PeriodFigures {
    let then = before.get(&number).copied().unwrap_or_default();
    let Amount { bytes, blocks } = now.minus(then).allocated;
    let allocated = PeriodSum { bytes, blocks, around: None };
    PeriodFigures { allocated, ..PeriodFigures::default() }
}

/// Most bytes of snapshots that are kept at once: some hundred thousand call stacks all of which change all the time.
const MOST_HELD: usize = 512 << 20;

/// Snapshots of a run, evenly spaced: what a page shows of its time. They are fewer where they are large.
#[derive(Debug, Default)]
pub(in crate::cli) struct Series {
    kept: Vec<Held>,
    /// Bytes of all of them.
    bytes: usize,
    /// Those whose number is a multiple of this stay.
    spacing: u64,
    seen: u64,
}

impl Series {
    /// One more.
    pub(in crate::cli) fn add(&mut self, held: Held) {
        self.add_within(held, MOST_HELD);
    }

    fn add_within(&mut self, held: Held, most: usize) {
        self.spacing = self.spacing.max(1);
        if self.seen.is_multiple_of(self.spacing) {
            self.bytes += held.bytes_beside(self.kept.last());
            self.kept.push(held);
        }
        self.seen += 1;
        while self.kept.len() as u64 >= MOST_SLICES || (self.bytes > most && self.kept.len() > 1) {
            self.thin();
        }
    }

    fn thin(&mut self) {
        let mut number = 0;
        self.kept.retain(|_| {
            number += 1;
            number % 2 == 1
        });
        self.spacing *= 2;
        let before = std::iter::once(None).chain(self.kept.iter().map(Some));
        self.bytes = self.kept.iter().zip(before).map(|(held, it)| held.bytes_beside(it)).sum();
    }

    /// Has the last snapshot, `brief`, tell what happened between those before.
    ///
    /// # Errors
    /// When one of them makes no sense.
    pub(in crate::cli) fn tell(
        &self,
        brief: &Brief,
        snapshot: &mut Snapshot,
    ) -> anyhow::Result<()> {
        let mut before = HashMap::new();
        for held in &self.kept {
            if held.brief()?.time < brief.time {
                let shot = held.shot()?;
                let now = sums(&shot.snapshot);
                add_slices(snapshot, &shot.snapshot, &before, &now);
                before = now;
            }
        }
        let last = snapshot.clone();
        let now = sums(&last);
        add_slices(snapshot, &last, &before, &now);
        Ok(())
    }
}

fn add_slices(
    to: &mut Snapshot,
    of: &Snapshot,
    before: &HashMap<Who, HashMap<u32, Deeds>>,
    now: &HashMap<Who, HashMap<u32, Deeds>>,
) {
    let mut held: HashMap<Who, &ProcessSnapshot> =
        of.processes.iter().map(|process| (who(process), process)).collect();
    for process in &mut to.processes {
        let who = who(process);
        // A file of anybody may have the same process many times: it has one series.
        let Some((then, sums)) = held.remove(&who).zip(now.get(&who)) else { continue };
        let is_sampled = then.heap.confidence.is_some();
        let change = |(number, deeds): (&u32, &Deeds)| {
            let earlier = before.get(&who).and_then(|it| it.get(number)).copied();
            let change = deeds.minus(earlier.unwrap_or_default());
            (change != Deeds::default()).then_some((*number, change))
        };
        let changes =
            if is_sampled { Vec::new() } else { sums.iter().filter_map(change).collect() };
        let mut changes: Vec<(u32, Deeds)> = changes;
        changes.sort_unstable_by_key(|(number, _)| *number);
        let (heap, mapped) = (then.heap.live_bytes, then.mappings.live_bytes);
        let heap_range = then.heap.confidence.map(|it| it.live_bytes);
        let slice = Slice { until: of.time, heap, heap_range, mapped, ..Slice::default() };
        process.slices.push(Slice { changes, ..slice });
    }
}

#[cfg(test)]
mod tests;
