//! Tables are read again by a reader of RFC 4180 that is written for this.

use super::CsvWriter;
use crate::engine::heap::touched::figures::TouchFigures;
use crate::engine::snapshot::SampledConfidence;
use crate::report::ReportWriter as _;
use crate::report::example::{ESTIMATED_LIVE, EXACT_LIVE, report};
use crate::report::model::{ProcessReport, Report, Sum, TouchedReport, TouchedStackReport};
use crate::report::view::Measure;
use std::collections::HashMap;

type Row = HashMap<String, String>;

fn text(report: &Report) -> String {
    let mut bytes = Vec::new();
    let writer = CsvWriter { internals: false, full_names: false };
    writer.write(report, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Records of a table: a field is plain, or in quotes, in which two stand for one.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut characters) = (false, text.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted => {
                assert_eq!(characters.next(), Some('\n'));
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    assert!(!quoted && field.is_empty() && record.is_empty(), "cut off");
    records
}

fn rows(report: &Report) -> Vec<Row> {
    let mut records = records(&text(report)).into_iter();
    let columns = records.next().unwrap();
    let row = |record: Vec<String>| {
        assert_eq!(record.len(), columns.len(), "{record:?}");
        columns.iter().cloned().zip(record).collect()
    };
    records.map(row).collect()
}

fn sum(rows: &[Row], pid: &str, column: &str) -> u64 {
    let rows = rows.iter().filter(|row| row["pid"] == pid && !row[column].is_empty());
    rows.map(|row| row[column].parse::<u64>().unwrap()).sum()
}

#[test]
fn columns_add_up_to_what_lives_and_to_what_was_allocated() {
    let rows = rows(&report());
    assert_eq!(sum(&rows, "7", "live_bytes"), EXACT_LIVE);
    assert_eq!(sum(&rows, "7", "allocated_bytes"), 2100);
    assert_eq!(sum(&rows, "7", "live_blocks"), 2 + 1 + 4);
    assert_eq!(sum(&rows, "8", "live_bytes"), ESTIMATED_LIVE);
    assert_eq!(rows.len(), 6);
}

#[test]
fn names_stay_in_their_cells_and_are_no_formulas() {
    let row = &rows(&report())[0];
    assert_eq!(row["process"], "'@app");
    assert_eq!(row["stack"], "'=cmd|' /C x'!A1;f(\"a\", b):\\u0000\u{fffd};</script>");
    assert_eq!((row["kind"].as_str(), row["function"].as_str()), ("heap", "malloc"));
}

#[test]
fn only_estimates_have_intervals() {
    let rows = rows(&report());
    let ends =
        |row: &Row| ["low", "high"].map(|end| row[&format!("live_bytes_ci95_{end}")].clone());
    assert_eq!(
        (rows[0]["estimated"].as_str(), ends(&rows[0])),
        ("false", ["", ""].map(str::to_owned))
    );
    let between = ["17179869184", "25769803776"].map(str::to_owned);
    let estimated = rows.last().unwrap();
    assert_eq!((estimated["estimated"].as_str(), ends(estimated)), ("true", between));
    assert!(rows.iter().all(|row| row["remarks"].contains("lost: 7 events, 2 stacks, 1 blocks")));
}

#[test]
fn touched_pages_are_of_another_kind() {
    let stack = TouchedStackReport {
        live_bytes: 4096,
        touched_bytes: 8192,
        given_back_bytes: 4096,
        ..TouchedStackReport::default()
    };
    let others = Sum { stacks: 1, blocks: 2, bytes: 100 };
    let touched = TouchedReport { stacks: vec![stack], others, ..TouchedReport::default() };
    let process = ProcessReport { pid: 7, touched: Some(touched), ..ProcessReport::default() };
    let rows = rows(&Report { processes: vec![process], ..Report::default() });
    assert!(rows.iter().all(|row| row["kind"] == "pages"));
    assert_eq!(sum(&rows, "7", "live_bytes"), 4196);
    assert_eq!(sum(&rows, "7", "allocated_bytes"), 8192);
    assert_eq!(rows[1]["stack"], "(stacks that are not listed)");
    assert!(rows.iter().all(|row| row["estimated"] == "false"));
}

/// Whatever the heap's figures are.
#[test]
fn touched_pages_are_estimates_where_not_each_was_looked_at() {
    let stacks = vec![TouchedStackReport::default()];
    let touched = TouchedReport { stacks, ..TouchedReport::default() };
    let mut process = ProcessReport { touched: Some(touched), ..ProcessReport::default() };
    let estimated = |process: &ProcessReport| {
        let report = Report { processes: vec![process.clone()], ..Report::default() };
        rows(&report).iter().map(|row| row["estimated"].clone()).collect::<Vec<_>>()
    };
    process.heap.confidence = Some(SampledConfidence::default());
    assert_eq!(estimated(&process), ["false"]);
    process.heap.confidence = None;
    process.touched.as_mut().unwrap().totals.confidence = Some(TouchFigures::default());
    assert_eq!(estimated(&process), ["true"]);
}

/// The columns of all figures stay, and those of the measure are more of them.
#[test]
fn a_measure_of_the_report_has_columns_with_ranges() {
    let rows = rows(&Report { measure: Some(Measure::Allocated), ..report() });
    assert_eq!(sum(&rows, "7", "view_bytes"), 2100);
    assert_eq!(sum(&rows, "8", "view_bytes"), ESTIMATED_LIVE);
    assert_eq!(sum(&rows, "7", "live_bytes"), EXACT_LIVE);
    let [exact, .., estimated] = &rows[..] else { panic!("several rows") };
    assert_eq!(exact["view_bytes_ci95_low"], "");
    assert_eq!(estimated["view_bytes_ci95_high"], "25769803776");
}
