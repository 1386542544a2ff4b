//! Sampling on the kernel side: how it is set, and what is cleared away behind processes that have gone.

use super::error::LiveError;
use super::kernel_side::{BPF_NOEXIST, KernelSide, Target, map_error, missing};
use super::object::map_data;
use aya::Pod;
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use memtrace_common::function::BlockKind;
use memtrace_common::sampling::{ADOPTED, Control, TakenBlock};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;

/// That allocations may be sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Mean interval at the beginning, bytes; 0: every allocation.
    pub interval: u64,
    /// Room for so many sampled blocks that are alive.
    pub room: u32,
}

/// Bytes of the kernel's memory for each block for which there is room: key and value of 24 bytes in an element
/// of a hash table made beforehand (`struct htab_elem`, 48 bytes), and a bucket of 16 bytes.
pub const BYTES_PER_BLOCK: u64 = 88;

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Setting(Control);

// SAFETY: plain integers without padding.
unsafe impl Pod for Setting {}

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Taken(TakenBlock);

// SAFETY: plain integers without padding.
unsafe impl Pod for Taken {}

impl KernelSide {
    /// Takes allocations in this way from now on.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn set_sampling(&mut self, control: Control) -> Result<(), LiveError> {
        let map = self.loaded.map_mut("SAMPLING").ok_or_else(|| missing("SAMPLING"))?;
        let mut sampling = Array::try_from(map).map_err(map_error("SAMPLING"))?;
        sampling.set(0, Setting(control), 0).map_err(map_error("SAMPLING"))
    }

    /// The table of sampled blocks, for another thread.
    ///
    /// # Errors
    /// When its descriptors cannot be had again.
    pub fn taken_blocks(&self) -> Result<TakenBlocks, LiveError> {
        let again = |name| again(self.loaded.map(name).ok_or_else(|| missing(name))?, name);
        let taken = HashMap::try_from(Map::HashMap(again("TAKEN")?)).map_err(map_error("TAKEN"))?;
        let targets = Map::HashMap(again("TARGETS")?);
        let targets = HashMap::try_from(targets).map_err(map_error("TARGETS"))?;
        Ok(TakenBlocks { taken, targets })
    }
}

/// The same map by another descriptor.
fn again(map: &Map, name: &'static str) -> Result<MapData, LiveError> {
    let data = map_data(map).ok_or_else(|| missing(name))?;
    let descriptor = data.fd().as_fd().try_clone_to_owned().map_err(map_error(name))?;
    MapData::from_fd(descriptor).map_err(map_error(name))
}

/// A block that was counted exactly, and will be one of the sampled ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Its process.
    pub process: u32,
    /// What it is.
    pub kind: BlockKind,
    /// Where it is.
    pub address: u64,
}

/// The kernel side's table of sampled blocks.
pub struct TakenBlocks {
    taken: HashMap<MapData, Taken, u64>,
    targets: HashMap<MapData, u32, Target>,
}

impl TakenBlocks {
    /// Forgets blocks of address spaces that no target has any more, and gives their number.
    pub fn sweep(&mut self) -> usize {
        let before = self.spaces();
        // Bounded: keys that come and go meanwhile may make the walk begin again.
        let keys = self.taken.keys().take(MOST_SWEPT).filter_map(Result::ok);
        let stale: Vec<Taken> = keys.filter(|key| !before.contains(&key.0.space)).collect();
        // What became a target while the keys were read was none before.
        let after = self.spaces();
        let gone = stale.iter().filter(|key| !after.contains(&key.0.space));
        gone.filter(|key| self.taken.remove(key).is_ok()).count()
    }

    /// Puts blocks in that were counted before, so that their frees are told. `false` if there is no room for
    /// all.
    pub fn adopt(&mut self, blocks: &[Adopted]) -> bool {
        let spaces: BTreeMap<u32, u64> = self.targets().collect();
        let key = |block: &Adopted| {
            // One that is no target any more has no frees to tell.
            let space = *spaces.get(&block.process)?;
            Some(Taken(TakenBlock::new(space, block.kind, block.address)))
        };
        // One that is there was drawn meanwhile, and is known better there.
        blocks.iter().filter_map(key).all(|key| {
            !matches!(self.taken.insert(key, ADOPTED, BPF_NOEXIST),
                Err(MapError::SyscallError(error)) if is_full(&error.io_error))
        })
    }

    fn targets(&self) -> impl Iterator<Item = (u32, u64)> {
        self.targets.iter().filter_map(|entry| entry.ok().map(|(pid, target)| (pid, target.space)))
    }

    fn spaces(&self) -> BTreeSet<u64> {
        self.targets().map(|(_, space)| space).collect()
    }
}

/// `E2BIG`: a hash table has no room (`kernel/bpf/hashtab.c`).
fn is_full(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(libc::E2BIG)
}

/// Blocks that one sweep looks at.
const MOST_SWEPT: usize = 1 << 20;
