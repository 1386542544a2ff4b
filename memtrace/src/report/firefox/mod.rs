//! Reports as files of the Firefox Profiler: native allocations, a process for each process.
//!
//! A call stack's live blocks are one allocation. What it freed is one allocation and one deallocation, so that the
//! profiler tells what was allocated from what is retained. Where the report has a measure of its own each stack is one
//! allocation of what it comes to. The "addresses" that pair them are numbers. All happens at
//! the time of the report, which is a sum and no history.

mod changes;

use super::ReportWriter;
use super::flat::{Named, Shown, Weighed, figure_doubts, remarks};
use super::model::{ProcessReport, Report};
use super::place::workload_of;
use crate::model::ids::Nanos;
pub(super) use changes::write_changes;
use fxprof_processed_profile::{
    CategoryHandle, Frame, FrameFlags, FrameInfo, Profile, ReferenceTimestamp, SamplingInterval,
    StackHandle, ThreadHandle, Timestamp,
};
use std::io;

/// Who frees is not kept per allocating stack.
const FREED: &str = "(freed: by whom is not kept)";

/// Writes one JSON document in the processed profile format.
#[derive(Clone, Copy, Debug)]
pub struct FirefoxWriter {
    /// Frames of allocators and start code, too.
    pub internals: bool,
    /// Functions by their full names.
    pub full_names: bool,
}

impl ReportWriter for FirefoxWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let Self { internals, full_names } = *self;
        let shown = Shown { internals, full_names };
        let mut filled = Filled { profile: profile(report), time: report.watched, address: 0 };
        for process in &report.processes {
            filled.process(report, process, shown);
        }
        serde_json::to_writer(&mut *out, &filled.profile)?;
        writeln!(out)?;
        out.flush()
    }
}

/// An empty profile, with what is said of the whole: the format has no other place for it than the product's name.
fn profile(report: &Report) -> Profile {
    let began = report.tracer.began.as_millisecond() as f64;
    let began = ReferenceTimestamp::from_millis_since_unix_epoch(began);
    empty(&remarks(report), began)
}

fn empty(remarks: &str, began: ReferenceTimestamp) -> Profile {
    let mut profile = Profile::new(remarks, began, SamplingInterval::from_millis(1));
    profile.set_os_name("Linux");
    // Names are in it: the profiler need not ask a server of symbols for any.
    profile.set_symbolicated(true);
    profile
}

/// A profile that is being filled.
struct Filled {
    profile: Profile,
    /// Of the report, since tracing began, ns.
    time: Nanos,
    /// The last "address" that was given out.
    address: u64,
}

impl Filled {
    fn process(&mut self, report: &Report, process: &ProcessReport, shown: Shown) {
        let start = Timestamp::from_nanos_since_reference(0);
        let workload = workload_of(process).map_or_else(String::new, |it| format!(", {it}"));
        let measured = report.measure.map(|measure| format!(": {}", measure.words()));
        let measured = measured.unwrap_or_default();
        let doubts = figure_doubts(report, process, shown);
        let name = format!("{}{workload}{measured}{doubts}", process.comm);
        let handle = self.profile.add_process(&name, process.pid, start);
        let thread = self.profile.add_thread(handle, process.pid, start, true);
        if let Some(measure) = report.measure {
            for (path, bytes) in shown.measured(report, process, measure).weights {
                let stack = self.interned(thread, &path);
                self.address += 1;
                self.add(thread, stack, signed(bytes));
            }
            return;
        }
        for weighed in shown.weights(process) {
            self.stack(thread, &weighed);
        }
    }

    fn stack(&mut self, thread: ThreadHandle, weighed: &Weighed) {
        let stack = self.interned(thread, &weighed.path);
        if weighed.live > 0 {
            self.address += 1;
            self.add(thread, stack, signed(weighed.live));
        }
        if weighed.freed > 0 {
            self.address += 1;
            self.add(thread, stack, signed(weighed.freed));
            let freed = self.interned(thread, &[Named::nowhere(FREED)]);
            self.add(thread, freed, -signed(weighed.freed));
        }
    }

    fn add(&mut self, thread: ThreadHandle, stack: Option<StackHandle>, bytes: i64) {
        let time = Timestamp::from_nanos_since_reference(self.time);
        self.profile.add_allocation_sample(thread, time, stack, self.address, bytes);
    }

    fn interned(&mut self, thread: ThreadHandle, path: &[Named]) -> Option<StackHandle> {
        let frames: Vec<_> = path.iter().map(|named| self.frame(&named.name)).collect();
        self.profile.intern_stack_frames(thread, frames.into_iter())
    }

    fn frame(&mut self, name: &str) -> FrameInfo {
        FrameInfo {
            frame: Frame::Label(self.profile.intern_string(name)),
            category_pair: CategoryHandle::OTHER.into(),
            flags: FrameFlags::empty(),
        }
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
