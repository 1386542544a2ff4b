//! Numbers of probe sites on kernels whose links carry no cookie (before Linux 5.15).
//!
//! There each site gets a copy of the program with a number of its own, and a map tells the program
//! the cookie of that number. Sites with the same cookie share a number: it says all that matters.

use super::error::LiveError;
use aya::Ebpf;
use aya::maps::{Array, Map, MapData};
use std::os::fd::AsFd as _;
use std::sync::Mutex;

const MAP: &str = "SITES";

/// The map, and what is in it.
pub(super) struct Sites {
    filled: Mutex<Filled>,
}

struct Filled {
    map: Array<MapData, u64>,
    cookies: Vec<u64>,
}

fn failed(error: impl std::fmt::Display) -> LiveError {
    LiveError::Map { name: MAP, reason: error.to_string() }
}

impl Sites {
    /// Another handle on the map of `loaded`.
    pub(super) fn of(loaded: &Ebpf) -> Result<Self, LiveError> {
        let data = loaded.map(MAP).and_then(super::object::map_data);
        let data = data.ok_or_else(|| failed("not in the object, or of another type"))?;
        let descriptor = data.fd().as_fd().try_clone_to_owned().map_err(failed)?;
        let data = MapData::from_fd(descriptor).map_err(failed)?;
        let map = Array::try_from(Map::Array(data)).map_err(failed)?;
        Ok(Self { filled: Mutex::new(Filled { map, cookies: Vec::new() }) })
    }

    /// The number that stands for this cookie.
    ///
    /// # Errors
    /// When the map is full.
    pub(super) fn number(&self, cookie: u64) -> Result<u32, LiveError> {
        let mut filled = self.filled.lock().map_err(failed)?;
        let known = filled.cookies.iter().position(|known| *known == cookie);
        let index = known.unwrap_or(filled.cookies.len());
        let number = u32::try_from(index).map_err(failed)?;
        if known.is_none() {
            filled.map.set(number, cookie, 0).map_err(failed)?;
            filled.cookies.push(cookie);
        }
        Ok(number)
    }
}
