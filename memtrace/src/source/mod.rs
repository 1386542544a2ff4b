//! Floor 3: where records come from.

#[cfg(feature = "live")]
pub mod ring;
pub mod synthetic;
