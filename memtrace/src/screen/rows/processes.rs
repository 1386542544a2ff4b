//! A row per process.

use super::super::identity::{ProcessIdentity, RowIdentity};
use super::super::kind::{Held, held, words};
use super::{Figures, Row};
use crate::report::place::workload_of;
use crate::report::units::{
    bytes, counted, difference, estimated_bytes, estimated_count, signed_bytes,
};
use crate::report::view::Subject;
use crate::report::{End, ProcessReport, Report, Verdict, how_it_ended};

pub(super) fn rows(report: &Report) -> Vec<Row> {
    report.processes.iter().map(|process| row(report, process)).collect()
}

fn row(report: &Report, process: &ProcessReport) -> Row {
    let Held { bytes, confidence, peak } = held(report, process);
    let is_heap = Subject::of_process(report, process) == Subject::Blocks;
    let rate =
        process.judgement.slope.map(|slope| slope.middle).or(process.growth.bytes_per_second);
    Row {
        identity: RowIdentity::Process(ProcessIdentity::of(process)),
        pid: process.pid,
        name: process.comm.clone(),
        figures: Figures {
            live: Some(bytes),
            confidence,
            peak,
            growth: is_heap.then_some(process.growth.bytes),
            rate: rate.filter(|_| is_heap),
            blocks: is_heap.then_some(process.heap.live_blocks),
            resident: process.usage_last.map(|usage| usage.resident),
            is_vague: false,
        },
        verdict: Some(process.verdict),
        state: state(process),
        ended: process.end != End::Running,
        place: Default::default(),
        details: details(report, process),
    }
}

/// How it ended, or else the verdict, in nine columns.
fn state(process: &ProcessReport) -> String {
    match process.end {
        End::Exited(code) => format!("exit {code}"),
        End::Killed(signal) => format!("signal {signal}"),
        End::Unknown => "ended".to_owned(),
        End::Execed => "exec".to_owned(),
        End::Running if process.verdict == Verdict::NotTheHeap => "NOT HEAP".to_owned(),
        End::Running => process.verdict.words().to_owned(),
    }
}

fn details(report: &Report, process: &ProcessReport) -> Vec<String> {
    let why = process.explanation.first().map_or("", String::as_str);
    let end = how_it_ended(process).map_or_else(String::new, |end| format!(", {end}"));
    let uid = process.uid.map_or_else(String::new, |uid| format!(", uid {uid}"));
    let place = workload_of(process).map_or_else(String::new, |place| format!(", {place}"));
    let who = format!("{} (pid {}{uid}{end}{place})", process.comm, process.pid);
    vec![
        format!("{who}  {}: {why}", process.verdict.words()),
        holds(report, process),
        resident(process),
    ]
}

fn holds(report: &Report, process: &ProcessReport) -> String {
    let Held { bytes: live, confidence, peak } = held(report, process);
    let kind = Subject::of_process(report, process);
    let size = estimated_bytes(live, confidence);
    if kind != Subject::Blocks {
        return format!("{} {size}", words(kind));
    }
    let heap = &process.heap;
    let ranges = heap.confidence;
    let blocks = estimated_count(heap.live_blocks, "block", ranges.map(|it| it.live_blocks));
    let mut text = format!("heap {size} in {blocks}");
    let peak = peak.map(|peak| estimated_bytes(peak, ranges.map(|it| it.peak_bytes)));
    text.push_str(&peak.map_or_else(String::new, |peak| format!(", peak {peak}")));
    let all = estimated_count(heap.allocated_blocks, "block", ranges.map(|it| it.allocated_blocks));
    text.push_str(&format!("; {all} allocated"));
    if heap.unknown_bytes > 0 {
        text.push_str(&format!("; {} more not known", bytes(heap.unknown_bytes)));
    }
    if heap.missed_frees > 0 {
        text.push_str(&format!("; {}", counted(heap.missed_frees, "missed free")));
    }
    text
}

fn resident(process: &ProcessReport) -> String {
    let mut parts = Vec::new();
    if let Some((first, last)) = process.usage_first.zip(process.usage_last) {
        let change = signed_bytes(difference(last.resident, first.resident));
        parts.push(format!("resident {} ({change})", bytes(last.resident)));
        if last.swap > 0 {
            parts.push(format!("swap {}", bytes(last.swap)));
        }
    }
    for (name, account) in [
        ("pools", process.pools.as_ref()),
        ("device", process.device.as_ref().map(|device| &device.account)),
    ] {
        parts.extend(account.map(|it| format!("{name} {}", bytes(it.totals.live_bytes))));
    }
    parts.extend(process.allocators.iter().cloned());
    parts.extend(process.exe.clone());
    parts.join("; ")
}
