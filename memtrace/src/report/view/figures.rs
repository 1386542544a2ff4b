//! Figures of views in columns.

use super::amount::Amount;
use super::group::{By, Entry, Naming};
use crate::engine::snapshot::Confidence;
use crate::report::layout::{clip, shorten_function, shorten_path, width_of};
use crate::report::text::TextStyle;
use crate::report::units::{bytes, count, counted, percent, share};

/// From so many columns on all figures stand beside a name.
const WIDE: usize = 80;
/// A name is not cut below this, columns.
const LEAST_NAME: usize = 24;
/// Less of a place says nothing, columns.
const LEAST_PLACE: usize = 10;

/// There is room for all columns.
pub(super) const fn is_wide(style: TextStyle) -> bool {
    style.columns() >= WIDE
}

/// `19.4 MiB`, of an estimate `≈19.4 MiB`.
pub(super) fn size(amount: &Amount) -> String {
    format!("{}{}", about(amount), bytes(amount.bytes))
}

/// `45,020`, of an estimate `≈45,020`.
pub(super) fn number(amount: &Amount) -> String {
    format!("{}{}", about(amount), count(amount.count))
}

const fn about(amount: &Amount) -> &'static str {
    if amount.is_estimate() { "≈" } else { "" }
}

/// `93.5 %` of all bytes.
pub(super) fn part(amount: &Amount, total: &Amount) -> String {
    // `under 0.1 %` is too wide for a column.
    percent(share(amount.bytes, total.bytes)).replace("under ", "<").replace("over ", ">")
}

/// `19.4 MiB in 45,020 blocks`, of an estimate with where both lie.
pub(super) fn held(amount: &Amount, noun: &str) -> String {
    let around = |range: Option<String>| range.map_or_else(String::new, |it| format!(" ({it})"));
    let sized = amount.bytes_around().map(range_of_bytes);
    let numbered = amount.count_around().map(|it| range_of_count(it, None));
    format!(
        "{}{} in {}{}{}",
        size(amount),
        around(sized),
        about(amount),
        counted(amount.count, noun),
        around(numbered)
    )
}

/// `19.4 MiB`, of an estimate with where it lies.
pub(super) fn held_bytes(amount: &Amount) -> String {
    let around = amount.bytes_around().map(|it| format!(" ({})", range_of_bytes(it)));
    format!("{}{}", size(amount), around.unwrap_or_default())
}

/// `17.8 MiB to 21.0 MiB, 43,100 to 47,000 blocks`, where it is an estimate.
pub(super) fn ranges(amount: &Amount, noun: &str) -> Option<String> {
    let (of_bytes, of_count) = (amount.bytes_around()?, amount.count_around()?);
    Some(format!("{}, {}", range_of_bytes(of_bytes), range_of_count(of_count, Some(noun))))
}

pub(super) fn range_of_bytes(range: Confidence) -> String {
    format!("{} to {}", bytes(range.low), bytes(range.high))
}

fn range_of_count(range: Confidence, noun: Option<&str>) -> String {
    let high = noun.map_or_else(|| count(range.high), |noun| counted(range.high, noun));
    format!("{} to {high}", count(range.low))
}

/// A name and its place in `room` columns. Full names are not cut.
pub(in crate::report) fn label(entry: &Entry, naming: Naming, room: usize) -> String {
    let Entry { name, place, .. } = entry;
    if naming.full_names {
        return format!("{name}  {place}").trim_end().to_owned();
    }
    let room = room.max(LEAST_NAME);
    let name = match naming.by {
        By::Function | By::Line if !entry.is_rest => shorten_function(name, room),
        By::File => shorten_path(name, room),
        _ => clip(name, room),
    };
    let left = room.saturating_sub(width_of(&name) + 2);
    if place.is_empty() || left < LEAST_PLACE.min(width_of(place)) {
        return name;
    }
    format!("{name}  {}", shorten_path(place, left))
}
