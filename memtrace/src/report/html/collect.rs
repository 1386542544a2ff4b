//! From a report to what the page's script gets.

use super::data::Document;
use super::tables::Tables;
use super::{accounts, facts};
use crate::report::model::Report;
use crate::report::text::sentences;

/// All that the page shows of `report`.
pub(super) fn document(report: &Report, full_names: bool) -> Document<'_> {
    let mut tables = Tables::new(full_names);
    let accounts = accounts::all(report, &mut tables);
    let Tables { strings, functions, frames, nodes, .. } = tables;
    let processes: Vec<_> = report.processes.iter().map(facts::process).collect();
    Document {
        version: &report.tracer.version,
        time: report.tracer.time.strftime("%F %T UTC").to_string(),
        sequence: report.tracer.sequence,
        degraded: &report.degraded,
        how: facts::how(report),
        sentences: sentences(report),
        losses: facts::losses(report),
        processes,
        accounts,
        strings,
        functions,
        frames,
        nodes,
    }
}
