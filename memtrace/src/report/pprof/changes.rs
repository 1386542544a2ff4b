//! Differences as profiles: values are those after less those before, and negative where something shrank, as in what
//! pprof makes itself of two profiles (`-diff_base`).

use super::message::{Label, Sample, ValueType};
use super::tables::Tables;
use super::{Profile, write_packed};
use crate::report::differences::{Changed, Differences, maker};
use std::io;

/// The values of a sample, in order, and their units.
pub(super) const VALUES: [(&str, &str); 2] =
    [("diff_inuse_objects", "count"), ("diff_inuse_space", "bytes")];

/// Writes a gzipped profile. The sum of its values is the difference of all that is alive.
///
/// # Errors
/// What `out` says.
pub(in crate::report) fn write_changes(
    changes: &Differences,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    write_packed(&profile(changes), out)
}

pub(super) fn profile(changes: &Differences) -> Profile {
    let mut tables = Tables::new(false);
    describe(changes, &mut tables);
    for stack in &changes.stacks {
        add(stack, &mut tables);
    }
    tables.profile
}

fn add(stack: &Changed, tables: &mut Tables) {
    let value = [difference(stack.blocks), difference(stack.bytes)];
    if value == [0, 0] {
        return;
    }
    let steps = stack.path.iter().rev();
    let location_id = steps.map(|it| tables.named(&it.named, it.module.as_deref())).collect();
    let label = stack.process.iter().map(|process| Label {
        key: tables.text("process"),
        str: tables.text(process),
        num: 0,
    });
    let label = label.collect();
    tables.profile.sample.push(Sample { location_id, value: value.to_vec(), label });
}

/// After less before.
fn difference([before, after]: [u64; 2]) -> i64 {
    let value = i128::from(after) - i128::from(before);
    let limit = if value < 0 { -i64::MAX } else { i64::MAX };
    i64::try_from(value).unwrap_or(limit)
}

fn describe(changes: &Differences, tables: &mut Tables) {
    for (kind, unit) in VALUES {
        let value = ValueType { r#type: tables.text(kind), unit: tables.text(unit) };
        tables.profile.sample_type.push(value);
    }
    let period = ValueType { r#type: tables.text("space"), unit: tables.text("bytes") };
    tables.profile.period_type = Some(period);
    let interval = changes.sample_interval.max(1);
    tables.profile.period = i64::try_from(interval).unwrap_or(i64::MAX);
    tables.profile.default_sample_type = tables.text("diff_inuse_space");
    let time = changes.after.map_or(0, jiff::Timestamp::as_nanosecond);
    tables.profile.time_nanos = i64::try_from(time).unwrap_or_default();
    if let (Some(before), Some(after)) = (changes.before, changes.after) {
        let span = after.duration_since(before).as_nanos().max(0);
        tables.profile.duration_nanos = i64::try_from(span).unwrap_or(i64::MAX);
    }
    for comment in [maker()].iter().chain(&changes.notes) {
        let comment = tables.text(comment);
        tables.profile.comment.push(comment);
    }
}
