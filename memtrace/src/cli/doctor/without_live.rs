//! What `doctor` says of probes when it was built without them.

use super::model::{Line, Section, State, Topic};
use crate::probe::signature::Signature;
use crate::procfs::Process;

/// Says that there are no programs.
#[must_use]
pub fn gather_programs() -> Section {
    Section::new(Topic::Programs, "Programs", vec![untried("programs")])
}

/// Says that nothing was tried, and looks whether the process `pid` is there at all.
///
/// # Errors
/// When there is no such process, or one of a kind that cannot be traced.
pub fn gather_live(pid: Option<u32>, _: &[Signature]) -> anyhow::Result<Vec<Section>> {
    let mut sections =
        vec![Section::new(Topic::Probes, "Probes", vec![untried("links and ring buffer")])];
    if let Some(pid) = pid {
        Process::open(pid)?;
        sections.push(Section::new(
            Topic::Process,
            format!("Process {pid}"),
            vec![untried("allocators and sites")],
        ));
    }
    Ok(sections)
}

fn untried(name: &str) -> Line {
    Line::new(name, State::Unknown, "not tried: built without live tracing")
        .remedy("use a memtrace that was built with the default feature `live`")
}
