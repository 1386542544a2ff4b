//! How fast the engine folds records, from memory and from a recording, how much memory its block table takes, and
//! for how long reports, forks and ends of processes keep it from folding. One core. Times are the thread's CPU time,
//! so that what else runs counts little.
//!
//! `cargo run --release -p memtrace --no-default-features --example engine_bench [BLOCKS]`
//!
//! BLOCKS is the size of the large heap, 10,000,000 unless given.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where anything is wrong")]

mod batch;
mod gaps;
mod replayed;

use batch::Batch;
use memtrace::engine::heap::blocks::{Block, BlockTable};
use memtrace::engine::limits::Limits;
use memtrace::engine::tracker::Tracker;
use memtrace::source::synthetic::{SyntheticSource, Workload};
use std::time::Duration;

/// Records that are made beforehand and then timed together.
const BATCH: usize = 1_000_000;
const ROUNDS: usize = 5;

fn main() {
    let large = std::env::args().nth(1).map_or(10_000_000, |blocks| blocks.parse().unwrap());
    table_alone(large);
    for live_blocks in [1_000, 100_000, large] {
        heap_of(live_blocks);
        replayed::recording_of(live_blocks);
    }
}

/// The block table's memory while it grows to `blocks`, by its own count and by the kernel's.
fn table_alone(blocks: u32) {
    let before = resident();
    let mut table = BlockTable::new(0);
    let (mut own, mut kernel, mut slowest) = (0.0_f64, 0.0_f64, Duration::ZERO);
    let start = cpu();
    for number in 1..=u64::from(blocks) {
        let block =
            Block { address: number * 48, size: 40, interval: 0, stack: 1, born: number * 64 };
        let one = cpu();
        table.insert(block, true);
        slowest = slowest.max(cpu() - one);
        // Below a million blocks what else the process does would show.
        if number % 65_536 == 0 && number > 1_000_000 {
            own = own.max(table.memory_bytes() as f64 / number as f64);
            kernel = kernel.max((resident() - before) as f64 / number as f64);
        }
    }
    let each = (cpu() - start).as_nanos() as f64 / f64::from(blocks);
    let now = (table.memory_bytes() as f64, (resident() - before) as f64);
    let count = f64::from(blocks);
    println!("block table, {blocks} blocks, growing from 1,000,000:");
    println!("  most bytes per block by its own count {own:.1}, resident {kernel:.1}");
    println!("  at the end {:.1}, resident {:.1}", now.0 / count, now.1 / count);
    println!("  an insertion {each:.0} ns (clock included), the slowest {slowest:?}");
}

/// Decode and apply at a steady number of live blocks.
fn heap_of(live_blocks: u32) {
    let workload = Workload { live_blocks, ..Workload::default() };
    let mut source = SyntheticSource::new(workload);
    let limits = Limits { max_blocks: usize::MAX, ..Limits::default() };
    let mut tracker = Tracker::new(limits);
    source.introduction().iter().for_each(|event| tracker.apply(event));
    println!("heap of {live_blocks} blocks:");

    let mut growing = Duration::ZERO;
    let mut records = 0_u64;
    while source.live_blocks() < live_blocks as usize {
        let batch = Batch::of(&mut source, (live_blocks as usize).min(BATCH));
        growing += batch.fold_into(&mut tracker);
        records += batch.ends.len() as u64;
    }
    println!("  growing: {}", rate(records, growing));
    steady("as the daemon does it", &mut source, |batch| batch.fold_into(&mut tracker));
    steady("each as it comes", &mut source, |batch| batch.fold_at_once(&mut tracker));
    println!("  tables, by their own count: {} KiB", tracker.memory_bytes() >> 10);
    gaps::of_reports(&mut tracker, &mut source);
    gaps::of_lives(&mut tracker, &mut source);
}

/// Rounds at a steady number of blocks.
fn steady(how: &str, source: &mut SyntheticSource, mut fold: impl FnMut(&Batch) -> Duration) {
    let times = (0..ROUNDS).map(|_| fold(&Batch::of(source, BATCH)));
    let times: Vec<Duration> = times.collect();
    let all = times.iter().sum();
    let best = times.iter().min().copied().unwrap_or_default();
    let rounds = ROUNDS as u64 * BATCH as u64;
    println!("  steady, {how}: {}, best: {}", rate(rounds, all), rate(BATCH as u64, best));
}

fn rate(records: u64, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    format!(
        "{:.2} million events/s, {:.0} ns each",
        records as f64 / seconds / 1e6,
        seconds * 1e9 / records as f64
    )
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes to the place that it is given, and to nothing else.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
