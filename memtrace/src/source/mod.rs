//! Floor 3: where records come from.

#[cfg(any(feature = "live", test))]
mod merge;
#[cfg(feature = "live")]
pub mod ring;
pub mod synthetic;
