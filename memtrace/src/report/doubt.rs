//! Live blocks that may have been freed unseen, because records of frees were lost, and what that does to verdicts.
//!
//! Nobody knows which frees were lost. Known is how many of a process there were at most, and that a block that was
//! born after the latest loss was freed by none of them. So of the older ones at most that many are gone.

use super::judged::Judged;
use super::model::{ProcessReport, Report};
use super::units::counted;
use crate::engine::snapshot::{HeapTotals, ProcessSnapshot, StackSnapshot};

/// How many blocks of a stack may have been freed; of samples so many samples.
pub(super) fn of_stack(totals: &HeapTotals, stack: &StackSnapshot) -> u64 {
    totals.lost_frees.min(stack.doubtful.blocks)
}

/// … of all of an account's stacks together.
pub(super) fn of_account(totals: &HeapTotals, stacks: &[StackSnapshot]) -> u64 {
    let doubtful = stacks.iter().map(|stack| stack.doubtful.blocks);
    totals.lost_frees.min(doubtful.fold(0, u64::saturating_add))
}

/// … of all processes and accounts together.
pub(super) fn of_report(report: &Report) -> u64 {
    let of_process = |process: &ProcessReport| {
        let device = process.device.as_ref().map(|device| &device.account);
        let accounts = process.pools.iter().chain(device).map(|account| account.perhaps_freed);
        accounts.fold(process.perhaps_freed, u64::saturating_add)
    };
    report.processes.iter().map(of_process).fold(0, u64::saturating_add)
}

/// Whether blocks that are gone may be all that the stack gained.
pub(super) fn may_be_growth_of(totals: &HeapTotals, stack: &StackSnapshot) -> bool {
    needed(totals, stack).is_some()
}

/// How many blocks have to be gone at least for that; `None`: more than can be.
fn needed(totals: &HeapTotals, stack: &StackSnapshot) -> Option<u64> {
    let gained = u64::try_from(stack.growth.bytes).unwrap_or(0);
    let doubtful = stack.doubtful;
    let needed = gained.div_ceil(doubtful.largest.max(1));
    let is_enough = gained <= doubtful.bytes && needed <= of_stack(totals, stack);
    (is_enough && of_stack(totals, stack) > 0).then_some(needed)
}

/// Whether blocks that are gone may be all that makes the live heap seem to grow.
pub(super) fn may_be_growth(process: &ProcessSnapshot, judged: &Judged) -> bool {
    let totals = &process.heap;
    // A heap that gained nothing since attach may grow now.
    if of_account(totals, &process.stacks) == 0 {
        return false;
    }
    let growing = || process.stacks.iter().filter(|stack| judged.grows(stack));
    if growing().next().is_none() {
        let gained = u64::try_from(process.growth.bytes).unwrap_or(0);
        return gained <= most(process);
    }
    let together = growing().try_fold(0_u64, |sum, stack| sum.checked_add(needed(totals, stack)?));
    together.is_some_and(|blocks| blocks <= totals.lost_frees)
}

/// The most bytes that blocks which are gone can have.
fn most(process: &ProcessSnapshot) -> u64 {
    let doubtful = || process.stacks.iter().map(|stack| stack.doubtful);
    let all = doubtful().fold(0, |sum, it| u64::saturating_add(sum, it.bytes));
    let largest = doubtful().map(|it| it.largest).max().unwrap_or(0);
    all.min(largest.saturating_mul(process.heap.lost_frees))
}

/// Why such a process is degraded.
pub(super) fn reason(process: &ProcessSnapshot) -> String {
    format!(
        "{} may have been freed unseen, as records of frees were lost, and may be all that seems to grow",
        blocks(of_account(&process.heap, &process.stacks), process.heap.confidence.is_some())
    )
}

/// `3 live blocks`.
pub(super) fn blocks(number: u64, are_samples: bool) -> String {
    counted(number, if are_samples { "sampled live block" } else { "live block" })
}
