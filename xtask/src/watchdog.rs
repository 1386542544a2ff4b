//! Ends programs that we wait for and that take too long.

use crate::processes;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Kills a process and its descendants once its time is over, unless it is dropped before. Drop it before
/// the process is waited for: its number could be another's afterwards.
pub(crate) struct Watchdog {
    /// Dropping it ends the watch.
    leash: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches a child of ours.
    pub(crate) fn over(pid: u32, patience: Duration) -> Self {
        let (leash, end) = channel();
        let thread = std::thread::spawn(move || {
            if end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                eprintln!("xtask: ending process {pid} after {} s", patience.as_secs());
                kill_all(pid);
            }
        });
        Self { leash: Some(leash), thread: Some(thread) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.leash.take());
        if let Some(thread) = self.thread.take() {
            // It only sleeps and kills, and does not panic.
            let _ = thread.join();
        }
    }
}

/// Kills a child of ours and all below it.
pub(crate) fn kill_all(pid: u32) {
    processes::descendants(pid).into_iter().for_each(kill);
    kill(pid);
}

fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::Watchdog;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn a_process_that_takes_too_long_is_killed() {
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let watchdog = Watchdog::over(sleeper.id(), Duration::from_millis(10));
        assert_eq!(sleeper.wait().unwrap().signal(), Some(9));
        drop(watchdog);
    }

    #[test]
    fn one_that_ends_in_time_is_left_alone() {
        let mut sleeper = Command::new("sleep").arg("0.1").spawn().unwrap();
        drop(Watchdog::over(sleeper.id(), Duration::from_secs(60)));
        assert!(sleeper.wait().unwrap().success());
    }
}
