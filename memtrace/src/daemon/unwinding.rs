//! Unwinding tables of the files that targets map: built on a thread of their own, and told to the
//! kernel side with the mappings of each process.

use crate::model::event::{CodeMapping, Map};
use crate::model::ids::{ModuleId, Pid};
use crate::probe::live::LiveError;
use crate::probe::live::code_tables::{CodeTables, FilePages};
use crate::unwind::cache::{TableCache, default_folder};
use crate::unwind::{Rules, Table, UnwindError};
use memtrace_common::unwind::CodeRange;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A wait that is longer than this gets a line on standard error.
const SILENCE: Duration = Duration::from_secs(1);

/// A file and its table.
pub(super) type Built = (ModuleId, Result<Table, UnwindError>);

/// What is known of each file, and of the targets' mappings.
pub(super) struct Unwinding {
    files: HashMap<ModuleId, Option<FilePages>>,
    rules: Rules,
    mappings: BTreeMap<Pid, Arc<[CodeMapping]>>,
    orders: Sender<(ModuleId, PathBuf)>,
    built: UnboundedReceiver<Built>,
    /// Keeps the channel open, should the thread have ended.
    _done: UnboundedSender<Built>,
    /// Ordered and not built yet.
    outstanding: usize,
    troubles: Vec<String>,
}

impl Unwinding {
    /// Starts the thread.
    pub(super) fn new() -> std::io::Result<Self> {
        let (orders, ordered) = channel::<(ModuleId, PathBuf)>();
        let (done, built) = unbounded_channel();
        let sender = done.clone();
        std::thread::Builder::new().name("unwind-tables".into()).spawn(move || {
            let cache = cache();
            for (module, path) in ordered {
                if sender.send((module, build(&path, cache.as_ref()))).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            files: HashMap::new(),
            rules: Rules::default(),
            mappings: BTreeMap::new(),
            orders,
            built,
            _done: done,
            outstanding: 0,
            troubles: Vec::new(),
        })
    }

    /// A process's code, as it is now. Tables that are not there yet are ordered.
    pub(super) fn seen(
        &mut self,
        tables: &mut CodeTables,
        pid: Pid,
        mappings: &Arc<[CodeMapping]>,
        path: impl Fn(ModuleId) -> Option<PathBuf>,
    ) {
        for module in mappings.iter().map(|mapping| mapping.module) {
            if let Entry::Vacant(place) = self.files.entry(module) {
                place.insert(None);
                let order = path(module).map(|path| self.orders.send((module, path)));
                self.outstanding += usize::from(matches!(order, Some(Ok(()))));
            }
        }
        self.mappings.insert(pid, Arc::clone(mappings));
        self.tell(tables, pid);
    }

    /// Takes in a table, and whatever else was built meanwhile.
    pub(super) fn take_in(&mut self, tables: &mut CodeTables, built: Built) {
        let mut any = self.add(tables, built);
        while let Ok(built) = self.built.try_recv() {
            any |= self.add(tables, built);
        }
        if any {
            self.tell_all(tables);
        }
    }

    /// Waits for all tables that were ordered.
    pub(super) fn wait(&mut self, tables: &mut CodeTables) {
        let began = Instant::now();
        let mut told = false;
        while self.outstanding > 0 {
            if !told && began.elapsed() > SILENCE {
                told = true;
                tracing::info!("building unwinding tables, {} files to go", self.outstanding);
            }
            match self.built.try_recv() {
                Ok(built) => {
                    self.add(tables, built);
                }
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        tracing::debug!("unwinding tables were ready after {:?}", began.elapsed());
        self.tell_all(tables);
    }

    /// Whether code of a file was known where something is mapped now.
    pub(super) fn overlaps(&self, pid: Pid, map: &Map) -> bool {
        let end = map.address.saturating_add(map.length);
        let overlaps = |mapping: &CodeMapping| mapping.start < end && map.address < mapping.end;
        self.mappings.get(&pid).is_some_and(|mappings| mappings.iter().any(overlaps))
    }

    /// A process has gone.
    pub(super) fn forget(&mut self, tables: &mut CodeTables, pid: Pid) {
        self.mappings.remove(&pid);
        tables.forget(pid);
    }

    /// What the reader of a report must know.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        self.troubles.iter().cloned()
    }

    fn add(&mut self, tables: &mut CodeTables, (module, table): Built) -> bool {
        self.outstanding = self.outstanding.saturating_sub(1);
        let table = match table {
            Ok(table) => table,
            Err(error) => {
                tracing::debug!("file {}: {error}", module.0);
                return false;
            }
        };
        let rows: Vec<u32> = table.rows_for(&mut self.rules).collect();
        let pages: Vec<(u32, u32)> =
            table.pages.iter().map(|page| (page.first_row, page.count)).collect();
        let told = tables.add_file(self.rules.list(), &rows, &pages, table.first_page());
        if told.is_none() && self.troubles.is_empty() {
            self.troubles.push(
                "there was no room for the unwinding tables of all files: stacks through some of \
                 them follow frame pointers"
                    .to_owned(),
            );
        }
        self.files.insert(module, told);
        told.is_some()
    }

    fn tell_all(&mut self, tables: &mut CodeTables) {
        let pids: Vec<Pid> = self.mappings.keys().copied().collect();
        for pid in pids {
            self.tell(tables, pid);
        }
    }

    fn tell(&mut self, tables: &mut CodeTables, pid: Pid) {
        let Some(mappings) = self.mappings.get(&pid) else { return };
        let mut ranges: Vec<CodeRange> = mappings
            .iter()
            .map(|mapping| range(mapping, self.files.get(&mapping.module)))
            .collect();
        ranges.sort_by_key(|range| range.start);
        let told: Result<(), LiveError> = tables.set_ranges(pid, &ranges);
        if let Err(error) = told {
            tracing::warn!("pid {pid}: its stacks follow older mappings: {error}");
        }
    }
}

/// The next table that was built; never, if none was ordered.
pub(super) async fn next_table(unwinding: &mut Option<Unwinding>) -> Built {
    if let Some(unwinding) = unwinding
        && let Some(built) = unwinding.built.recv().await
    {
        return built;
    }
    // Stacks follow frame pointers. (The channel cannot close: we hold a sender.)
    std::future::pending().await
}

/// Whether a file's build-id may stand for its content: anybody can give a file of his own the build-id
/// of another, and would so give false tables to all who map that one.
fn is_trusted(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

/// Tables from earlier runs; without a place for them every run builds its own.
fn cache() -> Option<TableCache> {
    let folder = default_folder()?;
    TableCache::open(&folder, TableCache::DEFAULT_LIMIT)
        .inspect_err(|error| tracing::debug!("no cache of unwinding tables: {error}"))
        .ok()
}

fn build(path: &std::path::Path, cache: Option<&TableCache>) -> Result<Table, UnwindError> {
    let file = File::open(path).map_err(UnwindError::Unreadable)?;
    let cache = cache.filter(|_| is_trusted(&file));
    cache.map_or_else(|| Table::build(&file), |cache| cache.table(&file))
}

fn range(mapping: &CodeMapping, pages: Option<&Option<FilePages>>) -> CodeRange {
    let pages = pages.copied().flatten().unwrap_or_default();
    CodeRange {
        start: mapping.start,
        end: mapping.end,
        to_offset: mapping.file_offset.wrapping_sub(mapping.start),
        file: mapping.module.0 + 1,
        first_page: pages.first,
        low_page: pages.low,
        pages: pages.count,
    }
}
