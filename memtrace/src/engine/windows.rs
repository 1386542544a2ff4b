//! When allocations and frees of a process were told, and when not.

use super::process::Process;
use super::tracker::Tracker;
use crate::model::ids::{Nanos, Pid};
use serde::{Deserialize, Serialize};

/// The windows of a process. One that was told of all the time has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// When the latest one opened.
    opened: Nanos,
    /// Told of before that, together.
    before: Nanos,
    /// Nothing is told since then; `None`: the latest one is open.
    pub closed: Option<Nanos>,
    /// When one closed last: what lived then may have been freed since.
    pub last_close: Option<Nanos>,
    /// How many there were, the one that is open among them.
    pub count: u32,
}

impl Windows {
    /// Of a process that is seen at `now`, and told of.
    pub(super) const fn new(now: Nanos) -> Self {
        Self { opened: now, before: 0, closed: None, last_close: None, count: 1 }
    }

    /// Of a process that begins now, as a copy of another one (or as its next program).
    pub(super) const fn of_next(self, now: Nanos) -> Self {
        let new = Self { last_close: self.last_close, ..Self::new(now) };
        if self.closed.is_some() { Self { closed: Some(now), count: 0, ..new } } else { new }
    }

    /// … in another address space, of which nothing is unknown.
    pub(super) const fn of_new_space(self) -> Self {
        Self { last_close: None, ..self }
    }

    /// Whether it is open now.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Whether all was told.
    #[must_use]
    pub const fn are_whole(&self) -> bool {
        self.closed.is_none() && self.last_close.is_none()
    }

    /// For how long was told of it until `time`.
    #[must_use]
    pub const fn watched(&self, time: Nanos) -> Nanos {
        match self.closed {
            Some(_) => self.before,
            None => self.before.saturating_add(time.saturating_sub(self.opened)),
        }
    }

    /// From when on what is held is known without a gap: the beginning of the latest window.
    #[must_use]
    pub const fn known_since(&self) -> Nanos {
        match self.closed {
            Some(closed) => closed,
            None => self.opened,
        }
    }

    /// `false`: it was closed.
    fn close(&mut self, now: Nanos) -> bool {
        if self.closed.is_some() {
            return false;
        }
        if now <= self.opened {
            // It never was open.
            self.count = self.count.saturating_sub(1);
        }
        self.before = self.watched(now);
        self.closed = Some(now);
        self.last_close = Some(now);
        true
    }

    /// `false`: it was open.
    fn open(&mut self, now: Nanos) -> bool {
        if self.closed.take().is_none() {
            return false;
        }
        self.opened = now;
        self.count = self.count.saturating_add(1);
        true
    }
}

impl Tracker {
    /// Nothing is told any more of what the process allocates and frees.
    pub(super) fn window_closed(&mut self, pid: Pid, time: Nanos) {
        let Some(process) = self.process_mut(pid) else { return };
        if !process.windows.close(time) || !process.owns_space {
            return;
        }
        let space = process.space;
        // What is unknown makes room for what will be known.
        let is_crowded = self.blocks > self.limits.max_blocks / 2;
        let Some(space) = self.spaces.get_mut(space) else { return };
        let before = space.blocks();
        if is_crowded {
            space.let_unknown_go();
        }
        space.close(time);
        self.blocks = self.blocks + space.blocks() - before;
    }

    /// That is told again.
    pub(super) fn window_opened(&mut self, pid: Pid, time: Nanos) {
        let Some(process) = self.process_mut(pid) else { return };
        if !process.windows.open(time) || !process.owns_space {
            return;
        }
        let space = process.space;
        if let Some(space) = self.spaces.get_mut(space) {
            space.open(time);
        }
    }

    fn process_mut(&mut self, pid: Pid) -> Option<&mut Process> {
        let place = self.find(pid)?;
        self.processes.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::Windows;

    #[test]
    fn only_time_in_windows_is_watched() {
        let mut windows = Windows::new(100);
        assert!(windows.are_whole());
        assert_eq!((windows.watched(150), windows.known_since()), (50, 100));
        assert!(windows.close(200) && !windows.close(250));
        assert_eq!((windows.watched(300), windows.known_since()), (100, 200));
        assert!(windows.open(400) && !windows.open(450));
        assert_eq!((windows.watched(430), windows.known_since(), windows.count), (130, 400, 2));
        assert_eq!(windows.last_close, Some(200));
        assert!(!windows.are_whole());
    }

    #[test]
    fn one_that_begins_closed_has_had_none() {
        let mut windows = Windows::new(100);
        windows.close(100);
        assert_eq!((windows.count, windows.watched(500)), (0, 0));
        let child = windows.of_next(300);
        assert_eq!((child.closed, child.count, child.watched(500)), (Some(300), 0, 0));
        let mut child = child;
        child.open(600);
        assert_eq!((child.count, child.watched(700)), (1, 100));
    }
}
