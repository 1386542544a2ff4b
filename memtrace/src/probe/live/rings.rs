//! The rings that records come through: one, or several for different processes.

use super::error::LiveError;
use super::kernel_side::{map_error, missing};
use super::syscall::create_ring;
use aya::Ebpf;
use aya::maps::{ArrayOfMaps, Map, MapData, RingBuf};
use memtrace_common::limits::MAX_RINGS;
use std::os::fd::{AsFd as _, OwnedFd};

/// The first ring, which is in the object.
const FIRST: &str = "EVENTS";
/// All of them, where there are several.
const ALL: &str = "RINGS";

/// Bytes of each of so many rings that have `bytes` together: a power of two, and a page at least.
pub(super) const fn bytes_of_each(bytes: u32, rings: u32) -> u32 {
    const PAGE: u32 = 4096;
    let each = bytes / rings;
    if each < PAGE { PAGE } else { each }
}

/// What the programs are told: one less than the number of rings, which is made a power of two.
pub(super) const fn mask(rings: u32) -> u64 {
    let rings = if rings > MAX_RINGS { MAX_RINGS } else { rings };
    let rings = if rings == 0 { 1 } else { rings };
    (1_u64 << rings.ilog2()) - 1
}

/// Makes the further rings and puts all into the programs' array.
///
/// # Errors
/// When the kernel refuses one.
pub(super) fn make(loaded: &mut Ebpf, mask: u64, bytes: u32) -> Result<Vec<MapData>, LiveError> {
    if mask == 0 {
        return Ok(Vec::new());
    }
    let failed = map_error(ALL);
    let first = loaded.map(FIRST).and_then(super::object::map_data);
    let first = first.ok_or_else(|| missing(FIRST))?.fd().as_fd().try_clone_to_owned();
    let first = first.map_err(|error| map_error(FIRST)(error.to_string()))?;
    let further = (0..mask).map(|_| create_ring(bytes)).collect::<Result<Vec<OwnedFd>, _>>();
    let further = further.map_err(|error| LiveError::Map {
        name: ALL,
        reason: format!(
            "making {mask} further rings of {bytes} bytes: {error}; give less to --ring-size or --rings"
        ),
    })?;
    let all = loaded.map_mut(ALL).ok_or_else(|| missing(ALL))?;
    let mut all = ArrayOfMaps::<_, MapData>::try_from(all).map_err(&failed)?;
    let first = MapData::from_fd(first).map_err(|error| failed_text(&error))?;
    all.set(0, &first, 0).map_err(&failed)?;
    let mut rings = Vec::new();
    for (place, descriptor) in (1..).zip(further) {
        let ring = MapData::from_fd(descriptor).map_err(|error| failed_text(&error))?;
        all.set(place, &ring, 0).map_err(&failed)?;
        rings.push(ring);
    }
    Ok(rings)
}

fn failed_text(error: &dyn std::fmt::Display) -> LiveError {
    LiveError::Map { name: ALL, reason: error.to_string() }
}

/// All rings, the first one being the object's.
///
/// # Errors
/// When they were taken already, or one cannot be mapped.
pub(super) fn take(
    loaded: &mut Ebpf,
    further: Vec<MapData>,
) -> Result<Vec<RingBuf<MapData>>, LiveError> {
    let first = loaded.take_map(FIRST).ok_or_else(|| missing(FIRST))?;
    let all = std::iter::once(first).chain(further.into_iter().map(Map::RingBuf));
    all.map(|map| RingBuf::try_from(map).map_err(map_error(FIRST))).collect()
}

#[cfg(test)]
mod tests {
    use super::{bytes_of_each, mask};

    #[test]
    fn memory_is_split() {
        assert_eq!(bytes_of_each(16 << 20, 1), 16 << 20);
        assert_eq!(bytes_of_each(16 << 20, 16), 1 << 20);
        assert_eq!(bytes_of_each(4096, 4), 4096);
    }

    #[test]
    fn there_are_powers_of_two() {
        assert_eq!([0, 1, 2, 3, 4, 7, 64, 1000].map(mask), [0, 0, 1, 1, 3, 3, 63, 63]);
    }
}
