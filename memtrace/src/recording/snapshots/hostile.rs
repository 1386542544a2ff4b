//! The reader of snapshots, for bytes of anybody: fuzzing and what once did harm.

use super::delta::applied;
use super::state::State;
use super::{Shot, Snapshots};
use crate::recording::Reader;

/// Snapshots of a whole file; and of what is different from none, whose checksum no random change would keep, which is
/// applied twice.
pub(crate) fn shots(bytes: &[u8]) -> Vec<Shot> {
    let mut shots = Vec::new();
    if let Ok(mut snapshots) = Reader::new(bytes).and_then(Snapshots::new) {
        while snapshots.goes_on() {
            let _ = snapshots.brief();
            shots.extend(snapshots.shot());
        }
    }
    let mut state = State::default();
    for _ in 0..2 {
        let Ok(next) = applied(&state, bytes) else { break };
        state = next;
        let _ = (state.live_bytes(), state.head());
        shots.extend(state.shot());
    }
    shots
}

#[cfg(test)]
mod tests {
    use super::super::delta::{MOST_ROW, MOST_STATE, applied, delta};
    use super::super::state::{COMMON, State, TABLES};
    use super::super::tests::Program;
    use super::shots;
    use crate::engine::history::MOST_POINTS;
    use crate::recording::columns::varint::put;
    use std::path::Path;
    use std::sync::Arc;

    /// What is different from none in a snapshot that has some of all.
    fn seed() -> Vec<u8> {
        let mut shot = Program::run(1, 60).pop().unwrap();
        let snapshot = Arc::make_mut(&mut shot.snapshot);
        let told = snapshot.processes.iter_mut().filter_map(|process| process.told.as_mut());
        // They are in no particular order.
        told.for_each(|told| told.stacks.sort_by_key(|stack| stack.stack));
        delta(&State::default(), &State::of(&shot).unwrap())
    }

    /// Also shows when the layout of rows changes, and with it the number that `layout.rs` has for it. With
    /// `MEMTRACE_WRITE_SEED` set the file is made anew.
    #[test]
    fn the_fuzzer_begins_with_a_snapshot_and_its_layout_is_what_it_was() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions/snapshots/a_snapshot");
        if std::env::var_os("MEMTRACE_WRITE_SEED").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, seed()).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            bytes == seed(),
            "the layout of rows has changed: raise its number, make this file anew"
        );
        let shots = shots(&bytes);
        assert_eq!(shots.len(), 2, "rows without a base come again");
        assert!(!shots[0].snapshot.processes.is_empty());
    }

    /// A table of so many rows without words.
    fn empty_rows(count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, count as u64);
        bytes.extend([2, 0, 0].repeat(count));
        bytes.extend([0; COMMON]);
        bytes
    }

    /// So many processes without anything.
    fn empty_processes(count: usize) -> Vec<u8> {
        let mut bytes = vec![0; COMMON];
        put(&mut bytes, count as u64);
        bytes.extend([0; 2 + TABLES].repeat(count));
        bytes
    }

    #[test]
    fn what_has_few_bytes_in_a_file_counts_as_what_it_takes() {
        let none = State::default();
        for bytes in [empty_rows, empty_processes] {
            let state = applied(&none, &bytes(1000)).unwrap();
            let each = state.bytes() / 1000;
            assert!(each >= 40, "{each}");
            let refused = applied(&none, &bytes(MOST_STATE / each + 1)).unwrap_err();
            assert!(refused.contains("larger than any"), "{refused}");
            assert!(applied(&none, &bytes(MOST_STATE / each - 1)).is_ok());
        }
    }

    /// Zeroes, which take no bytes in a file.
    #[test]
    fn a_row_is_not_much_longer_than_those_of_ours() {
        let of_words = |count: usize| {
            let mut bytes = vec![1, 2];
            put(&mut bytes, count as u64);
            bytes.extend([0; 1 + COMMON]);
            applied(&State::default(), &bytes)
        };
        assert_eq!(of_words(MOST_ROW).unwrap().rows().next().map(|row| row.len()), Some(MOST_ROW));
        assert!(of_words(MOST_ROW + 1).unwrap_err().contains("larger than any"));
    }

    #[test]
    fn a_series_has_no_more_points_than_any_run_makes() {
        let mut shot = Program::run(1, 60).pop().unwrap();
        for (count, is_read) in [(MOST_POINTS, true), (MOST_POINTS + 1, false)] {
            let process = &mut Arc::make_mut(&mut shot.snapshot).processes[0];
            let point = Arc::clone(&process.history[0]);
            process.history = std::iter::repeat_n(point, count).collect();
            assert_eq!(State::of(&shot).unwrap().shot().is_ok(), is_read, "{count} points");
        }
    }
}
