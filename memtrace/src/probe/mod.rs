//! Floor 3: allocators, probe sites and links.

#[cfg(feature = "live")]
pub mod live;
pub mod allocator;
pub mod elf;
pub mod function_table;
pub mod runtime;
pub mod site;
