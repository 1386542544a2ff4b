//! Reports as folded stacks: a line per call stack, outermost function first, for programs that draw
//! flame graphs.
//!
//! `PROCESS;FUNCTION;…;FUNCTION BYTES`, the form that `stackcollapse-*.pl` brought about: separated by
//! semicolons, with the bytes behind the last blank.

use super::ReportWriter;
use super::flat::{Named, Shown, word};
use super::model::Report;
use super::place::name_of;
use std::io;

/// Writes what is alive, or what the report is measured by, as folded stacks. Sums over equal stacks are left to the
/// reader.
#[derive(Clone, Copy, Debug)]
pub struct FoldedWriter {
    /// Frames of allocators and start code, too.
    pub internals: bool,
    /// Functions by their full names.
    pub full_names: bool,
}

impl ReportWriter for FoldedWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let Self { internals, full_names } = *self;
        let shown = Shown { internals, full_names };
        for process in &report.processes {
            let root = word(&name_of(process));
            for (path, bytes) in shown.figure(report, process) {
                writeln!(out, "{root}{} {bytes}", folded(&path))?;
            }
        }
        out.flush()
    }
}

/// The names, each behind a semicolon.
fn folded(path: &[Named]) -> String {
    path.iter().map(|named| format!(";{}", word(&named.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::{FoldedWriter, Report, ReportWriter};
    use crate::report::model::{FrameReport, ProcessReport, StackReport, Sum};

    const WRITER: FoldedWriter = FoldedWriter { internals: false, full_names: false };

    fn written(writer: FoldedWriter, process: ProcessReport) -> String {
        let report = Report { processes: vec![process], ..Report::default() };
        let mut bytes = Vec::new();
        writer.write(&report, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn process(stacks: Vec<StackReport>) -> ProcessReport {
        ProcessReport { pid: 7, comm: "a;b".to_owned(), stacks, ..ProcessReport::default() }
    }

    fn stack(live_bytes: u64, frames: Vec<FrameReport>) -> StackReport {
        StackReport { live_bytes, function: "malloc".to_owned(), frames, ..StackReport::default() }
    }

    #[test]
    fn outermost_functions_come_first() {
        let wrapper = FrameReport { internal: true, ..FrameReport::called("xmalloc") };
        let frames =
            vec![wrapper, FrameReport::called("f(int, char)"), FrameReport::called("main")];
        let process = process(vec![stack(5, frames), stack(0, vec![FrameReport::called("gone")])]);
        assert_eq!(written(WRITER, process.clone()), "a:b (7);main;f(int, char) 5\n");
        let all = FoldedWriter { internals: true, ..WRITER };
        assert_eq!(written(all, process), "a:b (7);main;f(int, char);xmalloc;malloc 5\n");
    }

    #[test]
    fn what_has_no_name_has_a_place() {
        let placed = FrameReport { module: Some("lib.so".to_owned()), ..FrameReport::nameless() };
        let process =
            process(vec![stack(9, vec![FrameReport::nameless(), placed]), stack(1, vec![])]);
        assert_eq!(
            written(WRITER, process),
            "a:b (7);lib.so+0x1;+0x1 9\na:b (7);(no call stack) 1\n"
        );
    }

    #[test]
    fn the_lines_add_up_to_what_is_alive() {
        let mut process = process(vec![stack(5, vec![FrameReport::called("main")])]);
        process.others = Sum { stacks: 1, blocks: 1, bytes: 30 };
        process.young.bytes = 200;
        process.filtered.bytes = 1000;
        let sum = written(WRITER, process)
            .lines()
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum::<u64>();
        assert_eq!(sum, 1235);
    }
}
