//! Names of generated code, from the `/tmp/perf-PID.map` that its runtime writes (linux/tools/perf,
//! `Documentation/jit-interface.txt`: a line is start and size, hexadecimal, and a name).
//!
//! The file lies in the target's mount namespace under its number in its own pid namespace, and
//! anybody may write to `/tmp`: it counts only if it is a regular file of the target's user or root,
//! reached through no link. It names only addresses in anonymous executable memory.

mod process;
mod table;

use crate::engine::ports::{Missing, Resolved, SourceFrame};
use crate::model::ids::ProcessKey;
use process::Target;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use table::Table;

/// Most bytes of a map that are read. Large programs in node write some 10 MB.
const MAX_BYTES: u64 = 16 << 20;
/// Processes whose maps are kept; of more, all are read again.
const MAX_PROCESSES: usize = 8;

/// Why a map is not, or not wholly, used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// A symbolic link is on the way to it.
    Link,
    /// It is no regular file.
    NotRegular,
    /// It belongs neither to the target's user nor to root.
    Owner,
    /// It could not be opened or read.
    Unreadable,
    /// What follows the first 16 MiB is not used.
    TooLarge,
}

/// The maps of some processes.
#[derive(Debug)]
pub struct PerfMaps {
    /// `/proc`.
    proc: PathBuf,
    maps: HashMap<ProcessKey, PerfMap>,
    refused: BTreeMap<Refusal, u64>,
}

impl Default for PerfMaps {
    fn default() -> Self {
        Self::new(PathBuf::from("/proc"))
    }
}

impl PerfMaps {
    /// No map yet; `proc` is where the `proc` file system is.
    #[must_use]
    pub fn new(proc: PathBuf) -> Self {
        Self { proc, maps: HashMap::new(), refused: BTreeMap::new() }
    }

    /// Names for addresses *after* calls. What the map has gained since the last time is read first;
    /// of a process that has ended what was read before stays. `None`: nothing is known.
    pub fn resolve(&mut self, process: ProcessKey, addresses: &[u64]) -> Vec<Option<Resolved>> {
        if !self.maps.contains_key(&process) && self.maps.len() >= MAX_PROCESSES {
            self.maps.clear();
        }
        let map = self.maps.entry(process).or_default();
        if let Some(target) = Target::open(&self.proc, process)
            && let Err(refusal) = map.refresh(&target)
            && map.refused != Some(refusal)
        {
            map.refused = Some(refusal);
            *self.refused.entry(refusal).or_default() += 1;
            tracing::warn!("/tmp/perf-*.map of {process} is not used: {refusal:?}");
        }
        addresses.iter().map(|address| map.name(address.wrapping_sub(1))).collect()
    }

    /// How many maps were refused, by reason.
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<Refusal, u64> {
        &self.refused
    }
}

/// What was read of one map.
#[derive(Debug, Default)]
struct PerfMap {
    /// Device and inode of the file that was read.
    file: (u64, u64),
    /// … up to here, bytes.
    read: u64,
    table: Table,
    /// Anonymous executable memory.
    code: Vec<(u64, u64)>,
    refused: Option<Refusal>,
}

impl PerfMap {
    fn name(&self, address: u64) -> Option<Resolved> {
        if !self.code.iter().any(|(start, end)| (*start..*end).contains(&address)) {
            return None;
        }
        match (self.table.find(address), self.refused) {
            (Some(name), _) => Some(Ok(Arc::from([SourceFrame {
                function: name.to_owned(),
                ..Default::default()
            }]))),
            (None, Some(Refusal::TooLarge)) => Some(Err(Missing::TooLarge)),
            (None, Some(_)) => Some(Err(Missing::UntrustedMap)),
            (None, None) => None,
        }
    }

    fn refresh(&mut self, target: &Target) -> Result<(), Refusal> {
        self.code = target.anonymous_code();
        let Some(file) = target.map()? else { return Ok(()) };
        let metadata = file.metadata().map_err(|_| Refusal::Unreadable)?;
        let identity = (metadata.dev(), metadata.ino());
        if identity != self.file || metadata.len() < self.read {
            *self =
                Self { file: identity, code: std::mem::take(&mut self.code), ..Self::default() };
        }
        self.read_on(&file).map_err(|_| Refusal::Unreadable)?;
        if metadata.len() > MAX_BYTES { Err(Refusal::TooLarge) } else { Ok(()) }
    }

    fn read_on(&mut self, file: &File) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        while self.read < MAX_BYTES {
            let most = buffer.len().min(usize::try_from(MAX_BYTES - self.read).unwrap_or(0));
            let read = file.read_at(&mut buffer[..most], self.read)?;
            if read == 0 {
                break;
            }
            self.read += read as u64;
            self.table.add(&buffer[..read]);
        }
        Ok(())
    }
}

/// Any bytes, in pieces as a map grows, and as `/proc/PID/maps`.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn hostile(bytes: &[u8]) {
    let mut table = Table::default();
    bytes.chunks(13).for_each(|piece| table.add(piece));
    for address in [0, 0x1000, 0x7fff_0000_0000, u64::MAX] {
        let _ = table.find(address);
    }
    let _ = process::anonymous_code_of(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests;
