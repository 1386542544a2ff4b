//! Floor 3: names for places in files.
//!
//! [`BlazeSymbolizer`] looks them up with the `blazesym` library, which is neither `Send` nor
//! `Sync`; [`SymbolizerThread`] gives it a thread of its own. Files belong to the traced process
//! and may be hostile: they are opened only if regular, checked against the build-id, and the library
//! sees only sealed copies of their sections, which have no links but ours. A panic inside the library
//! counts as an unreadable file.

mod blaze;
mod cache;
mod compressed;
pub mod demangle;
mod elf;
mod fold;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod hostile;
mod image;
mod nesting;
pub mod perf_map;
mod sections;
mod separate;
mod sources;
mod thread;

pub use blaze::BlazeSymbolizer;
pub use thread::{Job, SymbolizerThread, ThreadError};
