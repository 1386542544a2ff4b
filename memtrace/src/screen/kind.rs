//! Which figures of a process are shown: its heap, or what was accounted for in the heap's place.

use crate::engine::snapshot::Confidence;
use crate::report::view::Subject;
use crate::report::{ProcessReport, Report};

/// For people, before a size.
pub(super) const fn words(subject: Subject) -> &'static str {
    match subject {
        Subject::Blocks => "heap",
        Subject::Pages => "touched",
        Subject::Ranges => "mapped",
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
    match (Subject::of_process(report, process), &process.touched) {
        (Subject::Pages, Some(touched)) => {
            let rest = touched.others.bytes;
            let listed = touched.stacks.iter().map(|stack| stack.live_bytes);
            Held {
                confidence: touched.totals.confidence.map(|it| it.live_bytes),
                ..plain(listed.fold(rest, u64::saturating_add))
            }
        }
        (Subject::Ranges, _) => plain(process.mappings.live_bytes),
        _ => Held {
            bytes: process.heap.live_bytes,
            confidence: process.heap.confidence.map(|it| it.live_bytes),
            peak: Some(process.heap.peak_bytes),
        },
    }
}
