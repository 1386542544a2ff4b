//! The blocks of a recording, one event a line: what `cargo xtask bench totals` holds against other tracers.
//!
//! `cargo run --release -p memtrace --no-default-features --example recorded_events -- FILE PID`
//!
//! Prints, of process PID in order:
//!
//! - `x`: it runs another program from here on
//! - `l CAUSE COUNT`: so many events were lost, of whatever process
//! - `s NUMBER FILE FILE …`: a call stack, named before it is used: the files of its frames from the allocator's caller
//!   outwards, one for as many frames as follow each other in it; `?` where that is not known
//! - `+ ADDRESS SIZE FUNCTION NUMBER`: a block, in hexadecimal, by this function and this stack
//! - `- ADDRESS`: a block was given back

use anyhow::{Context as _, bail};
use memtrace::engine::decode::decode;
use memtrace::model::event::{Allocation, CodeMapping, Event, Reallocation, StackRef, What};
use memtrace::model::ids::Pid;
use memtrace::recording::{Entry, Note, Reader};
use memtrace_common::wire::{Place, WireFrame};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::sync::Arc;

/// What is printed of a frame that lies in no file.
const UNKNOWN: &str = "?";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, pid] = arguments.as_slice() else { bail!("usage: recorded_events FILE PID") };
    let input = File::open(file).with_context(|| format!("cannot open {file}"))?;
    let mut reader = Reader::new(BufReader::new(input)).with_context(|| file.clone())?;
    let out = BufWriter::new(io::stdout().lock());
    let mut printer = Printer::new(pid.parse().context("PID is no number")?, out);
    while let Some(mut chunk) = reader.next_chunk()? {
        while let Some(entry) = chunk.next_entry()? {
            printer.take(entry)?;
        }
    }
    printer.out.flush().context("cannot write")
}

struct Printer<W> {
    pid: Pid,
    out: W,
    /// Names of files by number.
    files: HashMap<u32, String>,
    code: Arc<[CodeMapping]>,
    /// Numbers of the stacks that the kernel side's ids stand for, and of those that were printed.
    ids: HashMap<u64, usize>,
    stacks: HashMap<String, usize>,
}

impl<W: Write> Printer<W> {
    fn new(pid: Pid, out: W) -> Self {
        let (files, code) = (HashMap::new(), Arc::new([]));
        Self { pid, out, files, code, ids: HashMap::new(), stacks: HashMap::new() }
    }

    fn take(&mut self, entry: Entry<'_>) -> anyhow::Result<()> {
        match entry {
            Entry::Record(record) => {
                let Ok(event) = decode(record) else { bail!("a record makes no sense") };
                self.event(&event)
            }
            Entry::Note(note) => match Note::read(note).map_err(anyhow::Error::msg)? {
                Note::Event { time, process, thread, what } => {
                    self.event(&Event { time, process, thread, what: what.what() })
                }
                _ => Ok(()),
            },
        }
    }

    fn event(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        match &event.what {
            What::ModuleSeen(module) => {
                let name = module.path.file_name().unwrap_or_default().to_string_lossy();
                self.files.insert(module.id.0, name.replace(char::is_whitespace, "_"));
            }
            What::Lost { cause, count } => writeln!(self.out, "l {} {count}", cause.name())?,
            _ if event.process != self.pid => {}
            What::Mappings(code) => self.code = Arc::clone(code),
            What::Exec(_) => writeln!(self.out, "x")?,
            What::Allocation(allocation) => self.allocation(allocation)?,
            What::Free(free) => self.free(free.address)?,
            What::Reallocation(reallocation) => self.reallocation(reallocation)?,
            _ => {}
        }
        Ok(())
    }

    fn reallocation(&mut self, call: &Reallocation<'_>) -> anyhow::Result<()> {
        // One that fails leaves the old block; one to nothing does not.
        if call.new.address != 0 || call.new.size == 0 {
            self.free(call.old_address)?;
        }
        self.allocation(&call.new)
    }

    fn free(&mut self, address: u64) -> anyhow::Result<()> {
        if address != 0 {
            writeln!(self.out, "- {address:x}")?;
        }
        Ok(())
    }

    fn allocation(&mut self, allocation: &Allocation<'_>) -> anyhow::Result<()> {
        let stack = self.stack(&allocation.stack)?;
        if allocation.address != 0 {
            let (address, size) = (allocation.address, allocation.size);
            writeln!(self.out, "+ {address:x} {size:x} {} {stack}", allocation.function.name())?;
        }
        Ok(())
    }

    /// The number of a stack, which is printed when it is new.
    fn stack(&mut self, stack: &StackRef<'_>) -> anyhow::Result<usize> {
        if stack.frames.is_empty()
            && let Some(&number) = self.ids.get(&stack.id)
        {
            return Ok(number);
        }
        let mut names: Vec<&str> = stack
            .frames
            .as_chunks::<{ WireFrame::SIZE }>()
            .0
            .iter()
            .map(|bytes| self.file(WireFrame(u64::from_ne_bytes(*bytes))))
            .collect();
        names.dedup();
        let line = names.join(" ");
        let next = self.stacks.len();
        let number = match self.stacks.get(&line) {
            Some(&number) => number,
            None => {
                writeln!(self.out, "s {next} {line}")?;
                self.stacks.insert(line, next);
                next
            }
        };
        self.ids.insert(stack.id, number);
        Ok(number)
    }

    /// The file that a frame lies in.
    fn file(&self, frame: WireFrame) -> &str {
        let number = match frame.place() {
            Place::File(number, _) => Some(number),
            Place::Address(address) => {
                let holds = |part: &&CodeMapping| (part.start..part.end).contains(&address);
                self.code.iter().find(holds).map(|part| part.module.0)
            }
        };
        number.and_then(|number| self.files.get(&number)).map_or(UNKNOWN, String::as_str)
    }
}
