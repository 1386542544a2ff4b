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
#[cfg(feature = "debuginfod")]
pub mod debuginfod;
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
mod view;
mod weight;

pub use blaze::BlazeSymbolizer;
pub use thread::{Job, Options, SymbolizerThread, ThreadError};

use crate::model::module::BuildId;
use std::fs::File;

/// Where debug information comes from that this machine has not: asked for, it comes later or never.
pub trait DebugFiles: Send {
    /// The file with the debug information of the file with this build-id, if it is there. If not, it
    /// is asked for. Never waits.
    fn find(&mut self, build_id: &BuildId) -> Option<File>;

    /// Whether files came since this was last asked.
    fn take_arrived(&mut self) -> bool;

    /// Waits, a bounded time, for what was asked for. True if something came that
    /// [`Self::take_arrived`] has not told of.
    fn wait(&mut self) -> bool;
}
