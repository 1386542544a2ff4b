//! What samples stand for, and how certain that is.
//!
//! An allocation of S bytes was taken with probability p = 1 − exp(−S/R)
//! ([`memtrace_common::sampling`]), so it stands for 1/p blocks of S bytes: the sum of such weights is an
//! estimate without bias (Horvitz and Thompson, *A generalization of sampling without replacement from a
//! finite universe*, 1952).

mod around;
mod confidence;
mod estimate;
mod told;
mod weight;

pub use around::{Around, SumAround};
pub use confidence::{
    Confidence, OddConfidence, PartsConfidence, SampledConfidence, SumConfidence,
};
pub use estimate::{Estimate, Interval};
pub use told::{Oddities, Sum, Sums, Told, ToldBlocks, Unseen};
pub use weight::Weight;
