//! Whether what a call stack holds grows, from what was seen of it: pure, without a clock.
//!
//! Two things tell a leak. What is held grows, by more than its own ups and downs: the slope. And some of
//! what is allocated stays for good, however much comes and goes beside it: the survival curve has a plateau,
//! and blocks of all ages make it. A cache that has filled has neither: nothing new stays.

mod judge;
mod slope;
mod survival;
#[cfg(test)]
mod tests;

pub use judge::{COHORTS, Evidence, Judgement, Trend, judge};
pub use slope::slope;
pub use survival::{CLASSES, FIRST_CLASS, Lifetimes, begins, class};

/// A figure with the interval in which it lies with a probability of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// At least.
    pub low: f64,
    /// The estimate.
    pub middle: f64,
    /// At most.
    pub high: f64,
}
