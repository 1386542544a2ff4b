//! What changed between two reports: live bytes and blocks by call stack, or by what their callers have in common.
//!
//! Everything is compared by names, never by addresses or numbers of one run: the two may be of different runs, and
//! of different builds of a program. All of it is pure: two [`Side`]s in, a [`Diff`] out.

mod csv;
mod figure;
mod flat;
mod folded;
mod grouping;
mod held;
mod html;
mod json;
mod little;
mod pairs;
mod parse;
mod profiles;
mod side;
mod stats;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod view;

pub use csv::write_csv;
pub use figure::{Amount, Change, Figure};
pub use folded::write_folded;
pub use grouping::{By, Diff, Key, Row, Thread};
pub use html::write_html;
pub use json::{SCHEMA, write_json};
pub use parse::{ReadError, Which, read_report, sequence_of};
pub use profiles::{write_firefox, write_pprof, write_speedscope};
pub use side::{Account, Frame, LeftOut, Lost, Process, Side, Stack};
pub use stats::write_stats;
pub use svg::write_svg;
pub use table::write_summary;
pub use text::{TextOptions, write_text};
pub use tree::write_tree;
pub use view::ViewOptions;
