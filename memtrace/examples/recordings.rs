//! Large recordings for `cargo xtask bench recordings`.
//!
//! `cargo run --release -p memtrace --no-default-features --example recordings -- make FILE EVENTS PROGRAM`
//!
//! Writes a recording of so many events: a made-up process with eight threads, 5,000 call stacks of 16 frames in the
//! code of PROGRAM, 100,000 live blocks, reallocations, and an interval each ten seconds. Prints a JSON object with
//! what it is, and the time that it is of, s.
//!
//! `… --example recordings -- carry BLOCKS FILE`
//!
//! Writes the beginning of a recording's later file, where so many blocks live, and prints how long it took.
//!
//! `… --example recordings -- pack FILE`
//!
//! Reads a recording, writes its first records once more without keeping them, and prints what a record takes: written
//! by itself, and written while the tables are kept, beyond what those take alone.

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
    let (mut record, mut next, mut last) = (Vec::new(), INTERVAL, 0);
    for _ in 0..events {
        record.clear();
        source.next_record(&mut record);
        writer.push(Entry::Record(&record))?;
        let time = decode(&record).map_or(0, |event| event.time);
        last = time.max(last);
        if time > next {
            next = time + INTERVAL;
            told(&mut writer, &Event { time, process: 0, thread: 0, what: What::Mark })?;
        }
    }
    let mut out = writer.finish()?;
    out.flush()?;
    let bytes = std::fs::metadata(file)?.len();
    let (seconds, blocks) = (last as f64 / SECOND as f64, source.live_blocks());
    println!(
        "{{\"events\":{events},\"bytes\":{bytes},\"live_blocks\":{blocks},\"seconds\":{seconds}}}"
    );
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
const ROUNDS: usize = 9;

fn pack(file: &str) -> anyhow::Result<()> {
    let entries = Entries::read(file)?;
    let (mut alone, mut tables, mut both) = (Vec::new(), Vec::new(), Vec::new());
    let mut written = 0;
    for _ in 0..ROUNDS {
        let mut writer = Writer::new(std::io::sink(), Head::default())?;
        alone.push(entries.time(|entry| Ok(writer.push(entry)?))?);
        writer.checkpoint()?;
        written = writer.written();
        let mut tracker = Tracker::new(Limits::default());
        tables.push(entries.time(|entry| apply(&mut tracker, entry))?);
        let mut tracker = Tracker::new(Limits::default());
        let mut writer = Writer::new(std::io::sink(), Head::default())?;
        both.push(entries.time(|entry| {
            writer.push(entry)?;
            apply(&mut tracker, entry)
        })?);
    }
    let added = both.iter().zip(&tables).map(|(both, tables)| both - tables).collect();
    let [alone, tables, added] = [alone, tables, added].map(median);
    let (records, size) = (entries.ends.len(), written as f64 / entries.ends.len() as f64);
    println!(
        "{{\"records\":{records},\"nanoseconds\":{alone:.1},\"tables\":{tables:.1},\"added\":{added:.1},\"bytes\":{size:.2}}}"
    );
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// As the daemon takes in what it records (`memtrace/src/daemon/tables.rs`).
fn apply(tracker: &mut Tracker, entry: Entry<'_>) -> anyhow::Result<()> {
    match entry {
        Entry::Record(record) => {
            let Ok(event) = decode(record) else { bail!("a record makes no sense") };
            tracker.apply(&event);
        }
        Entry::Note(note) => {
            if let Note::Event { time, process, thread, what } =
                Note::read(note).map_err(anyhow::Error::msg)?
            {
                tracker.apply(&Event { time, process, thread, what: what.what() });
            }
        }
    }
    Ok(())
}

/// A recording's first entries.
#[derive(Default)]
struct Entries {
    /// One behind the other.
    bytes: Vec<u8>,
    /// Where each ends, and whether it is a note.
    ends: Vec<(usize, bool)>,
}

impl Entries {
    fn read(file: &str) -> anyhow::Result<Self> {
        let input = File::open(file).with_context(|| format!("cannot open {file}"))?;
        let mut reader = Reader::new(BufReader::new(input))?;
        let mut entries = Self::default();
        while entries.ends.len() < PACKED
            && let Some(mut chunk) = reader.next_chunk()?
        {
            while let Some(entry) = chunk.next_entry()? {
                entries.bytes.extend_from_slice(entry.bytes());
                entries.ends.push((entries.bytes.len(), matches!(entry, Entry::Note(_))));
            }
        }
        if entries.ends.is_empty() {
            bail!("{file} is empty");
        }
        Ok(entries)
    }

    /// What one takes, nanoseconds.
    fn time(&self, mut each: impl FnMut(Entry<'_>) -> anyhow::Result<()>) -> anyhow::Result<f64> {
        let began = Instant::now();
        let mut begin = 0;
        for &(end, is_note) in &self.ends {
            let bytes = &self.bytes[begin..end];
            each(if is_note { Entry::Note(bytes) } else { Entry::Record(bytes) })?;
            begin = end;
        }
        Ok(began.elapsed().as_secs_f64() * 1e9 / self.ends.len() as f64)
    }
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
