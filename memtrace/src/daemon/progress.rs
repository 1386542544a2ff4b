//! How far something has come that takes long with many processes, in a line now and then.

use std::time::{Duration, Instant};

/// Nothing is said before this has passed, and between two lines.
const SILENCE: Duration = Duration::from_secs(1);

/// Something that is done once for each of many.
pub(super) struct Progress {
    what: &'static str,
    of: usize,
    done: usize,
    next: Instant,
}

impl Progress {
    /// Begins `what`, to be done `of` times.
    pub(super) fn new(what: &'static str, of: usize) -> Self {
        Self { what, of, done: 0, next: Instant::now() + SILENCE }
    }

    /// Does it once more; says how far it has come, if it is time.
    pub(super) fn step(&mut self) {
        if let Some(line) = self.line_at(Instant::now()) {
            tracing::info!("{line}");
        }
        self.done += 1;
    }

    fn line_at(&mut self, now: Instant) -> Option<String> {
        if now < self.next {
            return None;
        }
        self.next = now + SILENCE;
        Some(format!("{}: {} of {}", self.what, self.done, self.of))
    }
}

#[cfg(test)]
mod tests {
    use super::{Progress, SILENCE};

    #[test]
    fn lines_come_now_and_then() {
        let mut progress = Progress::new("counting", 1000);
        let began = progress.next - SILENCE;
        (0..7).for_each(|_| progress.step());
        assert_eq!(progress.line_at(began), None);
        assert_eq!(progress.line_at(began + SILENCE).unwrap(), "counting: 7 of 1000");
        assert_eq!(progress.line_at(began + SILENCE), None);
        assert!(progress.line_at(began + 2 * SILENCE).is_some());
    }
}
