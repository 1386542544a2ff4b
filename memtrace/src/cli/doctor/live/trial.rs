//! The kernel side, tried on memtrace itself: programs, links, ring buffer, tracepoints.

use super::super::model::{Line, Section, State, Topic};
use super::{abilities, ceiling, failure, not_tried, prices};
use crate::engine::ports::EventSource as _;
use crate::probe::live::LiveError;
use crate::probe::live::calibrate::{self, Prices};
use crate::probe::live::ceiling::{self as rates, HitPath};
use crate::probe::live::kernel_side::{KernelSide, LoadOptions};
use crate::probe::live::seccomp::return_probes_are_safe;
use crate::source::ring::RingSource;
use crate::unwind::{Rules, Table};
use memtrace_common::config::{LinkKind, UnwindMode};
use std::fs::File;

/// Bytes of the ring: what calibrating writes, several times over.
const RING_BYTES: u32 = 4 << 20;
/// Why something is not tried when nothing loads.
pub(super) const NOTHING_LOADED: &str = "no program could be loaded";

/// What came of it.
pub(super) struct Trial {
    /// The kernel side with the best link, if it loads.
    pub(super) kernel: Result<KernelSide, LiveError>,
    /// Prices of a program that does nothing.
    pub(super) empty: Option<Prices>,
    /// Prices of the tracer's own programs.
    pub(super) traced: Option<Prices>,
    /// How many hits the machine gets through, if a program loads.
    ceiling: Option<Section>,
    /// Whether a return probe survives a seccomp filter; `None` if that is not known.
    pub(super) return_probes_safe: Option<bool>,
    lines: Vec<Line>,
    /// Keeps the ring's descriptor, which loaded programs name.
    _ring: Option<RingSource>,
}

impl Trial {
    /// Loads, links, calls, reads; takes about two seconds.
    pub(super) fn hold() -> Self {
        let unwind = UnwindMode::Auto;
        let options = LoadOptions { ring_bytes: RING_BYTES, unwind, ..LoadOptions::default() };
        let mut trial = Self {
            kernel: KernelSide::load(options),
            empty: None,
            traced: None,
            ceiling: None,
            return_probes_safe: None,
            lines: Vec::new(),
            _ring: None,
        };
        trial.try_all();
        trial
    }

    /// The findings.
    pub(super) fn sections(&self) -> Vec<Section> {
        let title = "Probes, tried on memtrace itself";
        let mut sections = vec![Section::new(Topic::Probes, title, self.lines.clone())];
        sections.extend(prices::section(self));
        sections.extend(self.ceiling.clone());
        sections
    }

    /// The kind of link in force.
    pub(super) fn link(&self) -> Option<LinkKind> {
        self.kernel.as_ref().ok().map(KernelSide::link_kind)
    }

    fn try_all(&mut self) {
        let Ok(kernel) = &mut self.kernel else {
            self.lines.extend(self.kernel.as_ref().err().map(|error| failure("programs", error)));
            self.lines.push(not_tried("the rest", NOTHING_LOADED));
            return;
        };
        self.lines.push(Line::new(
            "programs",
            State::Ok,
            "load and link; the offsets that they need are in the kernel's BTF",
        ));
        self.lines.extend(links(kernel.link_kind()));
        self.lines.extend(abilities::lines(kernel.abilities()));
        let measured = measure(kernel);
        self.lines.push(match &measured {
            Ok(measured) => ring_line(measured.records),
            Err(error) => failure("ring buffer", error),
        });
        self.ceiling = measured
            .is_ok()
            .then(|| ceiling::section(HitPath::of_this_kernel(), rates::measure(kernel)));
        self.lines.push(tracepoints(kernel));
        let safe = return_probes_are_safe(kernel);
        self.return_probes_safe = safe.as_ref().ok().copied();
        self.lines.push(seccomp(safe));
        if let Ok(Measured { empty, traced, ring, .. }) = measured {
            (self.empty, self.traced, self._ring) = (Some(empty), Some(traced), Some(ring));
        }
    }
}

fn links(in_force: LinkKind) -> Vec<Line> {
    let line = |kind| {
        if kind != in_force {
            return other_link(kind, in_force);
        }
        let detail = format!("works, and is used: {}", what_it_is(kind));
        Line::new(link_name(kind), State::Ok, detail)
    };
    [LinkKind::Session, LinkKind::Multi, LinkKind::Perf].map(line).into()
}

fn tracepoints(kernel: &mut KernelSide) -> Line {
    const NAME: &str = "tracepoints";
    let attached = kernel.attach_tracepoints();
    kernel.detach();
    match attached {
        Ok(()) => Line::new(
            NAME,
            State::Ok,
            "attach and detach: mmap, munmap, mremap, brk; fork, exec, exit",
        ),
        Err(error) => failure(NAME, &error)
            .remedy("see what is said of tracefs above: mount it, or run doctor with sudo"),
    }
}

fn seccomp(safe: Result<bool, LiveError>) -> Line {
    const NAME: &str = "under seccomp";
    match safe {
        Ok(true) => Line::new(
            NAME,
            State::Ok,
            "a return probe does not trip a filter of system calls (tried on a child)",
        ),
        Ok(false) => Line::new(
            NAME,
            State::Hazard,
            "a return probe in a process that filters its system calls would kill it",
        )
        .remedy(
            "memtrace refuses such processes here, and cannot protect one that begins to filter while it is \
             traced; kernels with the uretprobe exemption (6.14, or \
             a stable update) let them be traced",
        ),
        Err(error) => failure(NAME, &error),
    }
}

fn link_name(kind: LinkKind) -> String {
    format!("{} link", kind.name())
}

const fn what_it_is(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Session => "one for entries and returns (Linux 6.13)",
        LinkKind::Multi => "one for entries, one for returns (Linux 6.6)",
        LinkKind::Perf => "one per function; each takes 0.1 s to detach",
    }
}

/// A kind that is not the best one here. That a worse one does not work harms nobody.
fn other_link(kind: LinkKind, in_force: LinkKind) -> Line {
    let options =
        LoadOptions { ring_bytes: RING_BYTES, link: Some(kind), ..LoadOptions::default() };
    let name = link_name(kind);
    match KernelSide::load(options) {
        Ok(_) => Line::new(name, State::Ok, format!("works: {}", what_it_is(kind))),
        Err(error) if kind > in_force => {
            let detail = format!("does not work, and is not needed: {}", refusal(kind, &error));
            Line::new(name, State::Ok, detail)
        }
        Err(error) => {
            Line::new(name, State::Hazard, format!("does not work: {}", refusal(kind, &error)))
                .remedy(format!(
                    "nothing to do: {} links serve, at a higher price per call; a newer kernel has \
                     better ones",
                    in_force.name()
                ))
        }
    }
}

/// The kernel's words, without those that the line already says.
fn refusal(kind: LinkKind, error: &LiveError) -> String {
    let message = match error {
        LiveError::NoLink(reasons) => reasons.clone(),
        other => other.to_string(),
    };
    let first = message.lines().next().unwrap_or_default();
    let prefix = format!("{}: ", kind.name());
    first.strip_prefix(&prefix).unwrap_or(first).to_owned()
}

/// Prices, and what went through the ring while they were measured.
struct Measured {
    empty: Prices,
    traced: Prices,
    ring: RingSource,
    records: u64,
}

/// Tells the kernel side of our own code, so that it walks our stack by tables, as a target's.
fn know_ourselves(kernel: &mut KernelSide) -> Result<(), LiveError> {
    let unknown = |error: &dyn std::fmt::Display| {
        LiveError::Object(format!("making an unwinding table of our own program: {error}"))
    };
    let file = File::open("/proc/self/exe").map_err(|error| unknown(&error))?;
    let table = Table::build(&file).map_err(|error| unknown(&error))?;
    let mut rules = Rules::default();
    let rows = table.rows_for(&mut rules);
    let pages = table.pages.iter().map(|page| page.count);
    let Some(tables) = kernel.code_tables() else { return Ok(()) };
    let told = tables.add_file(rules.list(), rows, pages, table.first_page());
    let told = told.ok_or_else(|| unknown(&"it does not fit"))?;
    tables.set_ranges(std::process::id(), &[calibrate::own_code(told)?], 0)
}

fn measure(kernel: &mut KernelSide) -> Result<Measured, LiveError> {
    know_ourselves(kernel)?;
    let empty = calibrate::measure(kernel.prober())?;
    let traced = calibrate::measure_traced(kernel, &empty)?;
    let mut ring = RingSource::new(kernel.take_rings()?)
        .map_err(|error| LiveError::Map { name: "EVENTS", reason: error.to_string() })?;
    let mut records = 0;
    ring.drain(usize::MAX, &mut |_| records += 1)
        .map_err(|error| LiveError::Map { name: "EVENTS", reason: error.to_string() })?;
    Ok(Measured { empty, traced, ring, records })
}

fn ring_line(records: u64) -> Line {
    const NAME: &str = "ring buffer";
    if records == 0 {
        return Line::new(NAME, State::Missing, "programs ran, but not one record came through")
            .remedy("report this as a bug of memtrace, with the kernel's release");
    }
    let records = crate::report::units::counted(records, "record");
    Line::new(NAME, State::Ok, format!("works: {records} of our own calls came through"))
}
