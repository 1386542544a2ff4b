//! Tracing with the screen: the daemon on this thread, the screen on one of its own.

use super::messages::{LineWriter, Update, WAITING};
use super::show::{Showing, Shown, Signals};
use crate::cli::plan::TracePlan;
use crate::cli::trace::{self, Job};
use crate::cli::{log, who};
use crate::daemon::{Outlet, Publication, Published, Settings};
use crate::engine::ports::Symbolizer;
use crate::report::{ReportOptions, resolve};
use crate::screen::Look;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// How often, and how long each, the last report waits for a screen that has no room.
const LAST_TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Traces and shows, until the user has had enough.
///
/// # Errors
/// When nothing can be traced, or the terminal not be used.
pub(super) fn run(plan: &TracePlan, look: Look) -> anyhow::Result<Shown> {
    let (sender, updates) = sync_channel(WAITING);
    let lines = LineWriter(sender.clone());
    // Before the screen, so that a wrong number is told on the terminal as it is, and Ctrl-C ends waiting for one.
    let found = who::find::find(&plan.who, &mut log::announce)?;
    let signals = Signals::listen()?;
    let left = Arc::new(AtomicBool::new(false));
    log::init_to(plan.verbosity, move || lines.clone());
    let job = Job::of(found);
    let wishes = trace::wishes(plan, &job);
    // Pages are not shown, and reading about them holds up the targets' own calls of mmap.
    let settings = Settings { pictures: false, ..trace::settings(plan, &job) };
    let end = EndOfTracing { signals: signals.clone(), left: Arc::clone(&left) };
    let screen = Showing::begin(updates, look, signals, end)?;
    let options = wishes.options.clone();
    let outlet = ScreenOutlet { options, updates: sender.clone(), left: Arc::clone(&left) };
    let teller = sender.clone();
    let mut announce = |line: &str| {
        let _ = teller.try_send(Update::Line(line.to_owned()));
        // Nobody listened when it was left, or a signal came, while the probes were being placed.
        if left.load(Ordering::SeqCst) {
            wish_end();
        }
    };
    let outcome = trace::trace_to(plan, &settings, &wishes, Box::new(outlet), &mut announce);
    let last = match &outcome {
        Ok(_) => Update::Ended("nothing is traced any more".to_owned()),
        Err(_) => Update::Failed,
    };
    // The screen may have been left.
    let _ = sender.send(last);
    let shown = screen.wait();
    // What ended tracing says more than what became of the screen.
    let degraded = outcome?;
    let mut shown = shown?;
    shown.degraded |= degraded;
    for line in std::mem::take(&mut shown.lines) {
        log::announce(&line);
    }
    Ok(shown)
}

/// Wishes the end of tracing when it is dropped, also by a panic.
struct EndOfTracing {
    signals: Signals,
    /// The screen is shown no more.
    left: Arc<AtomicBool>,
}

impl Drop for EndOfTracing {
    fn drop(&mut self) {
        self.left.store(true, Ordering::SeqCst);
        // A second signal would be a wish to leave without a last report.
        if !self.signals.came() {
            wish_end();
        }
    }
}

/// Sends us the signal that the daemon listens for. Our own handler is in place, so it does not kill us.
fn wish_end() {
    // It fails only for numbers that are no signals.
    let _ = signal_hook::low_level::raise(libc::SIGTERM);
}

/// Sends reports to the screen.
struct ScreenOutlet {
    options: ReportOptions,
    updates: SyncSender<Update>,
    left: Arc<AtomicBool>,
}

impl Outlet for ScreenOutlet {
    fn publish(&mut self, publication: &Publication, symbolizer: &mut dyn Symbolizer) -> Published {
        if self.left.load(Ordering::SeqCst) {
            return Published::Closed;
        }
        let Publication { snapshot, facts, is_final } = publication;
        let options = ReportOptions { is_final: *is_final, ..self.options.clone() };
        let mut report = resolve(snapshot, symbolizer, &options, facts);
        while *is_final && symbolizer.await_names() {
            report = resolve(snapshot, symbolizer, &options, facts);
        }
        let degraded = report.is_degraded();
        let mut update = Update::Report(Arc::new(report));
        let tries = if *is_final { LAST_TRIES } else { 1 };
        for _ in 0..tries {
            match self.updates.try_send(update) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Published::Closed,
                // The next report says more than this one.
                Err(TrySendError::Full(back)) => update = back,
            }
            thread::sleep(BETWEEN_TRIES * u32::from(tries > 1));
        }
        Published::Written { degraded, file: None }
    }
}
