//! The loop of the screen: reports and keys in, pictures out.

use super::messages::Update;
use super::save::save;
use super::terminal::Terminal;
use crate::screen::{Look, Message, Screen, Wish, message_of};
use anyhow::Context as _;
use ratatui::crossterm::event::{self, Event};
#[cfg(feature = "live")]
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// How long a report waits for the screen at most. Keys do not wait.
const LOOK: Duration = Duration::from_millis(100);
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

/// Shows what comes until the user, a signal or a failure ends it.
///
/// # Errors
/// When the terminal cannot be used; it is as before then.
pub(super) fn show(
    updates: &Receiver<Update>,
    look: Look,
    signals: &Signals,
) -> anyhow::Result<Shown> {
    let terminal = Terminal::take().context("cannot take the terminal")?;
    let mut screen = Shower { terminal, screen: Screen::new(look), shown: Shown::default() };
    screen.run(updates, signals).context("cannot use the terminal")?;
    Ok(screen.shown)
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
            let mut wait = LOOK;
            for _ in 0..KEYS {
                if !event::poll(wait)? {
                    break;
                }
                wait = Duration::ZERO;
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
