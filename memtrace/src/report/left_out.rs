//! Call stacks that a report does not list because the user wished so: each reason's together, as one.

use super::flat::NOT_LISTED;
use super::joined::joined;
use super::model::{FrameReport, ProcessReport, StackReport};

/// Why stacks are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `--include` and `--exclude` do not admit their names.
    Names,
    /// They hold less than `--min-bytes` or `--min-count` ask for.
    Little,
    /// Others come first, and no more are shown.
    Beyond,
}

impl Reason {
    /// What stands in place of their frames.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Names => "(left out by --include or --exclude)",
            Self::Little => "(less than --min-bytes or --min-count)",
            Self::Beyond => NOT_LISTED,
        }
    }

    /// Its name in JSON.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Little => "little",
            Self::Beyond => "top",
        }
    }
}

/// Stacks that are not listed for one reason.
#[derive(Clone, Debug)]
pub struct LeftOutStacks {
    /// The reason.
    pub reason: Reason,
    /// How many of them hold something.
    pub stacks: u64,
    /// What all of them hold and did. Its only frame is the reason's [`Reason::label`].
    pub sum: StackReport,
}

impl LeftOutStacks {
    /// These stacks; `None` where there are none.
    pub(super) fn of(reason: Reason, stacks: &[StackReport]) -> Option<Self> {
        let mut sum = joined(stacks)?;
        sum.function.clear();
        sum.frames = vec![FrameReport::standing_for(reason.label())];
        let holding = stacks.iter().filter(|stack| stack.live_blocks > 0).count() as u64;
        Some(Self { reason, stacks: holding, sum })
    }
}

impl ProcessReport {
    /// The listed stacks, and after them one for each reason for which others are left out: sums over these are sums over
    /// all stacks that are known by name.
    pub fn all_stacks(&self) -> impl Iterator<Item = &StackReport> {
        self.stacks.iter().chain(self.left_out.iter().map(|left| &left.sum))
    }
}
