//! When windows open and close: by the user's wish, or as a budget wants it. Pure; `actor/windows.rs` does it.

use crate::report::WindowChange;
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// Between two attempts to open, while probes that were taken away are not gone yet.
const AGAIN: Duration = Duration::from_millis(10);
/// Changes that are remembered for reports: the first ones and the latest.
const MOST_CHANGES: usize = 64;

/// Times in which allocations and frees are told: so long, once in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// For how long; shorter than the period.
    pub on: Duration,
    /// How often.
    pub period: Duration,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Open,
    Close,
}

/// Follows the windows of all targets together.
#[derive(Debug)]
pub(super) struct Windowing {
    window: Option<Window>,
    is_open: bool,
    /// When the latest one was to open.
    began: Instant,
    /// When something is to be done.
    due: Option<Instant>,
    /// The longest time that placing probes again took.
    placing: Option<Duration>,
    changes: Vec<WindowChange>,
    left_out: u64,
}

impl Windowing {
    /// Open from `now` on.
    pub(super) fn new(window: Option<Window>, now: Instant) -> Self {
        let due = window.map(|window| now + window.on);
        Self {
            window,
            is_open: true,
            began: now,
            due,
            placing: None,
            changes: Vec::new(),
            left_out: 0,
        }
    }

    pub(super) const fn window(&self) -> Option<Window> {
        self.window
    }

    /// What was changed under way, and how many changes are left out of that.
    pub(super) fn changes(&self) -> (&[WindowChange], u64) {
        (&self.changes, self.left_out)
    }

    /// When to ask for the next turn; `None`: never.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What is to be done, now that it is due.
    pub(super) const fn turn(&self) -> Turn {
        if self.is_open { Turn::Close } else { Turn::Open }
    }

    /// They were closed.
    pub(super) fn closed(&mut self, now: Instant) {
        self.is_open = false;
        self.due = self.window.map(|window| (self.began + window.period).max(now));
    }

    /// They are open since `now`, after probes were placed from `asked` on.
    pub(super) fn opened(&mut self, asked: Instant, now: Instant) {
        self.is_open = true;
        self.placing = self.placing.max(Some(now - asked));
        // Not from `now`: what is placed late makes no period longer. But none is made up for.
        self.began = match self.window {
            Some(Window { period, .. })
                if (self.began + period..self.began + period * 2).contains(&now) =>
            {
                self.began + period
            }
            _ => now,
        };
        self.due = self.window.map(|window| now + window.on);
    }

    /// They could not be opened yet.
    pub(super) fn not_yet(&mut self, now: Instant) {
        self.due = Some(now + AGAIN);
    }

    /// Other windows from now on, for this reason; `None`: open all the time. The one that is open, or the pause,
    /// goes on as long as the new ones say; so where a period ends, what comes next is to be opened first.
    pub(super) fn change(&mut self, window: Option<Window>, reason: String, now: Instant) {
        if self.changes.len() == MOST_CHANGES {
            self.changes.remove(MOST_CHANGES / 2);
            self.left_out += 1;
        }
        let told = window.map(|window| (window.on, window.period));
        self.changes.push(WindowChange { time: Timestamp::now(), window: told, reason });
        self.window = window;
        self.due = match (window, self.is_open) {
            (None, true) => None,
            (None, false) => Some(now),
            (Some(window), true) => Some(now + window.on),
            (Some(window), false) => Some((self.began + window.period).max(now)),
        };
    }

    /// What to say of windows that are shorter than placing the probes takes.
    pub(super) fn too_short(&self) -> Option<String> {
        let (window, placing) = (self.window?, self.placing?);
        (window.on < placing).then(|| {
            format!(
                "windows of {:?} are shorter than placing the probes again takes, which took up to \
                 {:.0} ms: --window with a longer first time sees more for the same trouble",
                window.on,
                placing.as_secs_f64() * 1e3
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AGAIN, Turn, Window, Windowing};
    use std::time::Duration;
    use tokio::time::Instant;

    const SECOND: Duration = Duration::from_secs(1);
    const WINDOW: Window = Window { on: SECOND, period: Duration::from_secs(10) };

    #[test]
    fn windows_come_once_a_period() {
        let start = Instant::now();
        let mut windowing = Windowing::new(Some(WINDOW), start);
        assert_eq!((windowing.turn(), windowing.due()), (Turn::Close, Some(start + SECOND)));
        windowing.closed(start + SECOND);
        assert_eq!((windowing.turn(), windowing.due()), (Turn::Open, Some(start + 10 * SECOND)));
        // Late, as probes take time: the window is as long as ever, and the period is none the longer.
        windowing.opened(start + 10 * SECOND, start + 11 * SECOND);
        assert_eq!(windowing.due(), Some(start + 12 * SECOND));
        windowing.closed(start + 12 * SECOND);
        assert_eq!(windowing.due(), Some(start + 20 * SECOND));
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let start = Instant::now();
        let mut windowing = Windowing::new(Some(WINDOW), start);
        windowing.closed(start + SECOND);
        windowing.not_yet(start + 35 * SECOND);
        assert_eq!(windowing.due(), Some(start + 35 * SECOND + AGAIN));
        windowing.opened(start + 36 * SECOND, start + 36 * SECOND);
        windowing.closed(start + 37 * SECOND);
        assert_eq!(windowing.due(), Some(start + 46 * SECOND));
    }

    #[test]
    fn they_come_and_go_under_way() {
        let start = Instant::now();
        let mut windowing = Windowing::new(None, start);
        assert_eq!(windowing.due(), None);
        windowing.change(Some(WINDOW), "too much".to_owned(), start + 5 * SECOND);
        assert_eq!((windowing.turn(), windowing.due()), (Turn::Close, Some(start + 6 * SECOND)));
        windowing.closed(start + 6 * SECOND);
        windowing.change(None, "enough".to_owned(), start + 7 * SECOND);
        assert_eq!((windowing.turn(), windowing.due()), (Turn::Open, Some(start + 7 * SECOND)));
        windowing.opened(start + 7 * SECOND, start + 7 * SECOND);
        assert_eq!((windowing.due(), windowing.changes().0.len()), (None, 2));
        for _ in 0..70 {
            windowing.change(None, "again".to_owned(), start + 8 * SECOND);
        }
        let (changes, left_out) = windowing.changes();
        assert_eq!((changes[0].reason.as_str(), changes.len() as u64 + left_out), ("too much", 72));
    }

    #[test]
    fn a_shorter_period_begins_with_the_window_that_is_open() {
        let start = Instant::now();
        let long = Window { on: SECOND / 2, period: 37 * SECOND };
        let mut windowing = Windowing::new(Some(long), start);
        windowing.closed(start + SECOND / 2);
        windowing.opened(start + 37 * SECOND, start + 37 * SECOND);
        windowing.change(Some(WINDOW), "more is possible".to_owned(), start + 37 * SECOND);
        assert_eq!(windowing.due(), Some(start + 38 * SECOND));
        windowing.closed(start + 38 * SECOND);
        assert_eq!(
            windowing.due(),
            Some(start + 47 * SECOND),
            "the pause is as long as its period"
        );
    }

    #[test]
    fn windows_shorter_than_their_probes_take_are_told_of() {
        let start = Instant::now();
        let mut windowing = Windowing::new(Some(WINDOW), start);
        windowing.closed(start + SECOND);
        windowing.opened(start + 10 * SECOND, start + 10 * SECOND + SECOND / 2);
        assert_eq!(windowing.too_short(), None);
        windowing.closed(start + 12 * SECOND);
        windowing.opened(start + 20 * SECOND, start + 22 * SECOND);
        let said = windowing.too_short().unwrap();
        assert!(said.contains("1s") && said.contains("2000 ms"), "{said}");
    }
}
