//! Large recordings for `cargo xtask bench recordings`.
//!
//! `cargo run --release -p memtrace --no-default-features --example recordings -- make FILE EVENTS PROGRAM`
//!
//! Writes a recording of so many events: a made-up process with eight threads, 5,000 call stacks of 16 frames in the
//! code of PROGRAM, 100,000 live blocks, reallocations, and an interval each ten seconds. Prints a JSON object with
//! what it is.
//!
//! `… --example recordings -- carry BLOCKS FILE`
//!
//! Writes the beginning of a recording's later file, where so many blocks live, and prints how long it took.
//!
//! `… --example recordings -- pack FILE`
//!
//! Reads a recording, writes its first records once more without keeping them, and prints what a record takes.

use anyhow::{Context as _, bail};
use memtrace::engine::decode::decode;
use memtrace::engine::encode::encode;
use memtrace::engine::limits::Limits;
use memtrace::engine::tracker::Tracker;
use memtrace::model::event::{Event, What};
use memtrace::model::ids::{Nanos, SECOND};
use memtrace::model::module::Module;
use memtrace::recording::{Entry, Head, Note, Reader, RecordingError, Writer};
use memtrace::source::synthetic::{SyntheticSource, Workload};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Intervals of reports, on the events' clock.
const INTERVAL: Nanos = 10 * SECOND;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", file, events, program] => {
            make(file, events.parse().context("EVENTS is no number")?, Path::new(program))
        }
        ["carry", blocks, file] => carry(blocks.parse().context("BLOCKS is no number")?, file),
        ["pack", file] => pack(file),
        _ => bail!("usage: recordings make FILE EVENTS PROGRAM | carry BLOCKS FILE | pack FILE"),
    }
}

const fn workload(live_blocks: u32) -> Workload {
    Workload {
        pid: 4242,
        threads: 8,
        stacks: 5_000,
        frames: 16,
        live_blocks,
        reallocations: 5,
        lost_frees: 0,
        records: None,
        seed: 1,
    }
}

fn create(file: &str) -> anyhow::Result<Writer<BufWriter<File>>> {
    let out = File::create(file).with_context(|| format!("cannot create {file}"))?;
    Ok(Writer::new(BufWriter::new(out), Head::default())?)
}

fn make(file: &str, events: u64, program: &Path) -> anyhow::Result<()> {
    let mut writer = create(file)?;
    let mut source = SyntheticSource::new(workload(100_000));
    note(&mut writer, &Note::Limits(Box::default()))?;
    for mut event in source.introduction() {
        if let What::ModuleSeen(module) = &event.what {
            let module = Module { path: program.to_path_buf(), ..Module::clone(module) };
            event.what = What::ModuleSeen(Arc::new(module));
        }
        told(&mut writer, &event)?;
    }
    let (mut record, mut next) = (Vec::new(), INTERVAL);
    for _ in 0..events {
        record.clear();
        source.next_record(&mut record);
        writer.push(Entry::Record(&record))?;
        let time = decode(&record).map_or(0, |event| event.time);
        if time > next {
            next = time + INTERVAL;
            told(&mut writer, &Event { time, process: 0, thread: 0, what: What::Mark })?;
        }
    }
    let mut out = writer.finish()?;
    out.flush()?;
    let bytes = std::fs::metadata(file)?.len();
    println!("{{\"events\":{events},\"bytes\":{bytes},\"live_blocks\":{}}}", source.live_blocks());
    Ok(())
}

/// As the daemon begins a later file (`memtrace/src/daemon/tables.rs`).
fn carry(blocks: u32, file: &str) -> anyhow::Result<()> {
    let mut source = SyntheticSource::new(workload(blocks));
    let mut tracker = Tracker::new(Limits { max_blocks: usize::MAX, ..Limits::default() });
    source.introduction().iter().for_each(|event| tracker.apply(event));
    let (mut record, mut time) = (Vec::new(), 0);
    while source.live_blocks() < blocks as usize {
        record.clear();
        source.next_record(&mut record);
        let Ok(event) = decode(&record) else { bail!("a record makes no sense") };
        time = event.time;
        tracker.apply(&event);
    }
    let mut writer = create(file)?;
    let began = Instant::now();
    let mut result = Ok(());
    tracker.carry_over(time, &mut |event| {
        if result.is_ok() {
            result = add(&mut writer, event, &mut record);
        }
    });
    result?;
    writer.checkpoint()?;
    let seconds = began.elapsed().as_secs_f64();
    println!("{{\"blocks\":{blocks},\"seconds\":{seconds},\"bytes\":{}}}", writer.written());
    Ok(())
}

/// About how many records are written once more, and how often that is done; the median counts.
const PACKED: usize = 4_000_000;
const ROUNDS: usize = 5;

fn pack(file: &str) -> anyhow::Result<()> {
    let (bytes, ends) = records(file)?;
    let mut rounds = Vec::new();
    let mut written = 0;
    for _ in 0..ROUNDS {
        let mut writer = Writer::new(std::io::sink(), Head::default())?;
        let began = Instant::now();
        let mut begin = 0;
        for &end in &ends {
            writer.push(Entry::Record(&bytes[begin..end]))?;
            begin = end;
        }
        writer.checkpoint()?;
        written = writer.written();
        rounds.push(began.elapsed().as_secs_f64() * 1e9 / ends.len() as f64);
    }
    rounds.sort_by(f64::total_cmp);
    let (events, nanoseconds) = (ends.len(), rounds[ROUNDS / 2]);
    let size = written as f64 / events as f64;
    println!("{{\"records\":{events},\"nanoseconds\":{nanoseconds:.1},\"bytes\":{size:.2}}}");
    Ok(())
}

/// A recording's first records, one behind the other, and where each ends.
fn records(file: &str) -> anyhow::Result<(Vec<u8>, Vec<usize>)> {
    let input = File::open(file).with_context(|| format!("cannot open {file}"))?;
    let mut reader = Reader::new(BufReader::new(input))?;
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    while ends.len() < PACKED
        && let Some(mut chunk) = reader.next_chunk()?
    {
        while let Some(entry) = chunk.next_entry()? {
            if let Entry::Record(record) = entry {
                bytes.extend_from_slice(record);
                ends.push(bytes.len());
            }
        }
    }
    if ends.is_empty() {
        bail!("{file} has no records");
    }
    Ok((bytes, ends))
}

fn add<W: Write>(
    writer: &mut Writer<W>,
    event: &Event<'_>,
    record: &mut Vec<u8>,
) -> anyhow::Result<()> {
    if Note::of(event).is_some() {
        return told(writer, event);
    }
    record.clear();
    encode(event, record);
    Ok(writer.push(Entry::Record(record))?)
}

fn told<W: Write>(writer: &mut Writer<W>, event: &Event<'_>) -> anyhow::Result<()> {
    let what = Note::of(event).context("an event that is a record")?;
    Ok(note(writer, &what)?)
}

fn note<W: Write>(writer: &mut Writer<W>, note: &Note) -> Result<(), RecordingError> {
    let bytes = note.bytes().map_err(|error| RecordingError::Write(error.into()))?;
    writer.push(Entry::Note(&bytes))
}
