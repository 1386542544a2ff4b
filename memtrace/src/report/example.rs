//! A report to write, for tests of formats: an exact process with hostile names and one whose heap is an estimate.

use super::model::{FrameReport, LossReport, ProcessReport, Report, StackReport, Sum};
use crate::engine::snapshot::{Confidence, HeapTotals, SampledConfidence};

/// What lives in the first process.
pub(super) const EXACT_LIVE: u64 = 50 + 3 + 30 + 40;
/// What lives in the second one.
pub(super) const ESTIMATED_LIVE: u64 = 5 << 32;
/// Names that mean something to readers of formats.
pub(super) const HOSTILE: [&str; 3] =
    ["=cmd|' /C x'!A1", "f(\"a\", b);\\u0000\u{fffd}", "</script>"];

pub(super) fn report() -> Report {
    let loss = LossReport { events: 7, stacks: 2, evicted_blocks: 1, ..LossReport::default() };
    let degraded = vec!["over 1 % of events lost".to_owned()];
    Report { processes: vec![exact(), estimated()], loss, degraded, ..Report::default() }
}

/// 1000 of its 2100 bytes were allocated by stacks that are not listed.
fn exact() -> ProcessReport {
    let wrapper = FrameReport { internal: true, ..FrameReport::called("xmalloc") };
    let [outermost, middle, innermost] = HOSTILE.map(FrameReport::called);
    let innermost =
        FrameReport { file: Some("a,b.c".to_owned()), line: Some(7), inlined: true, ..innermost };
    let stack = |frames, live_bytes, allocated_bytes| StackReport {
        frames,
        function: "malloc".to_owned(),
        live_bytes,
        live_blocks: 1,
        allocated_bytes,
        allocated_blocks: 2,
        freed_bytes: 20,
        freed_blocks: 1,
        ..StackReport::default()
    };
    ProcessReport {
        pid: 7,
        comm: "@app".to_owned(),
        heap: HeapTotals {
            live_bytes: EXACT_LIVE,
            allocated_bytes: 2100,
            unknown_bytes: 11,
            ..HeapTotals::default()
        },
        stacks: vec![
            stack(vec![wrapper, innermost, middle, outermost], 50, 1000),
            stack(Vec::new(), 3, 100),
        ],
        others: Sum { stacks: 1, blocks: 1, bytes: 30 },
        young: Sum { stacks: 1, blocks: 4, bytes: 40 },
        ..ProcessReport::default()
    }
}

/// More bytes than 32 bits count.
fn estimated() -> ProcessReport {
    let between = Confidence { low: 4 << 32, high: 6 << 32 };
    let confidence = Some(SampledConfidence {
        live_bytes: between,
        allocated_bytes: between,
        samples: 9,
        ..SampledConfidence::default()
    });
    let (live_bytes, allocated_bytes) = (ESTIMATED_LIVE, ESTIMATED_LIVE);
    ProcessReport {
        pid: 8,
        comm: "big".to_owned(),
        heap: HeapTotals { live_bytes, allocated_bytes, confidence, ..HeapTotals::default() },
        stacks: vec![StackReport {
            frames: vec![FrameReport::called("main")],
            function: "mmap".to_owned(),
            live_bytes,
            allocated_bytes,
            confidence,
            ..StackReport::default()
        }],
        ..ProcessReport::default()
    }
}
