//! Floor 2: bytes → events → live-heap tables → immutable snapshots.
//!
//! No I/O, no clock, no tokio, no logging. Time comes from events only.

pub mod ports;
pub mod snapshot;
