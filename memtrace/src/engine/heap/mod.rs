//! What one address space holds: blocks of the allocator, and mappings of the kernel.

pub mod blocks;
pub(crate) mod counted;
mod entry;
mod fetch;
pub(crate) mod lifespans;
pub(crate) mod live;
mod lost;
mod overwrites;
pub(crate) mod period;
pub mod ranges;
mod recent;
pub(crate) mod sampled;
mod shard;
mod slots;
pub(crate) mod tallies;
pub(crate) mod touched;
pub mod usable;
