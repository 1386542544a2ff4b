//! A thread that owns the symbolizer, which can live in one thread only.

use super::DebugFiles;
use super::blaze::{BlazeSymbolizer, ModulePaths};
use crate::engine::ports::Symbolizer;
use crate::model::ids::ModuleId;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;

/// Work for the symbolizer's thread, such as resolving a whole report. It hands its result back
/// through whatever it captured.
pub type Job = Box<dyn FnOnce(&mut dyn Symbolizer) + Send>;

/// Jobs that may wait. A report takes milliseconds to seconds, so more than a few waiting means
/// that reports are asked for faster than they can be made.
const WAITING_JOBS: usize = 4;

/// For the library and the demanglers, which call themselves as deep as names and inlined functions
/// are nested: 512 levels of each, at some KiB.
const STACK_BYTES: usize = 16 << 20;

/// Why a job was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// The thread could not be started.
    #[error("cannot start the symbolizer's thread: {0}; check the limits on threads and memory")]
    Spawn(#[source] std::io::Error),
    /// Too many jobs wait already.
    #[error("the symbolizer is {WAITING_JOBS} reports behind; ask for reports less often")]
    Busy,
    /// The thread has ended.
    #[error("the symbolizer's thread has ended; restart memtrace to get names")]
    Gone,
}

/// How names are looked for.
#[derive(Default)]
pub struct Options {
    /// Bytes that the copies of one file's symbols and debug information may take; `None`: 256 MiB.
    pub room: Option<u64>,
    /// Where debug information comes from that this machine has not.
    pub elsewhere: Option<Box<dyn DebugFiles>>,
}

/// A handle of the symbolizer's thread; the thread ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct SymbolizerThread {
    jobs: SyncSender<Job>,
    paths: ModulePaths,
}

impl SymbolizerThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`ThreadError::Spawn`] when the system has no thread for us.
    pub fn spawn(options: Options) -> Result<Self, ThreadError> {
        let (jobs, waiting) = mpsc::sync_channel(WAITING_JOBS);
        let paths = ModulePaths::default();
        let for_thread = paths.clone();
        thread::Builder::new()
            .name("symbolizer".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || work(symbolizer(for_thread, options), &waiting))
            .map_err(ThreadError::Spawn)?;
        Ok(Self { jobs, paths })
    }

    /// Says how `module`'s file is opened; see [`BlazeSymbolizer::register`]. Never waits.
    pub fn register(&self, module: ModuleId, open_path: PathBuf) {
        self.paths.register(module, open_path);
    }

    /// Has `job` run on the thread, after those that wait. A job that panics takes nothing with it
    /// but its own result. Never waits.
    ///
    /// # Errors
    /// [`ThreadError::Busy`] when too many jobs wait, [`ThreadError::Gone`] when there is no thread
    /// any more; the job has not run then.
    pub fn run(&self, job: Job) -> Result<(), ThreadError> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => ThreadError::Busy,
            TrySendError::Disconnected(_) => ThreadError::Gone,
        })
    }
}

fn symbolizer(paths: ModulePaths, options: Options) -> BlazeSymbolizer {
    let mut symbolizer = BlazeSymbolizer::with_shared_paths(paths);
    if let Some(room) = options.room {
        symbolizer.set_room(room);
    }
    if let Some(elsewhere) = options.elsewhere {
        symbolizer.set_elsewhere(elsewhere);
    }
    symbolizer
}

fn work(mut symbolizer: BlazeSymbolizer, waiting: &Receiver<Job>) {
    while let Ok(job) = waiting.recv() {
        // The symbolizer's tables are only ever added to, so a job that stops half-way leaves
        // them whole.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| job(&mut symbolizer)));
        symbolizer.recycle();
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, SymbolizerThread, ThreadError, WAITING_JOBS};
    use crate::engine::ports::Missing;
    use crate::model::ids::ModuleId;
    use crate::model::module::Module;
    use std::panic;
    use std::path::PathBuf;
    use std::sync::mpsc;

    #[test]
    fn jobs_run_in_order_and_survive_a_panic() {
        let thread = SymbolizerThread::spawn(Options::default()).unwrap();
        let (sender, receiver) = mpsc::channel();
        thread.run(Box::new(|_| panic::resume_unwind(Box::new("deliberate")))).unwrap();
        thread
            .run(Box::new(move |symbolizer| {
                let module =
                    Module { id: ModuleId(7), path: PathBuf::from("/gone"), build_id: None };
                sender.send(symbolizer.resolve(&module, &[1, 2])).unwrap();
            }))
            .unwrap();
        assert_eq!(receiver.recv().unwrap(), vec![Err(Missing::FileGone); 2]);
    }

    #[test]
    fn a_queue_that_is_full_says_so() {
        let thread = SymbolizerThread::spawn(Options::default()).unwrap();
        let (open, gate) = mpsc::channel::<()>();
        thread.run(Box::new(move |_| assert!(gate.recv().is_err()))).unwrap();
        let results: Vec<_> = (0..WAITING_JOBS + 2).map(|_| thread.run(Box::new(|_| ()))).collect();
        assert!(matches!(results.last(), Some(Err(ThreadError::Busy))));
        drop(open);
    }
}
