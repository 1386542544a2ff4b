//! Floor 1: the words the whole program speaks. Plain data, no behaviour beyond itself.

pub mod event;
pub mod frame;
pub mod ids;
pub mod mark;
pub mod module;
mod page_bits;
mod path_bytes;
pub mod picture;
pub mod process;
