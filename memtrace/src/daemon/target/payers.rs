//! Who else pays for links that are for all: looked at again and again, on a thread of its own, as the
//! mappings of every process are read.

use crate::model::ids::Pid;
use crate::procfs::{FileNumber, mappers};
use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks pass so many times as long as a look takes, and at least [`REST`]: a quarter of a percent of a
/// core.
const REST_FACTOR: u32 = 400;
const REST: Duration = Duration::from_secs(5);

type Mappers = BTreeMap<FileNumber, Vec<Pid>>;

/// The looks.
#[derive(Debug)]
pub(super) struct Payers {
    due: Instant,
    running: Option<JoinHandle<(Mappers, Duration)>>,
}

impl Payers {
    pub(super) fn new() -> Self {
        Self { due: Instant::now() + REST, running: None }
    }

    /// Gives what the last look found, once, and begins the next one if it is due: who maps `files`, `targets` left
    /// out.
    pub(super) fn step(
        &mut self,
        files: impl FnOnce() -> BTreeSet<FileNumber>,
        targets: &BTreeSet<Pid>,
    ) -> Option<Mappers> {
        if let Some(look) = self.running.take_if(|look| look.is_finished()) {
            let (found, took) = look.join().ok()?;
            self.due = Instant::now() + REST.max(took * REST_FACTOR);
            return Some(found);
        }
        if self.running.is_none() && Instant::now() >= self.due {
            self.due = Instant::now() + REST;
            let files = files();
            if !files.is_empty() {
                self.running = start(files, targets.clone());
            }
        }
        None
    }
}

/// Where no thread is to be had nothing is found this time.
fn start(
    files: BTreeSet<FileNumber>,
    targets: BTreeSet<Pid>,
) -> Option<JoinHandle<(Mappers, Duration)>> {
    let look = move || {
        let began = Instant::now();
        (mappers(&files, |pid| !targets.contains(&pid)), began.elapsed())
    };
    std::thread::Builder::new().name("payers".into()).spawn(look).ok()
}
