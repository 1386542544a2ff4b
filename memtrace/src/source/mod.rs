//! Floor 3: where records come from.

pub mod synthetic;
