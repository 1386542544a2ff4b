//! What stays the same from one report to the next, so that a selection stays where it is.

use crate::report::{End, ProcessReport, Report, StackDigest};

/// One process, or one program in it where it called exec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ProcessIdentity {
    pid: u32,
    start_time: u64,
    /// Its executable, or else its name.
    program: String,
    /// It has been replaced by another program.
    replaced: bool,
}

impl ProcessIdentity {
    pub(super) fn of(process: &ProcessReport) -> Self {
        Self {
            pid: process.pid,
            start_time: process.start_time,
            program: process.exe.as_ref().unwrap_or(&process.comm).clone(),
            replaced: process.end == End::Execed,
        }
    }

    /// The process in a report; it may be there no more.
    pub(super) fn find<'a>(&self, report: &'a Report) -> Option<&'a ProcessReport> {
        // A comparison of names for each process would be made for nothing.
        let same = |it: &&ProcessReport| {
            it.pid == self.pid && it.start_time == self.start_time && Self::of(it) == *self
        };
        report.processes.iter().find(same)
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RowIdentity {
    Process(ProcessIdentity),
    Stack(ProcessIdentity, StackDigest),
    /// Its place in the stack.
    Frame(usize),
    /// What is not listed of a process; nothing can be said of it alone.
    Rest(ProcessIdentity, &'static str),
}
