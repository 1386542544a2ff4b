//! What tracing cost, what was lost, how far to trust it, and what to do next.

use super::TextStyle;
use crate::engine::ended::Ended;
use crate::engine::ports::Missing;
use crate::model::ids::SECOND;
use crate::report::doubt;
use crate::report::facts::{Ledgers, TracerFacts, WindowChange};
use crate::report::layout::wrap;
use crate::report::model::{End, FrameReport, ModuleReport, ProcessReport, Report, STACKS_FULL};
use crate::report::units::{bytes, clock, count, counted, percent, share, span};
use crate::report::verdict::Verdict;
use std::collections::BTreeSet;
use std::time::Duration;

/// Modules without symbols that are named.
const NAMED_MODULES: usize = 4;
/// Lines of advice.
const ADVICE: usize = 3;
/// Share of incomplete stacks from which on something should be done about them.
const MANY_INCOMPLETE: f64 = 0.05;

/// The last lines of a report.
pub(super) fn footer(report: &Report, style: TextStyle) -> Vec<String> {
    lines(sentences(report), style)
}

/// What was lost, and what the figures are worth.
pub(in crate::report) fn trustworthiness(report: &Report, style: TextStyle) -> Vec<String> {
    lines(worth(report), style)
}

fn lines(sentences: Vec<Sentence>, style: TextStyle) -> Vec<String> {
    let columns = style.columns();
    let line = |(label, text): Sentence| wrap(&format!("{label:8}"), &text, columns);
    sentences.into_iter().flat_map(line).collect()
}

/// What is said, and the word that it stands under; further advice has none.
type Sentence = (&'static str, String);

/// What the last lines say.
pub(in crate::report) fn sentences(report: &Report) -> Vec<Sentence> {
    let mut all = vec![("COST", cost(report))];
    all.extend(worth(report));
    let advice = next(report).into_iter().take(ADVICE).enumerate();
    all.extend(advice.map(|(number, text)| (if number == 0 { "NEXT" } else { "" }, text)));
    all
}

fn worth(report: &Report) -> Vec<Sentence> {
    let mut all = Vec::new();
    all.extend(windowed(report).map(|text| ("WINDOWS", text)));
    all.extend(sampled(report).map(|text| ("SAMPLED", text)));
    all.extend([("LOST", lost(report)), ("TRUST", trust(report).join("; "))]);
    all
}

/// Percent, as far as that means something: an estimate may be more than all that the targets use.
fn overhead(part: f64) -> String {
    if part > 1000.0 { "over 1,000 %".to_owned() } else { percent(part / 100.0) }
}

/// When blocks were watched, where that was changed under way.
fn windowed(report: &Report) -> Option<String> {
    let changes = &report.tracer.window_changes;
    let (first, last) = (changes.first()?, changes.last()?);
    let how = |change: &WindowChange| {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let how = change.window.map_or_else(
            || "all the time".to_owned(),
            |(on, period)| format!("{} of each {}", seconds(on), seconds(period)),
        );
        format!("{how} from {} on: {}", clock(change.time), change.reason)
    };
    let number = changes.len() as u64 + report.tracer.window_changes_left_out;
    Some(match number {
        1 => how(first),
        number => {
            format!("{}; after {} {}", how(first), counted(number - 1, "more change"), how(last))
        }
    })
}

/// How many allocations were looked at, where that was changed under way.
fn sampled(report: &Report) -> Option<String> {
    let changes = &report.tracer.sampling_changes;
    let (first, last) = (changes.first()?, changes.last()?);
    let every = |interval| match interval {
        0 => "every allocation".to_owned(),
        interval => format!("one allocation for {}", bytes(interval)),
    };
    let mut text =
        format!("{} from {} on: {}", every(first.interval), clock(first.time), first.reason);
    match changes.len() as u64 + report.tracer.sampling_changes_left_out {
        1 => {}
        2 => text.push_str(&format!("; {} from {} on", every(last.interval), clock(last.time))),
        number => text.push_str(&format!(
            "; after {} more changes {} from {} on: {}",
            number - 1,
            every(last.interval),
            clock(last.time),
            last.reason
        )),
    }
    Some(text)
}

fn cost(report: &Report) -> String {
    let facts = &report.tracer;
    let target = match facts.target_cost_cores {
        None => "not measured".to_owned(),
        Some(cores) => {
            let who = if report.processes.len() == 1 { "it uses" } else { "they use" };
            let used = cores_used(report);
            // A tenth of a core is much of an idle program's, and nothing of a busy one's.
            let digits = if used.is_some_and(|used| used < 1.0) { 2 } else { 1 };
            let used = used
                .map_or_else(String::new, |used| format!(" of the {used:.digits$} cores {who}"));
            let part = facts.target_cost_percent;
            let budget = budget(facts, cores);
            let part =
                part.map_or_else(String::new, |part| format!(" ({}{budget})", overhead(part)));
            let hits = facts.hits.filter(|hits| hits.per_second >= 1.0);
            let hits = hits.map_or_else(String::new, |hits| {
                let price = hits.cost / 1e3;
                format!(" for {} hits/s of {price:.1} µs", count(hits.per_second as u64))
            });
            format!("about {cores:.2} cores{used}{part}{hits}").replacen(
                " cores of the",
                " of the",
                1,
            )
        }
    };
    let seconds = report.watched as f64 / SECOND as f64;
    let own = if seconds > 0.0 {
        format!("{:.2} cores", facts.cpu_seconds / seconds)
    } else {
        format!("{:.2} s of CPU", facts.cpu_seconds)
    };
    format!("target: {target}; tracer: {own}, {}", bytes(facts.rss_bytes))
}

/// What the cost was to be at most: as it was wished, not to a digit.
fn budget(facts: &TracerFacts, cores: f64) -> String {
    let Some(most) = facts.overhead_budget else { return String::new() };
    let from = facts.budget_from_cores;
    let is_over = facts.target_cost_percent.is_some_and(|part| part > most);
    // Else it would be asked why it is not held.
    let free = if is_over && cores < from {
        format!(" where that is over {from} cores")
    } else {
        String::new()
    };
    format!(", budget {most} %{free}")
}

/// CPU that the processes used while they were watched, in cores; `None` if it is not known of all.
fn cores_used(report: &Report) -> Option<f64> {
    report.processes.first()?;
    let mut cores = 0.0;
    for process in &report.processes {
        let used = process.usage_last?.cpu.checked_sub(process.usage_first?.cpu)?;
        cores += if process.watched == 0 { 0.0 } else { used as f64 / process.watched as f64 };
    }
    Some(cores)
}

/// What was lost, zeroes included; also in brief reports and on the screen.
#[must_use]
pub fn lost(report: &Report) -> String {
    let loss = &report.loss;
    let missed = report.processes.iter().map(|process| process.heap.missed_frees);
    let causes: Vec<String> = loss
        .by_cause
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(cause, number)| format!("{cause} {}", count(*number)))
        .collect();
    let causes =
        if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) };
    let early = share_of(report, |process| process.early.blocks);
    let early = if early > 0.0 {
        format!(" ({} in code too new to be walked)", percent(early))
    } else {
        String::new()
    };
    let doubtful = perhaps_freed(report);
    format!(
        "events {}, stacks {}, evicted {}, missed frees {}{causes}; incomplete stacks {}{early}{doubtful}",
        count(loss.events),
        count(loss.stacks),
        count(loss.evicted_blocks),
        count(missed.fold(0, u64::saturating_add)),
        percent(incomplete(report))
    )
}

/// How many of the blocks that count as live may be none.
fn perhaps_freed(report: &Report) -> String {
    match doubt::of_report(report) {
        0 => String::new(),
        number => format!(
            "; up to {} may have been freed unseen",
            doubt::blocks(number, is_estimated(report))
        ),
    }
}

/// Share of allocations whose stack is not complete.
fn incomplete(report: &Report) -> f64 {
    share_of(report, |process| process.incomplete_blocks)
}

/// Share of all allocations.
fn share_of(report: &Report, part: fn(&ProcessReport) -> u64) -> f64 {
    let sum = |of: fn(&ProcessReport) -> u64| {
        report.processes.iter().map(of).fold(0, u64::saturating_add)
    };
    share(sum(part), sum(|process| process.heap.allocated_blocks))
}

fn is_estimated(report: &Report) -> bool {
    report.processes.iter().any(|process| process.heap.confidence.is_some())
}

fn has_sampled_pages(report: &Report) -> bool {
    let mut touched = report.processes.iter().filter_map(|process| process.touched.as_ref());
    touched.any(|touched| touched.totals.confidence.is_some())
}

fn is_exact(report: &Report) -> bool {
    let whole = |process: &ProcessReport| process.heap.missed_frees == 0;
    !is_estimated(report)
        && report.loss.events == 0
        && report.loss.evicted_blocks == 0
        && [report.ended.heap, report.ended.pools, report.ended.device]
            .iter()
            .all(|sums| sums.missed_frees == 0)
        && report.processes.iter().all(whole)
}

fn trust(report: &Report) -> Vec<String> {
    let exact = match (is_estimated(report) || has_sampled_pages(report), is_exact(report)) {
        (true, _) => "estimates, which in 95 of 100 cases lie in the range beside them",
        (_, true) => "counts exact",
        _ => "counts not exact: see LOST",
    };
    let cost = report.tracer.target_cost_cores.map_or("", |_| ", cost estimated");
    let mut parts = vec![format!("{exact}{cost}")];
    let growing = report.processes.iter().filter(|process| process.verdict == Verdict::Growing);
    if let Some(watched) = growing.map(|process| process.watched).min() {
        let watched = span(watched);
        parts.push(format!("{watched} cannot tell a leak from a cache still filling"));
    }
    parts.extend(ended(report));
    parts.extend(children(report));
    let bare = without_lines(report);
    if !bare.is_empty() {
        parts.push(format!("no debug symbols: {}", named(&bare)));
    }
    parts.extend(report.tracer.notes.iter().cloned());
    parts
}

/// Those that are not listed any more.
fn ended(report: &Report) -> Option<String> {
    let Ended { processes, heap, .. } = &report.ended;
    let doubtful = match heap.perhaps_freed_blocks {
        0 => String::new(),
        number => format!(", of which up to {} may have been freed unseen", count(number)),
    };
    // The sums do not say which of them sampled.
    let facts = &report.tracer;
    let is_sampled = facts.sample_interval_bytes > 0 || !facts.sampling_changes.is_empty();
    let about = if is_sampled { "about, by samples: " } else { "" };
    (*processes > 0).then(|| {
        let are = if *processes == 1 { "is" } else { "are" };
        let blocks =
            |bytes_of, count| format!("{} in {}", bytes(bytes_of), counted(count, "block"));
        format!(
            "{} that ended earlier {are} not listed: {about}allocated {}, freed {}, left {} at the end{doubtful}",
            counted(*processes, "process"),
            blocks(heap.allocated_bytes, heap.allocated_blocks),
            blocks(heap.freed_bytes, heap.freed_blocks),
            blocks(heap.live_bytes, heap.live_blocks),
        )
    })
}

fn children(report: &Report) -> Vec<String> {
    let sum = |of: fn(&ProcessReport) -> u64| {
        report.processes.iter().map(of).fold(0, u64::saturating_add)
    };
    let (copies, windows) =
        (sum(|process| process.untraced_children), sum(|process| process.unseen_vforks));
    let mut parts = Vec::new();
    if copies > 0 {
        parts.push(format!("{} not traced", counted(copies, "child process")));
    }
    if windows > 0 {
        parts.push(format!("{} between vfork and exec not seen", counted(windows, "time")));
    }
    let untold = sum(|process| process.untold_frees);
    if untold > 0 {
        parts.push(format!("how long {} lived was not kept", counted(untold, "freed block")));
    }
    parts
}

/// Files in listed stacks without line tables.
fn without_lines(report: &Report) -> Vec<&ModuleReport> {
    let modules = report.processes.iter().flat_map(|process| &process.modules);
    let bare =
        modules.filter(|module| module.debug_lines == Some(false) || module.missing.is_some());
    let mut seen = BTreeSet::new();
    bare.filter(|module| seen.insert((&module.name, &module.build_id))).collect()
}

fn named(modules: &[&ModuleReport]) -> String {
    let mut names: Vec<String> =
        modules.iter().take(NAMED_MODULES).map(|module| with_id(module)).collect();
    if modules.len() > NAMED_MODULES {
        names.push(format!("{} more", modules.len() - NAMED_MODULES));
    }
    names.join(", ")
}

fn with_id(module: &ModuleReport) -> String {
    match &module.build_id {
        Some(id) => format!("{} (build-id {}…)", module.name, id.get(..8).unwrap_or(id)),
        None => module.name.clone(),
    }
}

fn next(report: &Report) -> Vec<String> {
    let mut advice: Vec<String> = Vec::new();
    for process in &report.processes {
        let more = by_verdict(report, process);
        advice.extend(more.into_iter().filter(|line| !advice.contains(line)).collect::<Vec<_>>());
    }
    advice.extend(frame_pointers(report).filter(|line| !advice.contains(line)));
    if report.loss.count(STACKS_FULL) > 0 {
        advice.push("there was no room for all call stacks: raise --max-memory".to_owned());
    }
    let nameless = nameless(report);
    if let Some(module) = nameless {
        // Before all else: what grows is where nobody can tell.
        let more =
            format!("install the debug symbols of {module} to see what its functions are called");
        advice.insert(0, more);
    }
    if let [first, ..] = without_lines(report).as_slice()
        && nameless.is_none_or(|module| module != first.name)
    {
        advice.push(format!("install the debug symbols of {} to see files and lines", first.name));
    }
    if advice.is_empty() {
        advice.push("nothing".to_owned());
    }
    advice
}

/// The file of a function that is in the first stack of a process, and whose symbols are elsewhere.
fn nameless(report: &Report) -> Option<&str> {
    let first = report.processes.iter().filter_map(|process| process.stacks.first());
    let mut frames = first.flat_map(|stack| stack.shown(report.options.show_internals));
    let symbols = [Some(Missing::NoSymbols), Some(Missing::NotCovered)];
    frames.find(|frame| symbols.contains(&frame.missing))?.module.as_deref()
}

/// What to do about stacks that end early, if there are many.
fn frame_pointers(report: &Report) -> Option<String> {
    (incomplete(report) > MANY_INCOMPLETE).then(|| match report.tracer.unwind.as_str() {
        "fp" => "stacks end where code has no frame pointers: trace without --unwind fp".to_owned(),
        _ => "many stacks end early; at the end of each stands why".to_owned(),
    })
}

fn by_verdict(report: &Report, process: &ProcessReport) -> Vec<String> {
    if process.heap.allocated_blocks == 0 && process.verdict != Verdict::NotTheHeap {
        // Of one that has ended nobody can say more, and of allocators nobody has asked.
        let runs = process.end == End::Running && report.options.ledger != Ledgers::Mappings;
        let advice = || {
            let pid = process.pid;
            format!("memtrace doctor --pid {pid} says which allocators and runtimes were found")
        };
        return runs.then(advice).into_iter().collect();
    }
    match process.verdict {
        Verdict::Growing => growing(report, process),
        Verdict::Stable | Verdict::Draining => vec![
            "slow leaks show in longer watches (--interval 1m --duration 1h); --sort age lists the oldest blocks".to_owned(),
        ],
        Verdict::NotTheHeap => vec![format!(
            "compare /proc/{}/smaps over time; memtrace doctor --pid {} names allocators that malloc does not show",
            process.pid, process.pid
        )],
        Verdict::TooShort | Verdict::New => {
            vec!["watch for longer: --duration 30s or more".to_owned()]
        }
        Verdict::Ended => vec!["--sort bytes lists what was left at the end by size".to_owned()],
        Verdict::Degraded => degraded(report),
    }
}

/// What would have kept the figures whole.
fn degraded(report: &Report) -> Vec<String> {
    let full =
        |(cause, number): &(&'static str, u64)| cause.starts_with("ring_full") && *number > 0;
    let mut advice = Vec::new();
    if !report.tracer.degraded.is_empty() {
        advice.push(
            "--exact accepts the cost; --overhead-budget PERCENT sets how much of it".to_owned(),
        );
    }
    if report.loss.by_cause.iter().any(full) {
        advice.push(
            "the ring was full: give it more room (--ring-size 64MiB) or memtrace more CPU"
                .to_owned(),
        );
    }
    if report.loss.evicted_blocks > 0 {
        advice.push("the tables were full: give them more room (--max-memory)".to_owned());
    }
    if advice.is_empty() {
        advice.push("run again; LOST names what was missing".to_owned());
    }
    advice
}

fn growing(report: &Report, process: &ProcessReport) -> Vec<String> {
    let mut advice = Vec::new();
    let stack = process.stacks.iter().find(|stack| stack.verdict() == Verdict::Growing);
    if let Some(frame) = stack.and_then(|stack| stack.shown(false).find(|frame| is_own(frame))) {
        let place = match (&frame.file, frame.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        let function = frame.name(false).unwrap_or_default();
        let function = crate::report::layout::shorten_function(function, 60);
        advice.push(format!("who should free what {function}{place} allocates?"));
    }
    advice.extend(frame_pointers(report));
    let running = process.end == End::Running;
    if running && report.blocks.min_age > 0 {
        advice.push("watch for longer: a cache stops growing, a leak does not".to_owned());
    }
    if report.options.show_blocks == 0 && running {
        advice.push("--show-blocks 5 gives addresses to look at in a debugger".to_owned());
    }
    advice
}

/// A function with a name, and not an allocation layer: the language's, or the program's own
/// (`xmalloc`, `Perl_safesysmalloc`, `_PyObject_Calloc`).
fn is_own(frame: &FrameReport) -> bool {
    let layers =
        ["operator new", "alloc::", "__rust", "std::", "__gnu_cxx::", "<alloc::", "core::"];
    let wrappers = ["malloc", "calloc", "realloc"];
    let own = |function: &str| {
        let lower = function.to_ascii_lowercase();
        !layers.iter().any(|layer| function.starts_with(layer))
            && !wrappers.iter().any(|wrapper| lower.contains(wrapper))
    };
    let libc = frame.module.as_deref().is_some_and(|module| module.starts_with("libc.so"));
    !libc && frame.function.as_deref().is_some_and(own)
}
