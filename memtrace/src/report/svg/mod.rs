//! Reports and differences as flame graphs in SVG: pictures that need no program but one that shows pictures.
//!
//! They hold no script, so that they may be put into tickets and wikis, which take scripts out. What a frame is,
//! in full, is in its tooltip. The page for browsers (`super::html`) is what can be searched and zoomed into.

mod draw;
#[cfg(test)]
mod tests;
mod tree;

use self::draw::{Colors, Picture};
use self::tree::Tree;
use super::ReportWriter;
use super::flat::{Shown, figure_doubts, remarks};
use super::model::Report;
use super::place::name_of;
use super::units;
use super::view::Measure;
use std::io;

/// Writes what is alive, or what the report is measured by, as a flame graph.
#[derive(Clone, Copy, Debug)]
pub struct SvgWriter {
    /// Frames of allocators and start code, too.
    pub internals: bool,
    /// Functions by their full names.
    pub full_names: bool,
}

impl ReportWriter for SvgWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let shown = Shown { internals: self.internals, full_names: self.full_names };
        let mut tree = Tree::default();
        let mut notes = Vec::new();
        for process in &report.processes {
            let root = name_of(process);
            for (path, bytes) in shown.figure(report, process) {
                let names = path.iter().map(|named| named.name.as_str());
                tree.add([root.as_str()].into_iter().chain(names), [0, bytes]);
            }
            let doubts = figure_doubts(report, process, shown);
            notes.extend((!doubts.is_empty()).then(|| format!("{root}{doubts}")));
        }
        notes.push(remarks(report));
        let measure = report.measure.map_or_else(|| "alive".to_owned(), Measure::words);
        let title = format!("{}: {}", capitalized(&measure), units::exact_bytes(tree.total()));
        Picture { title, notes, colors: Colors::ByName }.draw(&tree, out)
    }
}

fn capitalized(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// Writes call stacks, outermost function first, with their bytes before and after: red grew, blue shrank. Each is
/// as wide as the larger of the two, so that what is gone is seen as well.
///
/// # Errors
/// What `out` says.
pub(super) fn write_changes(
    stacks: impl Iterator<Item = (Vec<String>, [u64; 2])>,
    notes: Vec<String>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut tree = Tree::default();
    for (path, bytes) in stacks {
        tree.add(path.iter().map(String::as_str), bytes);
    }
    let title = "What changed".to_owned();
    Picture { title, notes, colors: Colors::ByChange }.draw(&tree, out)
}
