//! The high-water mark of a recording: the first moment at which the heaps of all processes together held most.
//!
//! A recording is read once to find it; [`Replay::play_to`] then goes there.

use super::read_ahead::each_entry;
use super::{Entry, Moment, Note, Place, Reader, RecordingError, Replay, Told, time_of};
use crate::engine::decode::decode;
use crate::model::event::What;
use crate::model::ids::{Nanos, Pid};
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Where a recording's high-water mark is.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// Its place; the last entry there is the allocation that made it, or where the period begins.
    pub place: Place,
    /// Bytes alive then, of all processes that ran; an estimate where allocations were sampled.
    pub bytes: u64,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PeakError {
    /// The recording cannot be read that far.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Nothing was alive at any moment.
    #[error("no block was alive at any moment there: there is no high-water mark")]
    Empty,
}

/// Finds the high-water mark after `after`, up to `until` or the end. What lives at `after` counts, too.
///
/// # Errors
/// When nothing ever lived, or the recording is damaged. (Where it is cut off, what is there counts.)
pub fn peak<R: Read + Send>(
    reader: &mut Reader<R>,
    mut replay: Replay,
    after: Nanos,
    until: Option<&Place>,
) -> Result<Peak, PeakError> {
    replay.leave_out_after(until.map_or(Nanos::MAX, |place| place.time));
    let mut search = Search {
        replay,
        after,
        until: until.map_or(Nanos::MAX, |place| place.time),
        total: 0,
        changed: 0,
        number: 0,
        began: None,
        best: None,
        moments: Moments::default(),
    };
    search.read(reader, until.map_or(u64::MAX, |place| place.entry))?;
    search.found()
}

/// What was recorded of the tracer, nearest to the best place so far.
#[derive(Debug, Default)]
struct Moments {
    newest: Option<Arc<Moment>>,
    /// Before the best place, or else the first one after it.
    nearest: Option<Arc<Moment>>,
}

#[derive(Clone, Copy, Debug)]
struct Best {
    bytes: u64,
    entry: u64,
    time: Nanos,
}

struct Search {
    replay: Replay,
    after: Nanos,
    until: Nanos,
    /// Bytes alive now.
    total: u64,
    /// When a record last told of heaps. (What is learnt elsewhere may come before what is earlier.)
    changed: Nanos,
    /// Of the entry that is read.
    number: u64,
    began: Option<Nanos>,
    best: Option<Best>,
    moments: Moments,
}

impl Search {
    fn read<R: Read + Send>(
        &mut self,
        reader: &mut Reader<R>,
        last: u64,
    ) -> Result<(), RecordingError> {
        each_entry(reader, &mut |entry| {
            self.take(entry)?;
            if self.number == last {
                return Ok(ControlFlow::Break(()));
            }
            self.number += 1;
            Ok(ControlFlow::Continue(()))
        })
        .map(|_| ())
    }

    fn take(&mut self, entry: Entry<'_>) -> Result<(), &'static str> {
        self.began = self.began.or_else(|| time_of(entry));
        let (time, touched) = touched(entry);
        if time <= self.until {
            self.changed = self.changed.max(time);
        }
        let before = match touched {
            Touched::Process(pid) => self.replay.tracker().live_bytes_of(pid),
            _ => 0,
        };
        let moment = self.replay.take_now(entry)?;
        match touched {
            Touched::Nothing => {}
            Touched::Process(pid) => {
                let now = self.replay.tracker().live_bytes_of(pid);
                self.total = self.total.saturating_sub(before).saturating_add(now);
            }
            Touched::Any => self.total = self.replay.tracker().live_bytes(),
            Touched::Begun => {
                // Nothing before is a moment of this recording.
                self.total = self.replay.tracker().live_bytes();
                self.best = None;
            }
        }
        self.weigh();
        if let Some(moment) = moment {
            let moment = Arc::new(moment);
            self.moments.nearest.get_or_insert_with(|| Arc::clone(&moment));
            self.moments.newest = Some(moment);
        }
        Ok(())
    }

    fn weigh(&mut self) {
        // Events after `until` are left out, and so they must be when it is played again up to here.
        let time = self.replay.time().min(self.until);
        // Until the period begins what lives is what it begins with.
        let is_before = self.changed <= self.after;
        let is_most = self.best.is_none_or(|best| self.total > best.bytes);
        if (is_before || is_most) && self.began.is_some() {
            self.best = Some(Best { bytes: self.total, entry: self.number, time });
            self.moments.nearest.clone_from(&self.moments.newest);
        }
    }

    fn found(self) -> Result<Peak, PeakError> {
        let Some(best) = self.best.filter(|best| best.bytes > 0) else {
            return Err(PeakError::Empty);
        };
        let since_start = best.time.saturating_sub(self.began.unwrap_or(best.time));
        let place = Place {
            entry: best.entry,
            time: best.time,
            since_start,
            nearest: self.moments.nearest.map(|moment| (*moment).clone()),
        };
        Ok(Peak { place, bytes: best.bytes })
    }
}

/// Whose heap an entry may change.
#[derive(Clone, Copy, Debug)]
enum Touched {
    Nothing,
    Process(Pid),
    Any,
    /// What lived when the recording began is told.
    Begun,
}

/// … and when; 0 where that does not matter.
fn touched(entry: Entry<'_>) -> (Nanos, Touched) {
    match entry {
        Entry::Record(record) => decode(record).map_or((0, Touched::Nothing), |event| {
            let touched = match event.what {
                What::Allocation(_) | What::Free(_) | What::Reallocation(_) => {
                    Touched::Process(event.process)
                }
                What::Fork(_) | What::Exec(_) | What::Exit { .. } => Touched::Any,
                _ => return (0, Touched::Nothing),
            };
            (event.time, touched)
        }),
        Entry::Note(note) => match Note::read(note) {
            Ok(Note::Moment(_) | Note::Marked(_) | Note::Wishes(_) | Note::Continues { .. }) => {
                (0, Touched::Nothing)
            }
            Ok(Note::Event { process: 0, what: Told::CarriedOver, .. }) => (0, Touched::Begun),
            _ => (0, Touched::Any),
        },
    }
}

#[cfg(test)]
mod tests;
