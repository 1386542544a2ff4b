//! A view as JSON: one object on a line, `memtrace.view/1`, described in `docs/report-json.md`.
//!
//! Keys are never left out; what is not known is `null`.

use super::amount::Amount;
use super::group::{Entry, Naming};
use super::lifetimes::{Life, lives, together};
use super::measure::Measure;
use super::table::{Row, rows};
use super::weigh::Weighed;
use super::{ViewOptions, page};
use crate::engine::detail::Temporary;
use crate::engine::snapshot::Confidence;
use crate::engine::trend::{CLASSES, begins};
use crate::model::ids::Nanos;
use crate::report::model::Report;
use serde::Serialize;
use std::io;

/// Name and version of the schema.
pub const SCHEMA: &str = "memtrace.view/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    view: &'static str,
    by: &'static str,
    unit: &'static str,
    time: String,
    from_s: f64,
    to_s: f64,
    temporary_allocations: Option<u32>,
    temporary_age_s: Option<f64>,
    sample_interval_bytes: u64,
    processes: Vec<Process<'a>>,
    total: Option<Figures>,
    rows: Vec<RowTold<'a>>,
    lifetimes: Vec<LifeTold<'a>>,
    other_lifetimes: Option<OtherLives>,
    others: Option<Others>,
    left_out_stacks: u64,
    left_out: Figures,
    unknown: Vec<String>,
    lost_events: u64,
    lost_stacks: u64,
    evicted_blocks: u64,
    degraded: &'a [String],
}

#[derive(Serialize)]
struct Process<'a> {
    pid: u32,
    start_time: u64,
    comm: &'a str,
    exe: Option<&'a str>,
    cgroup: Option<&'a str>,
    container: Option<&'a str>,
    pod: Option<&'a str>,
    pod_uid: Option<&'a str>,
}

#[derive(Serialize)]
struct Figures {
    bytes: u64,
    bytes_is_estimate: bool,
    bytes_ci95: Option<[u64; 2]>,
    count: Option<u64>,
    count_is_estimate: bool,
    count_ci95: Option<[u64; 2]>,
}

#[derive(Serialize)]
struct Others {
    rows: usize,
    own: Figures,
}

#[derive(Serialize)]
struct RowTold<'a> {
    name: &'a str,
    place: Option<&'a str>,
    is_rest: bool,
    own: Figures,
    total: Figures,
}

#[derive(Serialize)]
struct LifeTold<'a> {
    name: &'a str,
    place: Option<&'a str>,
    is_estimate: bool,
    freed: u64,
    freed_ci95: Option<[u64; 2]>,
    alive: u64,
    alive_ci95: Option<[u64; 2]>,
    stacks_without_ages: u64,
    ages: Vec<Age>,
}

#[derive(Serialize)]
struct OtherLives {
    rows: usize,
    freed: u64,
    alive: u64,
}

#[derive(Serialize)]
struct Age {
    from_s: f64,
    to_s: Option<f64>,
    freed: u64,
    freed_ci95: Option<[u64; 2]>,
    alive: u64,
    alive_ci95: Option<[u64; 2]>,
}

/// Writes a view of `report`.
///
/// # Errors
/// What `out` says.
pub(super) fn write(
    report: &Report,
    options: &ViewOptions,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let measure = options.measure.unwrap_or_default();
    let weighed = Weighed::measured(report, &options.filter, measure);
    let naming = options.naming(report);
    let is_of_lives = measure == Measure::Lifetimes;
    let lives = if is_of_lives { lives(&weighed, naming) } else { Vec::new() };
    let rows = if is_of_lives { Vec::new() } else { rows(&weighed, naming) };
    let (listed, hidden) = options.choose(rows);
    let figures = |amount: &Amount| Figures::of(amount, measure);
    let (listed_lives, other_lives) = options.choose_lives(lives);
    let document = Document {
        others: (!is_of_lives).then(|| Others {
            rows: hidden.len(),
            own: figures(&hidden.iter().fold(Amount::default(), |mut sum, row| {
                sum.add(&row.own);
                sum
            })),
        }),
        total: (!is_of_lives).then(|| figures(&weighed.total)),
        rows: listed.iter().map(|row| RowTold::of(row, measure)).collect(),
        lifetimes: listed_lives.iter().map(LifeTold::of).collect(),
        other_lifetimes: is_of_lives.then(|| OtherLives::of(&other_lives)),
        left_out_stacks: weighed.left_out.stacks,
        left_out: figures(&weighed.left_out.amount),
        unknown: page::unknown(report, measure),
        ..Document::head(report, options, naming, weighed.subject.noun())
    };
    let mut line = serde_json::to_vec(&document)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

impl<'a> Document<'a> {
    fn head(report: &'a Report, options: &ViewOptions, naming: Naming, unit: &'static str) -> Self {
        let measure = options.measure.unwrap_or_default();
        let rule = match measure {
            Measure::Temporary(rule) => Some(rule),
            _ => None,
        };
        let counted = processes(report, measure);
        Self {
            schema: SCHEMA,
            view: measure.name(),
            by: naming.by.name(),
            unit,
            time: report.tracer.time.to_string(),
            from_s: exact_seconds(options.stretch.from.unwrap_or(0)),
            to_s: exact_seconds(report.watched),
            temporary_allocations: rule.and_then(|rule| match rule {
                Temporary::Allocations(number) => Some(number),
                Temporary::Age(_) => None,
            }),
            temporary_age_s: rule.and_then(|rule| match rule {
                Temporary::Age(age) => Some(exact_seconds(age)),
                Temporary::Allocations(_) => None,
            }),
            sample_interval_bytes: report.tracer.sample_interval_bytes,
            processes: counted,
            total: None,
            rows: Vec::new(),
            lifetimes: Vec::new(),
            other_lifetimes: None,
            others: None,
            left_out_stacks: 0,
            left_out: Figures::of(&Amount::default(), measure),
            unknown: Vec::new(),
            lost_events: report.loss.events,
            lost_stacks: report.loss.stacks,
            evicted_blocks: report.loss.evicted_blocks,
            degraded: &report.degraded,
        }
    }
}

fn processes(report: &Report, measure: Measure) -> Vec<Process<'_>> {
    let counted = report.processes.iter().filter(|process| measure.counts(process));
    let told = counted.map(|process| Process {
        pid: process.pid,
        start_time: process.start_time,
        comm: &process.comm,
        exe: process.exe.as_deref(),
        cgroup: process.cgroup.as_deref(),
        container: process.container.as_deref(),
        pod: process.pod.as_deref(),
        pod_uid: process.pod_uid.as_deref(),
    });
    told.collect()
}

impl Figures {
    fn of(amount: &Amount, measure: Measure) -> Self {
        let range = |range: Option<Confidence>| range.map(|it| [it.low, it.high]);
        // How many blocks there were at a peak that is past is not kept.
        let has_count = measure.has_count();
        Self {
            bytes: amount.bytes,
            bytes_is_estimate: amount.is_estimate(),
            bytes_ci95: range(amount.bytes_around()),
            count: has_count.then_some(amount.count),
            count_is_estimate: has_count && amount.is_estimate(),
            count_ci95: range(amount.count_around()).filter(|_| has_count),
        }
    }
}

/// Seconds, to the nanosecond as far as a float goes: it says what is in.
fn exact_seconds(time: Nanos) -> f64 {
    time as f64 / 1e9
}

fn count_range(amount: &Amount) -> Option<[u64; 2]> {
    amount.count_around().map(|it| [it.low, it.high])
}

impl OtherLives {
    fn of(lives: &[Life]) -> Self {
        let all = together(lives);
        let [freed, alive] = [all.freed(0..CLASSES), all.alive(0..CLASSES)].map(|it| it.count);
        Self { rows: lives.len(), freed, alive }
    }
}

fn place(entry: &Entry) -> Option<&str> {
    (!entry.place.is_empty()).then_some(&*entry.place)
}

impl<'a> RowTold<'a> {
    fn of(row: &'a Row, measure: Measure) -> Self {
        Self {
            name: &row.entry.name,
            place: place(&row.entry),
            is_rest: row.entry.is_rest,
            own: Figures::of(&row.own, measure),
            total: Figures::of(&row.total, measure),
        }
    }
}

impl<'a> LifeTold<'a> {
    fn of(life: &'a Life) -> Self {
        let (freed, alive) = (life.freed(0..CLASSES), life.alive(0..CLASSES));
        let age = |class: usize| {
            let [freed, alive] = [life.freed(class..class + 1), life.alive(class..class + 1)];
            (freed.count > 0 || alive.count > 0).then(|| Age {
                from_s: exact_seconds(begins(class)),
                to_s: (class + 1 < CLASSES).then(|| exact_seconds(begins(class + 1))),
                freed: freed.count,
                freed_ci95: count_range(&freed),
                alive: alive.count,
                alive_ci95: count_range(&alive),
            })
        };
        Self {
            name: &life.entry.name,
            place: place(&life.entry),
            is_estimate: freed.is_estimate() || alive.is_estimate(),
            freed: freed.count,
            freed_ci95: count_range(&freed),
            alive: alive.count,
            alive_ci95: count_range(&alive),
            stacks_without_ages: life.untold,
            ages: (0..CLASSES).filter_map(age).collect(),
        }
    }
}
