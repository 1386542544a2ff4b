//! Frees that were not told: so many of the blocks that are kept may be gone.

use crate::model::ids::Nanos;

/// How many frees may have been lost, and until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LostFrees {
    pub(super) count: u64,
    /// The latest loss, as the block table keeps births: what was born later was freed by none of them.
    latest: Nanos,
}

impl LostFrees {
    /// So many more until now.
    pub(super) fn add(&mut self, count: u64, now: Nanos) {
        self.count = self.count.saturating_add(count);
        self.latest = self.latest.max(now);
    }

    /// Without those that have shown since: their blocks' addresses were given out again.
    pub(super) const fn left(self, missed: u64) -> Self {
        Self { count: self.count.saturating_sub(missed), ..self }
    }

    /// Blocks that were born until then are in doubt; `None`: none is.
    pub(super) fn until(self) -> Option<Nanos> {
        (self.count > 0).then_some(self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::LostFrees;

    #[test]
    fn lost_frees_show_when_addresses_are_given_out_again() {
        let mut lost = LostFrees::default();
        assert_eq!(lost.until(), None);
        lost.add(3, 50);
        lost.add(2, 40);
        assert_eq!((lost.left(0).count, lost.until()), (5, Some(50)), "time does not run back");
        assert_eq!((lost.left(4).count, lost.left(4).until()), (1, Some(50)));
        assert_eq!((lost.left(9).count, lost.left(5).until()), (0, None));
        lost.add(u64::MAX, 60);
        assert_eq!(lost.count, u64::MAX);
    }
}
