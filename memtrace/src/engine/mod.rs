//! Floor 2: bytes → events → live-heap tables → immutable snapshots.
//!
//! No I/O, no clock, no tokio, no logging. Time comes from events only. Everything is total: no
//! bytes and no order of events make it panic.

pub mod alerts;
mod allocator_code;
mod attribution;
mod carry;
mod census;
mod code;
pub mod copied;
mod count;
pub mod decode;
pub mod detail;
pub mod encode;
pub mod ended;
pub(crate) mod hash;
pub mod heap;
pub mod history;
mod lifecycle;
pub mod limits;
pub mod lookahead;
pub mod marks;
mod numbers;
mod owners;
mod picture;
mod placing;
pub mod ports;
mod process;
pub mod sampling;
mod slab;
pub mod slices;
pub mod snapshot;
mod stacks;
mod sweeps;
mod tables;
mod telling;
#[cfg(test)]
mod tests;
mod touching;
pub mod tracker;
pub mod trend;
mod windows;
mod wires;
pub mod zoom;
mod zooming;
