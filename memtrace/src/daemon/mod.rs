//! Floor 5: the actor that owns the tables.
