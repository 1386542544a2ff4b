//! Floor 4: snapshot + symbolizer → report → bytes.
//!
//! [`resolve`] turns a snapshot into a [`Report`], which holds names and figures and nothing that
//! must be looked up; the writers turn a report into bytes and know nothing else.

mod alerts;
mod around;
mod csv;
pub mod diff;
mod differences;
mod doubt;
pub mod evidence;
#[cfg(test)]
mod example;
pub mod explain;
mod facts;
mod firefox;
mod flat;
mod folded;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod hostile;
mod html;
mod identity;
mod imports;
mod internals;
mod joined;
pub mod json;
mod judged;
mod layout;
mod left_out;
mod mapped;
mod marks;
mod model;
mod names;
mod outermost;
pub(crate) mod place;
mod pprof;
mod resolve;
mod speedscope;
mod start_code;
mod svg;
pub mod text;
mod timeline;
mod told;
mod touched;
pub mod units;
pub mod verdict;
pub mod view;
mod watch;
mod windows;

pub use crate::engine::trend::Trend;
pub use alerts::{AlertBy, AlertReport};
pub use csv::CsvWriter;
pub use facts::{
    Hits, Ledgers, LinkFacts, ReportOptions, SamplingChange, Sort, TableFacts, TracerFacts, Walks,
    WindowChange,
};
pub use firefox::FirefoxWriter;
pub use flat::{NO_STACK, NOT_LISTED, whole_rest};
pub use folded::FoldedWriter;
pub use html::HtmlWriter;
pub use identity::StackDigest;
pub use json::JsonWriter;
pub use layout::{clip, clip_front, shorten_function, width_of};
pub use left_out::{LeftOutStacks, Reason};
pub use marks::MarkReport;
pub use model::{
    AccountReport, AllocatorMapped, BlockReport, DeviceReport, End, FrameReport, LossReport,
    MappedReport, ModuleReport, PictureReport, Place, ProcessReport, Report, StackReport, Sum,
    ToldFigures, ToldOthers, ToldReport, ToldStackReport, TouchedReport, TouchedStackReport,
};
pub use names::clean;
pub use pprof::PprofWriter;
pub use resolve::resolve;
pub use speedscope::SpeedscopeWriter;
pub use svg::SvgWriter;
pub use text::{TextStyle, TextWriter, function, how_it_ended, lost, module, place, why_it_ends};
pub use timeline::{Change, Changes, MemoryPoint, Parts, why_no_parts};
pub use verdict::Verdict;
pub use view::{View, ViewOptions, ViewWriter};
pub use watch::{FoundReport, LookReport, TouchedGrowthReport, WatchReport, WatchState};
pub use windows::WindowReport;

use std::io;

/// Turns a report into bytes of one format.
pub trait ReportWriter {
    /// Writes `report` and flushes.
    ///
    /// # Errors
    /// What `out` says, unchanged; a reader that went away is [`io::ErrorKind::BrokenPipe`].
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()>;
}
