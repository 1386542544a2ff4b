//! Signals between us and a command that we started.
//!
//! What the terminal sends (Ctrl-C, Ctrl-\, a hang-up) it sends to its whole foreground group, which the
//! command is in; only the command decides then whether it ends. What a process sends to us alone is
//! passed on. The kernel tells the two apart (`si_code` of `sigaction(2)`). Who signals the group on
//! purpose reaches the command twice, as with other programs that pass signals on.

use super::error::LaunchError;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Handle, SignalsInfo};
use signal_hook::low_level::siginfo::{Cause, Origin};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::OnceLock;

/// The signals that are passed on.
pub(super) const PASSED_ON: [libc::c_int; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Signals that were ignored when memtrace began (`nohup(1)`): they stay so for the command.
#[derive(Clone, Copy, Debug)]
pub struct Ignored([bool; PASSED_ON.len()]);

impl Ignored {
    /// Looks at them now. To be called before anything handles them.
    #[must_use]
    pub fn now() -> Self {
        Self(PASSED_ON.map(|signal| {
            // SAFETY: all zero is a valid `sigaction`, and the call fills in one.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
                    && action.sa_sigaction == libc::SIG_IGN
            }
        }))
    }

    /// Gives a child the dispositions that it would have without us. Async-signal-safe. (Rust ignores
    /// SIGPIPE, and its `Command` has taken that back already; SIGXFSZ is ignored by ourselves.)
    pub(super) fn restore(self) {
        // SAFETY: no handler is installed, and `signal` is async-signal-safe (`signal-safety(7)`).
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
            for (signal, ignored) in PASSED_ON.into_iter().zip(self.0) {
                libc::signal(signal, if ignored { libc::SIG_IGN } else { libc::SIG_DFL });
            }
        }
    }
}

/// The command, as signals reach it: by a descriptor, so that nobody else is meant who gets its number
/// once it has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Receiver(Arc<OnceLock<(u32, OwnedFd)>>);

impl Receiver {
    /// Says who it is. The process must be a child that nobody has waited for.
    pub(super) fn set(&self, pid: u32) -> io::Result<()> {
        let number = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        let number = number.ok_or(io::ErrorKind::InvalidInput)?;
        // There is one only once.
        let _ = self.0.set((pid, pidfd_open(number, PidfdFlags::empty())?));
        Ok(())
    }

    fn send(&self, origin: &Origin) {
        let Some((pid, descriptor)) = self.0.get() else { return };
        let by_itself =
            origin.process.as_ref().is_some_and(|sender| u32::try_from(sender.pid) == Ok(*pid));
        if !is_for_us_alone(origin.cause) || by_itself {
            return;
        }
        if let Some(signal) = Signal::from_named_raw(origin.signal) {
            // It may have ended.
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }
}

/// Whether a process sent it, and not the kernel for the terminal.
const fn is_for_us_alone(cause: Cause) -> bool {
    matches!(cause, Cause::Sent(_))
}

/// Passes signals on until it is dropped. From its creation on none of them ends this process.
#[derive(Debug)]
pub(super) struct Forwarder {
    handle: Handle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Forwarder {
    pub(super) fn start(receiver: Receiver) -> Result<Self, LaunchError> {
        let mut signals =
            SignalsInfo::<WithOrigin>::new(PASSED_ON).map_err(LaunchError::Signals)?;
        let handle = signals.handle();
        let thread = std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || signals.forever().for_each(|origin| receiver.send(&origin)))
            .map_err(LaunchError::Signals)?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.handle.close();
        // It only sends signals, and cannot fail.
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}
