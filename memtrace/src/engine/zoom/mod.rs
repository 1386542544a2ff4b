//! Watch and zoom: which processes grow, and when which of them is looked at more closely.
//!
//! Every process is watched by what it has of anonymous memory, which costs a read of `/proc` now and then. One
//! that grows gets a *look*: its heap is traced until the stacks that grow are named, then it is let alone for a
//! while that doubles from look to look. Few are looked at at once. Time comes in events, as everywhere in the
//! engine; what is to be done leaves as a [`Wish`], and what came of it returns as an event.

mod desk;
mod findings;
mod growing;
mod phase;
mod series;
mod story;
#[cfg(test)]
mod tests;

pub(super) use desk::Desk;
pub(super) use findings::{Findings, Gained, Named};
pub use growing::Growing;
pub(super) use phase::{Next, Phase, Zoom};
pub use story::{Found, FoundStack, LookSnapshot, Outcome, State, Story, Totals, TouchedGrowth};

use super::alerts::Rate;
use crate::model::ids::{Nanos, Pid};
use serde::{Deserialize, Serialize};

/// Processes that are looked at at once: each costs the machine some, and memtrace the most.
pub const MOST_LOOKS: usize = 4;
/// Looks at a process that are kept for reports: the first one, and the latest.
pub const MOST_KEPT: usize = 8;
/// A look that costs less than this part of a CPU is paid for by nobody: of what an idle program uses it may be many
/// times as much, and is nothing still.
const FREE: u64 = 20;
/// In paces: how long a look lasts at most, and how long the process is let alone after the first one.
const LONGEST_LOOK: u64 = 12;
const FIRST_PAUSE: u64 = 12;
/// … and after many: an hour, at the usual pace of five seconds.
const LONGEST_PAUSE: u64 = 720;

/// What counts as growth, and how fast things go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Growth that is worth a look. The estimate must reach it, and its interval leave nought out.
    pub growth: Rate,
    /// The time between two points of the finest series, and the measure of all else; not 0.
    pub pace: Nanos,
    /// What looks at a process may cost, on average, in thousandths of the CPU time that it uses otherwise; `None`:
    /// anything.
    #[serde(default)]
    pub budget: Option<u64>,
}

impl Settings {
    const fn paces(self, count: u64) -> Nanos {
        self.pace.saturating_mul(count)
    }

    /// How long a look lasts at most.
    #[must_use]
    pub const fn longest_look(self) -> Nanos {
        self.paces(LONGEST_LOOK)
    }

    /// Whether a process that has used so much CPU time since pays for a look that cost it this.
    const fn pays(self, used: Nanos, cost: Nanos) -> bool {
        match self.budget {
            Some(budget) => used.saturating_mul(budget) >= cost.saturating_mul(1000),
            None => true,
        }
    }

    const fn first_pause(self) -> Nanos {
        self.paces(FIRST_PAUSE)
    }

    const fn longest_pause(self) -> Nanos {
        self.paces(LONGEST_PAUSE)
    }
}

/// What is to be done, by whoever can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Trace the heap of this process, and tell whether that works ([`crate::model::event::Look`]).
    Open(Pid),
    /// Tell that the look ends, and trace it no more.
    Close(Pid),
}
