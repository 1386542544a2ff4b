//! How many hits of probes the kernel gets through, on one CPU and on all at once.
//!
//! A hit looks up the probe at its address. What that lookup shares between CPUs decides how the machine
//! scales, and has changed several times. What this kernel does is told by its types, and not by its version:
//! distributions have backported much. What it comes to is measured.

use super::btf::KernelTypes;
use super::calibrate::{Kind, OURSELVES};
use super::error::LiveError;
use super::kernel_side::KernelSide;
use super::link::Purpose;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a hit's lookup shares with other CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitPath {
    /// A spinlock of the whole machine (`uprobes_treelock`), and the process's `mmap_lock`.
    MachineLock,
    /// The process's `mmap_lock`, and the probe's count of users for a return (Linux 6.12, "uprobes: perform
    /// lockless SRCU-protected `uprobes_tree` lookup").
    ProcessLock,
    /// The process's `mmap_lock` (Linux 6.13, "uprobes: SRCU-protect uretprobe lifetime (with timeout)").
    ProcessLockOnly,
    /// Nothing as a rule (Linux 6.14, "uprobes: add speculative lockless VMA-to-inode-to-uprobe resolution").
    Nothing,
}

impl HitPath {
    /// That of the kernel that runs.
    ///
    /// # Errors
    /// When it does not describe its types.
    pub fn of_this_kernel() -> Result<Self, LiveError> {
        let types = KernelTypes::running()?;
        Ok(Self::of(|structure, member| types.offset(structure, member).is_ok()))
    }

    /// By members that came with each step.
    fn of(has: impl Fn(&str, &str) -> bool) -> Self {
        if has("return_instance", "extra_consumers") {
            Self::Nothing
        } else if has("hprobe", "srcu_idx") {
            Self::ProcessLockOnly
        } else if has("uprobe_consumer", "cons_node") {
            Self::ProcessLock
        } else {
            Self::MachineLock
        }
    }
}

/// Hits per second of a kind of probe whose program does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Of one thread, while it has a CPU.
    pub one: f64,
    /// Of as many threads of a process as there are CPUs, while they have them.
    pub all: f64,
}

/// The rates of each of [`Kind::ALL`], and for how many CPUs they are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ceiling {
    /// CPUs that may be used.
    pub cpus: usize,
    /// In the order of [`Kind::ALL`].
    pub rates: [Rates; Kind::ALL.len()],
}

/// For so long each rate is measured: eight of them, and as much again for links to be made and closed.
const WINDOW: Duration = Duration::from_millis(40);
/// Calls between two looks at the clock.
const CALLS: u64 = 50;
/// More threads than this tell nothing new.
const MOST_THREADS: usize = 256;

/// Measures them, on functions of this process alone, in less than a second.
///
/// # Errors
/// When a link cannot be made.
pub fn measure(kernel: &KernelSide) -> Result<Ceiling, LiveError> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let mut rates = [Rates::default(); Kind::ALL.len()];
    for (kind, rates) in Kind::ALL.into_iter().zip(&mut rates) {
        let ourselves = Some(std::process::id());
        let path = Path::new(OURSELVES);
        let _links = kernel.attach_for(Purpose::Nothing, path, &[kind.point()?], ourselves)?;
        *rates = Rates { one: rate(kind, 1), all: rate(kind, cpus) };
    }
    Ok(Ceiling { cpus, rates })
}

/// What the threads get through while they have CPUs: hits by CPU time, so that others who want the CPU,
/// too, do not count. Whoever waits for a spinlock or a cache line does so in its own CPU time.
fn rate(kind: Kind, threads: usize) -> f64 {
    let is_over = AtomicBool::new(false);
    let counted = std::thread::scope(|scope| {
        let start =
            |_| std::thread::Builder::new().spawn_scoped(scope, || hit(kind, &is_over)).ok();
        let running: Vec<_> = (0..threads).map_while(start).collect();
        std::thread::sleep(WINDOW);
        is_over.store(true, Ordering::Relaxed);
        running.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<_>>()
    });
    per_second(&counted)
}

/// The sum of the threads' rates, each by its own CPU time.
fn per_second(counted: &[(u64, Duration)]) -> f64 {
    let rate = |&(hits, cpu): &(u64, Duration)| hits as f64 / cpu.as_secs_f64();
    counted.iter().filter(|(_, cpu)| !cpu.is_zero()).map(rate).sum()
}

/// Calls until it is over; gives how often, and the CPU time.
fn hit(kind: Kind, is_over: &AtomicBool) -> (u64, Duration) {
    let (began, cpu) = (Instant::now(), thread_cpu());
    let mut hits = 0;
    // The second condition is for the case that nobody says so.
    while !is_over.load(Ordering::Relaxed) && began.elapsed() < 2 * WINDOW {
        (0..CALLS).for_each(|_| kind.call());
        hits += CALLS;
    }
    (hits, thread_cpu().saturating_sub(cpu))
}

/// CPU time of this thread.
fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills in one `timespec`.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Duration, HitPath, per_second};

    /// Each kernel has what came before it, too.
    #[test]
    fn what_a_hit_shares_is_told_by_what_the_kernel_has() {
        let steps = [
            ("uprobe_consumer", "cons_node", HitPath::ProcessLock),
            ("hprobe", "srcu_idx", HitPath::ProcessLockOnly),
            ("return_instance", "extra_consumers", HitPath::Nothing),
        ];
        assert_eq!(HitPath::of(|_, _| false), HitPath::MachineLock);
        for (newest, (_, _, path)) in steps.into_iter().enumerate() {
            let known = &steps[..=newest];
            let has = |structure: &str, member: &str| {
                known.iter().any(|(its, has, _)| (*its, *has) == (structure, member))
            };
            assert_eq!(HitPath::of(has), path);
        }
    }

    #[test]
    fn rates_of_threads_add_up() {
        let second = Duration::from_secs(1);
        assert_eq!(per_second(&[(100, second), (300, second * 2), (5, Duration::ZERO)]), 250.0);
        assert_eq!(per_second(&[]), 0.0);
    }
}
