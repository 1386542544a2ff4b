//! Floor 3: allocators, probe sites and links.

pub mod allocator;
pub mod elf;
pub mod function_table;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod hostile;
#[cfg(feature = "live")]
pub mod live;
pub mod living;
mod names;
pub mod runtime;
pub mod signature;
pub mod site;
mod split;
pub mod usdt;
