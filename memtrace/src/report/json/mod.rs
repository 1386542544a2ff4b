//! Reports as JSON: one object per line, `memtrace.report/1`, described in `docs/report-json.md`.
//!
//! Keys are never left out; what is not known is `null`. The order of keys is that of the structs.

mod convert;
mod ended;
mod left_out;
mod marks;
mod picture;
mod schema;
mod series;
mod told;
mod touched;
mod watch;
mod windows;

use super::ReportWriter;
use super::model::Report;
use std::io;

/// Name and version of the schema.
pub const SCHEMA: &str = "memtrace.report/1";

/// Writes a report as one line of JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonWriter;

impl ReportWriter for JsonWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let mut line = serde_json::to_vec(&schema::Document::of(report))?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.flush()
    }
}
