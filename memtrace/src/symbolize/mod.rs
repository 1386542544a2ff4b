//! Floor 3: names for places in files.
//!
//! [`BlazeSymbolizer`] looks them up with the `blazesym` library, which is neither `Send` nor
//! `Sync`; [`SymbolizerThread`] gives it a thread of its own. Files belong to the traced process
//! and may be hostile: they are opened only if regular, checked against the build-id, never asked
//! for links that leave them, and a panic inside the library counts as an unreadable file.

mod blaze;
mod cache;
pub mod demangle;
mod elf;
mod separate;
mod thread;

pub use blaze::BlazeSymbolizer;
pub use thread::{Job, SymbolizerThread, ThreadError};
