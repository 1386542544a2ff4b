//! Debug information from debuginfod servers (elfutils, `debuginfod(8)`), for those who ask for it.
//!
//! Files are asked for by build-id alone, on a thread of its own, so that neither tracing nor reports
//! wait for a server: a file that comes gives names to later reports, and only the last report waits,
//! a bounded time. What came is kept where elfutils' own client keeps it, and is used only if it has
//! the build-id that was asked for; it is as little trusted as any other file.

mod cache;
mod fetch;
mod settings;

pub use cache::CacheError;
pub use settings::{Settings, SettingsError};

use super::DebugFiles;
use crate::model::module::BuildId;
use cache::Cache;
use fetch::Fetcher;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

/// Files that may wait to be fetched; of more, later reports ask again.
const WAITING: usize = 256;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Asked for.
    OnTheWay,
    /// In the cache, or nowhere: there is nothing more to wait for.
    Settled,
}

/// Asks servers for files and remembers what it asked.
#[derive(Debug)]
pub struct Debuginfod {
    cache: Cache,
    asked: SyncSender<BuildId>,
    answers: Receiver<(BuildId, bool)>,
    states: HashMap<BuildId, State>,
    /// Files that came since the last look.
    arrived: HashSet<BuildId>,
    /// Longest that the last report waits.
    patience: Duration,
}

impl Debuginfod {
    /// Begins, with a thread that fetches.
    ///
    /// # Errors
    /// The folder for files cannot be used, or there is no thread.
    pub fn start(settings: Settings) -> Result<Self, CacheError> {
        let cache = Cache::open(&settings.cache)?;
        let patience = settings.patience;
        let (asked, questions) = mpsc::sync_channel::<BuildId>(WAITING);
        let (sender, answers) = mpsc::channel();
        let fetcher = Fetcher::new(settings, cache.clone());
        let work = move || {
            for build_id in questions {
                let came = fetcher.fetch(&build_id);
                if sender.send((build_id, came)).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("debuginfod".to_owned()).spawn(work);
        thread
            .map_err(|error| CacheError::io("start a thread that fills", cache.folder())(error))?;
        let states = HashMap::new();
        Ok(Self { cache, asked, answers, states, arrived: HashSet::new(), patience })
    }

    fn ask(&mut self, build_id: &BuildId) {
        match self.asked.try_send(build_id.clone()) {
            Ok(()) => drop(self.states.insert(build_id.clone(), State::OnTheWay)),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    fn on_the_way(&self) -> usize {
        self.states.values().filter(|state| **state == State::OnTheWay).count()
    }

    fn say_late(&mut self) {
        let (late, seconds) = (self.on_the_way(), self.patience.as_secs_f64());
        // They are not waited for again.
        self.states.values_mut().for_each(|state| *state = State::Settled);
        tracing::warn!(
            "debuginfod: {late} files did not come within {seconds} s; DEBUGINFOD_TIMEOUT"
        );
    }

    fn listen(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            self.hear(answer);
        }
    }

    fn hear(&mut self, (build_id, came): (BuildId, bool)) {
        if came {
            self.arrived.insert(build_id.clone());
        }
        self.states.insert(build_id, State::Settled);
    }
}

impl DebugFiles for Debuginfod {
    fn find(&mut self, build_id: &BuildId) -> Option<File> {
        self.listen();
        let found = self.cache.find(build_id);
        if found.is_none() && !self.states.contains_key(build_id) {
            self.ask(build_id);
        }
        found
    }

    fn take_arrived(&mut self) -> bool {
        self.listen();
        !std::mem::take(&mut self.arrived).is_empty()
    }

    fn wait(&mut self) -> bool {
        self.listen();
        let end = Instant::now() + self.patience;
        while self.on_the_way() > 0 {
            match self.answers.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(answer) => self.hear(answer),
                Err(RecvTimeoutError::Timeout) => {
                    self.say_late();
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        !self.arrived.is_empty()
    }
}
