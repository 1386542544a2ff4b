//! memtrace: tells where memory goes in programs that already run, without touching them.
//!
//! The modules are floors; a floor imports only lower ones (`cargo xtask tidy` checks it):
//! [`model`] → [`engine`] → adapters ([`source`], [`probe`], [`procfs`], [`unwind`],
//! [`symbolize`]) → [`report`] → `daemon`, [`screen`] → [`cli`]. `ARCHITECTURE.md` has the map.

pub mod cli;
pub mod containers;
pub mod control;
#[cfg(feature = "live")]
pub mod daemon;
pub mod debug_files;
pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub mod hostile;
pub mod launch;
pub mod lookup;
pub mod model;
pub mod probe;
pub mod procfs;
pub mod recording;
pub mod report;
pub mod screen;
pub mod selection;
pub mod source;
pub mod symbolize;
pub mod unwind;
