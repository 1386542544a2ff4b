//! A snapshot as tables of rows, and back.
//!
//! A row is a value in words. The first word is what it goes by: rows of two snapshots that begin with the same one
//! are mostly of the same thing.

use super::Shot;
use super::words::{self, WordsError};
use crate::engine::history::{MOST_POINTS, Point, growth};
use crate::engine::snapshot::{
    AccountSnapshot, Growth, ProcessSnapshot, Snapshot, StackSnapshot, State as Status,
};
use crate::model::ids::Nanos;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// One value in words.
pub(super) type Row = Arc<[u8]>;
pub(super) type Table = Vec<Row>;

/// Bytes that a row takes beside its words: its place in a table, counters, and what an allocator adds.
pub(super) const ROW: usize = size_of::<Row>() + 32;
/// Bytes that a process takes beside its rows.
pub(super) const PROCESS: usize = size_of::<Process>() + 32;

/// Tables that a process has.
pub(super) const TABLES: usize = 7;

/// A process: its row, and its tables: the series, then stacks of the heap, of described functions, of devices, of
/// mappings, of touched pages, and those that the program tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) row: Row,
    pub(super) tables: [Table; TABLES],
}

/// The tables that all processes have in common: the head (one row), the tracer's own figures (a row for each), modules,
/// marks, alerts.
pub(super) const COMMON: usize = 5;

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) common: [Table; COMMON],
    pub(super) processes: Vec<Process>,
}

/// The beginning of the head's row: what is needed to choose a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) is_final: bool,
    pub(super) is_report: bool,
    pub(super) is_mark: bool,
}

const HEAD: usize = 0;
const FACTS: usize = 1;
const MODULES: usize = 2;
const MARKS: usize = 3;
const ALERTS: usize = 4;
const SERIES: usize = 0;

fn row<T: Serialize>(value: &T) -> Result<Row, WordsError> {
    words::row(value).map(Row::from)
}

fn table<T: Serialize>(values: impl IntoIterator<Item = T>) -> Result<Table, WordsError> {
    values.into_iter().map(|value| row(&value)).collect()
}

fn values<T: DeserializeOwned>(table: &[Row]) -> impl Iterator<Item = Result<T, WordsError>> {
    table.iter().map(|row| words::read(row))
}

impl State {
    /// The rows of a snapshot.
    ///
    /// # Errors
    /// None in practice: all of it has rows.
    pub(super) fn of(shot: &Shot) -> Result<Self, WordsError> {
        let Shot { snapshot, facts, is_final, is_report, is_mark } = shot;
        let about = About { is_final: *is_final, is_report: *is_report, is_mark: *is_mark };
        Ok(Self {
            common: [
                vec![row(&(0_u8, about, &**snapshot))?],
                facts_table(facts)?,
                table(snapshot.modules.iter().map(|module| (module.id, module)))?,
                table(snapshot.marks.iter().map(|mark| (mark.time, mark)))?,
                table(snapshot.alerts.iter().map(|alert| (alert.time, alert)))?,
            ],
            processes: snapshot.processes.iter().map(Process::of).collect::<Result<_, _>>()?,
        })
    }

    /// The snapshot of the rows.
    ///
    /// # Errors
    /// When the rows are not those of one.
    pub(super) fn shot(&self) -> Result<Shot, WordsError> {
        let (about, mut snapshot) = self.head()?;
        snapshot.modules = seconds(&self.common[MODULES])?.into();
        snapshot.marks = seconds(&self.common[MARKS])?;
        snapshot.alerts = seconds(&self.common[ALERTS])?;
        let processes = self.processes.iter().map(Process::snapshot);
        snapshot.processes = processes.collect::<Result<_, _>>()?;
        let About { is_final, is_report, is_mark } = about;
        let facts = facts(&self.common[FACTS])?;
        Ok(Shot { snapshot: Arc::new(snapshot), facts, is_final, is_report, is_mark })
    }

    /// What the snapshot is, and all of it that is in no list.
    pub(super) fn head(&self) -> Result<(About, Snapshot), WordsError> {
        let [head] = self.common[HEAD].as_slice() else {
            return Err(WordsError("a snapshot without a head"));
        };
        let (_, about, snapshot): (u8, About, Snapshot) = words::read(head)?;
        Ok((about, snapshot))
    }

    /// Live bytes of the heaps of all processes that run.
    pub(super) fn live_bytes(&self) -> Result<u64, WordsError> {
        self.processes.iter().try_fold(0_u64, |sum, process| {
            let process = process.core()?;
            let counts = process.state == Status::Running;
            Ok(sum.saturating_add(if counts { process.heap.live_bytes } else { 0 }))
        })
    }

    /// Bytes of all rows.
    pub(super) fn bytes(&self) -> usize {
        let of_rows: usize = self.rows().map(|row| ROW + row.len()).sum();
        of_rows + self.processes.len() * PROCESS
    }

    /// Bytes of rows that are not `other`'s, and of places for those that are: what this takes beside that.
    pub(super) fn bytes_beside(&self, other: &Self) -> usize {
        let others: HashSet<*const u8> = other.rows().map(|row| row.as_ptr()).collect();
        let of_row = |row: &Row| {
            if others.contains(&row.as_ptr()) { size_of::<Row>() } else { ROW + row.len() }
        };
        self.rows().map(of_row).sum::<usize>() + self.processes.len() * PROCESS
    }

    /// All rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        let of_processes = self.processes.iter();
        let of_processes = of_processes.flat_map(|it| it.tables.iter().flatten().chain([&it.row]));
        self.common.iter().flatten().chain(of_processes)
    }
}

/// The rows' values, without what they go by.
fn seconds<T: DeserializeOwned>(table: &[Row]) -> Result<Vec<T>, WordsError> {
    values::<(u64, T)>(table).map(|row| Ok(row?.1)).collect()
}

impl Process {
    fn of(process: &ProcessSnapshot) -> Result<Self, WordsError> {
        let stacks = |stacks: &[StackSnapshot]| {
            table(stacks.iter().map(|stack| {
                let told = (growth_of(process, stack) != stack.growth).then_some(stack.growth);
                (stack.past.number, told, stack)
            }))
        };
        let told = process.told.as_deref().map_or(&[][..], |told| &told.stacks);
        Ok(Self {
            row: row(&(process.seen, process))?,
            tables: [
                table(process.history.iter().map(|point| (point.time, point)))?,
                stacks(&process.stacks)?,
                stacks(&process.pools.stacks)?,
                stacks(&process.device.stacks)?,
                table(process.mapped.iter().map(|stack| (stack.stack, stack)))?,
                table(process.touched_stacks.iter().map(|stack| (stack.stack, stack)))?,
                table(told.iter().map(|stack| (stack.stack, stack)))?,
            ],
        })
    }

    fn core(&self) -> Result<ProcessSnapshot, WordsError> {
        let (_, process): (Nanos, ProcessSnapshot) = words::read(&self.row)?;
        Ok(process)
    }

    fn snapshot(&self) -> Result<ProcessSnapshot, WordsError> {
        let [series, heap, pools, device, mapped, touched, told] = &self.tables;
        let mut process = self.core()?;
        if series.len() > MOST_POINTS {
            // What stacks say of growth takes all points for each.
            return Err(WordsError("a series with more points than any"));
        }
        let points: Vec<Arc<Point>> = seconds(series)?;
        process.history = points.into();
        process.stacks = stacks(heap, &process)?;
        let pools = stacks(pools, &process)?;
        process.pools = AccountSnapshot { stacks: pools, ..process.pools };
        let device = stacks(device, &process)?;
        process.device = AccountSnapshot { stacks: device, ..process.device };
        process.mapped = seconds(mapped)?;
        process.touched_stacks = seconds(touched)?;
        if let Some(all) = &mut process.told {
            all.stacks = seconds(told)?;
        }
        Ok(process)
    }
}

/// Whether new rows of this table are like the last one that there was.
pub(super) const fn continues(table: usize) -> bool {
    table == SERIES
}

/// What the series says of a stack's growth.
fn growth_of(process: &ProcessSnapshot, stack: &StackSnapshot) -> Growth {
    let number = stack.past.number as usize;
    let held = process.history.iter();
    growth(held.map(|point| (point.time, point.stacks.get(number).copied().unwrap_or(0))))
}

fn stacks(table: &[Row], process: &ProcessSnapshot) -> Result<Vec<StackSnapshot>, WordsError> {
    let rows = values::<(u32, Option<Growth>, StackSnapshot)>(table);
    rows.map(|row| {
        let (_, told, mut stack) = row?;
        stack.growth = told.unwrap_or_else(|| growth_of(process, &stack));
        Ok(stack)
    })
    .collect()
}

/// A row for each of the tracer's figures: most are the same as they were.
fn facts_table(facts: &serde_json::Value) -> Result<Table, WordsError> {
    let named = facts.as_object().into_iter().flatten();
    table((0_u32..).zip(named).map(|(number, (name, value))| (number, name, value.to_string())))
}

fn facts(table: &[Row]) -> Result<serde_json::Value, WordsError> {
    let rows = values::<(u32, String, String)>(table);
    let named = rows.map(|row| {
        let (_, name, value) = row?;
        let value = serde_json::from_str(&value);
        Ok((name, value.map_err(|_| WordsError("figures of the tracer that are no JSON"))?))
    });
    Ok(serde_json::Value::Object(named.collect::<Result<_, _>>()?))
}
