//! Frees that the kernel side may have lost, by process.

use super::error::LiveError;
use super::kernel_side::{KernelSide, map_error, missing};
use aya::maps::{HashMap, MapError};

const MAP: &str = "LOST_FREES";

impl KernelSide {
    /// How many there are, of each process that lost any, since loading or since it was forgotten.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn lost_frees(&self) -> Result<Vec<(u32, u64)>, LiveError> {
        let map = self.loaded.map(MAP).ok_or_else(|| missing(MAP))?;
        let counters = HashMap::<_, u32, u64>::try_from(map).map_err(map_error(MAP))?;
        counters.iter().collect::<Result<_, _>>().map_err(map_error(MAP))
    }

    /// How many there are of one process.
    ///
    /// # Errors
    /// When the counter cannot be read.
    pub fn lost_frees_of(&self, process: u32) -> Result<u64, LiveError> {
        let map = self.loaded.map(MAP).ok_or_else(|| missing(MAP))?;
        let counters = HashMap::<_, u32, u64>::try_from(map).map_err(map_error(MAP))?;
        match counters.get(&process, 0) {
            Err(MapError::KeyNotFound) => Ok(0),
            count => count.map_err(map_error(MAP)),
        }
    }

    /// Forgets those of a process, whose number may be another one's soon.
    pub fn forget_lost_frees(&mut self, process: u32) {
        if let Some(map) = self.loaded.map_mut(MAP)
            && let Ok(mut counters) = HashMap::<_, u32, u64>::try_from(map)
        {
            // Most have lost none.
            let _ = counters.remove(&process);
        }
    }
}
