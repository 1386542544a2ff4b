//! Differences as a file of the Firefox Profiler: what grew and what shrank are a process each, as allocations of the
//! second moment. A negative weight would mean to the profiler that something allocated before was freed.

use super::{Filled, empty, signed};
use crate::report::differences::{Differences, WAYS, Way};
use fxprof_processed_profile::{ReferenceTimestamp, Timestamp};
use jiff::SignedDuration;
use std::io;

/// Writes one JSON document in the processed profile format.
///
/// # Errors
/// What `out` says.
pub(in crate::report) fn write_changes(
    changes: &Differences,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let began = changes.before.or(changes.after).map_or(0, jiff::Timestamp::as_millisecond);
    let began = ReferenceTimestamp::from_millis_since_unix_epoch(began as f64);
    let span = match (changes.before, changes.after) {
        (Some(before), Some(after)) => after.duration_since(before).max(SignedDuration::ZERO),
        _ => SignedDuration::ZERO,
    };
    let time = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let mut filled = Filled { profile: empty(&changes.remarks(), began), time, address: 0 };
    for (number, way) in (1..).zip(WAYS) {
        filled.changes(changes, way, number);
    }
    serde_json::to_writer(&mut *out, &filled.profile)?;
    writeln!(out)?;
    out.flush()
}

impl Filled {
    /// Processes are told apart by their numbers here; whose the stacks are is their outermost function.
    fn changes(&mut self, changes: &Differences, way: Way, number: u32) {
        let start = Timestamp::from_nanos_since_reference(0);
        let name = changes.name_of(way);
        let handle = self.profile.add_process(&name, number, start);
        let thread = self.profile.add_thread(handle, number, start, true);
        for (stack, bytes) in changes.that(way) {
            let path = self.interned(thread, &stack.whole_path());
            self.address += 1;
            self.add(thread, path, signed(bytes));
        }
    }
}
