//! Frees that were not told: so many of the blocks that are kept may be gone.

use crate::model::ids::Nanos;

/// Marks come twice a second: the oldest of these is from before anything that is told as lost now.
const MARKS: usize = 4;

/// How many frees may have been lost, and until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LostFrees {
    pub(super) count: u64,
    /// Frees that had shown by then: none of these was lost.
    shown_before: u64,
    /// How many had shown at the latest marks, oldest first. Losses are told once a second, after they may have shown.
    marks: [u64; MARKS],
    /// The latest loss, as the block table keeps births: what was born later was freed by none of them.
    latest: Nanos,
}

impl LostFrees {
    /// So many have shown until now.
    pub(super) fn mark(&mut self, missed: u64) {
        self.marks.rotate_left(1);
        self.marks[MARKS - 1] = missed;
    }

    /// So many more until now, at which so many have shown, whenever they were lost.
    pub(super) fn add(&mut self, count: u64, missed: u64, now: Nanos) {
        if self.left(missed).count == 0 {
            // What has shown of the earlier ones is used up, too.
            let used = self.shown_before.saturating_add(self.count);
            (self.count, self.shown_before) = (0, used.max(self.marks[0]).min(missed));
        }
        self.count = self.count.saturating_add(count);
        self.latest = self.latest.max(now);
    }

    /// Without those that have shown since, of so many in all: their blocks' addresses were given out again.
    pub(super) const fn left(self, missed: u64) -> Self {
        let shown = missed.saturating_sub(self.shown_before);
        Self { count: self.count.saturating_sub(shown), ..self }
    }

    /// Those that are left, for a copy of the heap in which none has shown yet.
    pub(super) fn forked(self, missed: u64) -> Self {
        Self { count: self.left(missed).count, latest: self.latest, ..Self::default() }
    }

    /// Nothing is in doubt any more.
    pub(super) const fn clear(&mut self) {
        self.count = 0;
    }

    /// Blocks that were born until then are in doubt; `None`: none is.
    pub(super) fn until(self) -> Option<Nanos> {
        (self.count > 0).then_some(self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::{LostFrees, MARKS};

    #[test]
    fn lost_frees_show_when_addresses_are_given_out_again() {
        let mut lost = LostFrees::default();
        assert_eq!(lost.until(), None);
        lost.add(3, 0, 50);
        lost.add(2, 0, 40);
        assert_eq!((lost.left(0).count, lost.until()), (5, Some(50)), "time does not run back");
        assert_eq!((lost.left(4).count, lost.left(4).until()), (1, Some(50)));
        assert_eq!((lost.left(9).count, lost.left(5).until()), (0, None));
        lost.add(u64::MAX, 0, 60);
        assert_eq!(lost.count, u64::MAX);
    }

    /// A program that gives back whole arenas has frees that show and that nobody lost.
    #[test]
    fn what_has_shown_before_anything_was_lost_is_none_of_it() {
        let mut lost = LostFrees::default();
        (0..MARKS).for_each(|_| lost.mark(1_000_000));
        lost.add(100, 1_000_000, 50);
        assert_eq!(lost.left(1_000_000).count, 100);
        assert_eq!(lost.left(1_000_060).count, 40);
        lost.add(10, 1_000_060, 60);
        assert_eq!(lost.left(1_000_060).count, 50);
        // All have shown; the next ones are others, of which some may have shown since the oldest mark.
        lost.mark(1_000_200);
        lost.add(7, 1_000_200, 70);
        assert_eq!(lost.left(1_000_200).count, 0);
        (0..MARKS).for_each(|_| lost.mark(1_000_200));
        lost.add(7, 1_000_200, 80);
        assert_eq!(lost.left(1_000_200).count, 7);
        assert_eq!(lost.forked(1_000_203).left(0).count, 4);
    }
}
