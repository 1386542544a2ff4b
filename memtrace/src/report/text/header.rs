//! Who, when, and how it was watched.

use super::TextStyle;
use crate::report::facts::{Ledgers, LinkFacts};
use crate::report::layout::{clip, pack, wrap_hanging};
use crate::report::model::{End, ProcessReport, Report};
use crate::report::place::place_of;
use crate::report::units::{clock, counted, duration, exact_bytes, exactly};
use std::time::Duration;

/// The first lines of a report.
pub(in crate::report) fn header(report: &Report, style: TextStyle) -> Vec<String> {
    let facts = &report.tracer;
    let who = match report.processes.as_slice() {
        [] => "no process".to_owned(),
        [process] => name(process),
        all => counted(all.len() as u64, "process"),
    };
    let kind = if report.options.is_final { "final report" } else { "report" };
    // A moment of a recording from before the run's first report has no number.
    let which = match facts.sequence {
        0 => format!("at {} of the run", exactly(report.watched)),
        number => number.to_string(),
    };
    let parts = [
        format!("memtrace {}  {who}", facts.version),
        format!("{kind} {which}"),
        clock(facts.time),
    ];
    let mut lines = pack("", 2, &parts, "   ", style.columns());
    lines.extend(wrap_hanging("", 2, &how(report).join("; "), style.columns()));
    if let [process] = report.processes.as_slice() {
        lines.extend(command(process, style));
    }
    lines
}

/// The first lines of a process's section, where there are several.
pub(super) fn section(process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let mut facts = vec![process.windows.as_ref().map_or_else(
        || format!("watched {}", duration(process.watched)),
        |it| format!("blocks watched {} of {}", duration(it.watched), duration(it.of)),
    )];
    facts.extend(of_process(process));
    let mut lines = pack("", 2, &[name(process), facts.join("; ")], "   ", style.columns());
    lines.extend(command(process, style));
    lines
}

/// `thumbd (pid 1234, uid 998)`.
pub(super) fn name(process: &ProcessReport) -> String {
    let uid = process.uid.map_or_else(String::new, |uid| format!(", uid {uid}"));
    format!("{} (pid {}{uid})", process.comm, process.pid)
}

/// What was watched, and how.
pub(in crate::report) fn how(report: &Report) -> Vec<String> {
    let facts = &report.tracer;
    let single = match report.processes.as_slice() {
        [process] => Some(process),
        _ => None,
    };
    let watched = single.map_or(report.watched, |process| process.watched);
    let mut parts = vec![format!(
        "{}watched {} from {}",
        windows(report, single),
        duration(watched),
        clock(facts.began)
    )];
    parts.extend(single.and_then(up));
    parts.push(match facts.sample_interval_bytes {
        _ if report.looks.is_some() => {
            "touched pages and mappings, and the heap of what grows".to_owned()
        }
        _ if report.options.touches => "touched pages and mappings alone".to_owned(),
        _ if report.options.ledger == Ledgers::Mappings => "mappings alone".to_owned(),
        0 => "every allocation".to_owned(),
        interval => format!("one sample in {}", exact_bytes(interval)),
    });
    parts.extend(single.into_iter().flat_map(|process| process.allocators.iter().cloned()));
    // Without probes on functions there is no link.
    let link = facts.link.filter(|_| report.options.ledger != Ledgers::Mappings);
    parts.extend(link.map(|link| format!("{} link", link.name())));
    parts.extend(facts.links.iter().filter_map(shared));
    parts.extend(single.and_then(end));
    parts.extend(single.and_then(place_of));
    parts
}

/// `windows of 5 s each 60 s: blocks watched 35 s of 420 s; `, where blocks are not watched all the time.
fn windows(report: &Report, single: Option<&ProcessReport>) -> String {
    let how = report.tracer.window.map(|(on, period)| {
        let time = |time: Duration| duration(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        format!("windows of {} each {}", time(on), time(period))
    });
    let seen = single
        .and_then(|process| process.windows)
        .map(|it| format!("blocks watched {} of {}", duration(it.watched), duration(it.of)));
    match (how, seen) {
        (Some(how), Some(seen)) => format!("{how}: {seen}; "),
        (Some(one), None) | (None, Some(one)) => format!("{one}; "),
        (None, None) => String::new(),
    }
}

/// Says that others pay, or for how many processes there is a single link; what is usual is not told.
fn shared(link: &LinkFacts) -> Option<String> {
    let LinkFacts { allocator, processes, others, .. } = link;
    let whom = match (link.for_all, *processes, *others) {
        (true, _, 1) => "all, 1 other process pays".to_owned(),
        (true, _, 2..) => format!("all, {others} other processes pay"),
        (true, 2.., 0) => "all, nobody else pays".to_owned(),
        (false, 2.., _) => "each process".to_owned(),
        _ => return None,
    };
    Some(format!("probes of {allocator} for {whom}"))
}

/// What is known of a process besides its figures.
pub(in crate::report) fn of_process(process: &ProcessReport) -> Vec<String> {
    let known = up(process).into_iter().chain(process.allocators.iter().cloned());
    known.chain(end(process)).chain(place_of(process)).collect()
}

fn up(process: &ProcessReport) -> Option<String> {
    let what = if process.end == End::Running { "process up" } else { "lived" };
    process.up.map(|up| format!("{what} {}", duration(up)))
}

/// How the process ended; `None`: it runs.
#[must_use]
pub fn end(process: &ProcessReport) -> Option<String> {
    Some(match process.end {
        End::Running => return None,
        End::Exited(code) => format!("exited with status {code}"),
        End::Killed(signal) => format!("killed by signal {signal}{}", signal_name(signal)),
        End::Execed => "replaced by another program (exec)".to_owned(),
        End::Unknown => "ended, how is not known".to_owned(),
    })
}

fn signal_name(signal: u8) -> &'static str {
    match i32::from(signal) {
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGQUIT => " (SIGQUIT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGTRAP => " (SIGTRAP)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGALRM => " (SIGALRM)",
        libc::SIGTERM => " (SIGTERM)",
        _ => "",
    }
}

fn command(process: &ProcessReport, style: TextStyle) -> Option<String> {
    let words = process.cmdline.as_ref()?;
    Some(clip(&format!("command: {}", words.join(" ")), style.columns()))
}
