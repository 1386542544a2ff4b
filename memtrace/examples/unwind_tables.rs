//! What unwinding tables cost: time and memory to build them, for some large files and for all
//! programs and libraries below a folder.
//!
//! `cargo run --release -p memtrace --no-default-features --example unwind_tables [FILE|FOLDER]...`

#![expect(clippy::unwrap_used, reason = "a benchmark stops where anything is wrong")]

use memtrace::unwind::{Reason, Rules, Stats, Table, UnwindError};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is measured unless files are named; what is not there is left out.
const FILES: [&str; 7] = [
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
    "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0",
    "/usr/bin/python3",
    "/usr/bin/node",
    "/usr/lib/x86_64-linux-gnu/libLLVM.so.22.1",
    "/usr/lib",
];

/// Sums over files.
#[derive(Default)]
struct Total {
    files: u32,
    failed: u32,
    text: u64,
    rows: u64,
    pages: u64,
    bytes: usize,
    functions: u64,
    raw_rows: u64,
    skipped: u64,
    unsupported: [u64; Reason::ALL.len()],
    frame_lost: u64,
    without: u32,
    time: Duration,
    slowest: Option<(Duration, PathBuf)>,
    rules: Rules,
}

impl Total {
    fn add(&mut self, path: &Path) {
        let Ok(file) = File::open(path) else { return };
        let begun = Instant::now();
        let table = match Table::build(&file) {
            Ok(table) => table,
            // Nothing to execute: data for other processors, separate debug files.
            Err(UnwindError::Foreign | UnwindError::NoText) => return,
            Err(error) => {
                println!("  {}: {error}", path.display());
                self.failed += 1;
                return;
            }
        };
        let time = begun.elapsed();
        self.count(&table);
        self.time += time;
        if self.slowest.as_ref().is_none_or(|(most, _)| time > *most) {
            self.slowest = Some((time, path.to_owned()));
        }
    }

    fn count(&mut self, table: &Table) {
        let Stats { functions, skipped, rows, unsupported, frame_lost, .. } = table.stats;
        self.files += 1;
        self.text += table.text.end - table.text.start;
        self.rows += table.rows.len() as u64;
        self.pages += table.pages.len() as u64;
        self.bytes += table.bytes();
        self.functions += u64::from(functions);
        self.raw_rows += u64::from(rows);
        self.skipped += u64::from(skipped);
        self.frame_lost += u64::from(frame_lost);
        self.without += u32::from(functions == 0);
        for (sum, count) in self.unsupported.iter_mut().zip(unsupported) {
            *sum += u64::from(count);
        }
        self.rules.adopt(&table.rules);
    }

    fn print(&self, name: &Path) {
        let megabytes = self.text as f64 / 1e6;
        println!(
            "{}: {} files ({} without unwind information, {} failed), text {megabytes:.1} MB",
            name.display(),
            self.files,
            self.without,
            self.failed
        );
        println!(
            "  {} functions, {} rows of {} read, {} pages, {} rules, {} entries skipped",
            self.functions,
            self.rows,
            self.raw_rows,
            self.pages,
            self.rules.list().len(),
            self.skipped
        );
        println!(
            "  built in {:?} ({:.2} ms per MB of text), {:.2} MB ({:.1} KB per MB of text)",
            self.time,
            self.time.as_secs_f64() * 1e3 / megabytes,
            self.bytes as f64 / 1e6,
            self.bytes as f64 / 1e3 / megabytes
        );
        let reasons = Reason::ALL.iter().zip(self.unsupported);
        let reasons: Vec<String> = reasons
            .filter(|(_, count)| *count != 0)
            .map(|(reason, count)| format!("{} {count}", reason.name()))
            .collect();
        println!("  unsupported: {reasons:?}; frame pointer lost: {}", self.frame_lost);
        if let Some((time, path)) = self.slowest.as_ref().filter(|_| self.files > 1) {
            println!("  slowest: {time:?} for {}", path.display());
        }
    }
}

fn main() {
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let all = if named.is_empty() { FILES.map(PathBuf::from).to_vec() } else { named };
    for path in all.iter().filter(|path| path.exists()) {
        let mut total = Total::default();
        below(path, &mut |file| total.add(file));
        total.print(path);
    }
    println!("most memory ever: {:.1} MB", peak());
}

/// Every regular file at or below `path`, without following links below it.
fn below(path: &Path, visit: &mut impl FnMut(&Path)) {
    if !path.is_dir() {
        return visit(path);
    }
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => below(&entry.path(), visit),
            kind if kind.is_file() => visit(&entry.path()),
            _ => {}
        }
    }
}

/// Most memory that this process ever had resident, MB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
}
