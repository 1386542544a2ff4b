//! The floors of the `memtrace` crate: a floor imports only lower ones.

use super::paths::{self, Path};
use super::{Finding, Source};

/// A module of the crate and what it may do.
struct Room {
    name: &'static str,
    floor: u8,
    /// Other modules on the same floor that it may import.
    siblings: &'static [&'static str],
}

const fn room(name: &'static str, floor: u8) -> Room {
    Room { name, floor, siblings: &[] }
}

/// The house, from the ground up. A new module needs a line here, which is the point.
const HOUSE: [Room; 19] = [
    room("model", 1),
    room("engine", 2),
    room("selection", 2),
    room("source", 3),
    room("recording", 3),
    room("control", 3),
    room("debug_files", 3),
    Room { name: "probe", floor: 3, siblings: &["debug_files", "lookup"] },
    room("launch", 3),
    room("lookup", 3),
    Room { name: "procfs", floor: 3, siblings: &["lookup"] },
    Room { name: "containers", floor: 3, siblings: &["lookup"] },
    room("unwind", 3),
    Room { name: "symbolize", floor: 3, siblings: &["debug_files", "lookup"] },
    room("report", 4),
    room("daemon", 5),
    room("screen", 5),
    room("cli", 6),
    room("hostile", 6),
];

/// What only some floors may use, and from which floor on.
const OUTSIDE: [(&str, u8); 18] = [
    ("std::fs", 3),
    ("std::net", 3),
    ("std::env", 3),
    ("std::process", 3),
    ("std::thread", 3),
    ("std::time::Instant", 3),
    ("std::time::SystemTime", 3),
    ("std::io::stdin", 3),
    ("std::io::stdout", 3),
    ("aya", 3),
    ("blazesym", 3),
    ("libc", 3),
    ("tracing", 3),
    ("ratatui", 5),
    ("tokio", 5),
    ("anyhow", 6),
    ("clap", 6),
    ("tracing_subscriber", 6),
];

fn find(name: &str) -> Option<&'static Room> {
    HOUSE.iter().find(|room| room.name == name)
}

/// Checks one file; files outside the crate's `src` have no floor.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let Some(module) = module(source) else { return Vec::new() };
    let [first, ..] = module.as_slice() else { return Vec::new() };
    let Some(room) = find(first) else {
        let message = format!("module {first} has no floor: give it one in xtask's tidy/floors.rs");
        return vec![source.finding(1, message)];
    };
    let mut findings: Vec<Finding> = paths::paths(&source.tokens, &module)
        .iter()
        .filter_map(|path| Some(source.finding(path.line, complaint(room, path)?)))
        .collect();
    findings.dedup();
    findings
}

/// The file's place below the crate's root: `["engine", "heap"]`. Empty for `lib.rs`, `main.rs`.
fn module(source: &Source) -> Option<Vec<&str>> {
    let place = source.path.strip_prefix("memtrace/src").ok()?.to_str()?;
    let place = place.strip_suffix(".rs")?;
    let place = place.strip_suffix("/mod").unwrap_or(place);
    Some(if matches!(place, "lib" | "main") { Vec::new() } else { place.split('/').collect() })
}

fn complaint(room: &Room, path: &Path) -> Option<String> {
    let parts: Vec<&str> = path.parts.iter().map(String::as_str).collect();
    match *parts.as_slice() {
        ["crate", other, ..] => inside(room, find(other)?),
        _ => outside(room, &parts.join("::")),
    }
}

fn inside(room: &Room, other: &Room) -> Option<String> {
    let allowed = other.floor < room.floor
        || other.name == room.name
        || (room.siblings.contains(&other.name) && other.floor == room.floor);
    (!allowed).then(|| {
        let why = if other.floor == room.floor { "its sibling" } else { "a higher floor" };
        let (floor, name) = (room.floor, room.name);
        format!("floor {floor} ({name}) imports {}, {why} (floor {})", other.name, other.floor)
    })
}

fn outside(room: &Room, path: &str) -> Option<String> {
    let (name, floor) = OUTSIDE.iter().find(|(name, _)| {
        path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })?;
    (room.floor < *floor).then(|| {
        format!("floor {} ({}) uses {name}, which is for floor {floor} up", room.floor, room.name)
    })
}

#[cfg(test)]
mod tests {
    use super::{Room, check, inside, room};
    use crate::tidy::Source;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_floor_may_import_lower_ones_and_itself() {
        let text = "use crate::model::ids; use crate::engine::heap; use super::ports; use std::io;";
        assert_eq!(complaints("memtrace/src/engine/tracker.rs", text), [] as [&str; 0]);
    }

    #[test]
    fn importing_a_higher_floor_is_found() {
        let found = complaints("memtrace/src/engine/mod.rs", "use crate::{model::a, report::b};");
        assert_eq!(found, ["floor 2 (engine) imports report, a higher floor (floor 4)"]);
        let found = complaints("memtrace/src/model/ids.rs", "fn f() { super::super::engine::g() }");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn importing_a_sibling_is_found() {
        let found = complaints("memtrace/src/procfs/maps.rs", "use crate::probe::plan;");
        assert_eq!(found, ["floor 3 (procfs) imports probe, its sibling (floor 3)"]);
    }

    #[test]
    fn a_named_sibling_is_allowed() {
        let replay = Room { name: "replay", floor: 3, siblings: &["recording"] };
        assert_eq!(inside(&replay, &room("recording", 3)), None);
        assert!(inside(&room("recording", 3), &replay).is_some());
    }

    #[test]
    fn the_outside_world_is_for_those_who_may() {
        let text = "use std::fs; use tokio::net; fn f() { std::time::Instant::now() }";
        assert_eq!(complaints("memtrace/src/engine/tracker.rs", text).len(), 3);
        assert_eq!(complaints("memtrace/src/procfs/mod.rs", text).len(), 1);
        assert_eq!(complaints("memtrace/src/daemon/mod.rs", text).len(), 0);
        let text = "use std::time::Duration; use std::fs_extra::x;";
        assert_eq!(complaints("memtrace/src/engine/tracker.rs", text).len(), 0);
    }

    #[test]
    fn a_module_without_a_floor_is_found() {
        assert_eq!(complaints("memtrace/src/attic/mod.rs", "").len(), 1);
        assert_eq!(complaints("memtrace/src/main.rs", "use crate::cli::x;").len(), 0);
        assert_eq!(complaints("xtask/src/attic.rs", "use crate::x::y;").len(), 0);
    }
}
