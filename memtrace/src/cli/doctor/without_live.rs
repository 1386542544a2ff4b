//! What `doctor` says of probes when it was built without them.

use super::model::{Line, Section, State, Topic};
use crate::procfs::Process;

/// Says that nothing was tried, and looks whether the process `pid` is there at all.
///
/// # Errors
/// When there is no such process, or one of a kind that cannot be traced.
pub fn gather_live(pid: Option<u32>) -> anyhow::Result<Vec<Section>> {
    let line = |name: &str| {
        Line::new(name, State::Unknown, "not tried: built without live tracing")
            .remedy("use a memtrace that was built with the default feature `live`")
    };
    let mut sections =
        vec![Section::new(Topic::Probes, "Probes", vec![line("links and ring buffer")])];
    if let Some(pid) = pid {
        Process::open(pid)?;
        sections.push(Section::new(
            Topic::Process,
            format!("Process {pid}"),
            vec![line("allocators and sites")],
        ));
    }
    Ok(sections)
}
