//! What the kernel side knows of code: unwinding tables of files, mappings of processes.
//!
//! Rules are only ever added. Everything else is written to a free place before anything points to it,
//! and the place of what was given up is not written again before every walk that may still read there
//! has ended: a walk never sees half of something, nor something else.

use super::error::LiveError;
use super::mapped::Mapped;
use super::object::map_data;
use super::places::{Place, Places};
use aya::maps::{HashMap, Map, MapData};
use aya::{Ebpf, Pod};
use memtrace_common::limits::{
    CODE_NEWS, MAX_UNWIND_PAGES, MAX_UNWIND_ROW_PAIRS, MAX_UNWIND_RULES,
};
use memtrace_common::unwind::{CodeRange, PAGE_BITS, PageRows, Rule, Space, search};
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

/// Room that a file's table takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Rows of all its pages together.
    pub rows: u32,
    /// Rows of the page that has most. Pages' rows lie anywhere, but those of one page together.
    pub largest: u32,
    /// Its pages.
    pub pages: u32,
}

impl Room {
    /// The room for pages with so many rows each.
    pub fn of(pages: impl Iterator<Item = u32>) -> Self {
        pages.fold(Self::default(), |room, count| Self {
            rows: room.rows.saturating_add(count),
            largest: room.largest.max(count),
            pages: room.pages.saturating_add(1),
        })
    }
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
    row_places: Places,
    page_places: Places,
    range_places: Places,
    /// Where the rows of each file are, by the number of its first page.
    files: BTreeMap<u32, Vec<Place>>,
    /// Where processes' mappings are, by pid.
    told: BTreeMap<u32, Space>,
    /// How many more than one process have theirs in a place, by its first index.
    sharers: BTreeMap<u32, u32>,
    /// Counts what was told.
    generation: u64,
    news: Mapped<u64>,
    /// How much of the news was heard.
    heard: u64,
}

impl CodeTables {
    /// Maps the tables of a loaded object, which has room for so many mappings.
    pub(super) fn new(loaded: &Ebpf, mappings: u32) -> Result<Self, LiveError> {
        let failed = |reason: String| LiveError::Map { name: SPACES, reason };
        let data = loaded.map(SPACES).and_then(map_data);
        let data = data.ok_or_else(|| failed("not in the object".into()))?;
        let descriptor = data.fd().as_fd().try_clone_to_owned();
        let descriptor = descriptor.map_err(|error| failed(error.to_string()))?;
        let data = MapData::from_fd(descriptor).map_err(|error| failed(error.to_string()))?;
        let spaces = HashMap::try_from(Map::HashMap(data));
        let rows = Mapped::new(loaded, "UNWIND_ROWS", MAX_UNWIND_ROW_PAIRS as usize * 8)?;
        let pages: Mapped<PageRows> =
            Mapped::new(loaded, "UNWIND_PAGES", MAX_UNWIND_PAGES as usize * size_of::<PageRows>())?;
        let ranges: Mapped<CodeRange> =
            Mapped::new(loaded, "CODE_RANGES", mappings as usize * size_of::<CodeRange>())?;
        Ok(Self {
            rules: Mapped::new(loaded, "UNWIND_RULES", MAX_UNWIND_RULES as usize * 8)?,
            row_places: places(&rows),
            page_places: places(&pages),
            range_places: places(&ranges),
            rows,
            pages,
            ranges,
            spaces: spaces.map_err(|error| failed(error.to_string()))?,
            used_rules: 0,
            files: BTreeMap::new(),
            told: BTreeMap::new(),
            sharers: BTreeMap::new(),
            generation: 0,
            news: Mapped::new(loaded, "NEWS_OF_CODE", (1 + CODE_NEWS as usize) * 8)?,
            heard: 0,
        })
    }

    /// Adds a file's table: `rules` are those of all files together, `rows` name them by number, and
    /// `pages` (how many of the rows each has, one after the other) begins with the page `low` of the
    /// file. `None` if it does not fit.
    pub fn add_file(
        &mut self,
        rules: &[Rule],
        mut rows: impl ExactSizeIterator<Item = u32>,
        pages: impl ExactSizeIterator<Item = u32> + Clone,
        low: u64,
    ) -> Option<FilePages> {
        let now = Instant::now();
        let low = u32::try_from(low).ok()?;
        let count = u32::try_from(pages.len()).ok().filter(|count| *count > 0)?;
        if !self.page_places.has_room(count, now) || !self.add_rules(rules) {
            return None;
        }
        let rows_at = self.row_places.take_pieces(pages.clone(), now)?;
        let pages_at = self.page_places.take(count, now)?;
        for place in &rows_at {
            self.rows.write(place.first as usize, rows.by_ref().take(place.count as usize));
        }
        let pages = page_rows(&rows_at, pages).collect::<Vec<_>>();
        self.pages.write(pages_at.first as usize, pages.into_iter());
        self.files.insert(pages_at.first, rows_at);
        Some(FilePages { first: pages_at.first, low, count })
    }

    /// Those that came since the last time.
    fn add_rules(&mut self, rules: &[Rule]) -> bool {
        let Some(new) = rules.get(self.used_rules..) else { return false };
        let added = self.rules.write(self.used_rules, new.iter().map(|rule| rule.0));
        if added {
            self.used_rules = rules.len();
        }
        added
    }

    /// Gives up a file's table. No process's mappings, as they were told last, may refer to it.
    pub fn remove_file(&mut self, file: FilePages) {
        let Some(rows) = self.files.remove(&file.first) else { return };
        let now = Instant::now();
        rows.into_iter().for_each(|place| self.row_places.give_back(place, now));
        self.page_places.give_back(file.place(), now);
    }

    /// Whether such a table fits now.
    pub fn has_room(&mut self, room: Room) -> bool {
        let now = Instant::now();
        self.row_places.has_room_in_pieces(room.rows, room.largest, now)
            && self.page_places.has_room(room.pages, now)
    }

    /// How many of `others`, from the first one on, must be given up for such a table to fit soon,
    /// when walks that may read them have ended. `None`: all are not enough.
    #[must_use]
    pub fn to_give_up(&self, room: Room, others: &[FilePages]) -> Option<usize> {
        let now = Instant::now();
        let is_enough = |count: usize| {
            let (mut rows, mut pages) = (self.row_places.clone(), self.page_places.clone());
            for file in others.iter().take(count) {
                let places = self.files.get(&file.first).into_iter().flatten();
                places.for_each(|place| rows.give_back(*place, now));
                pages.give_back(file.place(), now);
            }
            rows.rested().has_room_in_pieces(room.rows, room.largest, now)
                && pages.rested().has_room(room.pages, now)
        };
        // The more are given up, the more room there is: halve.
        let (mut low, mut high) = (0, others.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if is_enough(middle) { high = middle } else { low = middle + 1 }
        }
        is_enough(low).then_some(low)
    }

    /// The rule that holds at an offset of a file; `None` if its table does not reach there.
    #[must_use]
    pub fn rule(&self, file: FilePages, offset: u64) -> Option<Rule> {
        let page = u32::try_from(offset >> PAGE_BITS).ok()?.checked_sub(file.low)?;
        let place = (page < file.count).then_some(file.first.checked_add(page)?)?;
        let rows = self.pages.read(place as usize).filter(|rows| rows.count > 0)?;
        let row = |index: u32| self.rows.read(index as usize).unwrap_or(0);
        let number = search(row, rows.first, rows.count, offset as u16);
        self.rules.read(number.into()).map(Rule)
    }

    /// Tells the kernel side a process's mappings of code, in order of their addresses. `epoch` is the
    /// version of the process's code that they are of, or one before.
    ///
    /// # Errors
    /// When there is no room for them; what was told before stays.
    pub fn set_ranges(
        &mut self,
        process: u32,
        ranges: &[CodeRange],
        epoch: u64,
    ) -> Result<(), LiveError> {
        let failed = |reason: String| LiveError::Map { name: SPACES, reason };
        let count = u32::try_from(ranges.len()).map_err(|error| failed(error.to_string()))?;
        if let Some(told) =
            self.told.get(&process).copied().filter(|told| self.holds(*told, ranges))
        {
            // A process is looked at several times, and each place that is left rests for long.
            let space = Space { epoch, ..told };
            self.spaces
                .insert(process, Value(space), 0)
                .map_err(|error| failed(error.to_string()))?;
            self.told.insert(process, space);
            return Ok(());
        }
        let now = Instant::now();
        let place = self.range_places.take(count, now);
        let place = place.ok_or_else(|| failed("no room for mappings".into()))?;
        self.generation += 1;
        let space = Space { first: place.first, count, generation: self.generation, epoch };
        let written = self.ranges.write(place.first as usize, ranges.iter().copied());
        let told = self.spaces.insert(process, Value(space), 0);
        if !written || told.is_err() {
            self.range_places.give_back(place, now);
            let reason = told.err().map_or_else(|| "they do not fit".into(), |e| e.to_string());
            return Err(failed(reason));
        }
        let old = self.told.insert(process, space);
        self.leave(old, now);
        Ok(())
    }

    /// Tells the kernel side that a child's mappings are its parent's, where they are, so that many
    /// children take no more room than their parent. `false`: nothing was told of the parent.
    pub fn share_ranges(&mut self, parent: u32, child: u32) -> bool {
        // An empty place is nobody's.
        let Some(&space) = self.told.get(&parent).filter(|space| space.count > 0) else {
            return false;
        };
        if parent == child || self.spaces.insert(child, Value(space), 0).is_err() {
            return false;
        }
        *self.sharers.entry(space.first).or_default() += 1;
        let old = self.told.insert(child, space);
        self.leave(old, Instant::now());
        true
    }

    /// Whether these very mappings are there.
    fn holds(&self, told: Space, ranges: &[CodeRange]) -> bool {
        told.count as usize == ranges.len()
            && ranges
                .iter()
                .zip(told.first as usize..)
                .all(|(range, at)| self.ranges.read(at).is_some_and(|there| there == *range))
    }

    /// A process has its mappings elsewhere now, or none.
    fn leave(&mut self, old: Option<Space>, now: Instant) {
        let Some(Space { first, count, .. }) = old.filter(|old| old.count > 0) else { return };
        match self.sharers.get_mut(&first) {
            Some(others) if *others > 1 => *others -= 1,
            Some(_) => {
                self.sharers.remove(&first);
            }
            None => self.range_places.give_back(Place { first, count }, now),
        }
    }

    /// Processes that have got new code since the last time, each once.
    pub fn take_news(&mut self) -> Vec<u32> {
        let count = self.news.read(0).unwrap_or(self.heard);
        if count == self.heard {
            return Vec::new();
        }
        let places = u64::from(CODE_NEWS);
        let first = self.heard.max(count.saturating_sub(places));
        self.heard = count;
        let place = |number: u64| usize::try_from(1 + number % places).ok();
        let news = (first..count).filter_map(|number| self.news.read(place(number)?));
        let mut processes: Vec<u32> = news.filter_map(|pid| u32::try_from(pid).ok()).collect();
        processes.sort_unstable();
        processes.dedup();
        processes
    }

    /// Forgets a process. One that is not known is fine.
    pub fn forget(&mut self, process: u32) {
        // It may never have been told.
        let _ = self.spaces.remove(&process);
        let old = self.told.remove(&process);
        self.leave(old, Instant::now());
    }
}

impl FilePages {
    const fn place(self) -> Place {
        Place { first: self.first, count: self.count }
    }
}

/// Where the rows of each page are, given how many each has and the places that they fill.
fn page_rows(places: &[Place], pages: impl Iterator<Item = u32>) -> impl Iterator<Item = PageRows> {
    let mut places = places.iter().copied();
    let mut place = Place::default();
    pages.map(move |count| {
        if place.count == 0 && count > 0 {
            place = places.next().unwrap_or_default();
        }
        let rows = PageRows { first: place.first, count };
        place = Place { first: place.first + count, count: place.count.saturating_sub(count) };
        rows
    })
}

/// The places of an array that is empty.
fn places<T: Copy>(array: &Mapped<T>) -> Places {
    Places::new(u32::try_from(array.len()).unwrap_or(u32::MAX), LONGEST_WALK)
}

#[cfg(test)]
mod tests {
    use super::{PageRows, Place, Room, page_rows};

    #[test]
    fn pages_fill_the_places_in_order() {
        let places = [Place { first: 5, count: 3 }, Place { first: 100, count: 4 }];
        let found: Vec<PageRows> = page_rows(&places, [1, 2, 0, 4].into_iter()).collect();
        let expected = [(5, 1), (6, 2), (8, 0), (100, 4)];
        assert_eq!(found, expected.map(|(first, count)| PageRows { first, count }));
    }

    #[test]
    fn room_is_summed_up() {
        assert_eq!(Room::of([3, 9, 1].into_iter()), Room { rows: 13, largest: 9, pages: 3 });
        assert_eq!(Room::of([].into_iter()), Room::default());
    }
}
