//! What only trying can tell: which links work, the ring buffer, the price of a probe, a process.

mod abilities;
mod allocators;
mod ceiling;
mod functions;
mod hits;
mod prediction;
mod prices;
mod process;
mod programs;
mod trial;
mod usdt;

use super::super::privileges::{Effective, remedy};
use super::model::{Line, Section, State, Topic};
use crate::daemon::inspect::Inspection;
use crate::probe::allocator::{AllocatorError, Discovery, find};
use crate::probe::live::LiveError;
use crate::probe::signature::Signature;
use crate::procfs::{Process, ProcfsError};
use hits::{OwnUse, Watch};
use trial::Trial;

/// Examines the kernel by loading and linking programs, and the process `pid` if one is given, with the functions
/// of its own that `signatures` describe. What does not work is a finding, not an error.
///
/// # Errors
/// When there is no such process, or one of a kind that cannot be traced.
pub fn gather_live(pid: Option<u32>, signatures: &[Signature]) -> anyhow::Result<Vec<Section>> {
    let Some(pid) = pid else { return Ok(Trial::hold().sections()) };
    let process = match Process::open(pid) {
        Ok(process) => process,
        Err(error) if is_closed(&error) => {
            let mut sections = Trial::hold().sections();
            sections.push(closed(pid, &error));
            return Ok(sections);
        }
        Err(error) => return Err(error.into()),
    };
    let watch = Watch::begin(&process);
    let mut trial = Trial::hold();
    let own = watch.end(&process);
    let mut sections = trial.sections();
    match Inspection::of(&process) {
        Ok(inspection) => {
            sections.extend(examine(&process, &inspection, signatures, &mut trial, own));
        }
        Err(error) if is_closed(&error) => sections.push(closed(process.pid(), &error)),
        Err(error) => return Err(error.into()),
    }
    Ok(sections)
}

/// The verifier's verdict on each program.
#[must_use]
pub fn gather_programs() -> Section {
    programs::section()
}

/// It is there, but we may not look.
const fn is_closed(error: &ProcfsError) -> bool {
    matches!(error, ProcfsError::Denied { .. } | ProcfsError::Unreadable { .. })
}

fn closed(pid: u32, error: &ProcfsError) -> Section {
    let (detail, remedy) = split(error.to_string());
    let line = Line::new("its files", State::Missing, detail)
        .remedy(remedy.unwrap_or_else(|| "run doctor with sudo".to_owned()));
    Section::new(Topic::Process, format!("Process {pid}"), vec![line])
}

/// An error of ours is `what happened; what to do`.
fn split(message: String) -> (String, Option<String>) {
    match message.split_once("; ") {
        Some((detail, remedy)) => (detail.to_owned(), Some(remedy.to_owned())),
        None => (message, None),
    }
}

fn examine(
    process: &Process,
    inspection: &Inspection,
    signatures: &[Signature],
    trial: &mut Trial,
    own: Option<OwnUse>,
) -> Vec<Section> {
    let mut sections = vec![process::section(process, inspection, trial)];
    let (mut discovery, none) = match find(&inspection.files) {
        Ok(discovery) => (discovery, None),
        Err(error) => (Discovery::default(), Some(none_found(process, &error))),
    };
    let described = functions::find(inspection, signatures, &discovery.allocators);
    sections.extend(functions::section(process, signatures, &described.missing));
    discovery.allocators.extend(described.allocators);
    if !discovery.allocators.is_empty() {
        sections.extend(probes(process, &discovery, trial, own));
    }
    sections.extend(none);
    sections.extend(usdt::section(process, &inspection.files));
    sections
}

fn probes(
    process: &Process,
    discovery: &Discovery,
    trial: &mut Trial,
    own: Option<OwnUse>,
) -> Vec<Section> {
    let count = hits::count(process, &discovery.allocators, trial);
    let mut sections = allocators::sections(process, discovery, trial, count.as_ref().ok());
    sections.push(prediction::section(&discovery.allocators, trial, own, count));
    sections
}

fn none_found(process: &Process, error: &AllocatorError) -> Section {
    let (detail, remedy) = split(error.to_string());
    let line = Line::new("allocator", State::Missing, detail).remedy(remedy.unwrap_or_else(|| {
        "nothing can be traced here: memtrace knows glibc's, musl's and jemalloc's malloc; see the \
         runtimes above for other ways to look"
            .to_owned()
    }));
    Section::new(Topic::Allocator, format!("Allocators of process {}", process.pid()), vec![line])
}

/// A failure between us and the kernel, as a finding.
fn failure(name: &str, error: &LiveError) -> Line {
    let message = error.to_string();
    let first = message.lines().next().unwrap_or_default();
    let remedy = match error {
        LiveError::NoObject => {
            "build memtrace again, with its eBPF object (without AYA_BUILD_SKIP)".to_owned()
        }
        _ => lacking_privileges().unwrap_or_else(|| {
            "the privileges are there, so the kernel itself refuses: see above for what it lacks"
                .to_owned()
        }),
    };
    Line::new(name, State::Missing, first).remedy(remedy)
}

/// What to do, where tracing fails for want of privileges.
fn lacking_privileges() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let missing = Effective::from_status(&status)?.missing();
    (!missing.is_empty()).then(|| remedy(&missing))
}

/// A finding that something else failed first.
fn not_tried(name: &str, why: &str) -> Line {
    Line::new(name, State::Unknown, format!("not tried: {why}"))
        .remedy("see to what is missing above, then run doctor again")
}
