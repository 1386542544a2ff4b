//! Unwinding tables of the files that targets map: built on threads of their own, and told to the
//! kernel side with the mappings of each process. Where there is no more room, tables of files that no
//! target maps any more make some.

mod builder;
mod copies;
mod files;

pub(super) use builder::Built;
pub(super) use copies::Copies;

use crate::model::event::{CodeMapping, Map, What};
use crate::model::ids::{ModuleId, Pid};
use crate::probe::live::code_tables::{CodeTables, FilePages, Room};
use crate::probe::live::kernel_side::CodeVersion;
use crate::report::TableFacts;
use crate::unwind::{Rules, Table};
use builder::Builder;
use files::{Files, Lack, State};
use memtrace_common::config::UnwindMode;
use memtrace_common::unwind::CodeRange;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A wait that is longer than this gets a line on standard error.
const SILENCE: Duration = Duration::from_secs(1);

/// How long events may wait for tables of new code: the ring holds some milliseconds of them at any
/// rate, and a table from the cache or of a usual library takes one or two.
const BRIEFLY: Duration = Duration::from_millis(3);

/// Between two looks at what is being built.
const A_MOMENT: Duration = Duration::from_micros(50);

/// A process's code as it was looked at.
#[derive(Clone)]
struct Code {
    mappings: Arc<[CodeMapping]>,
    version: CodeVersion,
}

/// What is known of each file, and of the targets' mappings.
pub(super) struct Unwinding {
    builder: Builder,
    files: Files,
    rules: Rules,
    code: BTreeMap<Pid, Code>,
    /// Processes whose mappings did not fit.
    without_room: BTreeSet<Pid>,
    /// Walks end where no table leads on.
    strictly: bool,
    /// What has become of tables since somebody asked.
    news: Vec<What<'static>>,
}

impl Unwinding {
    /// Starts the threads.
    pub(super) fn new(mode: UnwindMode) -> std::io::Result<Self> {
        Ok(Self {
            builder: Builder::new()?,
            files: Files::default(),
            rules: Rules::default(),
            code: BTreeMap::new(),
            without_room: BTreeSet::new(),
            strictly: mode == UnwindMode::Tables,
            news: Vec::new(),
        })
    }

    /// Orders the tables of files before the kernel side is loaded, which takes as long.
    pub(super) fn expect(
        &mut self,
        modules: Vec<ModuleId>,
        path: impl Fn(ModuleId) -> Option<PathBuf>,
    ) {
        for module in self.files.used(modules.into_iter()) {
            self.order(module, path(module));
        }
    }

    /// A process's code, as it is now. Tables that are not there yet are ordered.
    pub(super) fn seen(
        &mut self,
        tables: &mut CodeTables,
        pid: Pid,
        mappings: &Arc<[CodeMapping]>,
        version: CodeVersion,
        path: impl Fn(ModuleId) -> Option<PathBuf>,
    ) {
        let old = self.code.insert(pid, Code { mappings: Arc::clone(mappings), version });
        self.leave(old);
        for module in self.files.used(modules(mappings)) {
            let path = path(module);
            // The process runs on, and its stacks through new code end there until it is told.
            if let Some(table) = path.as_ref().and_then(|path| self.builder.at_once(path)) {
                self.files.set(module, State::Ordered);
                self.add(tables, (module, table));
            } else {
                self.order(module, path);
            }
        }
        self.tell(tables, pid);
    }

    fn order(&mut self, module: ModuleId, path: Option<PathBuf>) {
        let Some(path) = path else {
            return self.files.set(module, State::Without(Lack::Unreadable));
        };
        self.files.set(module, State::Ordered);
        self.news.push(What::TableAwaited { module, awaited: true });
        self.builder.order(module, path);
    }

    /// Takes in a table, and whatever else was built meanwhile.
    pub(super) fn take_in(&mut self, tables: &mut CodeTables, built: Built) {
        let mut next = Some(built);
        let mut fresh = HashSet::new();
        while let Some(built) = next {
            fresh.extend(self.add(tables, built));
            next = self.builder.take();
        }
        self.tell_of(tables, &fresh);
    }

    /// Waits for all tables that were ordered.
    pub(super) fn wait(&mut self, tables: &mut CodeTables) {
        let began = Instant::now();
        let mut told = false;
        let mut fresh = HashSet::new();
        while self.builder.outstanding() > 0 {
            let left = self.builder.outstanding();
            if !told && began.elapsed() > SILENCE {
                told = true;
                tracing::info!("building unwinding tables, {left} files to go");
            }
            match self.builder.take() {
                Some(built) => fresh.extend(self.add(tables, built)),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        tracing::debug!("unwinding tables were ready after {:?}", began.elapsed());
        self.tell_of(tables, &fresh);
    }

    /// Waits for tables of new code, but not for long: the process runs on, and its stacks through that
    /// code end there until the kernel side has been told.
    pub(super) fn wait_briefly(&mut self, tables: &mut CodeTables) {
        let began = Instant::now();
        while self.builder.outstanding() > 0 && began.elapsed() < BRIEFLY {
            match self.builder.take() {
                Some(built) => self.take_in(tables, built),
                None => std::thread::sleep(A_MOMENT),
            }
        }
    }

    /// Whether code of a file was known where something is mapped now.
    pub(super) fn overlaps(&self, pid: Pid, map: &Map) -> bool {
        let end = map.address.saturating_add(map.length);
        let overlaps = |mapping: &CodeMapping| mapping.start < end && map.address < mapping.end;
        self.code.get(&pid).is_some_and(|code| code.mappings.iter().any(overlaps))
    }

    /// A child begins with its parent's code.
    pub(super) fn inherit(&mut self, tables: &mut CodeTables, parent: Pid, child: Pid) {
        let Some(code) = self.code.get(&parent).cloned() else { return };
        let old = self.code.insert(child, code);
        self.leave(old);
        if !tables.share_ranges(parent, child) {
            self.tell(tables, child);
        }
    }

    /// A process has gone.
    pub(super) fn forget(&mut self, tables: &mut CodeTables, pid: Pid) {
        let old = self.code.remove(&pid);
        self.leave(old);
        self.without_room.remove(&pid);
        tables.forget(pid);
    }

    /// Looks again at tables that wait for room. To be called now and then.
    pub(super) fn tend(
        &mut self,
        tables: &mut CodeTables,
        path: impl Fn(ModuleId) -> Option<PathBuf>,
    ) {
        let waiting = self.files.waiting();
        if waiting.is_empty() {
            return;
        }
        let in_use = self.in_use();
        for (module, room) in waiting {
            if !in_use.contains(&module) {
                self.files.set(module, State::GivenUp);
            } else if tables.has_room(room) {
                self.order(module, path(module));
            } else {
                self.make_room(tables, room);
            }
        }
    }

    /// Events: which tables are on their way, and which no longer.
    pub(super) fn take_news(&mut self) -> Vec<What<'static>> {
        std::mem::take(&mut self.news)
    }

    /// How many files were met, and how many have no table.
    pub(super) fn facts(&self) -> TableFacts {
        self.files.count()
    }

    /// What the reader of a report must know.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let facts = self.files.count();
        let lacks = facts.reasons().into_iter().filter(|(_, count)| *count > 0);
        let lacks: Vec<String> = lacks.map(|(why, count)| format!("{why} {count}")).collect();
        let lacking = (!lacks.is_empty()).then(|| {
            format!(
                "{} of {} files with code have no unwinding table ({}): stacks through them follow \
                 frame pointers",
                facts.without(),
                facts.files,
                lacks.join(", ")
            )
        });
        let no_rules = (self.rules.refused() > 0).then(|| {
            format!(
                "the files have more than {} distinct unwinding rules: some functions are walked by \
                 frame pointers",
                Rules::MAX
            )
        });
        let no_room = (!self.without_room.is_empty()).then(|| {
            format!(
                "there was no room for the mappings of {} of {} processes: their stacks follow frame \
                 pointers",
                self.without_room.len(),
                self.code.len()
            )
        });
        lacking.into_iter().chain(no_rules).chain(no_room)
    }

    /// These mappings are no more.
    fn leave(&mut self, old: Option<Code>) {
        // What was mapped until now is not what is longest unused.
        let _ = old.map(|old| self.files.used(modules(&old.mappings)));
    }

    fn in_use(&self) -> HashSet<ModuleId> {
        self.code.values().flat_map(|code| modules(&code.mappings)).collect()
    }

    /// Gives the file if the kernel side has its table now.
    fn add(&mut self, tables: &mut CodeTables, (module, table): Built) -> Option<ModuleId> {
        self.news.push(What::TableAwaited { module, awaited: false });
        match table {
            Ok(table) if table.stats.functions == 0 => {
                self.files.set(module, State::Without(Lack::Information));
                None
            }
            Ok(table) => self.add_table(tables, module, &table),
            Err(error) => {
                tracing::debug!("file {}: {error}", module.0);
                self.files.set(module, State::Without(Lack::from(&error)));
                None
            }
        }
    }

    fn add_table(
        &mut self,
        tables: &mut CodeTables,
        module: ModuleId,
        table: &Table,
    ) -> Option<ModuleId> {
        let rows = table.rows_for(&mut self.rules);
        let pages = table.pages.iter().map(|page| page.count);
        if let Some(told) =
            tables.add_file(self.rules.list(), rows, pages.clone(), table.first_page())
        {
            self.files.set(module, State::There(told));
            return Some(module);
        }
        let room = Room::of(pages);
        tracing::debug!("file {}: no room for {} rows", module.0, room.rows);
        self.files.set(module, State::NoRoom(room));
        self.make_room(tables, room);
        None
    }

    /// Gives up tables that nobody needs, if that makes so much room. It is there some seconds later.
    fn make_room(&mut self, tables: &mut CodeTables, room: Room) {
        let unused = self.files.unused(&self.in_use());
        let places: Vec<FilePages> = unused.iter().map(|(_, place)| *place).collect();
        let count = tables.to_give_up(room, &places).unwrap_or_default();
        for (module, place) in unused.into_iter().take(count) {
            tracing::debug!("file {}: its unwinding table makes room", module.0);
            tables.remove_file(place);
            self.files.set(module, State::GivenUp);
        }
    }

    /// Tells of the processes that map one of these files.
    fn tell_of(&mut self, tables: &mut CodeTables, fresh: &HashSet<ModuleId>) {
        let maps = |code: &Code| modules(&code.mappings).any(|module| fresh.contains(&module));
        let pids = self.code.iter().filter(|(_, code)| maps(code)).map(|(pid, _)| *pid);
        for pid in pids.collect::<Vec<_>>() {
            self.tell(tables, pid);
        }
    }

    fn tell(&mut self, tables: &mut CodeTables, pid: Pid) {
        let Some(code) = self.code.get(&pid) else { return };
        let mut ranges: Vec<CodeRange> =
            code.mappings.iter().map(|mapping| range(mapping, &self.files)).collect();
        ranges.sort_by_key(|range| range.start);
        if let Err(error) = tables.set_ranges(pid, &ranges, code.version.epoch) {
            // What it was told before may refer to tables that are given up later.
            tables.forget(pid);
            tracing::debug!("pid {pid}: its stacks follow frame pointers: {error}");
            self.without_room.insert(pid);
        } else {
            self.without_room.remove(&pid);
        }
    }
}

/// The next table that was built; never, if none was ordered.
pub(super) async fn next_table(unwinding: &mut Option<Unwinding>) -> Built {
    match unwinding {
        Some(unwinding) => unwinding.builder.next().await,
        // Stacks follow frame pointers.
        None => std::future::pending().await,
    }
}

fn modules(mappings: &[CodeMapping]) -> impl Iterator<Item = ModuleId> {
    mappings.iter().map(|mapping| mapping.module)
}

fn range(mapping: &CodeMapping, files: &Files) -> CodeRange {
    let pages = files.pages(mapping.module);
    let is_awaited = files.state(mapping.module) == Some(State::Ordered);
    CodeRange {
        start: mapping.start,
        end: mapping.end,
        to_offset: mapping.file_offset.wrapping_sub(mapping.start),
        file: mapping.module.0 + 1,
        first_page: if is_awaited { CodeRange::AWAITED } else { pages.first },
        low_page: pages.low,
        pages: pages.count,
    }
}
