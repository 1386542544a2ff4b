//! What tables keep beyond what every report needs, where a view asks for it.

use crate::model::ids::Nanos;
use serde::{Deserialize, Serialize};

/// What is kept in more detail. It changes no figure, only what they can be told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Blocks of one call stack are told apart by the thread that allocated them.
    pub by_thread: bool,
    /// … by their size ([`SizeClass`]).
    pub by_size: bool,
    /// A period of which an account of its own is kept.
    pub period: Option<Period>,
    /// What stacks did in slices of the run's time is kept ([`super::slices`]).
    pub slices: bool,
}

/// A part of a run, up to the moment at which a snapshot is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// What happened until then, and until the end of that step of 64 ns, is not in it.
    pub after: Nanos,
    /// Which blocks are temporary.
    pub temporary: Temporary,
}

/// What makes a block temporary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Temporary {
    /// It is freed, by whomever, before the thread that allocated it has made so many more allocations.
    Allocations(u32),
    /// It is freed at this age or earlier, ns. Ages are known to 64 ns.
    Age(Nanos),
}

impl Default for Temporary {
    fn default() -> Self {
        Self::Allocations(1)
    }
}

/// Sizes from a power of two to below the next one, by that power's exponent; blocks without bytes have a class of
/// their own, which is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SizeClass(u8);

impl SizeClass {
    /// The class of a size, bytes.
    #[must_use]
    pub const fn of(size: u64) -> Self {
        match size.checked_ilog2() {
            None => Self(0),
            Some(power) => Self(power as u8 + 1),
        }
    }

    /// The least and the greatest size, bytes.
    #[must_use]
    pub const fn sizes(self) -> (u64, u64) {
        match self.0 {
            0 => (0, 0),
            above => {
                let least = 1 << ((above - 1) % 64);
                (least, least | (least - 1))
            }
        }
    }
}

/// The part of a call stack's blocks that is counted by itself; each is `None` where it tells nothing apart.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Part {
    /// Thread id of who allocated.
    pub thread: Option<u32>,
    /// Their sizes.
    pub size: Option<SizeClass>,
}

impl Detail {
    /// The part of a block of `size` bytes that `thread` allocates.
    pub(super) fn part(&self, thread: u32, size: u64) -> Part {
        Part {
            thread: self.by_thread.then_some(thread),
            size: self.by_size.then(|| SizeClass::of(size)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SizeClass;

    #[test]
    fn classes_are_powers_of_two() {
        for (size, least, most) in [
            (0, 0, 0),
            (1, 1, 1),
            (2, 2, 3),
            (63, 32, 63),
            (64, 64, 127),
            (u64::MAX, 1 << 63, u64::MAX),
        ] {
            assert_eq!(SizeClass::of(size).sizes(), (least, most), "{size}");
        }
    }
}
