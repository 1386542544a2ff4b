//! The loop of the screen: reports and keys in, pictures out.

use super::messages::Update;
use super::save::save;
use super::terminal::{Input, THREAD, Terminal, give_back, wait};
use crate::screen::{Look, Message, Screen, Wish, message_of};
use anyhow::{Context as _, bail};
use ratatui::crossterm::event::{self, Event};
#[cfg(feature = "live")]
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a report waits for the screen at most. Keys do not wait.
const LOOK: Duration = Duration::from_millis(100);
/// How long the screen may take to end after a signal, and between two looks whether it has.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);
/// Keys that are taken in before the next picture.
const KEYS: usize = 256;
/// Log lines that are kept until the terminal is given back.
#[cfg(feature = "live")]
const LINES: usize = 100;

/// How it went.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The report that was shown last says that its figures are not what was asked for.
    pub(super) degraded: bool,
    /// Log lines that came meanwhile, the latest ones.
    #[cfg(feature = "live")]
    pub(super) lines: VecDeque<String>,
}

/// Signals that end the screen, from its making on.
#[derive(Clone, Debug, Default)]
pub(super) struct Signals(Arc<AtomicBool>);

impl Signals {
    /// # Errors
    /// When the system refuses.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let signals = Self::default();
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&signals.0))
                .context("cannot listen for signals")?;
        }
        Ok(signals)
    }

    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The screen, on a thread of its own.
pub(super) struct Showing {
    thread: JoinHandle<anyhow::Result<Shown>>,
    signals: Signals,
}

impl Showing {
    /// Shows what comes until the user, a signal or a failure ends it; `left` is dropped then.
    ///
    /// # Errors
    /// When the system has no room for a thread.
    pub(super) fn begin<T: Send + 'static>(
        updates: Receiver<Update>,
        look: Look,
        signals: Signals,
        left: T,
    ) -> anyhow::Result<Self> {
        let heard = signals.clone();
        let work = move || {
            let _left = left;
            show(&updates, look, &heard)
        };
        let builder = thread::Builder::new().name(THREAD.to_owned());
        let thread = builder.spawn(work).context("cannot start a thread for the screen")?;
        Ok(Self { thread, signals })
    }

    /// Waits for its end. After a signal not for long: a terminal that takes nothing must not keep us.
    ///
    /// # Errors
    /// When the terminal could not be used; it is as before.
    pub(super) fn wait(self) -> anyhow::Result<Shown> {
        let mut left = PATIENCE;
        while !self.thread.is_finished() && left > Duration::ZERO {
            thread::sleep(PAUSE);
            if self.signals.came() {
                left = left.saturating_sub(PAUSE);
            }
        }
        if !self.thread.is_finished() {
            give_back();
            return Ok(Shown::default());
        }
        match self.thread.join() {
            Ok(shown) => shown,
            Err(_) => bail!("the screen failed in an unforeseen way; please report this"),
        }
    }
}

fn show(updates: &Receiver<Update>, look: Look, signals: &Signals) -> anyhow::Result<Shown> {
    let terminal = Terminal::take().context("cannot take the terminal")?;
    let mut shower = Shower { terminal, screen: Screen::new(look), shown: Shown::default() };
    shower.run(updates, signals).context("cannot use the terminal")?;
    Ok(shower.shown)
}

struct Shower {
    terminal: Terminal,
    screen: Screen,
    shown: Shown,
}

impl Shower {
    fn run(&mut self, updates: &Receiver<Update>, signals: &Signals) -> std::io::Result<()> {
        self.terminal.draw(&self.screen)?;
        while !signals.came() {
            let mut changed = false;
            while let Ok(update) = updates.try_recv() {
                changed = true;
                if !self.take_in(update) {
                    return Ok(());
                }
            }
            let mut time = LOOK;
            for _ in 0..KEYS {
                if wait(time)? == Input::Gone {
                    return Ok(());
                }
                time = Duration::ZERO;
                if !event::poll(time)? {
                    break;
                }
                changed = true;
                if !self.heed(&event::read()?)? {
                    return Ok(());
                }
            }
            if changed {
                self.terminal.draw(&self.screen)?;
            }
        }
        Ok(())
    }

    /// Gives whether to go on.
    fn take_in(&mut self, update: Update) -> bool {
        let message = match update {
            Update::Failed => return false,
            Update::Ended(why) => Message::Ended(why),
            Update::Report(report) => {
                self.shown.degraded = report.is_degraded();
                self.screen.take_in(report);
                return true;
            }
            #[cfg(feature = "live")]
            Update::Line(line) => {
                if self.shown.lines.len() == LINES {
                    self.shown.lines.pop_front();
                }
                self.shown.lines.push_back(line.clone());
                Message::Logged(line)
            }
        };
        self.screen.update(message);
        true
    }

    /// Gives whether to go on.
    fn heed(&mut self, event: &Event) -> std::io::Result<bool> {
        let Some(message) = message_of(event, self.screen.is_typing()) else { return Ok(true) };
        match self.screen.update(message) {
            None => {}
            Some(Wish::Quit) => return Ok(false),
            Some(Wish::Redraw) => self.terminal.clear()?,
            Some(Wish::Write(report, path)) => {
                let told = match save(&report, &path) {
                    Ok(()) => format!("written to {}", path.display()),
                    Err(error) => crate::cli::exit::one_line(error.as_ref()),
                };
                self.screen.update(Message::Told(told));
            }
        }
        Ok(true)
    }
}
