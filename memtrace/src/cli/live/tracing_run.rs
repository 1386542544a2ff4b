//! Tracing with the screen: the daemon on this thread, the screen on one of its own.

use super::messages::{LineWriter, Update, WAITING};
use super::show::{Showing, Shown, Signals};
use crate::cli::plan::TracePlan;
use crate::cli::reporting::ReportWishes;
use crate::cli::trace::{self, Job};
use crate::cli::{log, who};
use crate::daemon::{Outlet, Publication, Published, Settings};
use crate::engine::ports::Symbolizer;
use crate::report::Report;
use crate::screen::Look;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// How often, and how long each, the last report waits for a screen that has no room.
const LAST_TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
/// Reports that there may be at once, on the screen and on the way to it: each may be large.
const MOST_REPORTS: usize = 4;

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
    let screen = Showing::begin(updates, look, signals.clone(), end)?;
    let (updates, sent) = (sender.clone(), Vec::new());
    let outlet = ScreenOutlet { wishes: wishes.clone(), updates, sent, left: Arc::clone(&left) };
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
    tell_last(&sender, last, || signals.came() || left.load(Ordering::SeqCst));
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

/// Tells the screen, as soon as it has room, unless it ends by itself: a terminal that takes nothing must not keep us.
fn tell_last(updates: &SyncSender<Update>, mut last: Update, ends: impl Fn() -> bool) {
    while let Err(TrySendError::Full(back)) = updates.try_send(last) {
        if ends() {
            return;
        }
        last = back;
        thread::sleep(BETWEEN_TRIES);
    }
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
    wishes: ReportWishes,
    updates: SyncSender<Update>,
    /// Reports that were sent, as long as somebody has them.
    sent: Vec<Weak<Report>>,
    left: Arc<AtomicBool>,
}

impl Outlet for ScreenOutlet {
    fn publish(&mut self, publication: &Publication, symbolizer: &mut dyn Symbolizer) -> Published {
        if self.left.load(Ordering::SeqCst) {
            return Published::Closed;
        }
        let Publication { snapshot, facts, is_final } = publication;
        let report = self.wishes.report(snapshot, facts, *is_final, symbolizer);
        let degraded = report.is_degraded();
        self.sent.retain(|report| report.strong_count() > 0);
        if !is_final && self.sent.len() >= MOST_REPORTS {
            // The next one says more than this one.
            return Published::Written { degraded, file: None };
        }
        let report = Arc::new(report);
        self.sent.push(Arc::downgrade(&report));
        let mut update = Update::Report(report);
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
