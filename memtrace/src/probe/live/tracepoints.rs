//! Links to tracepoints: mappings by system-call tracepoints, processes by raw ones.

use super::error::LiveError;
use super::object::Relocated;
use super::syscall::{link_raw_tracepoint, link_tracepoint};
use super::tracefs::Tracefs;
use aya::Ebpf;
use aya::programs::links::Link as _;
use aya::programs::raw_trace_point::RawTracePointLink;
use aya::programs::{Program, ProgramError, RawTracePoint};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Program and tracepoint.
const PROCESS: [(&str, &str); 3] = [
    ("task_created", "task_newtask"),
    ("program_executed", "sched_process_exec"),
    ("task_exited", "sched_process_exit"),
];
/// What makes a process one that is looked for.
const CANDIDATES: [(&str, &str); 2] =
    [("task_renamed", "task_rename"), ("task_moved", "cgroup_attach_task")];
/// One program for several tracepoints is loaded once.
const SYSTEM_CALLS: [(&str, &[&str]); 3] = [
    ("munmap_enter", &["sys_enter_munmap"]),
    ("mremap_enter", &["sys_enter_mremap"]),
    ("mapping_returned", &["sys_exit_mmap", "sys_exit_munmap", "sys_exit_mremap", "sys_exit_brk"]),
];

/// What gives pages back and keeps their mapping.
const DISCARDS: &str = "sys_exit_madvise";
/// Page faults in user mode, and in the kernel's own: `read` into a new buffer makes the latter alone.
const FAULTS: [&CStr; 2] = [c"page_fault_user", c"page_fault_kernel"];

/// A link that is taken down when dropped.
pub(super) enum TracepointLink {
    Raw(Option<RawTracePointLink>),
    Kept { _link: OwnedFd },
}

impl Drop for TracepointLink {
    fn drop(&mut self) {
        if let Self::Raw(link) = self {
            // An error means that it is down already.
            let _ = link.take().map(RawTracePointLink::detach);
        }
    }
}

fn failed<E>(name: &str) -> impl Fn(E) -> LiveError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let what = format!("tracepoint {name}");
    move |error| LiveError::Link { what: what.clone(), source: io::Error::other(error) }
}

fn program<'a, T>(loaded: &'a mut Ebpf, name: &str) -> Result<&'a mut T, LiveError>
where
    &'a mut T: TryFrom<&'a mut Program, Error = ProgramError>,
{
    loaded
        .program_mut(name)
        .ok_or_else(|| LiveError::Object(format!("no program {name}")))?
        .try_into()
        .map_err(failed(name))
}

/// Attaches all of them. Those of system calls may walk stacks, and so are loaded from `object`, which puts
/// something else in the place of what older kernels refuse.
pub(super) fn attach(
    loaded: &mut Ebpf,
    object: &Relocated,
) -> Result<Vec<TracepointLink>, LiveError> {
    let mut links = Vec::new();
    for (name, point) in PROCESS {
        links.push(attach_raw(loaded, name, point)?);
    }
    let tracefs = Tracefs::open().map_err(failed("tracefs"))?;
    for (name, points) in SYSTEM_CALLS {
        let program = object.load(name, 0)?;
        for point in points {
            let number = tracefs.number("syscalls", point).map_err(failed(point))?;
            let link = link_tracepoint(program.as_fd(), number).map_err(failed(point))?;
            links.push(TracepointLink::Kept { _link: link });
        }
    }
    Ok(links)
}

/// Attaches what tells of pages that are touched and given back. Raw ones, but loaded from `object` for the
/// same reason.
pub(super) fn attach_faults(object: &Relocated) -> Result<Vec<TracepointLink>, LiveError> {
    let mut links = Vec::new();
    let program = object.load("mapping_returned", 0)?;
    let tracefs = Tracefs::open().map_err(failed("tracefs"))?;
    let number = tracefs.number("syscalls", DISCARDS).map_err(failed(DISCARDS))?;
    links.push(link_tracepoint(program.as_fd(), number).map_err(failed(DISCARDS))?);
    let program = object.load("page_touched", 0)?;
    for point in FAULTS {
        let name = point.to_str().unwrap_or_default();
        links.push(link_raw_tracepoint(program.as_fd(), point).map_err(failed(name))?);
    }
    Ok(links.into_iter().map(|link| TracepointLink::Kept { _link: link }).collect())
}

/// Attaches those that tell of processes that are looked for.
pub(super) fn attach_candidates(loaded: &mut Ebpf) -> Result<Vec<TracepointLink>, LiveError> {
    CANDIDATES.iter().map(|(name, point)| attach_raw(loaded, name, point)).collect()
}

fn attach_raw(loaded: &mut Ebpf, name: &str, point: &str) -> Result<TracepointLink, LiveError> {
    let program: &mut RawTracePoint = program(loaded, name)?;
    program.load().map_err(failed(point))?;
    let id = program.attach(point).map_err(failed(point))?;
    Ok(TracepointLink::Raw(Some(program.take_link(id).map_err(failed(point))?)))
}
