//! From a report to what the page's script gets.

use super::accounts::KEPT;
use super::data::Document;
use super::tables::Tables;
use super::{HtmlWriter, accounts, facts, timeline};
use crate::report::model::Report;
use crate::report::text::sentences;

/// All that the page shows of `report`.
pub(super) fn document<'a>(report: &'a Report, writer: &HtmlWriter) -> Document<'a> {
    let mut tables = Tables::new(writer.full_names);
    let mut accounts = accounts::all(report, &mut tables);
    if writer.from.is_none() {
        accounts.iter_mut().for_each(|account| account.views.retain(|view| view.key != KEPT));
    }
    let views = accounts.iter_mut().flat_map(|account| &mut account.views);
    for view in views.filter(|view| view.key == "temporary") {
        view.note = writer.temporary();
    }
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
        first_view: writer.first_view(),
        timeline: timeline::timeline(report, writer.from),
        strings,
        functions,
        frames,
        nodes,
    }
}
