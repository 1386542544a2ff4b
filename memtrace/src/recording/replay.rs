//! A recording → the engine's tables at the moments of its reports.

use super::read_ahead::each_entry;
use super::{Ending, Entry, Moment, Note, Place, Reader, RecordingError};
use crate::engine::decode::decode;
use crate::engine::detail::Detail;
use crate::engine::limits::Limits;
use crate::engine::lookahead::{Lookahead, Turn};
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::model::event::{Event, What};
use crate::model::ids::Nanos;
use crate::model::module::Module;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Records after each of which what the daemon does beside is done, where they do not wait for each other.
const ONCE_IN: u64 = 16;
/// Blocks that are looked at or given back between two groups of records, where programs with many have ended.
const SLICE: usize = 8192;
/// Where parts of stacks are told apart there may be so many times as many stacks. Others are counted as those are for
/// which a run had no room.
const MOST_PARTS: usize = 16;

/// Feeds an engine with what was recorded, in the same order: it comes to the same tables.
#[derive(Debug)]
pub struct Replay {
    tracker: Tracker,
    /// Records that are not in the tables yet.
    ahead: Lookahead,
    /// What the tables may take at most, whatever the recording says.
    most: Limits,
    time: Nanos,
    records: u64,
    wishes: Option<serde_json::Value>,
    modules: Vec<Arc<Module>>,
    /// It goes on where another one ended: its number, and when it began, ns since 1970.
    continues: Option<(u64, u64)>,
    /// Events after it are left out, but for what earlier ones may need to be understood.
    until: Nanos,
    /// What the tables keep beyond what the run's own kept.
    detail: Detail,
}

impl Replay {
    /// Tables that know nothing yet.
    #[must_use]
    pub fn new(most: Limits) -> Self {
        let tracker = Tracker::new(most);
        let (wishes, modules) = (None, Vec::new());
        let (until, detail) = (Nanos::MAX, Detail::default());
        let ahead = Lookahead::default();
        let (continues, time, records) = (None, 0, 0);
        Self { tracker, ahead, most, time, records, wishes, modules, continues, until, detail }
    }

    /// … that keep more detail than those of the run.
    #[must_use]
    pub fn with_detail(most: Limits, detail: Detail) -> Self {
        Self { tracker: Tracker::new(most).with_detail(detail), detail, ..Self::new(most) }
    }

    /// When the last event was that counts.
    #[must_use]
    pub const fn time(&self) -> Nanos {
        self.time
    }

    /// Leaves out what comes after that.
    pub(super) const fn leave_out_after(&mut self, until: Nanos) {
        self.until = until;
    }

    /// The tables.
    pub(super) const fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Plays a recording to its end, or as far as `at` wants, which is called at each moment at which a report
    /// was made.
    ///
    /// # Errors
    /// When the recording is damaged: all is as it was up to there.
    pub fn play<R: Read + Send>(
        &mut self,
        reader: &mut Reader<R>,
        at: &mut dyn FnMut(&mut Self, Moment) -> ControlFlow<()>,
    ) -> Result<Option<Ending>, RecordingError> {
        let step = each_entry(reader, &mut |entry| {
            let moment = self.take(entry)?;
            Ok(moment.map_or(ControlFlow::Continue(()), |moment| at(self, moment)))
        })?;
        if step.is_break() {
            return Ok(None);
        }
        self.take_waiting();
        Ok(reader.ending())
    }

    /// Plays a recording up to a place in it.
    ///
    /// # Errors
    /// When it is damaged before.
    pub fn play_to<R: Read + Send>(
        &mut self,
        reader: &mut Reader<R>,
        place: &Place,
    ) -> Result<(), RecordingError> {
        self.until = place.time;
        let mut number = 0;
        let _ = each_entry(reader, &mut |entry| {
            self.take(entry)?;
            let is_there = number == place.entry;
            number += 1;
            Ok(if is_there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        self.take_waiting();
        Ok(())
    }

    /// Everything at `time`, or, if that is not the question, at the last event.
    pub fn snapshot(&mut self, time: Option<Nanos>, options: &SnapshotOptions) -> Snapshot {
        self.take_waiting();
        self.tracker.snapshot(time.unwrap_or(self.time), options)
    }

    /// What the user of the recorded run wanted to see.
    #[must_use]
    pub const fn wishes(&self) -> Option<&serde_json::Value> {
        self.wishes.as_ref()
    }

    /// Of a file that goes on where another one of its run ended: its number, from 0 with the first one, and when it
    /// began, ns since 1970.
    #[must_use]
    pub const fn continues(&self) -> Option<(u64, u64)> {
        self.continues
    }

    /// The files that came since the last call.
    pub fn take_modules(&mut self) -> Vec<Arc<Module>> {
        std::mem::take(&mut self.modules)
    }

    /// Records of the ring so far.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Takes an entry in at once, for those who look at the tables after each.
    pub(super) fn take_now(&mut self, entry: Entry<'_>) -> Result<Option<Moment>, &'static str> {
        let moment = self.take(entry);
        self.take_waiting();
        moment
    }

    /// Takes an entry in, a record perhaps with later ones.
    pub(super) fn take(&mut self, entry: Entry<'_>) -> Result<Option<Moment>, &'static str> {
        match entry {
            Entry::Record(record) => {
                self.records += 1;
                match self.ahead.push(record, &self.tracker) {
                    Turn::Now => {
                        self.fold(record);
                        if self.records.is_multiple_of(ONCE_IN) {
                            self.keep_up();
                        }
                    }
                    Turn::Later => {}
                    Turn::Together => self.take_waiting(),
                }
            }
            Entry::Note(note) => {
                self.take_waiting();
                return self.heed(Note::read(note)?);
            }
        }
        Ok(None)
    }

    /// Takes in the records that wait.
    fn take_waiting(&mut self) {
        let mut group = std::mem::take(&mut self.ahead);
        group.expect_sums(&self.tracker);
        group.iter().for_each(|record| self.fold(record));
        group.clear();
        self.ahead = group;
        self.keep_up();
    }

    fn fold(&mut self, record: &[u8]) {
        match decode(record) {
            Ok(event) if event.time > self.until => {}
            Ok(event) => self.apply(&event),
            Err(_) => self.tracker.count_undecodable(),
        }
    }

    /// What the daemon does beside.
    fn keep_up(&mut self) {
        // Nobody is here to send stacks again, or to look closer.
        self.tracker.take_forgotten();
        self.tracker.take_wishes();
        self.tracker.advance(SLICE);
    }

    fn apply(&mut self, event: &Event<'_>) {
        self.time = self.time.max(event.time);
        self.tracker.apply(event);
    }

    fn heed(&mut self, note: Note) -> Result<Option<Moment>, &'static str> {
        match note {
            Note::Limits(limits) => self.begin(&limits)?,
            Note::Wishes(wishes) => self.wishes = Some(wishes),
            Note::Continues { number, began } => self.continues = Some((number, began)),
            Note::Event { time, what, .. } if time > self.until && !what.introduces() => {}
            Note::Event { time, process, thread, what } => {
                let what = what.what();
                if let What::ModuleSeen(module) = &what {
                    self.modules.push(Arc::clone(module));
                }
                self.apply(&Event { time, process, thread, what });
            }
            Note::Undecodable => self.tracker.count_undecodable(),
            Note::Forgotten(pid) => self.tracker.forget(pid),
            Note::Retired(pid) => self.tracker.retire(pid),
            Note::Moment(moment) => return Ok(Some(*moment)),
            Note::Marked(_) => {}
        }
        Ok(None)
    }

    /// Tables as large as they were, as what had no room in them is part of the report.
    fn begin(&mut self, limits: &Limits) -> Result<(), &'static str> {
        if self.records > 0 || self.time > 0 {
            return Err("the size of its tables is told in its middle");
        }
        let most = &self.most;
        // Parts of a stack's blocks are stacks of their own.
        let is_split = self.detail.by_thread || self.detail.by_size;
        let parts = if is_split { MOST_PARTS } else { 1 };
        let max_stacks = limits.max_stacks.saturating_mul(parts);
        self.tracker = Tracker::new(Limits {
            max_blocks: limits.max_blocks.min(most.max_blocks),
            max_told_blocks: limits.max_told_blocks.min(most.max_told_blocks),
            max_told_stacks: limits.max_told_stacks.min(most.max_told_stacks),
            max_stacks: max_stacks.min(most.max_stacks),
            max_stack_ids: limits.max_stack_ids.min(most.max_stack_ids),
            max_processes: limits.max_processes.min(most.max_processes),
            max_closed: limits.max_closed.min(most.max_closed),
            max_ranges: limits.max_ranges.min(most.max_ranges),
            max_modules: limits.max_modules.min(most.max_modules),
            ..*limits
        })
        .with_detail(self.detail);
        Ok(())
    }
}
