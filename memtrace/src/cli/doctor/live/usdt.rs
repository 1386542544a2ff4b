//! Static probes that a process brings along to tell of its memory: where, and whether they can be read.

use super::super::model::{Line, Section, State, Topic};
use crate::probe::allocator::MappedFile;
use crate::probe::usdt::{PROVIDER, StaticProbes, Tells, UsdtError, look_into};
use crate::procfs::Process;
use std::collections::BTreeMap;

/// Beside what the allocators' functions show.
const NOTE: &str = "By these probes the program tells of allocations that it samples itself. Tracing counts what \
                    they tell apart from the heap (--no-usdt: not at all). One with a semaphore is used only \
                    with --usdt-semaphores, which has the kernel write to the program's memory.";

/// A section, if any of the files has such probes or could not be looked into.
pub(super) fn section(process: &Process, files: &[MappedFile]) -> Option<Section> {
    let lines: Vec<Line> = files.iter().flat_map(|file| of_file(file, look_into(file))).collect();
    let title = format!("Static probes ({PROVIDER}) in process {}", process.pid());
    (!lines.is_empty()).then(|| Section::new(Topic::Usdt, title, lines).note(NOTE))
}

fn of_file(file: &MappedFile, found: Result<StaticProbes, UsdtError>) -> Vec<Line> {
    let found = match found {
        Ok(found) if found.is_empty() => return Vec::new(),
        Ok(found) => found,
        Err(error) => {
            let line = Line::new(PROVIDER, State::Unknown, error.to_string());
            return vec![line.remedy("run doctor with sudo, while the process is there")];
        }
    };
    let mut lines = vec![Line::new("file", State::Ok, file.path.display().to_string())];
    lines.extend([Tells::Allocation, Tells::Free].iter().filter_map(|it| usable(&found, *it)));
    lines.extend(refused(&found));
    if found.more {
        lines.push(Line::new("more", State::Ok, "it lists more probes than are read"));
    }
    lines
}

fn usable(found: &StaticProbes, tells: Tells) -> Option<Line> {
    let probes = || found.usable.iter().filter(|probe| probe.tells == tells);
    let all = probes().count();
    let waiting = probes().filter(|probe| probe.semaphore.is_some()).count();
    let places = places(all);
    let detail = match waiting {
        0 => places,
        _ if waiting == all => {
            format!(
                "{places}; fires only while a tracer raises its semaphore in the program's memory"
            )
        }
        _ => format!("{places}, {waiting} of them with a semaphore"),
    };
    (all > 0).then(|| Line::new(tells.name(), State::Ok, detail))
}

/// A line for each name and reason.
fn refused(found: &StaticProbes) -> Vec<Line> {
    let mut reasons: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for refused in &found.refused {
        *reasons.entry((&refused.name, refused.reason.to_string())).or_default() += 1;
    }
    let line = |((name, reason), count)| {
        Line::new("not readable", State::Ok, format!("{name} ({}): {reason}", places(count)))
    };
    reasons.into_iter().map(line).collect()
}

fn places(count: usize) -> String {
    format!("{count} place{}", if count == 1 { "" } else { "s" })
}
