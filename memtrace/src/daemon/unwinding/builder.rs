//! Builds tables of files on threads of their own.

use crate::model::ids::ModuleId;
use crate::unwind::cache::{TableCache, default_folder};
use crate::unwind::{Table, UnwindError};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver as Orders, Sender as Order, channel as orders};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Most threads. Building is bound by the CPU, and the targets want theirs.
const MAX_THREADS: usize = 4;
/// Tables that wait to be taken in, before the threads pause: some 100 KB each as a rule.
const MAX_WAITING: usize = 128;

/// A file of at most so many bytes is built at once where that is wanted: it takes less than handing it
/// to a thread, which may have to wait for the CPU.
const SMALL: u64 = 512 << 10;

/// A file and its table.
pub(crate) type Built = (ModuleId, Result<Table, UnwindError>);

/// See the file's head.
pub(super) struct Builder {
    orders: Order<(ModuleId, PathBuf)>,
    built: Receiver<Built>,
    /// Keeps the channel open, should the threads have ended.
    _done: Sender<Built>,
    /// Ordered and not taken yet.
    outstanding: usize,
    cache: Arc<Option<TableCache>>,
}

impl Builder {
    /// Starts the threads.
    pub(super) fn new() -> std::io::Result<Self> {
        let (order, ordered) = orders();
        let (done, built) = channel(MAX_WAITING);
        let ordered = Arc::new(Mutex::new(ordered));
        let cache = Arc::new(cache());
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        for _ in 0..threads {
            let (ordered, cache, done) = (Arc::clone(&ordered), Arc::clone(&cache), done.clone());
            std::thread::Builder::new()
                .name("unwind-tables".into())
                .spawn(move || work(&ordered, cache.as_ref().as_ref(), &done))?;
        }
        Ok(Self { orders: order, built, _done: done, outstanding: 0, cache })
    }

    /// Wants the table of the file at `path`.
    pub(super) fn order(&mut self, module: ModuleId, path: PathBuf) {
        // A thread only ends when we do.
        self.outstanding += usize::from(self.orders.send((module, path)).is_ok());
    }

    /// The table of a small file; `None` if the file is not small.
    pub(super) fn at_once(&self, path: &Path) -> Option<Result<Table, UnwindError>> {
        let is_small = path.metadata().is_ok_and(|metadata| metadata.len() <= SMALL);
        is_small.then(|| build(path, self.cache.as_ref().as_ref()))
    }

    /// How many were ordered and not taken yet.
    pub(super) const fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// One that is done.
    pub(super) fn take(&mut self) -> Option<Built> {
        let built = self.built.try_recv().ok()?;
        self.outstanding -= 1;
        Some(built)
    }

    /// The next one that is done; never, if none was ordered.
    pub(super) async fn next(&mut self) -> Built {
        if let Some(built) = self.built.recv().await {
            self.outstanding -= 1;
            return built;
        }
        // The channel cannot close: we hold a sender.
        std::future::pending().await
    }
}

fn work(
    ordered: &Mutex<Orders<(ModuleId, PathBuf)>>,
    cache: Option<&TableCache>,
    done: &Sender<Built>,
) {
    loop {
        // The lock is held while waiting: the others have nothing to do then, either.
        let order = ordered.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((module, path)) = order else { return };
        if done.blocking_send((module, build(&path, cache))).is_err() {
            return;
        }
    }
}

fn build(path: &Path, cache: Option<&TableCache>) -> Result<Table, UnwindError> {
    let file = File::open(path).map_err(UnwindError::Unreadable)?;
    let cache = cache.filter(|_| is_trusted(&file));
    cache.map_or_else(|| Table::build(&file), |cache| cache.table(&file))
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
