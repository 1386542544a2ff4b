//! Reports as tables of comma-separated values (RFC 4180): a line per call stack, and one for what is in none that is
//! listed, under a line that names the columns.

mod cell;
mod row;

use super::ReportWriter;
use super::model::Report;
pub(super) use cell::Cell;
use row::{Rows, columns};
use std::io;

/// Writes one table. What is not known, or is no figure of such a line, is an empty cell.
#[derive(Clone, Copy, Debug)]
pub struct CsvWriter {
    /// Frames of allocators and start code, too.
    pub internals: bool,
    /// Functions by their full names.
    pub full_names: bool,
}

impl ReportWriter for CsvWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        line(out, columns(report.measure).into_iter().map(Cell::Text))?;
        let rows = Rows::new(report, *self);
        for process in &report.processes {
            for row in rows.of(process) {
                line(out, row.into_iter())?;
            }
        }
        out.flush()
    }
}

/// Lines end as RFC 4180 has it.
pub(super) fn line(out: &mut dyn io::Write, cells: impl Iterator<Item = Cell>) -> io::Result<()> {
    let cells: Vec<_> = cells.map(|cell| cell.to_string()).collect();
    write!(out, "{}\r\n", cells.join(","))
}

#[cfg(test)]
mod tests;
