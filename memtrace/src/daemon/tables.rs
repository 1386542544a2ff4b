//! The engine's tables, and the recording of all that goes into them, where one is wished.

use super::heard::Heard;
use super::recorder::{Recorded, Recorder};
use crate::engine::alerts::Alert;
use crate::engine::detail::Detail;
use crate::engine::limits::Limits;
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::engine::zoom::Wish;
use crate::model::event::Event;
use crate::model::ids::{Nanos, Pid};
use crate::recording::{Moment, Note};
use std::ops::Deref;

/// Less than a millisecond of work: whoever looks sees whether it is time.
const BETWEEN_LOOKS: u32 = 512;

/// A [`Tracker`] of which every change is recorded, in order. What does not change it is asked of it directly.
pub(super) struct Tables {
    tracker: Tracker,
    recorder: Option<Recorder>,
    limits: Limits,
    /// Of the latest event, where events are recorded.
    latest: Nanos,
}

impl Deref for Tables {
    type Target = Tracker;

    fn deref(&self) -> &Tracker {
        &self.tracker
    }
}

impl Tables {
    /// `detail`: no figure depends on it, so it is not recorded.
    pub(super) fn new(limits: Limits, detail: Detail, mut recorder: Option<Recorder>) -> Self {
        if let Some(recorder) = &mut recorder {
            // Every file has room for that.
            let _ = recorder.note(&Note::Limits(Box::new(limits)));
        }
        let tracker = Tracker::new(limits).with_detail(detail);
        Self { tracker, recorder, limits, latest: 0 }
    }

    /// Takes in an event that came as this record.
    #[inline]
    pub(super) fn apply_record(&mut self, record: &[u8], event: &Event<'_>) {
        // Most go into the file at hand, and need no more than this.
        if let Some(recorder) = &mut self.recorder
            && recorder.record(record) == Recorded::Full
        {
            self.add(&|recorder| recorder.record(record));
        }
        self.latest = self.latest.max(event.time);
        self.tracker.apply(event);
    }

    /// Takes in an event of our own making.
    pub(super) fn apply(&mut self, event: &Event<'_>) {
        self.add(&|recorder| recorder.event(event));
        self.latest = self.latest.max(event.time);
        self.tracker.apply(event);
    }

    /// See [`Tracker::count_undecodable`].
    pub(super) fn count_undecodable(&mut self) {
        self.note(&Note::Undecodable);
        self.tracker.count_undecodable();
    }

    /// See [`Tracker::forget`].
    pub(super) fn forget(&mut self, pid: Pid) {
        self.note(&Note::Forgotten(pid));
        self.tracker.forget(pid);
    }

    /// See [`Tracker::retire`].
    pub(super) fn retire(&mut self, pid: Pid) {
        self.note(&Note::Retired(pid));
        self.tracker.retire(pid);
    }

    /// See [`Tracker::take_forgotten`]. Nothing that a report shows depends on it.
    pub(super) fn take_forgotten(&mut self) -> Vec<(Pid, u64)> {
        self.tracker.take_forgotten()
    }

    /// See [`Tracker::take_alerts`]. Nothing that a report shows depends on it.
    pub(super) fn take_alerts(&mut self) -> Vec<Alert> {
        self.tracker.take_alerts()
    }

    /// See [`Tracker::take_wishes`]. Nothing that a report shows depends on it.
    pub(super) fn take_wishes(&mut self) -> Vec<Wish> {
        self.tracker.take_wishes()
    }

    /// See [`Tracker::begin_snapshot`].
    pub(super) fn begin_snapshot(&mut self, time: Nanos, options: &SnapshotOptions) {
        self.tracker.begin_snapshot(time, options);
    }

    /// See [`Tracker::advance`].
    pub(super) fn advance(&mut self, blocks: usize) -> bool {
        self.tracker.advance(blocks)
    }

    /// See [`Tracker::walks_are_over`].
    pub(super) fn walks_are_over(&self) -> bool {
        self.tracker.walks_are_over()
    }

    /// See [`Tracker::finish_snapshot`].
    pub(super) fn finish_snapshot(&mut self) -> Option<Snapshot> {
        self.tracker.finish_snapshot()
    }

    /// Records that a report of this moment is made: when the snapshot begins, not when it is done.
    pub(super) fn record_moment(&mut self, moment: impl FnOnce() -> Moment) {
        if self.recorder.is_some() {
            self.note(&Note::Moment(Box::new(moment())));
        }
        self.checkpoint();
    }

    /// Records what a report of the moment that was named just now would need.
    pub(super) fn record_marked(&mut self, moment: impl FnOnce() -> Moment) {
        if self.recorder.is_some() {
            self.note(&Note::Marked(Box::new(moment())));
        }
    }

    /// Records what the report of a moment was told of generated code.
    pub(super) fn record_names(&mut self, time: Nanos, heard: &Heard) {
        if !heard.is_empty() {
            self.add(&|recorder| recorder.names(time, heard));
        }
    }

    /// Makes sure that what was recorded is not lost when we are.
    pub(super) fn checkpoint(&mut self) {
        self.recorder.iter_mut().for_each(Recorder::checkpoint);
    }

    /// The last thing was recorded.
    pub(super) fn end_recording(&mut self) {
        self.recorder.iter_mut().for_each(Recorder::end);
    }

    /// Whether everything is being recorded.
    pub(super) fn is_recorded(&self) -> bool {
        let goes_on = |it: &Recorder| it.failure().is_none() && it.stop().is_none();
        self.recorder.as_ref().is_some_and(goes_on)
    }

    /// Whether [`Self::begin_next_file`] should be called.
    pub(super) fn wants_next_file(&mut self) -> bool {
        self.recorder.as_mut().is_some_and(Recorder::wants_next)
    }

    /// Goes on recording in the next file, which begins with what lives. With many blocks that takes seconds: `look` is
    /// called again and again meanwhile.
    pub(super) fn begin_next_file(&mut self, look: &mut dyn FnMut()) {
        if let Some(recorder) = &mut self.recorder
            && recorder.begin_next()
        {
            carry_over(&self.tracker, self.limits, self.latest, recorder, look);
        }
    }

    /// Why nothing more is recorded, where that is as was wished.
    pub(super) fn recording_stop(&self) -> Option<&str> {
        self.recorder.as_ref()?.stop()
    }

    /// Why the recording is not whole, if so.
    pub(super) fn recording_failure(&self) -> Option<&str> {
        self.recorder.as_ref()?.failure()
    }

    fn note(&mut self, note: &Note) {
        self.add(&|recorder| recorder.note(note));
    }

    /// Has something recorded, in the next file if this one has no room.
    #[inline]
    fn add(&mut self, add: &dyn Fn(&mut Recorder) -> Recorded) {
        if let Some(recorder) = &mut self.recorder
            && add(recorder) == Recorded::Full
            && recorder.begin_next()
            && carry_over(&self.tracker, self.limits, self.latest, recorder, &mut || ())
            && add(recorder) == Recorded::Full
        {
            // Half of a file was free.
            recorder.has_begun(false);
        }
    }
}

/// Has the next file begin with what lives, and calls `look` after each [`BETWEEN_LOOKS`] events of it. Gives whether
/// the recording goes on.
fn carry_over(
    tracker: &Tracker,
    limits: Limits,
    time: Nanos,
    recorder: &mut Recorder,
    look: &mut dyn FnMut(),
) -> bool {
    let mut is_whole = recorder.note(&Note::Limits(Box::new(limits))) == Recorded::Done;
    let mut told = 0_u32;
    tracker.carry_over(time, &mut |event| {
        is_whole = is_whole && recorder.event(event) == Recorded::Done;
        told = told.wrapping_add(1);
        if told.is_multiple_of(BETWEEN_LOOKS) {
            look();
        }
    });
    recorder.has_begun(is_whole)
}
