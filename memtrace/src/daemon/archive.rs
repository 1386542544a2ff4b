//! A recording of snapshots that is being made, on a thread of its own: neither packing them nor a slow disk stalls the
//! drain. When it cannot be written any more tracing goes on without it, and says so.

use super::error::DaemonError;
use super::heard::{Heard, Known};
use super::recorder::{Recording, now};
use crate::model::ids::Nanos;
use crate::recording::RecordingError;
use crate::recording::snapshots::{Kept, Plan, Shot, SnapshotFile};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Snapshots that may wait. One is written in milliseconds, and in seconds if the file is written anew for it.
const WAITING: usize = 2;

/// What is to be written.
enum Item {
    Shot(Box<Shot>),
    Names(Vec<u8>),
}

/// How it went.
#[derive(Debug, Default)]
struct Told {
    failure: Option<String>,
    stop: Option<String>,
    /// Names were left out since this was looked at.
    has_left_out_names: bool,
    /// Why names are missing.
    names: Option<String>,
}

/// See the file's head.
pub(super) struct Archive {
    /// When snapshots are due.
    ticks: Interval,
    /// `None` after its end.
    items: Option<SyncSender<Item>>,
    thread: Option<JoinHandle<()>>,
    told: Arc<Mutex<Told>>,
    /// Names that the file has.
    known: Known,
    /// The last snapshot has come.
    is_ending: bool,
    /// Snapshots that came while others waited.
    skipped: u64,
}

impl Archive {
    /// Begins to write, snapshots to come so often.
    pub(super) fn begin(recording: Recording, every: Duration) -> Result<Self, DaemonError> {
        let Recording { path, file, wishes, limit, .. } = recording;
        let plan = Plan {
            every: Nanos::try_from(every.as_nanos()).unwrap_or(Nanos::MAX),
            limit: limit.unwrap_or(u64::MAX),
            wishes,
            ..Plan::default()
        };
        let (items, waiting) = sync_channel(WAITING);
        let told = Arc::new(Mutex::new(Told::default()));
        let writer = Writer { path: path.clone(), limit: plan.limit, told: Arc::clone(&told) };
        let file = SnapshotFile::new(path, file, now(), plan);
        let thread = thread::Builder::new()
            .name("memtrace-record".to_owned())
            .spawn(move || writer.write(file, &waiting))
            .map_err(DaemonError::cannot("start a thread for the recording"))?;
        let (items, thread, known) = (Some(items), Some(thread), Known::default());
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { ticks, items, thread, told, known, is_ending: false, skipped: 0 })
    }

    /// Has a snapshot written, unless others wait already; the last one in any case.
    pub(super) fn push(&mut self, shot: Shot) {
        let Some(items) = &self.items else { return };
        self.is_ending |= shot.is_final;
        match items.try_send(Item::Shot(Box::new(shot))) {
            Err(TrySendError::Full(item)) if self.is_ending => {
                // Nobody waits for the drain any more. Whoever is gone has said why.
                let _ = items.send(item);
            }
            Err(TrySendError::Full(_)) => self.skipped += 1,
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Has written what the report of a moment was told of generated code, as far as the file has it not; later, if
    /// others wait, and those of the last report in any case.
    pub(super) fn names(&mut self, time: Nanos, heard: &Heard) {
        if std::mem::take(&mut locked(&self.told).has_left_out_names) {
            // It is not known which: what is heard from now on is offered once more.
            self.known.clear();
        }
        let Some((items, learnt)) = self.items.as_ref().zip(self.known.new_of(time, heard)) else {
            return;
        };
        let Some(bytes) = learnt.bytes() else { return };
        match items.try_send(Item::Names(bytes)) {
            Ok(()) => self.known.add(learnt),
            Err(TrySendError::Full(item)) if self.is_ending => {
                // As with the last snapshot.
                let _ = items.send(item);
            }
            Err(_) => {}
        }
    }

    /// The last snapshot has come: waits until it is written.
    pub(super) fn end(&mut self) {
        self.items = None;
        if let Some(thread) = self.thread.take() {
            // Whatever went wrong there is in `told`.
            let _ = thread.join();
        }
    }

    /// It goes on.
    pub(super) fn is_written(&self) -> bool {
        let told = locked(&self.told);
        told.failure.is_none() && told.stop.is_none()
    }

    /// Why the recording is not whole, if so.
    pub(super) fn failure(&self) -> Option<String> {
        locked(&self.told).failure.clone()
    }

    /// What else is to be said of it.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> + use<> {
        let (stop, names) = {
            let told = locked(&self.told);
            (told.stop.clone(), told.names.clone())
        };
        let are = if self.skipped == 1 { "snapshot was" } else { "snapshots were" };
        let skipped = (self.skipped > 0).then(|| {
            format!("{} {are} not recorded, as others were still being written", self.skipped)
        });
        stop.into_iter().chain(names).chain(skipped)
    }
}

/// Waits until a snapshot is due; for ever where none are recorded.
pub(super) async fn due(archive: &mut Option<Archive>) {
    match archive {
        Some(archive) => drop(archive.ticks.tick().await),
        None => std::future::pending().await,
    }
}

/// The thread's side.
struct Writer {
    path: PathBuf,
    limit: u64,
    told: Arc<Mutex<Told>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if thread::panicking() {
            let path = &self.path;
            let failure = format!(
                "{path:?} is recorded no further, as recording failed in an unforeseen way; please report this"
            );
            tracing::warn!("{failure}");
            locked(&self.told).failure = Some(failure);
        }
    }
}

impl Writer {
    fn write(&self, file: Result<SnapshotFile, RecordingError>, items: &Receiver<Item>) {
        if let Err(error) = file.and_then(|file| self.take(file, items)) {
            self.fail(&error);
        }
    }

    fn take(&self, mut file: SnapshotFile, items: &Receiver<Item>) -> Result<(), RecordingError> {
        while let Ok(item) = items.recv() {
            match item {
                Item::Names(names) => match file.push_names(&names)? {
                    Some(Kept::Added) => {}
                    Some(Kept::Thinned) => self.tell_of_thinning(&file),
                    None => self.leave_out_names(),
                },
                Item::Shot(shot) => match file.push(&shot) {
                    Ok(Kept::Added) => {}
                    Ok(Kept::Thinned) => self.tell_of_thinning(&file),
                    Err(RecordingError::Full) => {
                        self.stop();
                        return file.finish();
                    }
                    Err(error) => return Err(error),
                },
            }
        }
        file.finish()
    }

    fn tell_of_thinning(&self, file: &SnapshotFile) {
        let (path, dropped) = (&self.path, file.thinned().dropped);
        tracing::debug!("{path:?} was full: {dropped} snapshots are left out of it now");
    }

    fn stop(&self) {
        let Self { path, limit, .. } = self;
        let why = format!(
            "a snapshot has no room beside others in the {limit} bytes of --record-limit: {path:?} is recorded no further, \
             and can be read up to here; give a larger limit"
        );
        tracing::warn!("{why}");
        locked(&self.told).stop = Some(why);
    }

    fn leave_out_names(&self) {
        let Self { path, limit, .. } = self;
        let why = format!(
            "names of generated code may take a quarter of the {limit} bytes of --record-limit, and {path:?} has no room \
             for more of them: reports of it lack some"
        );
        let mut told = locked(&self.told);
        told.has_left_out_names = true;
        if told.names.replace(why.clone()).is_none() {
            drop(told);
            tracing::warn!("{why}");
        }
    }

    fn fail(&self, error: &RecordingError) {
        let failure = told(&self.path, error);
        tracing::warn!("{failure}");
        locked(&self.told).failure = Some(failure);
    }
}

fn locked(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(path: &Path, error: &RecordingError) -> String {
    format!("{path:?} is recorded no further, and can be read up to its last snapshot: {error}")
}

#[cfg(test)]
mod tests;
