//! Tells the kernel side whose allocations and frees are told now, and whether links that were to go have gone.

use super::error::LiveError;
use super::kernel_side::{KernelSide, map_error, missing};
use aya::Pod;
use aya::maps::{Array, HashMap, MapData};
use memtrace_common::windows::HeapWindow;
use std::thread::JoinHandle;

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Window(HeapWindow);

// SAFETY: plain integers without padding.
unsafe impl Pod for Window {}

/// For whom a link is (`None`: all), and under which number it was placed.
pub(super) type Owner = (Option<u32>, u32);

/// Links that a thread takes down.
pub(super) struct Departing {
    pub(super) owners: Vec<Owner>,
    pub(super) thread: JoinHandle<()>,
}

impl KernelSide {
    /// Whether allocations and frees of a process are told from now on: at one instant for all its probes. To
    /// be said before [`Self::add_target`] of one that is to begin closed. Mappings go on to be told.
    ///
    /// # Errors
    /// When the map cannot be written, or the kernel side was not loaded for this
    /// (`LoadOptions::may_close`).
    pub fn set_window(&mut self, process: u32, window: HeapWindow) -> Result<(), LiveError> {
        self.windows()?.insert(process, Window(window), 0).map_err(map_error("WINDOWS"))
    }

    /// How processes begin that the kernel side lets in by itself.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn begin_newcomers(&mut self, window: HeapWindow) -> Result<(), LiveError> {
        let map = self.loaded.map_mut("NEWCOMERS").ok_or_else(|| missing("NEWCOMERS"))?;
        let mut newcomers = Array::try_from(map).map_err(map_error("NEWCOMERS"))?;
        newcomers.set(0, Window(window), 0).map_err(map_error("NEWCOMERS"))
    }

    /// The process has gone. One that was not there is fine.
    ///
    /// The kernel side forgets the window of a process that ends, and may be told of it once more by whoever has not
    /// heard yet that it has.
    pub fn forget_window(&mut self, process: u32) {
        if let Ok(mut windows) = self.windows() {
            let _ = windows.remove(&process);
        }
    }

    /// Whether links of this process alone, or those for all under one of `numbers`, are still being taken
    /// down: they may see calls yet, so that others in their place would see these a second time.
    pub fn are_departing(&mut self, process: u32, numbers: &[u32]) -> bool {
        self.departing.retain(|departing| !departing.thread.is_finished());
        let concerns = |(owner, number): &Owner| match owner {
            Some(owner) => *owner == process,
            None => numbers.contains(number),
        };
        self.departing.iter().any(|departing| departing.owners.iter().any(concerns))
    }

    fn windows(&mut self) -> Result<HashMap<&mut MapData, u32, Window>, LiveError> {
        let map = self.loaded.map_mut("WINDOWS").ok_or_else(|| missing("WINDOWS"))?;
        HashMap::try_from(map).map_err(map_error("WINDOWS"))
    }
}
