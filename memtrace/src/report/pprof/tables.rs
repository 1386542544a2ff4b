//! What a profile says once and then by number: texts, functions, files and places.

use super::message::{Function, Line, Location, Mapping, Profile};
use crate::report::flat::{Named, frame_name};
use crate::report::model::{FrameReport, ModuleReport, Place, ProcessReport};
use std::collections::HashMap;

/// Addresses of a file begin at a multiple of this, so that no two files share any: larger than a file is.
const APART: u64 = 1 << 40;

/// Functions and lines of a place, innermost first.
type Lines = Vec<(u64, i64)>;

/// A mapped file's name and build-id.
type File = (String, Option<String>);

/// A profile that is being filled, with what is in it already.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) profile: Profile,
    texts: HashMap<String, i64>,
    functions: HashMap<(i64, i64), u64>,
    files: HashMap<File, u64>,
    places: HashMap<(u64, u64, Lines), u64>,
    pub(super) full_names: bool,
}

impl Tables {
    pub(super) fn new(full_names: bool) -> Self {
        let mut tables = Self { full_names, ..Self::default() };
        // The first one must be empty, and stands for none.
        tables.text("");
        tables
    }

    /// The number of a text.
    pub(super) fn text(&mut self, text: &str) -> i64 {
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let number = self.profile.string_table.len() as i64;
        self.profile.string_table.push(text.to_owned());
        self.texts.insert(text.to_owned(), number);
        number
    }

    /// Numbers of the places of a call stack, innermost first: functions that are inlined share one with the
    /// function that they are in.
    pub(super) fn stack<'a>(
        &mut self,
        process: &ProcessReport,
        frames: impl Iterator<Item = &'a FrameReport>,
    ) -> Vec<u64> {
        let (mut places, mut lines) = (Vec::new(), Vec::new());
        let mut last = None;
        for frame in frames {
            lines.push(self.line(frame));
            last = Some(frame);
            if !frame.inlined {
                places.push(self.place(process, frame, std::mem::take(&mut lines)));
            }
        }
        // The function that these are inlined into is not shown.
        if let Some(last) = last.filter(|_| !lines.is_empty()) {
            places.push(self.place(process, last, lines));
        }
        places
    }

    /// The number of a place that is no code.
    pub(super) fn nowhere(&mut self, name: &str) -> u64 {
        let function = self.function(name, "");
        self.location(0, 0, vec![(function, 0)])
    }

    /// The number of a function's place of which nothing but names is known; in a file of this name, if it is in one.
    pub(super) fn named(&mut self, named: &Named, module: Option<&str>) -> u64 {
        let function = self.function(&named.name, named.file.as_deref().unwrap_or_default());
        let file = module.map_or(0, |module| self.named_file(module));
        self.location(file, 0, vec![(function, named.line.map_or(0, i64::from))])
    }

    fn line(&mut self, frame: &FrameReport) -> (u64, i64) {
        let name = frame_name(frame, self.full_names);
        let function = self.function(&name, frame.file.as_deref().unwrap_or_default());
        (function, frame.line.map_or(0, i64::from))
    }

    fn function(&mut self, name: &str, file: &str) -> u64 {
        let (name, filename) = (self.text(name), self.text(file));
        let next = self.functions.len() as u64 + 1;
        let id = *self.functions.entry((name, filename)).or_insert(next);
        if id == next {
            self.profile.function.push(Function { id, name, system_name: name, filename });
        }
        id
    }

    fn place(&mut self, process: &ProcessReport, frame: &FrameReport, lines: Lines) -> u64 {
        match (&frame.module, frame.place) {
            (Some(module), Place::Offset(offset)) if offset < APART => {
                let file = self.file(process, module, frame.build_id.as_deref());
                self.location(file, file * APART + offset, lines)
            }
            (_, Place::Offset(address) | Place::Address(address)) => {
                self.location(0, address, lines)
            }
            (_, Place::Unknown) => self.location(0, 0, lines),
        }
    }

    fn location(&mut self, mapping_id: u64, address: u64, lines: Lines) -> u64 {
        let next = self.places.len() as u64 + 1;
        let id = *self.places.entry((mapping_id, address, lines.clone())).or_insert(next);
        if id == next {
            let line = |(function_id, line)| Line { function_id, line };
            let line = lines.into_iter().map(line).collect();
            self.profile.location.push(Location { id, mapping_id, address, line });
        }
        id
    }

    /// The first file is taken for the program, and names the profile.
    pub(super) fn program(&mut self, process: &ProcessReport) {
        let Some(exe) = process.exe.as_deref() else { return };
        if let Some(module) = process.modules.iter().find(|module| module.path == exe) {
            self.file(process, &module.name, module.build_id.as_deref());
        }
    }

    /// The number of a file that is mapped.
    fn file(&mut self, process: &ProcessReport, name: &str, build_id: Option<&str>) -> u64 {
        let key = (name.to_owned(), build_id.map(str::to_owned));
        if let Some(known) = self.files.get(&key) {
            return *known;
        }
        let is_it =
            |module: &&ModuleReport| module.name == name && module.build_id.as_deref() == build_id;
        let module = process.modules.iter().find(is_it);
        let path = module.map_or(name, |module| &module.path);
        let has_lines = module.is_some_and(|module| module.debug_lines == Some(true));
        // Otherwise pprof looks for names itself, where it has the file.
        let has_functions = module.is_none_or(|module| module.missing.is_none());
        self.add_file(key, path, has_functions, has_lines)
    }

    /// The number of a file of which nothing but its name is known: there is nothing to look for in it.
    fn named_file(&mut self, name: &str) -> u64 {
        let key = (name.to_owned(), None);
        match self.files.get(&key) {
            Some(known) => *known,
            None => self.add_file(key, name, true, true),
        }
    }

    fn add_file(&mut self, key: File, path: &str, has_functions: bool, has_lines: bool) -> u64 {
        let id = self.files.len() as u64 + 1;
        let mapping = Mapping {
            id,
            memory_start: id * APART,
            memory_limit: (id + 1) * APART,
            file_offset: 0,
            filename: self.text(path),
            build_id: self.text(key.1.as_deref().unwrap_or_default()),
            has_functions,
            has_filenames: has_lines,
            has_line_numbers: has_lines,
            has_inline_frames: has_lines,
        };
        self.profile.mapping.push(mapping);
        self.files.insert(key, id);
        id
    }
}
