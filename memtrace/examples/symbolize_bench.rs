//! What names cost: the time from nothing to the names of 10,000 places in a file, by the thread that
//! the tracer uses, and the memory that stays afterwards. Prints Markdown.
//!
//! `cargo run --release -p memtrace --example symbolize_bench [--rounds N] [FILE]...`

#![expect(clippy::unwrap_used, reason = "a benchmark stops where anything is wrong")]

use memtrace::engine::ports::{Resolved, Symbolizer};
use memtrace::model::ids::ModuleId;
use memtrace::model::module::Module;
use memtrace::symbolize::{Options, SymbolizerThread};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, elf};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Places that are named.
const PLACES: usize = 10_000;
/// Rounds unless somebody says otherwise; the median counts.
const ROUNDS: usize = 5;
/// What is measured besides this program itself, unless files are named; what is not there is left out.
const FILES: [&str; 3] =
    ["/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/python3", "/usr/bin/node"];

fn main() {
    let mut words: Vec<_> = std::env::args_os().skip(1).collect();
    let mut rounds = ROUNDS;
    if words.first().is_some_and(|word| word == "--rounds") {
        rounds = words[1].to_str().unwrap().parse().unwrap();
        words.drain(..2);
    }
    let folder = tempfile::tempdir().unwrap();
    let named = words.into_iter().map(PathBuf::from).collect::<Vec<_>>();
    let files = if named.is_empty() { own_files(folder.path()) } else { named };
    println!(
        "| file | places | time, ms | named | with line | inlined | resident before, MiB | peak | after |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for file in files.iter().filter(|file| file.exists()) {
        row(file, rounds.max(1));
    }
}

/// This program with all it has, and without its debug information; then the usual ones.
fn own_files(folder: &Path) -> Vec<PathBuf> {
    let (whole, symbols) = (folder.join("own"), folder.join("own without debug information"));
    fs::copy("/proc/self/exe", &whole).unwrap();
    let strip =
        Command::new("strip").arg("--strip-debug").arg("-o").arg(&symbols).arg(&whole).status();
    assert!(strip.unwrap().success());
    [symbols, whole].into_iter().chain(FILES.map(PathBuf::from)).collect()
}

fn row(file: &Path, rounds: usize) {
    let offsets = places(file);
    let before = memory("VmRSS:");
    // "5" resets the peak (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let mut rounds: Vec<Round> = (0..rounds).map(|_| cold(file, &offsets)).collect();
    let (peak, after) = (memory("VmHWM:"), rounds[0].after);
    rounds.sort_by_key(|round| round.time);
    let Round { time, counts, .. } = &rounds[rounds.len() / 2];
    println!(
        "| {} | {} | {:.0} ({:.0}–{:.0}) | {} | {} | {} | {before} | {peak} | {after} |",
        file.file_name().unwrap().display(),
        offsets.len(),
        milliseconds(*time),
        milliseconds(rounds[0].time),
        milliseconds(rounds[rounds.len() - 1].time),
        counts.named,
        counts.lines,
        counts.inlined,
    );
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One time from nothing to all names.
struct Round {
    time: Duration,
    counts: Counts,
    /// Resident memory when the job was done and its answers gone, with what is kept for the next
    /// report, MiB.
    after: u64,
}

/// What the names have.
#[derive(Default)]
struct Counts {
    named: usize,
    lines: usize,
    inlined: usize,
}

/// A thread of its own for each round: nothing is known beforehand, but the system has the file in
/// memory.
fn cold(file: &Path, offsets: &[u64]) -> Round {
    let module = Module { id: ModuleId(0), path: file.to_owned(), build_id: None };
    let offsets = offsets.to_vec();
    let (sender, receiver) = mpsc::channel();
    let begin = Instant::now();
    let thread = SymbolizerThread::spawn(Options::default()).unwrap();
    thread.register(module.id, file.to_owned());
    let job = Box::new(move |symbolizer: &mut dyn Symbolizer| {
        sender.send(symbolizer.resolve(&module, &offsets)).unwrap();
    });
    thread.run(job).unwrap();
    let answers = receiver.recv().unwrap();
    let time = begin.elapsed();
    let counts = count(&answers);
    drop(answers);
    settle(&thread);
    Round { time, counts, after: memory("VmRSS:") }
}

/// Waits until the thread has given back what the job took.
fn settle(thread: &SymbolizerThread) {
    let (sender, receiver) = mpsc::channel();
    thread.run(Box::new(move |_| sender.send(()).unwrap())).unwrap();
    receiver.recv().unwrap();
}

fn count(answers: &[Resolved]) -> Counts {
    let mut counts = Counts::default();
    for frames in answers.iter().flatten() {
        counts.named += 1;
        counts.lines += usize::from(frames.last().is_some_and(|frame| frame.line.is_some()));
        counts.inlined += frames.iter().filter(|frame| frame.inlined).count();
    }
    counts
}

/// Distinct offsets all over the file's code.
fn places(file: &Path) -> Vec<u64> {
    let bytes = fs::read(file).unwrap();
    let header = elf::FileHeader64::<LittleEndian>::parse(&*bytes).unwrap();
    let programs = header.program_headers(LittleEndian, &*bytes).unwrap();
    let code = programs.iter().filter(|program| {
        program.p_type(LittleEndian) == elf::PT_LOAD
            && program.p_flags(LittleEndian) & elf::PF_X != 0
    });
    let code = code.max_by_key(|program| program.p_filesz(LittleEndian));
    let (start, size) =
        code.map(|it| (it.p_offset(LittleEndian), it.p_filesz(LittleEndian))).unwrap();
    let step = (size / PLACES as u64).max(1);
    let places: BTreeSet<u64> = (0..PLACES as u64).map(|index| start + 1 + index * step).collect();
    places.into_iter().filter(|place| *place < start + size).collect()
}

/// A line of `/proc/self/status`, MiB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10
}
