//! Floor 3: allocators, probe sites and links.

#[cfg(feature = "live")]
pub mod live;
