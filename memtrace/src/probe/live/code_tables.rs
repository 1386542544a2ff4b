//! What the kernel side knows of code: unwinding tables of files, mappings of processes.
//!
//! Rows, rules and pages are only ever added, and a process's mappings are written to a free place
//! before the process is pointed to them, so that a walk never sees half of something.

use super::error::LiveError;
use super::mapped::Mapped;
use super::object::map_data;
use aya::maps::{HashMap, Map, MapData};
use aya::{Ebpf, Pod};
use memtrace_common::limits::{
    MAX_CODE_MAPPINGS, MAX_UNWIND_PAGES, MAX_UNWIND_ROW_PAIRS, MAX_UNWIND_RULES,
};
use memtrace_common::unwind::{CodeRange, PageRows, Rule, Space};
use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

const SPACES: &str = "SPACES";

/// No walk takes longer, though its thread may lose the CPU in between.
const LONGEST_WALK: Duration = Duration::from_secs(10);

/// A file's table in the kernel: where its pages are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilePages {
    /// Number of its first page among all.
    pub first: u32,
    /// The offset in the file of that page, in pages.
    pub low: u32,
    /// How many.
    pub count: u32,
}

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Value(Space);

// SAFETY: plain integers without padding.
unsafe impl Pod for Value {}

/// See the file's head.
pub struct CodeTables {
    rules: Mapped<u64>,
    rows: Mapped<u32>,
    pages: Mapped<PageRows>,
    ranges: Mapped<CodeRange>,
    spaces: HashMap<MapData, u32, Value>,
    used_rules: usize,
    used_rows: usize,
    used_pages: usize,
    /// Places of processes' mappings, by pid.
    places: BTreeMap<u32, Space>,
    /// Given up, and when; a walk that began before may still read there.
    retired: Vec<(Instant, Space)>,
}

impl CodeTables {
    /// Maps the tables of a loaded object.
    pub(super) fn new(loaded: &Ebpf) -> Result<Self, LiveError> {
        let failed = |reason: String| LiveError::Map { name: SPACES, reason };
        let data = loaded.map(SPACES).and_then(map_data);
        let data = data.ok_or_else(|| failed("not in the object".into()))?;
        let descriptor = data.fd().as_fd().try_clone_to_owned();
        let descriptor = descriptor.map_err(|error| failed(error.to_string()))?;
        let data = MapData::from_fd(descriptor).map_err(|error| failed(error.to_string()))?;
        let spaces = HashMap::try_from(Map::HashMap(data));
        Ok(Self {
            rules: Mapped::new(loaded, "UNWIND_RULES", MAX_UNWIND_RULES as usize * 8)?,
            rows: Mapped::new(loaded, "UNWIND_ROWS", MAX_UNWIND_ROW_PAIRS as usize * 8)?,
            pages: Mapped::new(
                loaded,
                "UNWIND_PAGES",
                MAX_UNWIND_PAGES as usize * size_of::<PageRows>(),
            )?,
            ranges: Mapped::new(
                loaded,
                "CODE_RANGES",
                MAX_CODE_MAPPINGS as usize * size_of::<CodeRange>(),
            )?,
            spaces: spaces.map_err(|error| failed(error.to_string()))?,
            used_rules: 0,
            used_rows: 0,
            used_pages: 0,
            places: BTreeMap::new(),
            retired: Vec::new(),
        })
    }

    /// Adds a file's table: `rules` are those of all files together, `rows` name them by number, and
    /// `pages` (first row and count of each) begins with the page `low` of the file. `None` if it
    /// does not fit.
    pub fn add_file(
        &mut self,
        rules: &[Rule],
        rows: &[u32],
        pages: &[(u32, u32)],
        low: u64,
    ) -> Option<FilePages> {
        let base = u32::try_from(self.used_rows).ok()?;
        let file = FilePages {
            first: u32::try_from(self.used_pages).ok()?,
            low: u32::try_from(low).ok()?,
            count: u32::try_from(pages.len()).ok()?,
        };
        let new = rules.get(self.used_rules..)?;
        let paged =
            pages.iter().map(|(first, count)| PageRows { first: base + first, count: *count });
        let fits = self.used_rows + rows.len() <= self.rows.len()
            && self.used_pages + pages.len() <= self.pages.len()
            && self.rules.write(self.used_rules, new.iter().map(|rule| rule.0))
            && self.rows.write(self.used_rows, rows.iter().copied())
            && self.pages.write(self.used_pages, paged);
        if !fits {
            return None;
        }
        self.used_rules = rules.len();
        self.used_rows += rows.len();
        self.used_pages += pages.len();
        Some(file)
    }

    /// Tells the kernel side a process's mappings of code, in order of their addresses.
    ///
    /// # Errors
    /// When there is no room for them; what was told before stays.
    pub fn set_ranges(&mut self, process: u32, ranges: &[CodeRange]) -> Result<(), LiveError> {
        let failed = |reason: String| LiveError::Map { name: SPACES, reason };
        let count = u32::try_from(ranges.len()).map_err(|error| failed(error.to_string()))?;
        let first = self.free_place(count).ok_or_else(|| failed("no room for mappings".into()))?;
        let space = Space { first, count };
        if !self.ranges.write(first as usize, ranges.iter().copied()) {
            return Err(failed("no room for mappings".into()));
        }
        let told = self.spaces.insert(process, Value(space), 0);
        told.map_err(|error| failed(error.to_string()))?;
        let old = self.places.insert(process, space);
        self.retire(old);
        Ok(())
    }

    /// Forgets a process. One that is not known is fine.
    pub fn forget(&mut self, process: u32) {
        // It may never have been told.
        let _ = self.spaces.remove(&process);
        let old = self.places.remove(&process);
        self.retire(old);
    }

    fn retire(&mut self, old: Option<Space>) {
        let now = Instant::now();
        self.retired.retain(|(since, _)| now.duration_since(*since) < LONGEST_WALK);
        self.retired.extend(old.map(|space| (now, space)));
    }

    /// The lowest place with room for so many.
    fn free_place(&self, count: u32) -> Option<u32> {
        let retired = self.retired.iter().map(|(_, space)| *space);
        let mut taken: Vec<Space> = self.places.values().copied().chain(retired).collect();
        taken.sort_by_key(|space| space.first);
        let mut candidate = 0;
        for space in taken {
            if space.first.saturating_sub(candidate) >= count {
                break;
            }
            candidate = candidate.max(space.first + space.count);
        }
        let end = candidate.checked_add(count)? as usize;
        (end <= self.ranges.len()).then_some(candidate)
    }
}
