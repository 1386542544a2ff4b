//! What only trying can tell: which links work, the ring buffer, the cost of a probe, a target.

use super::model::{Line, Section, State};

/// Examines the kernel by loading programs, and the process `pid` if one is given. A failure is a
/// finding, never an error.
#[must_use]
pub fn gather_live(pid: Option<u32>) -> Vec<Section> {
    let reason = if cfg!(feature = "live") {
        "not examined by this version"
    } else {
        "not examined: built without live tracing"
    };
    let line = |name: &str| {
        Line::new(name, State::Unknown, reason)
            .remedy("use a memtrace that was built with the default feature `live`")
    };
    let mut sections = vec![Section::new("Probes", vec![line("links and ring buffer")])];
    if let Some(pid) = pid {
        sections.push(Section::new(format!("Process {pid}"), vec![line("allocators and sites")]));
    }
    sections
}
