//! Counts how often a process calls its allocators, with programs that do nothing else.

use super::super::model::Line;
use super::trial::{NOTHING_LOADED, Trial};
use super::{failure, not_tried};
use crate::model::ids::{Nanos, Pid};
use crate::probe::allocator::{FoundAllocator, PlannedFunction};
use crate::probe::live::LiveError;
use crate::probe::live::kernel_side::KernelSide;
use crate::probe::live::link::{Part, Point, Purpose, close_all};
use crate::procfs::Process;
use memtrace_common::limits::MAX_COUNTED_SITES;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long hits are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// What a failure to count is called.
const NAME: &str = "hits";

/// What was counted.
pub(super) struct Count {
    /// Hits of each function, in the order of allocators and their functions.
    hits: Vec<u64>,
    /// How long.
    pub(super) window: Duration,
}

/// A look at the CPU time of a process that is not probed yet.
pub(super) struct Watch {
    began: Instant,
    cpu: Option<Nanos>,
}

/// CPU time that a process used while nothing was probed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OwnUse {
    /// CPU time.
    pub(super) cpu: Nanos,
    /// How long.
    pub(super) window: Duration,
}

impl Watch {
    /// Begins.
    pub(super) fn begin(process: &Process) -> Self {
        Self { began: Instant::now(), cpu: cpu(process) }
    }

    /// Ends, after a second at least. `None` if the process has ended.
    pub(super) fn end(self, process: &Process) -> Option<OwnUse> {
        std::thread::sleep(WINDOW.saturating_sub(self.began.elapsed()));
        let cpu = cpu(process)?.saturating_sub(self.cpu?);
        Some(OwnUse { cpu, window: self.began.elapsed() })
    }
}

fn cpu(process: &Process) -> Option<Nanos> {
    process.cpu_time().ok()
}

impl Count {
    /// Nothing in this time.
    #[cfg(test)]
    pub(super) const fn none(window: Duration) -> Self {
        Self { hits: Vec::new(), window }
    }

    /// Hits per second of the function with this number.
    pub(super) fn rate(&self, function: usize) -> f64 {
        let hits = self.hits.get(function).copied().unwrap_or(0) as f64;
        hits / self.window.as_secs_f64()
    }
}

/// All functions, in the order in which they are numbered.
pub(super) fn functions(
    allocators: &[FoundAllocator],
) -> impl Iterator<Item = (usize, &PlannedFunction)> {
    allocators.iter().flat_map(|allocator| &allocator.functions).enumerate()
}

/// Counts for a second.
///
/// # Errors
/// A finding that says why nothing was counted.
pub(super) fn count(
    process: &Process,
    allocators: &[FoundAllocator],
    trial: &mut Trial,
) -> Result<Count, Line> {
    let Ok(kernel) = &mut trial.kernel else {
        return Err(not_tried(NAME, NOTHING_LOADED));
    };
    if process.leader_exited() {
        return Err(not_tried(NAME, "its main thread has ended, so others would pay for it")
            .remedy("memtrace --pid traces it nevertheless, and says what it costs"));
    }
    let links = attach(kernel, process.pid(), allocators).map_err(|it| failure(NAME, &it))?;
    let counted = count_linked(kernel, process, allocators);
    close_all(links);
    counted
}

/// Probes of entries only: they are cheaper, and no return needs to be waited for.
fn attach(
    kernel: &KernelSide,
    pid: Pid,
    allocators: &[FoundAllocator],
) -> Result<Vec<OwnedFd>, LiveError> {
    let mut numbers = 0..;
    let mut links = Vec::new();
    for allocator in allocators {
        let numbered = allocator.functions.iter().zip(&mut numbers);
        let points: Vec<Point> = numbered
            .map(|(it, cookie)| Point {
                offset: it.file_offset,
                cookie,
                part: Part::Entry,
                semaphore: None,
            })
            .collect();
        links.extend(kernel.attach_for(
            Purpose::Count,
            &allocator.file.open_path,
            &points,
            Some(pid),
        )?);
    }
    Ok(links)
}

fn count_linked(
    kernel: &mut KernelSide,
    process: &Process,
    allocators: &[FoundAllocator],
) -> Result<Count, Line> {
    let began = Instant::now();
    kernel.add_target(process.pid()).map_err(|error| failure(NAME, &error))?;
    std::thread::sleep(WINDOW);
    // All functions stop at the same instant; the counters are then read one after the other.
    kernel.remove_target(process.pid());
    let window = began.elapsed();
    if process.has_ended() {
        return Err(not_tried(NAME, "the process has ended meanwhile")
            .remedy("name a process that lives longer"));
    }
    let numbers = functions(allocators).map(|(number, _)| number).zip(0..MAX_COUNTED_SITES);
    let hits = numbers
        .map(|(_, number)| kernel.hits(number))
        .collect::<Result<Vec<u64>, LiveError>>()
        .map_err(|error| failure(NAME, &error))?;
    Ok(Count { hits, window })
}
