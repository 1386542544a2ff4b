//! Reports as one page for a browser: a flame graph, tables and everything that the figures rest on.
//!
//! The page holds all that it needs and may load nothing: its own policy forbids it. What a traced process has a say
//! in, names above all, is data in it and never markup or code (`page.rs`).

mod accounts;
mod blocks;
mod collect;
mod columns;
mod data;
mod facts;
mod page;
mod tables;

use super::ReportWriter;
use super::model::Report;
use std::io;

/// Writes a page. Unlike other forms it has the frames of allocators and start code in any case: the reader of the
/// page may switch to them.
#[derive(Clone, Copy, Debug)]
pub struct HtmlWriter {
    /// Functions by their full names.
    pub full_names: bool,
}

impl ReportWriter for HtmlWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let data = serde_json::to_string(&collect::document(report, self.full_names))?;
        out.write_all(page::page(&data).as_bytes())?;
        out.flush()
    }
}

#[cfg(test)]
mod tests;
