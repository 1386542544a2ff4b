//! What two sides hold of several stacks together, as far as they list them.

use super::figure::{Amount, Change, Figure};
use super::grouping::Row;
use crate::report::view::Summed;

/// What one side says of something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Told {
    /// What it lists; `None`: nothing of it.
    pub(super) amount: Option<Amount>,
    /// That is all there is.
    pub(super) is_all: bool,
}

/// One of the two figures of an amount.
pub(super) type Unit = fn(Amount) -> Figure;

pub(super) const BYTES: Unit = |amount| amount.bytes;
pub(super) const BLOCKS: Unit = |amount| amount.blocks;

/// What was added, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Moved {
    /// So much.
    By(Change),
    /// No more than this: there may have been more before.
    AtMost(i128),
    /// No less than this: there may be more after.
    AtLeast(i128),
    /// Neither side lists all of it.
    Unknown,
}

impl Told {
    /// All of it, or nothing.
    pub(super) const fn of(side: Option<Amount>) -> Self {
        Self { amount: side, is_all: side.is_some() }
    }

    fn listed(side: Option<Amount>, is_part: bool) -> Self {
        Self { amount: side, is_all: side.is_some() && !is_part }
    }

    fn value(self, unit: Unit) -> i128 {
        self.amount.map_or(0, |amount| unit(amount).value.into())
    }

    /// It is exact, and all.
    fn is_plain(self) -> bool {
        let is_exact = |it: Amount| !it.bytes.is_estimate() && !it.blocks.is_estimate();
        self.is_all && self.amount.is_some_and(is_exact)
    }
}

/// Before and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Both(pub(super) [Told; 2]);

impl Both {
    pub(super) fn of(row: &Row) -> Self {
        let [in_before, in_after] = row.is_part;
        Self([Told::listed(row.before, in_before), Told::listed(row.after, in_after)])
    }

    pub(super) fn moved(self, unit: Unit) -> Moved {
        let Self([before, after]) = self;
        let difference = self.listed(unit);
        let figure = |side: Told| side.amount.map(unit).unwrap_or_default();
        match (before.is_all, after.is_all) {
            (true, true) => Moved::By(Change::between(figure(before), figure(after))),
            (false, true) => Moved::AtMost(difference),
            (true, false) => Moved::AtLeast(difference),
            (false, false) => Moved::Unknown,
        }
    }

    /// What the second side lists less what the first one does.
    pub(super) fn listed(self, unit: Unit) -> i128 {
        let Self([before, after]) = self;
        after.value(unit) - before.value(unit)
    }

    /// What was added or taken of what is listed, whichever it was.
    pub(super) fn weight(self, unit: Unit) -> u128 {
        self.listed(unit).unsigned_abs()
    }

    /// Both sides are known, and the same.
    pub(super) fn is_unchanged(self) -> bool {
        let Self([before, after]) = self;
        before.is_all && after.is_all && self.weight(BYTES) == 0 && self.weight(BLOCKS) == 0
    }

    /// Exact and known on both sides: a column has all that is to be said of it.
    pub(super) fn is_plain(self) -> bool {
        self.0.into_iter().all(Told::is_plain)
    }

    /// A side lists only a part, or nothing, of it.
    pub(super) fn is_partial(self) -> bool {
        self.0.iter().any(|side| !side.is_all)
    }
}

/// A sum over rows of whole stacks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Held([Sum; 2]);

/// One side of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    /// Of all of which something was seen.
    seen: Option<Amount>,
    /// What may be there of a stack of which no sample was taken.
    unseen: Option<Amount>,
    /// A stack is on the other side and not listed on this one.
    lacks: bool,
}

impl Held {
    /// Of one row.
    pub(super) fn of(row: &Row) -> Self {
        let mut held = Self([row.before, row.after].map(Sum::of));
        held.lacks(row.is_part);
        held
    }

    /// Sides that may have more of it.
    pub(super) fn lacks(&mut self, sides: [bool; 2]) {
        for (sum, lacks) in self.0.iter_mut().zip(sides) {
            sum.lacks |= lacks;
        }
    }

    pub(super) fn both(&self) -> Both {
        Both(self.0.map(Sum::told))
    }
}

impl Summed for Held {
    fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            sum.add(more);
        }
    }

    /// Neither side has any of it, for certain.
    fn is_nothing(&self) -> bool {
        let is_none =
            |side: Told| side.is_all && side.amount.unwrap_or_default() == Amount::default();
        self.both().0.into_iter().all(is_none)
    }
}

impl Sum {
    fn of(side: Option<Amount>) -> Self {
        match side {
            None => Self { lacks: true, ..Self::default() },
            Some(amount) if is_unseen(amount) => Self { unseen: side, ..Self::default() },
            Some(_) => Self { seen: side, ..Self::default() },
        }
    }

    /// That several stacks were not seen says no more of their sum than that one was not: it is one range of sizes of
    /// allocations that chance passes over, and where samples were taken these have it in their interval.
    fn add(&mut self, other: Self) {
        self.seen = match (self.seen, other.seen) {
            (Some(one), Some(more)) => Some(one.plus(more)),
            (one, more) => one.or(more),
        };
        self.unseen = self.unseen.or(other.unseen);
        self.lacks |= other.lacks;
    }

    fn told(self) -> Told {
        let is_there = |it: &Amount| *it != Amount::default();
        let listed = self.seen.filter(is_there).or(self.unseen).or(self.seen);
        // Of what no stack leads to there is nothing.
        let nothing = (!self.lacks).then(Amount::default);
        Told { amount: listed.or(nothing), is_all: !self.lacks }
    }
}

fn is_unseen(amount: Amount) -> bool {
    amount.bytes.value == 0 && amount.blocks.value == 0 && amount.bytes.is_estimate()
}

#[cfg(test)]
mod tests {
    use super::super::grouping::Key;
    use super::{Amount, BLOCKS, BYTES, Both, Figure, Held, Moved, Row, Summed as _};

    fn row(before: Option<u64>, after: Option<u64>) -> Held {
        let exact = |it: u64| Amount { bytes: Figure::exact(it), blocks: Figure::exact(1) };
        let key = Key::Process("demo".to_owned());
        let (before, after) = (before.map(exact), after.map(exact));
        Held::of(&Row { key, before, after, is_part: [false; 2] })
    }

    fn sum(rows: &[Held]) -> Both {
        let mut sum = Held::default();
        rows.iter().for_each(|row| sum.add(row));
        sum.both()
    }

    #[test]
    fn what_is_listed_in_part_gives_a_limit() {
        let known = sum(&[row(Some(10), Some(30)), row(Some(5), Some(5))]);
        let Moved::By(change) = known.moved(BYTES) else { panic!("{known:?}") };
        assert_eq!((change.value, known.is_plain(), known.weight(BYTES)), (20, true, 20));
        let unlisted = sum(&[row(Some(10), Some(30)), row(None, Some(5))]);
        assert_eq!(unlisted.moved(BYTES), Moved::AtMost(25));
        assert_eq!(unlisted.moved(BLOCKS), Moved::AtMost(1));
        let hidden = sum(&[row(Some(10), Some(30)), row(Some(5), None)]);
        assert_eq!(hidden.moved(BYTES), Moved::AtLeast(15));
        assert_eq!(sum(&[row(None, Some(1)), row(Some(1), None)]).moved(BYTES), Moved::Unknown);
        assert!(sum(&[row(Some(5), Some(5))]).is_unchanged());
        assert!(!sum(&[row(None, Some(5)), row(Some(5), Some(0))]).is_unchanged());
    }

    /// Ten stacks without a sample may hold no more together than one.
    #[test]
    fn what_was_not_seen_counts_once() {
        let unseen = Amount { bytes: Figure::unseen(1_000), blocks: Figure::unseen(1_000) };
        let key = Key::Process("demo".to_owned());
        let one = Held::of(&Row::known(key, unseen, unseen));
        assert_eq!(sum(&[one; 10]), one.both());
        assert_eq!(sum(&[one, row(Some(7), Some(9))]), row(Some(7), Some(9)).both());
        assert!(!one.both().is_plain() && !one.is_nothing());
    }
}
