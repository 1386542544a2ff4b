//! Call stacks told by something else than functions, turned around, or cut, for formats that show whole stacks.
//!
//! What stands for a frame is a frame again, so that writers need not know of it: a line, a source file or a module in
//! place of a function; a thread or a size as the outermost one. Stacks that are the same then are one.

use super::group::{By, Naming};
use super::weigh::Weighted;
use super::{Amount, ViewOptions};
use crate::engine::snapshot::Part;
use crate::report::StackDigest;
use crate::report::flat::NO_STACK;
use crate::report::joined::{joined, joined_pages};
use crate::report::model::{FrameReport, ProcessReport, Report, StackReport, TouchedStackReport};
use std::collections::HashMap;
use std::mem::take;

/// What makes two stacks one: their frames, and what tells stacks apart where these are to be told apart.
type Key = (Vec<(String, Option<String>, Option<u32>, Option<String>)>, Option<StackDigest>);

impl ViewOptions {
    /// Stacks are not to be shown as they are.
    #[must_use]
    pub const fn regroups(&self) -> bool {
        self.by.is_some() || self.inverted || self.depth.is_some()
    }

    /// Shows them so. Frames of allocators and start code are left away, or not, by it.
    pub fn regroup(&self, report: &mut Report) {
        let naming = Naming {
            by: self.by.unwrap_or_default(),
            full_names: report.options.full_names,
            internals: report.options.show_internals,
        };
        for process in &mut report.processes {
            let blocks = self.paths(process, naming);
            let pages = self.page_paths(process, naming);
            let stacks = take(&mut process.stacks).into_iter().zip(blocks);
            let stacks = stacks.map(|(stack, frames)| StackReport { frames, ..stack }).collect();
            process.stacks = merged(stacks, |it| self.key(&it.frames, it.id), joined);
            if let Some(touched) = &mut process.touched {
                let stacks = take(&mut touched.stacks).into_iter().zip(pages);
                let stacks = stacks.map(|(it, frames)| TouchedStackReport { frames, ..it });
                touched.stacks =
                    merged(stacks.collect(), |it| self.key(&it.frames, it.id), joined_pages);
            }
        }
        // They are left away already, or told like others.
        report.options.show_internals = false;
    }

    fn paths(&self, process: &ProcessReport, naming: Naming) -> Vec<Vec<FrameReport>> {
        let stacks = process.stacks.iter();
        stacks.map(|it| self.path(&weighted(process, it), naming)).collect()
    }

    fn page_paths(&self, process: &ProcessReport, naming: Naming) -> Vec<Vec<FrameReport>> {
        let stacks = process.touched.iter().flat_map(|touched| &touched.stacks);
        let of = |it: &TouchedStackReport| {
            let weighted = Weighted { id: it.id, frames: &it.frames, ..empty(process) };
            self.path(&weighted, naming)
        };
        stacks.map(of).collect()
    }

    /// Frames from the innermost outwards, as stacks have them.
    fn path(&self, stack: &Weighted<'_>, naming: Naming) -> Vec<FrameReport> {
        let mut path = naming.frames(stack);
        if self.inverted {
            path.reverse();
        }
        if let Some(group) = naming.group(stack) {
            if path.is_empty() {
                path.push(FrameReport::standing_for(NO_STACK));
            }
            path.insert(0, FrameReport::standing_for(&group));
        }
        path.truncate(self.depth.unwrap_or(usize::MAX));
        path.reverse();
        path
    }

    fn key(&self, frames: &[FrameReport], id: StackDigest) -> Key {
        let name = |it: &FrameReport| {
            (
                it.name(true).unwrap_or_default().to_owned(),
                it.file.clone(),
                it.line,
                it.module.clone(),
            )
        };
        let is_apart = self.by == Some(By::Stack) && self.depth.is_none();
        (frames.iter().map(name).collect(), is_apart.then_some(id))
    }
}

/// Those of one key as one, in the order of the first of each.
fn merged<T>(all: Vec<T>, key: impl Fn(&T) -> Key, join: fn(&[T]) -> Option<T>) -> Vec<T> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    for one in all {
        let next = groups.len();
        let number = *known.entry(key(&one)).or_insert(next);
        match groups.get_mut(number) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups.iter().filter_map(|group| join(group)).collect()
}

fn weighted<'a>(process: &'a ProcessReport, stack: &'a StackReport) -> Weighted<'a> {
    Weighted {
        id: stack.id,
        called: Some(&stack.function),
        frames: &stack.frames,
        part: stack.part,
        ..empty(process)
    }
}

const fn empty(process: &ProcessReport) -> Weighted<'_> {
    Weighted {
        process,
        id: StackDigest(0),
        called: None,
        frames: &[],
        part: Part { thread: None, size: None },
        ages: None,
        sizes: None,
        amount: Amount::exact(0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::{By, FrameReport, ProcessReport, Report, StackReport, ViewOptions};
    use crate::engine::snapshot::{Part, SizeClass};
    use crate::report::{FoldedWriter, ReportWriter as _};

    fn frame(name: &str, module: &str, line: u32) -> FrameReport {
        FrameReport {
            module: Some(module.to_owned()),
            file: Some(format!("/src/{module}.c")),
            line: Some(line),
            ..FrameReport::called(name)
        }
    }

    /// Three stacks: two through the same functions by other lines, in two threads.
    fn report() -> Report {
        let wrapper = FrameReport { internal: true, ..frame("xmalloc", "app", 1) };
        let stack = |live_bytes, thread, frames| StackReport {
            live_bytes,
            live_blocks: 1,
            function: "malloc".to_owned(),
            part: Part { thread: Some(thread), size: Some(SizeClass::of(16)) },
            frames,
            ..StackReport::default()
        };
        let stacks = vec![
            stack(
                1,
                7,
                vec![
                    wrapper,
                    frame("f;g", "lib", 3),
                    frame("work", "app", 4),
                    frame("main", "app", 9),
                ],
            ),
            stack(
                10,
                8,
                vec![frame("f;g", "lib", 5), frame("work", "app", 4), frame("main", "app", 9)],
            ),
            stack(100, 8, Vec::new()),
        ];
        let process =
            ProcessReport { pid: 7, comm: "app".to_owned(), stacks, ..Default::default() };
        Report { processes: vec![process], ..Report::default() }
    }

    fn folded(options: &ViewOptions, show_internals: bool) -> Vec<String> {
        let mut report = report();
        report.options.show_internals = show_internals;
        options.regroup(&mut report);
        let mut bytes = Vec::new();
        let internals = report.options.show_internals;
        FoldedWriter { internals, full_names: false }.write(&report, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| line.strip_prefix("app (7);").unwrap().to_owned()).collect()
    }

    fn by(by: By) -> ViewOptions {
        ViewOptions { by: Some(by), ..ViewOptions::default() }
    }

    #[test]
    fn lines_files_and_modules_stand_for_functions() {
        let none = "(no call stack) 100";
        assert_eq!(folded(&by(By::Function), false), ["main;work;f:g 11", none]);
        assert_eq!(folded(&by(By::Module), false), ["app;lib 11", none]);
        assert_eq!(folded(&by(By::File), false), ["/src/app.c;/src/lib.c 11", none]);
        let lines = folded(&by(By::Line), false);
        assert_eq!(lines[1], "main (/src/app.c:9);work (/src/app.c:4);f:g (/src/lib.c:5) 10");
        assert_eq!(lines.len(), 3);
        assert_eq!(folded(&by(By::Stack), false).len(), 3, "each by itself");
    }

    #[test]
    fn threads_and_sizes_are_outermost() {
        let threads = folded(&by(By::Thread), false);
        let expected = ["thread 7 (the main one);main;work;f:g 1", "thread 8;main;work;f:g 10"];
        assert_eq!(threads[..2], expected);
        assert_eq!(threads[2], "thread 8;(no call stack) 100");
        let sizes = folded(&by(By::SizeClass), false);
        assert_eq!(sizes[0], "16 B to 31 B;main;work;f:g 11");
        let roots = ViewOptions { depth: Some(1), inverted: true, ..by(By::Thread) };
        assert_eq!(folded(&roots, false), ["thread 7 (the main one) 1", "thread 8 110"]);
    }

    #[test]
    fn stacks_are_turned_around_and_cut() {
        let inverted = ViewOptions { inverted: true, ..ViewOptions::default() };
        assert_eq!(folded(&inverted, false)[0], "f:g;work;main 11");
        let cut = ViewOptions { depth: Some(2), ..inverted.clone() };
        assert_eq!(folded(&cut, false)[0], "f:g;work 11");
        // What they called belongs to them, where frames of allocators are shown.
        assert_eq!(folded(&inverted, true)[0], "malloc;xmalloc;f:g;work;main 1");
        assert_eq!(folded(&ViewOptions { depth: Some(1), ..inverted }, true)[0], "malloc 11");
    }
}
