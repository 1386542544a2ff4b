//! What changed between two reports: live bytes and blocks by call stack, or by what their callers have in common.
//!
//! Everything is compared by names, never by addresses or numbers of one run: the two may be of different runs, and
//! of different builds of a program. All of it is pure: two [`Side`]s in, a [`Diff`] out.

mod figure;
mod folded;
mod grouping;
mod json;
mod pairs;
mod parse;
mod side;
mod svg;
#[cfg(test)]
mod tests;
mod text;

pub use figure::{Amount, Change, Figure};
pub use folded::write_folded;
pub use grouping::{By, Diff, Key, Row};
pub use json::{SCHEMA, write_json};
pub use parse::{ReadError, Which, read_report, sequence_of};
pub use side::{Frame, LeftOut, Lost, Process, Side, Stack};
pub use svg::write_svg;
pub use text::{TextOptions, write_text};
