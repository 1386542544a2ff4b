//! What formats for other programs have in common: one name per frame, and what is alive beside the listed stacks.

use super::model::{FrameReport, Place, ProcessReport, Sum};

/// The function, or else the place.
pub(super) fn frame_name(frame: &FrameReport, full_names: bool) -> String {
    if let Some(name) = frame.name(full_names) {
        return name.to_owned();
    }
    match (&frame.module, frame.place) {
        (Some(module), Place::Offset(offset)) => format!("{module}+{offset:#x}"),
        (None, Place::Offset(offset)) => format!("+{offset:#x}"),
        (_, Place::Address(address)) => format!("{address:#x}"),
        (_, Place::Unknown) => "(gone before its mappings could be read)".to_owned(),
    }
}

/// What is alive and in no listed stack, so that the sum over all is what is alive.
pub(super) fn rest(process: &ProcessReport) -> impl Iterator<Item = (&'static str, Sum)> {
    whole_rest(process).into_iter().filter(|(_, sum)| sum.bytes > 0)
}

/// As [`rest`], with what has no bytes: blocks may have none.
pub(super) const fn whole_rest(process: &ProcessReport) -> [(&'static str, Sum); 3] {
    [
        (NOT_LISTED, process.others),
        ("(younger than --min-age)", process.young),
        ("(of other sizes)", process.filtered),
    ]
}

/// The name of what is in stacks that are not listed.
pub(super) const NOT_LISTED: &str = "(stacks that are not listed)";

/// The stack's name where there is none.
pub(super) const NO_STACK: &str = "(no call stack)";
