//! Which figures of a process are shown: its heap, or what was accounted for in the heap's place.

use crate::engine::snapshot::Confidence;
use crate::report::{Ledgers, ProcessReport, Report};

/// What was accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Heap,
    /// Pages that were touched first.
    Touched,
    /// Mappings.
    Mapped,
}

impl Kind {
    pub(super) fn of(report: &Report, process: &ProcessReport) -> Self {
        let has_blocks = process.heap.allocated_blocks > 0;
        if report.options.touches && !has_blocks && process.touched.is_some() {
            Self::Touched
        } else if report.options.ledger == Ledgers::Mappings && !has_blocks {
            Self::Mapped
        } else {
            Self::Heap
        }
    }

    /// For people, before a size.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Touched => "touched",
            Self::Mapped => "mapped",
        }
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) bytes: u64,
    pub(super) confidence: Option<Confidence>,
    /// `None`: that is not kept.
    pub(super) peak: Option<u64>,
}

/// What a process holds, of the kind that is accounted for.
pub(super) fn held(report: &Report, process: &ProcessReport) -> Held {
    let plain = |bytes| Held { bytes, confidence: None, peak: None };
    match (Kind::of(report, process), &process.touched) {
        (Kind::Touched, Some(touched)) => {
            let rest = touched.others.bytes;
            let listed = touched.stacks.iter().map(|stack| stack.live_bytes);
            plain(listed.fold(rest, u64::saturating_add))
        }
        (Kind::Mapped, _) => plain(process.mappings.live_bytes),
        _ => Held {
            bytes: process.heap.live_bytes,
            confidence: process.heap.confidence.map(|it| it.live_bytes),
            peak: Some(process.heap.peak_bytes),
        },
    }
}
