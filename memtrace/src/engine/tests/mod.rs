//! Tests of the engine as a whole, against naive models.

pub(crate) mod wire_events;
