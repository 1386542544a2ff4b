//! What stands for a frame in a view: its function, its line, its file or its module.

use super::weigh::Weighted;
use crate::engine::snapshot::SizeClass;
use crate::report::flat::{NO_STACK, frame_name};
use crate::report::model::{FrameReport, Place, ProcessReport};
use crate::report::place::workload_of;
use crate::report::units::exact_bytes;

/// Innermost functions that name a stack.
const NAMED: usize = 3;

/// By what a view sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Functions.
    #[default]
    Function,
    /// Lines of functions.
    Line,
    /// Source files.
    File,
    /// Programs and libraries.
    Module,
    /// Processes.
    Process,
    /// Threads that allocated, where they are told apart.
    Thread,
    /// Sizes of blocks from a power of two to below the next one, where they are told apart.
    SizeClass,
    /// Whole stacks.
    Stack,
}

impl By {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Line => "line",
            Self::File => "file",
            Self::Module => "module",
            Self::Process => "process",
            Self::Thread => "thread",
            Self::SizeClass => "size_class",
            Self::Stack => "stack",
        }
    }

    /// What one of them is called.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Line => "line",
            Self::File => "source file",
            Self::Module => "module",
            Self::Process => "process",
            Self::Thread => "thread",
            Self::SizeClass => "size class",
            Self::Stack => "call stack",
        }
    }
}

/// One thing that a view sums by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where it is, which tells those of one name apart; may be empty.
    pub place: String,
    /// It stands for memory of which nothing more is known or shown, and is never left away.
    pub is_rest: bool,
}

impl Entry {
    /// What has no frames.
    pub(super) fn rest(name: &str) -> Self {
        Self { name: name.to_owned(), place: String::new(), is_rest: true }
    }

    /// A process.
    pub(super) fn process(process: &ProcessReport) -> Self {
        let workload = workload_of(process).map_or_else(String::new, |it| format!(", {it}"));
        let name = format!("{} (pid {}{workload})", process.comm, process.pid);
        // A number may be given out again, and exec makes another program of a process.
        Self { name, place: process.exe.clone().unwrap_or_default(), is_rest: false }
    }

    /// The thread that allocated, of a process.
    fn thread(thread: Option<u32>, process: &ProcessReport) -> Self {
        let Some(thread) = thread else { return Self::rest("(threads are not told apart)") };
        let main = if thread == process.pid { " (the main one)" } else { "" };
        Self::new(format!("thread {thread}{main}"), Self::process(process).name)
    }

    /// Sizes of blocks.
    fn size_class(class: Option<SizeClass>) -> Self {
        let Some(class) = class else { return Self::rest("(sizes are not told apart)") };
        Self::new(sizes(class), "")
    }

    fn new(name: impl Into<String>, place: impl Into<String>) -> Self {
        Self { name: name.into(), place: place.into(), is_rest: false }
    }
}

/// How frames are named.
#[derive(Clone, Copy, Debug, Default)]
pub struct Naming {
    /// By what a view sums.
    pub by: By,
    /// Functions by their full names.
    pub full_names: bool,
    /// Frames of allocators and start code, too.
    pub internals: bool,
}

impl Naming {
    /// What a stack leads through, outermost first; at least one.
    #[must_use]
    pub fn path(self, stack: &Weighted<'_>) -> Vec<Entry> {
        match self.by {
            By::Process => return vec![Entry::process(stack.process)],
            By::Thread => return vec![Entry::thread(stack.part.thread, stack.process)],
            By::SizeClass => return vec![Entry::size_class(stack.part.size)],
            By::Stack => return vec![self.stack(stack)],
            By::Function | By::Line | By::File | By::Module => {}
        }
        let mut path: Vec<Entry> = self.shown(stack).rev().map(|frame| self.entry(frame)).collect();
        if path.is_empty() {
            path.push(Entry::rest(NO_STACK));
        } else if self.internals && matches!(self.by, By::Function | By::Line) {
            path.extend(stack.called.map(|function| Entry::new(function, "")));
        }
        // A file that calls itself is one thing, a function that does is recursion.
        if matches!(self.by, By::File | By::Module) {
            path.dedup();
        }
        path
    }

    /// What frames are called, outermost first, as frames: what stands for each of them in formats that show whole stacks.
    pub(super) fn frames(self, stack: &Weighted<'_>) -> Vec<FrameReport> {
        let mut path: Vec<FrameReport> =
            self.shown(stack).rev().map(|frame| self.told_as(frame)).collect();
        let has_functions = !matches!(self.by, By::File | By::Module);
        if self.internals && has_functions && !path.is_empty() {
            path.extend(stack.called.map(FrameReport::standing_for));
        }
        if !has_functions {
            path.dedup();
        }
        path
    }

    /// What stands outside of all frames, where something does.
    pub(super) fn group(self, stack: &Weighted<'_>) -> Option<String> {
        match self.by {
            By::Thread => Some(Entry::thread(stack.part.thread, stack.process).name),
            By::SizeClass => Some(Entry::size_class(stack.part.size).name),
            _ => None,
        }
    }

    fn told_as(self, frame: &FrameReport) -> FrameReport {
        let entry = self.entry(frame);
        match self.by {
            By::File | By::Module => FrameReport::standing_for(&entry.name),
            By::Line => {
                let place =
                    Some(entry.place).filter(|place| !place.is_empty() && *place != entry.name);
                let place = place.map_or_else(String::new, |place| format!(" ({place})"));
                FrameReport {
                    file: frame.file.clone(),
                    line: frame.line,
                    ..FrameReport::standing_for(&format!("{}{place}", entry.name))
                }
            }
            By::Stack => FrameReport { internal: false, ..frame.clone() },
            // Lines of a function are not told apart.
            By::Function | By::Process | By::Thread | By::SizeClass => FrameReport {
                module: frame.module.clone(),
                file: frame.file.clone(),
                ..FrameReport::standing_for(&frame_name(frame, self.full_names))
            },
        }
    }

    fn shown<'a>(
        self,
        stack: &Weighted<'a>,
    ) -> impl DoubleEndedIterator<Item = &'a FrameReport> + use<'a> {
        stack.frames.iter().filter(move |frame| self.internals || !frame.internal)
    }

    fn entry(self, frame: &FrameReport) -> Entry {
        let name = frame_name(frame, self.full_names);
        match self.by {
            By::Line => Entry::new(name, line(frame)),
            By::File => frame.file.as_ref().map_or_else(
                || Entry::new(format!("(source not known: {})", module(frame)), ""),
                |file| Entry::new(file, ""),
            ),
            By::Module => Entry::new(module(frame), ""),
            // A place has its module in it.
            _ if frame.name(true).is_none() => Entry::new(name, ""),
            _ => Entry::new(name, frame.module.as_deref().unwrap_or_default()),
        }
    }

    fn stack(self, stack: &Weighted<'_>) -> Entry {
        let mut names: Vec<String> =
            self.shown(stack).take(NAMED + 1).map(|it| frame_name(it, self.full_names)).collect();
        if names.is_empty() {
            return Entry::rest(NO_STACK);
        }
        if names.len() > NAMED {
            names[NAMED] = "…".to_owned();
        }
        Entry::new(names.join(" < "), format!("stack {}", stack.id.short()))
    }
}

/// `64 B to 127 B`.
pub(in crate::report) fn sizes(class: SizeClass) -> String {
    match class.sizes() {
        (least, most) if least == most => exact_bytes(least),
        (least, most) => format!("{} to {}", exact_bytes(least), exact_bytes(most)),
    }
}

/// Source file and line, or else the module and where in it.
fn line(frame: &FrameReport) -> String {
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        _ if frame.name(true).is_none() => String::new(),
        _ => frame_name(&FrameReport { function: None, short: None, ..frame.clone() }, false),
    }
}

fn module(frame: &FrameReport) -> &str {
    match (&frame.module, frame.place) {
        (Some(module), _) => module,
        (None, Place::Offset(_)) => "(unknown file)",
        (None, Place::Address(_)) => "(not in a file)",
        (None, Place::Unknown) => "(gone before its mappings could be read)",
    }
}
