//! How many allocations are looked at: changed under way, and what must be done beside.
//!
//! When every allocation was looked at until now, and no longer is, the kernel side does not know which blocks
//! were counted: it goes on to tell all frees until it has been told of these. A thread does that, as it does
//! what is left of processes that have gone: each block takes a system call.

use super::settings::Settings;
use crate::engine::tracker::Tracker;
use crate::probe::live::LiveError;
use crate::probe::live::kernel_side::KernelSide;
use crate::probe::live::sampling::{Adopted, TakenBlocks};
use crate::report::SamplingChange;
use jiff::Timestamp;
use memtrace_common::sampling::{Control, NONE};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Changes that are remembered for reports: the first ones and the latest.
const MOST_CHANGES: usize = 64;
/// Looks (once a second) between two sweeps.
const SWEEP_AFTER: u32 = 10;

/// What the thread has done.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    Swept,
    /// Told of all that was counted.
    Adopted {
        all: bool,
    },
}

/// How far the change from every allocation to samples is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handover {
    /// There is none.
    None,
    /// The interval has changed; what was under way then must be taken in first.
    Settling,
    /// It is time to tell the kernel side.
    Due,
    /// The thread tells the kernel side.
    Telling,
}

/// See the file's head.
pub(super) struct Sampling {
    control: Control,
    /// Blocks of which the kernel side can be told.
    room: usize,
    thread: Option<JoinHandle<Done>>,
    handover: Handover,
    /// For how long calls were only counted, at first.
    counted: Option<Duration>,
    looks: u32,
    changes: Vec<SamplingChange>,
    left_out: u64,
}

impl Sampling {
    /// As the kernel side was loaded; `None` if every allocation is looked at, whatever happens.
    pub(super) fn new(settings: &Settings) -> Option<Self> {
        let sampling = settings.load_options().sampling?;
        Some(Self {
            control: Control::new(sampling.interval),
            room: sampling.room as usize / 2,
            thread: None,
            handover: Handover::None,
            counted: None,
            looks: 0,
            changes: Vec::new(),
            left_out: 0,
        })
    }

    /// The mean interval in force, bytes; 0: every allocation, or none yet.
    pub(super) const fn interval(&self) -> u64 {
        if self.is_counting() { 0 } else { self.control.interval() }
    }

    /// No allocation is looked at yet: calls are only counted.
    pub(super) const fn is_counting(&self) -> bool {
        self.control.interval() == NONE
    }

    /// For how long that was so.
    pub(super) const fn counted(&self) -> Option<Duration> {
        self.counted
    }

    /// Looks at allocations from now on, with this interval, as if nothing had been before; calls were only counted for
    /// so long.
    ///
    /// # Errors
    /// When the kernel side cannot be told: calls go on to be counted.
    pub(super) fn begin(
        &mut self,
        kernel: &mut KernelSide,
        interval: u64,
        reason: String,
        counted: Duration,
    ) -> Result<(), LiveError> {
        let control = Control::new(interval);
        kernel.set_sampling(control)?;
        (self.control, self.counted) = (control, Some(counted));
        if interval > 0 {
            self.changes.push(SamplingChange { time: Timestamp::now(), interval, reason });
        }
        Ok(())
    }

    /// Whether there may be sampled blocks.
    const fn has_sampled(&self) -> bool {
        self.control.changes > 0 || self.interval() != 0
    }

    /// What was changed under way, and how many changes are left out of that.
    pub(super) fn changes(&self) -> (&[SamplingChange], u64) {
        (&self.changes, self.left_out)
    }

    /// Takes allocations with another interval from now on, for this reason.
    ///
    /// # Errors
    /// When the kernel side cannot be told.
    pub(super) fn change(
        &mut self,
        kernel: &mut KernelSide,
        interval: u64,
        reason: String,
    ) -> Result<(), LiveError> {
        if interval == self.interval() {
            return Ok(());
        }
        if self.interval() == 0 {
            self.handover = Handover::Settling;
        }
        self.control = self.control.changed(interval);
        if interval == 0 {
            self.control.all_frees = 1;
            self.handover = Handover::None;
        }
        kernel.set_sampling(self.control)?;
        if self.changes.len() == MOST_CHANGES {
            self.changes.remove(MOST_CHANGES / 2);
            self.left_out += 1;
        }
        self.changes.push(SamplingChange { time: Timestamp::now(), interval, reason });
        Ok(())
    }

    /// Once a second.
    ///
    /// # Errors
    /// When the kernel side cannot be told.
    pub(super) fn tend(
        &mut self,
        kernel: &mut KernelSide,
        tracker: &Tracker,
    ) -> Result<(), LiveError> {
        if let Some(thread) = self.thread.take_if(|thread| thread.is_finished())
            && let Ok(Done::Adopted { all }) = thread.join()
        {
            self.handover = Handover::None;
            // Without room for all their frees go on to be told with those of the others.
            if all && self.interval() != 0 {
                self.control.all_frees = 0;
                kernel.set_sampling(self.control)?;
            }
        }
        self.looks += 1;
        if self.thread.is_some() {
            return Ok(());
        }
        match self.handover {
            Handover::Settling => self.handover = Handover::Due,
            Handover::Due => self.tell(kernel.taken_blocks()?, tracker),
            Handover::None if self.looks >= SWEEP_AFTER && self.has_sampled() => {
                self.looks = 0;
                let mut taken = kernel.taken_blocks()?;
                self.work(move || {
                    taken.sweep();
                    Done::Swept
                });
            }
            Handover::None | Handover::Telling => {}
        }
        Ok(())
    }

    fn tell(&mut self, mut taken: TakenBlocks, tracker: &Tracker) {
        let Some(blocks) = tracker.exact_blocks(self.room) else {
            self.handover = Handover::None;
            return;
        };
        self.handover = Handover::Telling;
        self.work(move || {
            let adopted = |(process, kind, address)| Adopted { process, kind, address };
            let blocks: Vec<Adopted> = blocks.into_iter().map(adopted).collect();
            Done::Adopted { all: taken.adopt(&blocks) }
        });
        if self.thread.is_none() {
            // Without a thread all frees go on to be told.
            self.handover = Handover::None;
        }
    }

    fn work(&mut self, work: impl FnOnce() -> Done + Send + 'static) {
        self.thread = Builder::new().name("sampled blocks".into()).spawn(work).ok();
    }
}
