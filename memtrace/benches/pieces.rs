//! Small pieces by themselves: a record decoded, an event applied, a snapshot, a name.
//!
//! `cargo bench -p memtrace --no-default-features [-- NAME]`. What they come to together, with memory, is
//! what `examples/engine_bench` measures.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where anything is wrong")]

use divan::Bencher;
use divan::counter::ItemsCount;
use memtrace::engine::decode::decode;
use memtrace::engine::limits::Limits;
use memtrace::engine::ports::{Resolved, Symbolizer};
use memtrace::engine::snapshot::SnapshotOptions;
use memtrace::engine::tracker::Tracker;
use memtrace::model::ids::{ModuleId, SECOND};
use memtrace::model::module::Module;
use memtrace::source::synthetic::{SyntheticSource, Workload};
use memtrace::symbolize::{Options, SymbolizerThread};
use std::path::Path;
use std::sync::mpsc;

/// Records of one round.
const RECORDS: usize = 10_000;
/// Sizes of heaps: one that is in the processor's caches, and one that is not.
const HEAPS: [u32; 2] = [1_000, 1_000_000];
/// Places that are named in a round.
const PLACES: u64 = 1_000;

fn main() {
    divan::main();
}

/// Records as they come, one after the other.
struct Records {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Records {
    fn of(source: &mut SyntheticSource, count: usize) -> Self {
        let mut records = Self { bytes: Vec::new(), ends: Vec::with_capacity(count) };
        for _ in 0..count {
            source.next_record(&mut records.bytes);
            records.ends.push(records.bytes.len());
        }
        records
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.bytes[begin..end])
    }
}

/// A source and a tracker with as many live blocks.
fn heap(live_blocks: u32) -> (SyntheticSource, Tracker) {
    let mut source = SyntheticSource::new(Workload { live_blocks, ..Workload::default() });
    let mut tracker = Tracker::new(Limits { max_blocks: usize::MAX, ..Limits::default() });
    source.introduction().iter().for_each(|event| tracker.apply(event));
    while source.live_blocks() < live_blocks as usize {
        let records = Records::of(&mut source, RECORDS);
        records.iter().for_each(|record| tracker.apply(&decode(record).unwrap()));
    }
    (source, tracker)
}

#[divan::bench]
fn decode_records(bencher: Bencher) {
    let records = Records::of(&mut SyntheticSource::new(Workload::default()), RECORDS);
    let length = |record| decode(record).unwrap().time;
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(|| records.iter().map(length).fold(0, u64::wrapping_add));
}

#[divan::bench(args = HEAPS)]
fn apply_events(bencher: Bencher, live_blocks: u32) {
    let (mut source, mut tracker) = heap(live_blocks);
    bencher
        .counter(ItemsCount::new(RECORDS))
        .with_inputs(|| Records::of(&mut source, RECORDS))
        .bench_local_refs(|records| {
            records.iter().for_each(|record| tracker.apply(&decode(record).unwrap()));
        });
}

#[divan::bench(args = HEAPS)]
fn snapshot(bencher: Bencher, live_blocks: u32) {
    let (_, mut tracker) = heap(live_blocks);
    let options = SnapshotOptions { min_age: SECOND, blocks_per_stack: 5, ..Default::default() };
    bencher
        .counter(ItemsCount::new(live_blocks))
        .bench_local(|| tracker.snapshot(100 * SECOND, &options));
}

/// Names of places in this program, from nothing: opening it and reading its tables is in it.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn symbolize(bencher: Bencher) {
    bencher.counter(ItemsCount::new(PLACES)).bench_local(|| {
        let thread = SymbolizerThread::spawn(Options::default()).unwrap();
        names(&thread)
    });
}

/// The same once it is known: what a later report takes.
#[divan::bench]
fn symbolize_again(bencher: Bencher) {
    let thread = SymbolizerThread::spawn(Options::default()).unwrap();
    names(&thread);
    bencher.counter(ItemsCount::new(PLACES)).bench_local(|| names(&thread));
}

fn names(thread: &SymbolizerThread) -> Vec<Resolved> {
    let path = Path::new("/proc/self/exe").to_owned();
    let module = Module { id: ModuleId(0), path: path.clone(), build_id: None };
    thread.register(module.id, path);
    // Behind the headers and what comes before the code; a place without a name costs, too.
    let offsets: Vec<u64> = (0..PLACES).map(|place| (1 << 20) + place * 512).collect();
    let (sender, receiver) = mpsc::channel();
    let job = Box::new(move |symbolizer: &mut dyn Symbolizer| {
        sender.send(symbolizer.resolve(&module, &offsets)).unwrap();
    });
    thread.run(job).unwrap();
    receiver.recv().unwrap()
}
