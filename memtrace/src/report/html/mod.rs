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
mod timeline;

pub(super) use data::{Frames, Functions, Nodes};
pub(super) use page::{DIFFERENCES, page};
pub(super) use tables::Tables;

use super::ReportWriter;
use super::model::Report;
use super::view::Measure;
use crate::engine::detail::Temporary;
use crate::model::ids::Nanos;
use accounts::KEPT;
use std::io;

/// Writes a page. Unlike other forms it has the frames of allocators and start code in any case: the reader of the
/// page may switch to them.
#[derive(Clone, Copy, Debug)]
pub struct HtmlWriter {
    /// Functions by their full names.
    pub full_names: bool,
    /// What the page shows at first, if the report has it. Which blocks are temporary is told by it, too.
    pub measure: Measure,
    /// The page is of what follows that, ns after tracing began, as far as it is of the heap's stacks: of a report of
    /// which parts are kept, the first of which ends then.
    pub from: Option<Nanos>,
}

impl ReportWriter for HtmlWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let data = serde_json::to_string(&collect::document(report, self))?;
        out.write_all(page::page(&page::REPORT, &data).as_bytes())?;
        out.flush()
    }
}

impl HtmlWriter {
    /// The key of the view that is shown at first.
    const fn first_view(&self) -> &'static str {
        match self.measure {
            Measure::Leaks if self.from.is_some() => KEPT,
            Measure::Leaks | Measure::Peak | Measure::Lifetimes => "live",
            Measure::OwnPeaks => "peak",
            Measure::Allocated => "allocated",
            Measure::Temporary(_) => "temporary",
        }
    }

    /// What the page says of temporary blocks.
    fn temporary(&self) -> String {
        match self.measure {
            measure @ Measure::Temporary(_) => measure.words(),
            _ => Measure::Temporary(Temporary::default()).words(),
        }
    }
}

#[cfg(test)]
mod tests;
