//! What is said of the whole and of each process besides its stacks.

use super::data::{Process, Range, Total};
use super::timeline;
use crate::engine::snapshot::{Confidence, SampledConfidence};
use crate::report::model::{ProcessReport, Report};
use crate::report::{doubt, text};

/// What was watched, and how.
pub(super) fn how(report: &Report) -> Vec<String> {
    let mut all = text::how(report);
    let mut stacks = report.processes.iter().flat_map(|process| &process.stacks).peekable();
    if stacks.peek().is_some() && stacks.all(|stack| stack.part.thread.is_none()) {
        // Otherwise a reader of the page cannot know that it could.
        all.push("threads are not told apart (--by thread gives this page a switch)".to_owned());
    }
    if !report.tracer.kernel.is_empty() {
        all.push(format!("kernel {}", report.tracer.kernel));
    }
    all
}

/// All causes of loss, those that did not happen included.
pub(super) fn losses(report: &Report) -> Vec<(&'static str, u64)> {
    let loss = &report.loss;
    let sum = |of: fn(&ProcessReport) -> u64| {
        report.processes.iter().map(of).fold(0, u64::saturating_add)
    };
    let mut all = vec![
        ("events", loss.events),
        ("stacks", loss.stacks),
        ("evicted blocks", loss.evicted_blocks),
        ("missed frees", sum(|process| process.heap.missed_frees)),
        ("frees of blocks never seen", sum(|process| process.heap.unknown_frees)),
        ("frees that were lost, at most", sum(|process| process.heap.lost_frees)),
        ("live blocks that may have been freed unseen, at most", doubt::of_report(report)),
        ("allocations whose stack is not complete", sum(|process| process.incomplete_blocks)),
    ];
    all.extend(loss.by_cause.iter().copied());
    all
}

pub(super) fn process(process: &ProcessReport) -> Process<'_> {
    Process {
        pid: process.pid,
        comm: &process.comm,
        exe: process.exe.as_deref(),
        command: process.cmdline.as_ref().map(|words| words.join(" ")),
        verdict: process.verdict.words(),
        verdict_key: process.verdict.key(),
        explanation: &process.explanation,
        facts: text::of_process(process),
        totals: totals(process),
        memory: timeline::memory(process),
    }
}

fn totals(process: &ProcessReport) -> Vec<Total> {
    let heap = &process.heap;
    let range = |of: fn(&SampledConfidence) -> Confidence| {
        heap.confidence.as_ref().map(|it| Range::from(of(it)))
    };
    let total = |name, bytes, count| Total { name, bytes, count, ..Total::default() };
    let both = |name, bytes, count| total(name, Some(bytes), Some(count));
    let mut all = vec![
        Total {
            range: range(|it| it.live_bytes),
            count_range: range(|it| it.live_blocks),
            ..both("live", heap.live_bytes, heap.live_blocks)
        },
        Total { range: range(|it| it.peak_bytes), ..total("peak", Some(heap.peak_bytes), None) },
        Total {
            range: range(|it| it.allocated_bytes),
            count_range: range(|it| it.allocated_blocks),
            ..both("allocated", heap.allocated_bytes, heap.allocated_blocks)
        },
        Total {
            range: range(|it| it.freed_bytes),
            count_range: range(|it| it.freed_blocks),
            ..both("freed", heap.freed_bytes, heap.freed_blocks)
        },
        both("not known to live", heap.unknown_bytes, heap.unknown_blocks),
        both("inherited at fork", heap.inherited_bytes, heap.inherited_blocks),
        total("failed allocations", None, Some(heap.failed)),
    ];
    if process.perhaps_freed > 0 {
        let name = match heap.confidence {
            Some(_) => "sampled blocks perhaps freed unseen, at most",
            None => "perhaps freed unseen, at most",
        };
        all.push(total(name, None, Some(process.perhaps_freed)));
    }
    if let Some(usage) = process.usage_last {
        all.push(total("resident memory", Some(usage.resident), None));
    }
    all
}
