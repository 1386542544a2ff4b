//! Floor 3: where records come from.
