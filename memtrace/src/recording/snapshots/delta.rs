//! What is different in a snapshot from the one before, and the snapshot from that.
//!
//! A table is the number of its rows, then for each how it comes about from one of the table before, its base: the
//! next one is expected, and others are told by their place.

use super::state::{self, COMMON, PROCESS, Process, ROW, Row, State, TABLES, Table};
use crate::recording::columns::varint::{CONTINUES, put, put_step, take, take_step};
use std::collections::HashMap;
use std::sync::Arc;

/// Most bytes that the rows of a snapshot may have: what a reader takes, whatever a file says.
pub(super) const MOST_STATE: usize = 128 << 20;

/// Most bytes of a row, and so most words. A row is one stack, one process without its stacks, or less. A few bytes of a
/// file can ask for all of them, as words that are zero need not be written, and the value of a row takes several times
/// as much.
pub(super) const MOST_ROW: usize = 4 << 20;

/// The base itself.
const SAME: u64 = 0;
/// The base with some words changed.
const CHANGED: u64 = 1;
/// Without a base.
const NEW: u64 = 2;
/// Another base than the next one, by its place; then one of the others.
const FROM: u64 = 3;

/// A row that makes no sense.
const ODD: &str = "a change of a snapshot that makes no sense";
const LARGE: &str = "a snapshot that is larger than any that was written";

/// What is different in `after`.
pub(super) fn delta(before: &State, after: &State) -> Vec<u8> {
    let mut out = Vec::new();
    for (before, after) in before.common.iter().zip(&after.common) {
        put_table(&mut out, before, after, None);
    }
    put(&mut out, after.processes.len() as u64);
    let mut bases = Bases::new(before.processes.iter().map(|process| &process.row));
    let none = Process { row: Arc::from([]), tables: [const { Vec::new() }; TABLES] };
    for process in &after.processes {
        let base = bases.find(&process.row);
        put(&mut out, base.map_or(0, |base| base as u64 + 1));
        let base = base.map_or(&none, |base| &before.processes[base]);
        put_row(&mut out, &base.row, &process.row);
        for (number, (before, after)) in base.tables.iter().zip(&process.tables).enumerate() {
            let last = before.len().checked_sub(1).filter(|_| state::continues(number));
            put_table(&mut out, before, after, last);
        }
    }
    out
}

/// `before` with what is different. `bytes` may be anybody's.
///
/// # Errors
/// What makes no sense in them.
pub(super) fn applied(before: &State, mut bytes: &[u8]) -> Result<State, &'static str> {
    let bytes = &mut bytes;
    let mut after = State::default();
    let mut room = MOST_STATE;
    for number in 0..COMMON {
        after.common[number] = take_table(bytes, &before.common[number], &mut room)?;
    }
    let none = Process { row: Arc::from([]), tables: [const { Vec::new() }; TABLES] };
    let count = length(bytes)?;
    charge(&mut room, count, PROCESS + ROW)?;
    for _ in 0..count {
        let base = match take(bytes).ok_or(ODD)? {
            0 => &none,
            place => usize::try_from(place - 1)
                .ok()
                .and_then(|place| before.processes.get(place))
                .ok_or(ODD)?,
        };
        let row = take_row(bytes, &base.row, &mut room)?;
        let mut tables = [const { Vec::new() }; TABLES];
        for (table, base) in tables.iter_mut().zip(&base.tables) {
            *table = take_table(bytes, base, &mut room)?;
        }
        after.processes.push(Process { row, tables });
    }
    if bytes.is_empty() { Ok(after) } else { Err(ODD) }
}

/// A number of things of at least a byte each.
fn length(bytes: &mut &[u8]) -> Result<usize, &'static str> {
    let length = take(bytes).and_then(|length| usize::try_from(length).ok()).ok_or(ODD)?;
    if length > bytes.len() { Err(ODD) } else { Ok(length) }
}

/// Takes room for so many things, which have few bytes in the file, before there are any.
fn charge(room: &mut usize, count: usize, each: usize) -> Result<(), &'static str> {
    let left = count.checked_mul(each).and_then(|bytes| room.checked_sub(bytes));
    *room = left.ok_or(LARGE)?;
    Ok(())
}

/// The word that a row goes by.
fn key(mut row: &[u8]) -> Option<u64> {
    take(&mut row)
}

/// The rows that others may come about from.
struct Bases<'a> {
    rows: Vec<&'a Row>,
    /// The one that is expected next.
    next: usize,
    /// Places by what rows go by, once others than expected came.
    places: Option<HashMap<u64, usize>>,
}

impl<'a> Bases<'a> {
    fn new(rows: impl Iterator<Item = &'a Row>) -> Self {
        Self { rows: rows.collect(), next: 0, places: None }
    }

    fn find(&mut self, row: &[u8]) -> Option<usize> {
        let wanted = key(row)?;
        if self.rows.get(self.next).and_then(|row| key(row)) == Some(wanted) {
            self.next += 1;
            return Some(self.next - 1);
        }
        let Self { rows, places, .. } = self;
        let places = places.get_or_insert_with(|| {
            let keys = rows.iter().enumerate().rev();
            keys.filter_map(|(place, row)| Some((key(row)?, place))).collect()
        });
        let place = places.get(&wanted).copied()?;
        self.next = place + 1;
        Some(place)
    }
}

/// `usual`: the base of rows that have none by what they go by.
fn put_table(out: &mut Vec<u8>, before: &Table, after: &Table, usual: Option<usize>) {
    put(out, after.len() as u64);
    let mut bases = Bases::new(before.iter());
    let mut expected = 0;
    for row in after {
        let Some(base) = bases.find(row).or(usual) else {
            put(out, NEW);
            put_words(out, &[], row);
            continue;
        };
        if base != expected {
            put(out, FROM);
            put_step(out, expected as u64, base as u64);
        }
        expected = base + 1;
        put_row(out, &before[base], row);
    }
}

fn take_table(bytes: &mut &[u8], before: &Table, room: &mut usize) -> Result<Table, &'static str> {
    let count = length(bytes)?;
    charge(room, count, ROW)?;
    let mut after = Table::with_capacity(count);
    let mut place = 0;
    for _ in 0..count {
        let mut what = *bytes;
        match take(&mut what).ok_or(ODD)? {
            NEW => {
                *bytes = what;
                after.push(take_words(bytes, &[], room)?);
                continue;
            }
            FROM => {
                *bytes = what;
                place = take_step(bytes, place).ok_or(ODD)?;
            }
            _ => {}
        }
        let base = usize::try_from(place).ok().and_then(|place| before.get(place)).ok_or(ODD)?;
        after.push(take_row(bytes, base, room)?);
        place += 1;
    }
    Ok(after)
}

fn put_row(out: &mut Vec<u8>, base: &Row, row: &Row) {
    if base == row {
        put(out, SAME);
    } else {
        put(out, CHANGED);
        put_words(out, base, row);
    }
}

fn take_row(bytes: &mut &[u8], base: &Row, room: &mut usize) -> Result<Row, &'static str> {
    match take(bytes) {
        Some(SAME) => {
            // A reference, but whoever reads the rows makes a value of each.
            *room = room.checked_sub(base.len()).ok_or(LARGE)?;
            Ok(Arc::clone(base))
        }
        Some(CHANGED) => take_words(bytes, base, room),
        _ => Err(ODD),
    }
}

/// A row's number of words, the number of those that are not the base's, and of each how many before it are the same
/// and the step from the base's. Where the base has no more words it has zeroes.
fn put_words(out: &mut Vec<u8>, mut base: &[u8], mut row: &[u8]) {
    let mut changes = Vec::new();
    let (mut count, mut changed, mut same) = (0, 0, 0);
    while let Some(word) = take(&mut row) {
        let before = take(&mut base).unwrap_or(0);
        if word == before {
            same += 1;
        } else {
            put(&mut changes, same);
            put_step(&mut changes, before, word);
            (same, changed) = (0, changed + 1);
        }
        count += 1;
    }
    put(out, count);
    put(out, changed);
    out.extend_from_slice(&changes);
}

fn take_words(bytes: &mut &[u8], mut base: &[u8], room: &mut usize) -> Result<Row, &'static str> {
    let count = take(bytes).and_then(|count| usize::try_from(count).ok()).ok_or(ODD)?;
    if count > MOST_ROW {
        return Err(LARGE);
    }
    *room = room.checked_sub(count).ok_or(LARGE)?;
    let mut row = Vec::with_capacity(count.min(4096));
    let mut left = count;
    for _ in 0..length(bytes)? {
        let same = take(bytes).and_then(|same| usize::try_from(same).ok()).ok_or(ODD)?;
        left = left.checked_sub(same).and_then(|left| left.checked_sub(1)).ok_or(ODD)?;
        copy(&mut row, &mut base, same);
        let before = take(&mut base).unwrap_or(0);
        put(&mut row, take_step(bytes, before).ok_or(ODD)?);
    }
    copy(&mut row, &mut base, left);
    if row.len() > MOST_ROW {
        return Err(LARGE);
    }
    *room = room.checked_sub(row.len() - count).ok_or(LARGE)?;
    Ok(row.into())
}

/// So many words of the base, then zeroes. Rows have their words as [`put`] writes them, so they are copied as they are:
/// a few bytes of a file may ask for a hundred million.
fn copy(row: &mut Vec<u8>, base: &mut &[u8], words: usize) {
    let (mut left, mut end) = (words, 0);
    while left > 0
        && let Some(byte) = base.get(end)
    {
        left -= usize::from(*byte < CONTINUES);
        end += 1;
    }
    let (copied, rest) = base.split_at(end);
    row.extend_from_slice(copied);
    row.resize(row.len() + left, 0);
    *base = rest;
}
