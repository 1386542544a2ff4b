//! Memory that names took comes back after a report. One test, as its figures are of the whole process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use memtrace::engine::ports::Symbolizer;
use memtrace::model::ids::ModuleId;
use memtrace::model::module::Module;
use memtrace::symbolize::{Options, SymbolizerThread};
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;

/// This program, which has debug information for hundreds of crates' functions.
fn own() -> Module {
    Module { id: ModuleId(0), path: PathBuf::from("/proc/self/exe"), build_id: None }
}

/// A line of `/proc/self/status`, KiB (`proc_pid_status(5)`).
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Names places all over this program, one report's work; gives how many have a name, and what is
/// resident when the thread has nothing more to do.
fn report(thread: &SymbolizerThread, first: u64) -> (usize, u64) {
    let (sender, receiver) = mpsc::channel();
    let job = Box::new(move |symbolizer: &mut dyn Symbolizer| {
        let length = fs::metadata("/proc/self/exe").unwrap().len();
        let places: Vec<u64> = (first..length.min(32 << 20)).step_by(4096).collect();
        let answers = symbolizer.resolve(&own(), &places);
        sender.send(answers.iter().filter(|answer| answer.is_ok()).count()).unwrap();
    });
    thread.run(job).unwrap();
    let named = receiver.recv().unwrap();
    let (sender, receiver) = mpsc::channel();
    // Jobs run one after the other, and what one took is given back before the next.
    thread.run(Box::new(move |_| sender.send(()).unwrap())).unwrap();
    receiver.recv().unwrap();
    (named, memory("VmRSS:"))
}

#[test]
fn what_a_report_took_is_given_back() {
    let thread = SymbolizerThread::spawn(Options::default()).unwrap();
    thread.register(ModuleId(0), PathBuf::from("/proc/self/exe"));
    let before = memory("VmRSS:");
    // "5" resets the peak (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (named, after) = report(&thread, 1);
    assert!(named > 100, "{named} places were named");
    let taken = memory("VmHWM:") - before;
    assert!(taken > 20 << 10, "{taken} KiB: too little to tell");
    // Final frames are kept, far fewer than there is room for.
    let kept = after.saturating_sub(before);
    assert!(kept < taken / 4, "{kept} of {taken} KiB were kept");
    // Other places of the same file, again and again: nothing piles up but these frames.
    let mut last = after;
    for first in 2..5 {
        (_, last) = report(&thread, first * 512);
    }
    assert!(last < after + taken / 4, "{after} KiB after one report, {last} after four");
}
