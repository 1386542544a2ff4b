//! What stacks have in common, each once: strings, functions, frames and whole beginnings of stacks.

use super::data::{Frames, Functions, Nodes};
use crate::report::differences::Step;
use crate::report::flat::{NO_STACK, Named, frame_name};
use crate::report::imports::loads_code;
use crate::report::model::FrameReport;
use std::collections::HashMap;
use std::hash::Hash;

/// Flags of a frame, as in [`Frames::flags`].
const INLINED: u8 = 1;
const INTERNAL: u8 = 2;
const NO_FRAME: u8 = 4;
const IMPORT: u8 = 8;

#[derive(Debug, Default)]
pub(in crate::report) struct Tables {
    pub(in crate::report) strings: Vec<String>,
    pub(in crate::report) functions: Functions,
    pub(in crate::report) frames: Frames,
    pub(in crate::report) nodes: Nodes,
    full_names: bool,
    known_strings: HashMap<String, i64>,
    known_functions: HashMap<(i64, i64, i64), u32>,
    known_frames: HashMap<(u32, i64, u32, u8), u32>,
    known_nodes: HashMap<(i64, u32), u32>,
}

impl Tables {
    pub(in crate::report) fn new(full_names: bool) -> Self {
        Self { full_names, ..Self::default() }
    }

    /// The node of a stack, whose frames are given from the innermost outwards. `allocator` is what they called,
    /// empty where that is not known.
    pub(super) fn stack(&mut self, frames: &[FrameReport], allocator: &str) -> u32 {
        let mut path: Vec<u32> = frames.iter().rev().map(|frame| self.frame(frame)).collect();
        if path.is_empty() {
            path.push(self.nothing(NO_STACK));
        }
        if !allocator.is_empty() {
            let name = self.text(allocator);
            let function = self.function(name, -1, -1);
            path.push(self.add_frame(function, -1, 0, INTERNAL));
        }
        self.path(&path)
    }

    /// The node of what is in no listed stack.
    pub(super) fn nowhere(&mut self, what: &str) -> u32 {
        let frame = self.nothing(what);
        self.path(&[frame])
    }

    /// The node of a stack of which nothing but names is known, outermost first.
    pub(in crate::report) fn named(&mut self, path: &[Step]) -> u32 {
        let frames: Vec<u32> = path.iter().map(|step| self.step(step)).collect();
        self.path(&frames)
    }

    fn step(&mut self, step: &Step) -> u32 {
        let Named { name, file, line } = &step.named;
        let name = self.text(name);
        let mut maybe = |text: &Option<String>| text.as_deref().map_or(-1, |it| self.text(it));
        let (full, module, file) = (maybe(&step.full), maybe(&step.module), maybe(file));
        let function = self.function(name, full, module);
        self.add_frame(function, file, line.unwrap_or(0), 0)
    }

    pub(in crate::report) fn text(&mut self, text: &str) -> i64 {
        if let Some(number) = self.known_strings.get(text) {
            return *number;
        }
        let number = i64::try_from(self.strings.len()).unwrap_or(i64::MAX);
        self.strings.push(text.to_owned());
        self.known_strings.insert(text.to_owned(), number);
        number
    }

    fn path(&mut self, frames: &[u32]) -> u32 {
        let mut caller = -1;
        for frame in frames {
            let Self { known_nodes, nodes, .. } = self;
            caller = i64::from(numbered(known_nodes, (caller, *frame), || {
                nodes.parent.push(caller);
                nodes.frame.push(*frame);
            }));
        }
        u32::try_from(caller).unwrap_or_default()
    }

    fn frame(&mut self, frame: &FrameReport) -> u32 {
        let shown = frame_name(frame, self.full_names);
        let name = self.text(&shown);
        let full = frame.function.as_deref().filter(|full| *full != shown);
        let full = full.map_or(-1, |full| self.text(full));
        let module = frame.module.as_deref().map_or(-1, |module| self.text(module));
        let file = frame.file.as_deref().map_or(-1, |file| self.text(file));
        let function = self.function(name, full, module);
        let inlined = if frame.inlined { INLINED } else { 0 };
        let internal = if frame.internal { INTERNAL } else { 0 };
        let import = if loads_code(frame) { IMPORT } else { 0 };
        self.add_frame(function, file, frame.line.unwrap_or(0), inlined | internal | import)
    }

    fn nothing(&mut self, what: &str) -> u32 {
        let name = self.text(what);
        let function = self.function(name, -1, -1);
        self.add_frame(function, -1, 0, NO_FRAME)
    }

    fn function(&mut self, name: i64, full: i64, module: i64) -> u32 {
        let Self { known_functions, functions, .. } = self;
        numbered(known_functions, (name, full, module), || {
            functions.name.push(name);
            functions.full.push(full);
            functions.module.push(module);
        })
    }

    fn add_frame(&mut self, function: u32, file: i64, line: u32, flags: u8) -> u32 {
        let Self { known_frames, frames, .. } = self;
        numbered(known_frames, (function, file, line, flags), || {
            frames.function.push(function);
            frames.file.push(file);
            frames.line.push(line);
            frames.flags.push(flags);
        })
    }
}

/// The number of `key`; `add` adds it if it is new, and numbers follow each other.
fn numbered<K: Eq + Hash>(known: &mut HashMap<K, u32>, key: K, add: impl FnOnce()) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
    *known.entry(key).or_insert_with(|| {
        add();
        next
    })
}
