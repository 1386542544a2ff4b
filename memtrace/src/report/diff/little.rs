//! Differences that are too small to be shown by themselves, as a sum.

use super::grouping::{Diff, Key, Row};
use super::held::{BLOCKS, BYTES, Both, Held};
use crate::report::view::{Least, Summed as _};

/// Why they are in a sum.
const LITTLE: &str = "changed by less than --min-bytes or --min-count";

/// Whether something changed by less than is to be shown, as far as it is listed.
pub(super) fn is_little(both: Both, least: Least) -> bool {
    both.weight(BYTES) < u128::from(least.bytes) || both.weight(BLOCKS) < u128::from(least.count)
}

impl Diff {
    /// Sums up what changed by less than this, so that all rows still add up to the total.
    #[must_use]
    pub fn without_little(mut self, least: Least) -> Self {
        let is_summed =
            |row: &Row| !matches!(row.key, Key::LeftOut { .. }) && is_little(Both::of(row), least);
        let (little, rows): (Vec<_>, Vec<_>) = self.rows.into_iter().partition(is_summed);
        self.rows = rows;
        if little.is_empty() {
            return self;
        }
        let mut sum = Held::default();
        little.iter().for_each(|row| sum.add(&Held::of(row)));
        let Both([before, after]) = sum.both();
        self.rows.push(Row {
            key: Key::LeftOut { process: None, why: LITTLE },
            before: before.amount,
            after: after.amount,
            is_part: [before, after].map(|side| side.amount.is_some() && !side.is_all),
        });
        self.sorted()
    }
}
