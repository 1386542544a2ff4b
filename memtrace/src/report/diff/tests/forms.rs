//! The same comparison in each form that is for other programs: read again, its sums are those of the text.

use super::{estimated, two, unlisted};
use crate::report::diff::side::REASONS;
use crate::report::diff::{
    By, Diff, Side, write_csv, write_firefox, write_folded, write_html, write_pprof,
    write_speedscope, write_svg,
};
use serde_json::Value;
use std::io;

type Write = fn(&Diff, [(&str, &Side); 2], bool, &mut dyn io::Write) -> io::Result<()>;

fn bytes((before, after): (&Side, &Side), by: By, write: Write) -> Vec<u8> {
    let mut out = Vec::new();
    let diff = Diff::between(before, after, by);
    write(&diff, [("a.json", before), ("b.json", after)], false, &mut out).unwrap();
    out
}

fn text(sides: (&Side, &Side), by: By, write: Write) -> String {
    String::from_utf8(bytes(sides, by, write)).unwrap()
}

fn json(sides: (&Side, &Side), by: By, write: Write) -> Value {
    serde_json::from_str(&text(sides, by, write)).unwrap()
}

/// The lines of a table without commas in its cells, by the names of its columns.
fn table(text: &str) -> Vec<Vec<(&str, &str)>> {
    let mut lines = text.split_terminator("\r\n").map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    lines
        .map(|cells| {
            assert_eq!(cells.len(), names.len(), "{cells:?}");
            names.iter().copied().zip(cells).collect()
        })
        .collect()
}

fn cell<'a>(line: &[(&str, &'a str)], name: &str) -> &'a str {
    line.iter().find(|(it, _)| *it == name).unwrap().1
}

#[test]
fn a_table_has_all_differences_and_their_sum() {
    let (before, after) = two();
    let text = text((&before, &after), By::Stack, write_csv);
    // What is said of the whole has commas in it.
    let text = without_quoted(&text);
    let table = table(&text);
    assert_eq!(table.len(), 5, "unchanged ones, too");
    let numbers = |name: &str| {
        table.iter().map(|line| cell(line, name).parse::<i64>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("bytes_difference"), [-4_096, 4_000, 64, -64, 0]);
    assert_eq!(numbers("blocks_difference"), [-1, 40, 2, -1, 0]);
    assert_eq!(numbers("bytes_after").iter().sum::<i64>(), 9_660);
    let first = &table[0];
    let place = ["process", "function", "module", "file", "line"].map(|name| cell(first, name));
    assert_eq!(place, ["demo (7)", "malloc", "demo", "src/cache.c", "7"]);
    assert_eq!((cell(first, "by"), cell(first, "estimated")), ("stack", "false"));
    assert_eq!(cell(first, "bytes_difference_ci95_low"), "");
    assert_eq!(cell(first, "bytes_told_from_zero"), "true");
    assert_eq!(cell(&table[4], "bytes_told_from_zero"), "false");
}

/// Of a side that does not list all of them.
#[test]
fn groups_of_a_part_say_so() {
    let (before, after) = unlisted();
    let text = without_quoted(&text((&before, &after), By::Module, write_csv));
    let lines = table(&text);
    let [_, group] = lines.as_slice() else { panic!("{text}") };
    let cells = ["before_is_part", "after_is_part", "bytes_before", "bytes_difference"];
    assert_eq!(cells.map(|name| cell(group, name)), ["true", "false", "1000", ""]);
    let found = data(&self::text((&before, &after), By::Module, write_html));
    assert_eq!(found["is_part"], serde_json::json!([[false, true], [false, false]]));
}

/// As a reader of such tables has it, but for what is in quotes: that is an `x`.
fn without_quoted(text: &str) -> String {
    text.split('"').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "x" }).collect()
}

#[test]
fn what_is_not_known_is_empty_and_estimates_have_their_ranges() {
    let (before, after) = unlisted();
    let unknown = without_quoted(&text((&before, &after), By::Stack, write_csv));
    let lines = table(&unknown);
    let [left_out, leak, ..] = lines.as_slice() else { panic!("{unknown}") };
    assert_eq!(cell(left_out, "left_out"), REASONS[0]);
    assert_eq!(cell(left_out, "bytes_before"), "8756");
    let [before, after, difference] = ["bytes_before", "bytes_after", "bytes_difference"]
        .map(|name| lines.iter().map(|line| cell(line, name)).collect::<Vec<_>>());
    assert_eq!((before[1], difference[1]), ("", ""), "{leak:?}");
    assert_ne!(after[1], "");

    let (before, after) = estimated();
    let text = without_quoted(&text((&before, &after), By::Line, write_csv));
    let lines = table(&text);
    assert_eq!(cell(&lines[0], "estimated"), "true");
    let interval = ["bytes_difference_ci95_low", "bytes_difference_ci95_high"];
    // √(400² + 400²) = 565.7 below, √(500² + 300²) = 583.1 above.
    assert_eq!(interval.map(|name| cell(&lines[0], name)), ["7434", "8584"]);
}

fn sum(profile: &Value) -> i64 {
    profile["weights"].as_array().unwrap().iter().map(|it| it.as_i64().unwrap()).sum()
}

#[test]
fn what_grew_and_what_shrank_are_profiles_of_their_own() {
    let (before, after) = two();
    let file = json((&before, &after), By::Stack, write_speedscope);
    let [grew, shrank] = file["profiles"].as_array().unwrap().as_slice() else { panic!("{file}") };
    assert_eq!((sum(grew), sum(shrank)), (4_064, 4_160));
    assert_eq!(grew["name"], "grew by 4,064 B");
    assert_eq!(shrank["name"], "shrank by 4,160 B");
    assert_eq!((&grew["endValue"], &grew["unit"]), (&4_064.into(), &"bytes".into()));
    let names = grew["samples"][0].as_array().unwrap().iter();
    let frame = |at: &Value| &file["shared"]["frames"][at.as_u64().unwrap() as usize]["name"];
    assert_eq!(names.map(frame).collect::<Vec<_>>(), ["demo (7)", "main", "leak"]);
    let said = file["name"].as_str().unwrap();
    assert!(said.contains("from A (a.json, ") && said.contains("B lost 0 events"), "{said}");

    let file = json((&before, &after), By::Stack, write_firefox);
    let threads = file["threads"].as_array().unwrap();
    let weights = |thread: &Value| {
        sum(&serde_json::json!({
            "weights": thread["nativeAllocations"]["weight"],
        }))
    };
    assert_eq!(threads.iter().map(weights).collect::<Vec<_>>(), [4_064, 4_160]);
    assert_eq!(threads[0]["processName"], "grew by 4,064 B");
    assert_eq!(threads[0]["nativeAllocations"]["time"][0], 60_000.0);
    let product = file["meta"]["product"].as_str().unwrap();
    assert!(product.contains("total: size=9.43 KiB (-96 B)"), "{product}");
}

#[test]
fn estimates_say_so_in_profiles() {
    let (before, after) = estimated();
    let file = json((&before, &after), By::Stack, write_speedscope);
    assert_eq!(file["profiles"][0]["name"], "grew by about 8,000 B");
    assert_eq!(file["profiles"][1]["name"], "shrank by 0 B");
    let said = file["name"].as_str().unwrap();
    assert!(said.contains("A is estimated from samples, one for 100 B on average"), "{said}");
    assert!(said.contains("95 %: "), "{said}");
}

/// The data of a page, as a browser finds it.
fn data(page: &str) -> Value {
    let (_, after) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(after.split_once("</script").unwrap().0).unwrap()
}

#[test]
fn a_page_has_the_columns_of_all_differences() {
    let (before, after) = two();
    let found = data(&text((&before, &after), By::Stack, write_html));
    assert_eq!(found["bytes"]["before"], serde_json::json!([8192, 1000, 0, 64, 500]));
    assert_eq!(found["bytes"]["after"], serde_json::json!([4096, 5000, 64, 0, 500]));
    assert_eq!(found["blocks"]["after"], serde_json::json!([1, 50, 2, 0, 5]));
    assert_eq!(found["processes"], serde_json::json!(["demo (7)"]));
    for column in ["process", "node", "allocator"] {
        assert_eq!(found[column].as_array().unwrap().len(), 5, "{column}");
    }
    assert!(found["notes"][1].as_str().unwrap().starts_with("total: size=9.43 KiB (-96 B)"));
    let (before, after) = unlisted();
    let found = data(&text((&before, &after), By::Stack, write_html));
    assert!(found["bytes"]["before"][1].is_null(), "{}", found["bytes"]);
    let (before, after) = estimated();
    let found = data(&text((&before, &after), By::Stack, write_html));
    assert_eq!(found["bytes"]["low"], serde_json::json!([7434]));
    assert_eq!(found["bytes"]["is_estimate"], serde_json::json!([true]));
}

/// A group is one level, called as it is in the text.
#[test]
fn groups_are_functions_of_that_name() {
    let (before, after) = two();
    let folded: Write = |diff, _, full, out| write_folded(diff, full, out);
    let of = |by| text((&before, &after), by, folded);
    assert!(of(By::Line).contains("src/leak.c:12 1000 5000\n"), "{}", of(By::Line));
    assert!(of(By::File).contains("src/leak.c 1000 5000\n"));
    assert!(of(By::Function).contains("leak in demo 1000 5000\n"));
    assert_eq!(of(By::Module), "demo 9756 9660\n");
    assert_eq!(of(By::Process), "demo (7) 9756 9660\n");
    assert!(text((&before, &after), By::Line, write_svg).contains("<title>src/leak.c:12: "));
    let line = json((&before, &after), By::Line, write_speedscope);
    assert_eq!(line["shared"]["frames"][0]["name"], "src/leak.c:12");
    let table = text((&before, &after), By::Process, write_csv);
    assert!(table.contains(",process,demo (7),false,"), "{table}");
}

#[test]
fn nothing_is_written_in_every_form() {
    let nothing = Side::default();
    let all: [Write; 6] =
        [write_csv, write_pprof, write_speedscope, write_firefox, write_html, write_svg];
    for write in all {
        for by in [By::Stack, By::Process] {
            assert!(!bytes((&nothing, &nothing), by, write).is_empty());
        }
    }
}
