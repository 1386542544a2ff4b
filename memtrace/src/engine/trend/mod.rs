//! Whether what a call stack holds grows, from what was seen of it: pure, without a clock.
//!
//! Two things tell a leak. What is held grows, by more than its own ups and downs: the slope. And some of
//! what is allocated stays for good, however much comes and goes beside it: the survival curve has a plateau,
//! and blocks of all ages make it. A cache that has filled has neither: nothing new stays.

mod births;
mod evidence;
mod judge;
mod lasting;
mod slope;
mod survival;
#[cfg(test)]
mod tests;

pub use births::{AgeCount, Ages};
pub(crate) use births::{Births, Freed};
pub use evidence::{Past, of_heap, of_stack, resident_slope};
pub(crate) use judge::widened;
pub use judge::{COHORTS, Evidence, Judgement, LEAST_WATCH, Trend, judge, matters};
pub use lasting::Lasting;
use serde::{Deserialize, Serialize};
pub use slope::slope;
pub use survival::{CLASSES, FIRST_CLASS, Lifetimes, Mass, Masses, begins, class};

/// A figure with the interval in which it lies with a probability of 95 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// At least.
    pub low: f64,
    /// The estimate.
    pub middle: f64,
    /// At most.
    pub high: f64,
}
