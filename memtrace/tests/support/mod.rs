//! What the tests that trace real processes have in common: the small C programs, the tracer, and
//! what both must agree on.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a test fails by panicking; each test program uses some"
)]

pub mod brief;
pub mod container;
pub mod group;
pub mod kernel;
pub mod lines;
pub mod names;
pub mod picture;
pub mod program;
pub mod recording;
pub mod report;
pub mod stacks;
pub mod tracer;

use std::io::Write as _;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// How many times slower than a usual machine this one is, as its user says; 1 if nothing is said.
const SLOWNESS: &str = "MEMTRACE_TEST_PATIENCE";
/// Between two looks at something that cannot be waited for.
const PAUSE: Duration = Duration::from_millis(5);

/// Set in guests (`xtask/src/kernels/initramfs`).
const GUEST: &str = "MEMTRACE_TEST_GUEST";
/// Set by `cargo xtask test` where it is root.
const VARIABLE: &str = "MEMTRACE_PRIVILEGED";

/// Says why a test, or a part of it, does nothing: past the test harness, which hides what tests that pass print.
/// Results count it.
pub fn not_run(why: &str) {
    // Nobody is there to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {why}");
}

/// Whether a test may trace. If not, it says so past the test harness, which would hide it.
pub fn may_trace() -> bool {
    let may = std::env::var_os(VARIABLE).is_some();
    if !may {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        not_run(&format!("{test} traces real processes and needs root and {VARIABLE}=1"));
    }
    may
}

/// Whether this is a guest that was booted for the tests, where all that runs may be traced. If not, it
/// says so.
pub fn may_trace_everything() -> bool {
    let may = is_guest();
    if !may {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        not_run(&format!("{test} traces all processes: in guests only"));
    }
    may
}

/// Whether this is a guest that was booted for the tests.
pub fn is_guest() -> bool {
    std::env::var_os(GUEST).is_some()
}

/// As much time on this machine as `usual` is on a usual one. For what only makes a test give up or
/// wait, never for what it measures.
pub fn patience(usual: Duration) -> Duration {
    match std::env::var(SLOWNESS) {
        Err(_) => usual,
        Ok(factor) => usual.mul_f64(factor.parse().unwrap_or_else(|error| {
            panic!("{SLOWNESS}={factor} is not a factor, such as 10: {error}")
        })),
    }
}

/// No test that works waits longer than this for anything.
pub fn limit() -> Duration {
    patience(Duration::from_secs(20))
}

/// Looks until `done` gives something.
pub fn wait_until<T>(what: &str, done: impl FnMut() -> Option<T>) -> T {
    wait_within(limit(), what, done)
}

/// … for as long as that.
pub fn wait_within<T>(limit: Duration, what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(result) = done() {
            return result;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Gives memtrace time to look at code that is new to it. It does so by itself and says nothing, so that
/// there is nothing else to wait for. Before Linux 5.15 each place takes links and a program of its own: seconds
/// in a guest on a busy machine.
pub fn let_it_look() {
    let looks = if kernel::kernel() < (5, 15) { 3 } else { 1 };
    std::thread::sleep(patience(Duration::from_millis(500)) * looks);
}

/// Waits for the end of a child.
pub fn wait_for_end(what: &str, child: &mut Child) -> ExitStatus {
    wait_until(&format!("the end of {what}"), || child.try_wait().unwrap())
}

/// Sends a signal to a process that this test started.
pub fn send(child: &Child, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: no memory is involved; the child has not been waited for, so its number is its own.
    let result = unsafe { libc::kill(pid, signal) };
    assert_eq!(result, 0, "kill({pid}, {signal}): {}", std::io::Error::last_os_error());
}
