//! JSON reports: the keys are those that `docs/report-json.md` lists, the sums add up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod report_fixtures;

use memtrace::engine::snapshot::{Confidence, OddConfidence, Snapshot, State};
use memtrace::model::frame::Frame;
use memtrace::report::{JsonWriter, ReportOptions, ReportWriter, TableFacts, TracerFacts};
use memtrace_common::function::FunctionId;
use memtrace_common::wire::Loss;
use report_fixtures::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const DOCUMENT: &str = include_str!("../../docs/report-json.md");

fn json(snapshot: &Snapshot, options: &ReportOptions, facts: &TracerFacts) -> Value {
    let mut out = Vec::new();
    JsonWriter.write(&report(snapshot, options, facts), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "one line");
    assert!(text.ends_with('\n'));
    serde_json::from_str(&text).unwrap()
}

/// A report in which every array has an element and every object is there.
fn everything() -> Value {
    let (mut process, facts) = pooling();
    process.device = device();
    process.stacks[1].blocks = vec![block(0x5555_0000, 16, BEGAN)];
    let tables = TableFacts { files: 12, no_information: 1, ..TableFacts::default() };
    let sampling_changes = vec![sampling_change()];
    let unwind = "auto".to_owned();
    let facts = TracerFacts { unwind, tables: Some(tables), sampling_changes, ..facts };
    json(&snapshot(vec![process]), &ReportOptions { show_blocks: 1, ..last() }, &facts)
}

/// The keys of every object below `value`, by path.
fn keys_of(value: &Value, path: &str, keys: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Array(items) => {
            items.iter().for_each(|item| keys_of(item, &format!("{path}[]"), keys));
        }
        Value::Object(members) => {
            let path = alias(path);
            let all: BTreeSet<String> = members.keys().cloned().collect();
            let before = keys.insert(path.clone(), all.clone());
            assert!(before.is_none_or(|before| before == all), "{path} always has the same keys");
            for (key, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                keys_of(member, &format!("{path}{dot}{key}"), keys);
            }
        }
        _ => {}
    }
}

/// Paths whose keys the document lists under another path.
fn alias(path: &str) -> String {
    match path {
        "processes[].memory_at_attach" => "processes[].memory".to_owned(),
        "processes[].survival[]" => "processes[].stacks[].survival[]".to_owned(),
        "processes[].mapped_stacks[].frames[]" => "processes[].stacks[].frames[]".to_owned(),
        "processes[].pools.totals" | "processes[].device.totals" => "processes[].heap".to_owned(),
        "processes[].pools.stacks[]" | "processes[].device.stacks[]" => {
            "processes[].stacks[]".to_owned()
        }
        "ended.pools" | "ended.device" => "ended.heap".to_owned(),
        "processes[].young"
        | "processes[].filtered"
        | "processes[].pools.others"
        | "processes[].device.others"
        | "processes[].device.pinned_host" => "processes[].others".to_owned(),
        other => other.to_owned(),
    }
}

/// One row of the document's tables.
struct Row {
    key: String,
    kind: String,
}

fn documented() -> BTreeMap<String, Vec<Row>> {
    let mut tables: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut path = None;
    for line in DOCUMENT.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            path = match heading {
                "Report" => Some(String::new()),
                _ => heading.strip_prefix('`').map(|rest| rest.trim_end_matches('`').to_owned()),
            };
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let (Some(path), [_, key, kind, _unit, meaning, _]) = (&path, cells.as_slice())
            && let Some(key) = key.strip_prefix('`')
        {
            assert!(!meaning.is_empty(), "{key} has a meaning");
            let row = Row { key: key.trim_end_matches('`').to_owned(), kind: (*kind).to_owned() };
            tables.entry(path.clone()).or_default().push(row);
        }
    }
    tables
}

#[test]
fn the_document_and_the_output_have_the_same_keys() {
    let mut written = BTreeMap::new();
    keys_of(&everything(), "", &mut written);
    let documented: BTreeMap<String, BTreeSet<String>> = documented()
        .into_iter()
        .map(|(path, rows)| (path, rows.into_iter().map(|row| row.key).collect()))
        .collect();
    assert_eq!(written, documented);
}

/// Memory over time ends with what is said of the report's moment.
#[test]
fn memory_over_time_is_columns_that_end_now() {
    let report = everything();
    let process = &report["processes"][0];
    let series = process["memory_over_time"].as_object().unwrap();
    let columns = ["since_start_s", "rss_bytes", "heap_live_bytes", "mapped_live_bytes"];
    let ends = [
        &report["uptime_s"],
        &process["rss_bytes"],
        &process["heap"]["live_bytes"],
        &process["mappings"]["live_bytes"],
    ];
    for (name, end) in columns.iter().zip(ends) {
        let column = series[*name].as_array().unwrap();
        assert_eq!(column.last(), Some(end), "{name}");
        assert_eq!(column.len(), series["since_start_s"].as_array().unwrap().len(), "{name}");
        assert!((2..=64).contains(&column.len()), "{name}: {}", column.len());
    }
    assert!(
        series["since_start_s"].as_array().unwrap().is_sorted_by(|a, b| a.as_f64() < b.as_f64())
    );
}

/// What a program tells: each figure has where it lies beside it, the stacks and the others add up, and a process
/// that tells nothing has no such key.
#[test]
fn what_a_program_tells_adds_up_and_has_ranges() {
    let report = json(&snapshot(vec![telling()]), &last(), &facts());
    let told = &report["processes"][0]["told"];
    let [stack] = &told["stacks"].as_array().unwrap()[..] else { panic!("{told}") };
    let number = |value: &Value| value.as_u64().unwrap();
    for figures in [told, stack] {
        for key in ["live_bytes", "live_blocks", "allocated_bytes", "allocated_blocks"] {
            let range = figures[format!("{key}_ci95")].as_array().unwrap();
            let value = number(&figures[key]);
            assert!(number(&range[0]) <= value && value < number(&range[1]), "{key}: {figures}");
        }
    }
    assert_eq!((number(&told["live_bytes"]), number(&told["live_samples"])), (5 << 19, 4));
    assert_eq!(
        (number(&told["allocated_bytes"]), number(&told["allocated_samples"])),
        (6 << 19, 5)
    );
    assert_eq!(number(&told["live_blocks"]), 2 * 32768 + 1 + 8192);
    let others = &told["others"];
    for key in ["bytes", "samples"] {
        let sum = number(&stack[format!("live_{key}")]) + number(&others[key]);
        assert_eq!(sum, number(&told[format!("live_{key}")]), "{key}");
    }
    assert_eq!((&told["unknown_frees"], &told["missed_frees"]), (&1.into(), &0.into()));
    assert!(report["loss"]["by_cause"].get("static_probe_unreadable").is_some());
    let without = json(&snapshot(vec![leaking()]), &last(), &facts());
    assert!(without["processes"][0].get("told").is_none());
    assert!(without["loss"]["by_cause"].get("static_probe_unreadable").is_none());
}

/// Estimates have their ranges beside them, and nothing else does.
#[test]
fn estimates_carry_their_ranges() {
    let mut sampled = sampled();
    // What was missed and evicted is there where it is some.
    (sampled.heap.missed_frees, sampled.heap.evicted_blocks) = (10, 20);
    let ten = Confidence { low: 5, high: 15 };
    sampled.heap.odd_confidence = Some(OddConfidence { missed_frees: ten, ..Default::default() });
    let mut of_one = snapshot(vec![sampled.clone()]);
    of_one.ended.add(&leaking());
    of_one.ended.add(&sampled);
    let report = json(&of_one, &last(), &facts());
    let process = &report["processes"][0];
    let names = |value: &Value| {
        let keys = value.as_object().unwrap().keys();
        let ranges = keys.filter_map(|key| Some(key.strip_suffix("_ci95")?.to_owned()));
        ranges.collect::<BTreeSet<_>>()
    };
    let expected: BTreeSet<String> = [
        "live_bytes",
        "live_blocks",
        "peak_bytes",
        "allocated_bytes",
        "allocated_blocks",
        "freed_bytes",
        "freed_blocks",
    ]
    .map(str::to_owned)
    .into();
    let odd = ["missed_frees", "evicted_blocks"].map(str::to_owned);
    let with = |more: &[&str]| -> BTreeSet<String> {
        let more = more.iter().map(|it| (*it).to_owned());
        expected.iter().cloned().chain(more).chain(odd.clone()).collect()
    };
    assert_eq!(names(&process["heap"]), with(&["usable_bytes"]));
    let mut of_ended = with(&[]);
    of_ended.remove("peak_bytes");
    assert_eq!(names(&report["ended"]["heap"]), of_ended);
    assert!(names(&report["ended"]["pools"]).is_empty());
    let live = |end: usize| report["ended"]["heap"]["live_bytes_ci95"][end].as_u64().unwrap();
    let together = leaking().heap.live_bytes + 100 * MIB;
    assert_eq!([live(0), live(1)], [together - 10 * MIB, together + 10 * MIB]);
    let series = &process["memory_over_time"]["heap_live_bytes_ci95"];
    assert_eq!(series.as_array().unwrap().last(), process["heap"].get("live_bytes_ci95"));
    // Trends are estimates of their own.
    let more = ["slope_bytes_per_second", "staying_share", "growth_bytes"];
    let parts = ["young_bytes", "young_blocks", "filtered_bytes", "filtered_blocks"];
    let more = more.into_iter().chain(parts).map(str::to_owned);
    let of_stacks = expected.iter().cloned().chain(more).collect();
    assert_eq!(names(&process["stacks"][0]), of_stacks);
    for sum in ["others", "young", "filtered"] {
        assert_eq!(names(&process[sum]).len(), 2, "{sum}: {}", process[sum]);
    }
    let [growth, around] = ["growth_bytes", "growth_bytes_ci95"].map(|key| &process[key]);
    let [low, high] = [0, 1].map(|at| around[at].as_i64().unwrap());
    assert_eq!([growth.as_i64().unwrap() - low, high - growth.as_i64().unwrap()], [10 << 20; 2]);
    assert_eq!(process["heap"]["live_bytes_ci95"], serde_json::json!([90 * MIB, 110 * MIB]));
    assert_eq!(process["stacks"][0]["samples"], 46);
    for exact in [&process["pools"], &process["mappings"]] {
        assert!(exact.is_null() || names(exact).is_empty(), "{exact}");
    }
}

#[test]
fn values_have_the_documented_types() {
    let report = everything();
    let tables = documented();
    check_types(&report, "", &tables);
    let mut ended = process(1, "x", vec![]);
    (ended.usage_first, ended.usage_last) = (None, None);
    ended.state = State::Exited(None);
    ended.info = Arc::default();
    let facts = TracerFacts { link: None, target_cost_cores: None, cpu_seconds: 0.5, ..facts() };
    check_types(&json(&snapshot(vec![ended]), &last(), &facts), "", &tables);
}

fn check_types(value: &Value, path: &str, tables: &BTreeMap<String, Vec<Row>>) {
    match value {
        Value::Array(items) => {
            items.iter().for_each(|item| check_types(item, &format!("{path}[]"), tables));
        }
        Value::Object(members) => {
            let path = alias(path);
            for row in &tables[&path] {
                let member = &members[&row.key];
                assert!(
                    has_type(member, &row.kind),
                    "{path}.{} is {member}, not {}",
                    row.key,
                    row.kind
                );
                let dot = if path.is_empty() { "" } else { "." };
                check_types(member, &format!("{path}{dot}{}", row.key), tables);
            }
        }
        _ => {}
    }
}

fn has_type(value: &Value, kind: &str) -> bool {
    let (kind, nullable) = match kind.strip_suffix(" or null") {
        Some(kind) => (kind, true),
        None => (kind, false),
    };
    match value {
        Value::Null => nullable,
        Value::Bool(_) => kind == "boolean",
        Value::String(_) => kind == "string",
        Value::Number(number) => kind == "number" || (kind == "integer" && !number.is_f64()),
        Value::Array(items) => {
            kind == "array" || (kind == "array of strings" && items.iter().all(Value::is_string))
        }
        Value::Object(_) => kind == "object",
    }
}

/// Keys in the order that docs/report-json.md promises, object by object.
const ORDERS: [&[&str]; 5] = [
    &["schema", "kind", "sequence", "time", "uptime_s", "tracer", "processes", "loss"],
    &[
        "version",
        "kernel",
        "link",
        "sample_interval_bytes",
        "unwind",
        "cpu_s",
        "rss_bytes",
        "events",
        "events_per_s",
        "target_cost_cores",
        "target_cost_percent",
        "overhead_budget_percent",
        "overhead_budget_from_cores",
        "walks_made",
        "walks_checked",
        "walks_differed",
        "longest_gap_ms",
        "stacks_copied",
        "stacks_finished",
        "notes",
    ],
    &[
        "pid",
        "start_time",
        "comm",
        "exe",
        "cmdline",
        "uid",
        "cgroup",
        "container",
        "pod_uid",
        "pod",
        "state",
        "exit_status",
        "heap",
        "mappings",
        "rss_bytes",
        "rss_at_attach_bytes",
        "verdict",
        "stacks",
    ],
    &[
        "peak_bytes",
        "allocated_bytes",
        "allocated_blocks",
        "freed_bytes",
        "freed_blocks",
        "unknown_frees",
        "missed_frees",
        "failed",
    ],
    &[
        "id",
        "function",
        "live_bytes",
        "live_blocks",
        "peak_bytes",
        "allocated_bytes",
        "allocated_blocks",
        "oldest_age_s",
        "newest_age_s",
        "growth_bytes_per_s",
        "verdict",
        "complete",
        "frames",
        "function",
        "module",
        "build_id",
        "offset",
        "file",
        "line",
        "inlined",
    ],
];

#[test]
fn keys_come_in_the_promised_order() {
    let mut out = Vec::new();
    JsonWriter.write(&report(&snapshot(vec![leaking()]), &last(), &facts()), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for order in ORDERS {
        let first = format!("\"{}\":", order[0]);
        let mut rest = &text[text.find(&first).unwrap()..];
        for key in order {
            let key = format!("\"{key}\":");
            let place = rest.find(&key).unwrap_or_else(|| panic!("{key} in order {order:?}"));
            rest = &rest[place + key.len()..];
        }
    }
}

#[test]
fn sums_over_stacks_are_the_totals() {
    let mut process = leaking();
    let mut other = stack(99, leak_frames(), 7, 100);
    other.function = FunctionId::CALLOC;
    let mut dead = stack(100, Arc::from([Frame::Unmapped(1)]), 0, 0);
    (dead.allocated_blocks, dead.allocated_bytes) = (50, 5000);
    (dead.freed_blocks, dead.freed_bytes) = (50, 5000);
    process.stacks.extend([other, dead]);
    for stack in &mut process.stacks {
        (stack.young_bytes, stack.young_blocks) = (0, 0);
    }
    process.heap = totals(&process.stacks);
    let mut snapshot = snapshot(vec![process]);
    snapshot.options.min_age = 0;
    let report = json(&snapshot, &ReportOptions { top: 0, ..last() }, &facts());
    let process = &report["processes"][0];
    let stacks = process["stacks"].as_array().unwrap();
    assert_eq!(stacks.len(), 16);
    for key in [
        "live_bytes",
        "live_blocks",
        "peak_bytes",
        "allocated_bytes",
        "allocated_blocks",
        "freed_bytes",
        "freed_blocks",
    ] {
        let sum: u64 = stacks.iter().map(|stack| stack[key].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), process["heap"][key].as_u64(), "{key}");
    }
    let ids: BTreeSet<&str> = stacks.iter().map(|stack| stack["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 16, "equal frames of malloc and calloc are separate");
}

#[test]
fn every_live_block_is_somewhere_once() {
    let mut process = leaking();
    for stack in &mut process.stacks {
        (stack.filtered_blocks, stack.filtered_bytes) =
            (1.min(stack.live_blocks - stack.young_blocks), 3);
    }
    process.stacks[0].filtered_bytes = 0;
    for top in [0, 1, 3, 10, 100] {
        let report =
            json(&snapshot(vec![process.clone()]), &ReportOptions { top, ..last() }, &facts());
        let process = &report["processes"][0];
        for (unit, key) in [("bytes", "live_bytes"), ("blocks", "live_blocks")] {
            let listed: u64 = process["stacks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| s[key].as_u64().unwrap())
                .sum();
            let apart: u64 = ["others", "young", "filtered"]
                .iter()
                .map(|group| process[group][unit].as_u64().unwrap())
                .sum();
            assert_eq!(Some(listed + apart), process["heap"][key].as_u64(), "top {top}, {unit}");
        }
    }
}

#[test]
fn unknown_values_are_null() {
    let mut process = process(
        1,
        "x",
        vec![stack(
            0,
            Arc::from([
                Frame::Unmapped(0x7f00_1234),
                in_file(LIBC, 4),
                in_file(memtrace::model::ids::ModuleId(77), 9),
            ]),
            1,
            8,
        )],
    );
    process.usage_last = None;
    process.growth.bytes_per_second = None;
    let report = json(&snapshot(vec![process]), &last(), &facts());
    let process = &report["processes"][0];
    assert!(process["cmdline"].is_null() && process["rss_bytes"].is_null());
    assert!(process["exit_status"].is_null() && process["growth_bytes_per_s"].is_null());
    let frames = &process["stacks"][0]["frames"];
    assert!(frames[0]["module"].is_null() && frames[0]["offset"].is_null());
    assert_eq!(frames[0]["address"], "0x7f001234");
    assert!(frames[1]["function"].is_null());
    assert_eq!((&frames[1]["module"], &frames[1]["offset"]), (&"libc.so.6".into(), &4.into()));
    assert_eq!(frames[1]["missing"], "no symbol covers it");
    assert!(frames[2]["module"].is_null() && frames[2]["function"].is_null());
}

#[test]
fn ends_are_told_as_a_shell_does() {
    let of = |state| {
        let mut process = process(1, "x", vec![]);
        process.state = state;
        let report = json(&snapshot(vec![process]), &last(), &facts());
        let process = report["processes"][0].clone();
        ["state", "end", "exit_status", "exit_signal"].map(|key| process[key].clone())
    };
    let null = Value::Null;
    let value = |text: &str| Value::from(text);
    assert_eq!(of(State::Running), [value("running"), null.clone(), null.clone(), null.clone()]);
    assert_eq!(
        of(State::Exited(Some(3 << 8))),
        [value("exited"), value("exit"), 3.into(), null.clone()]
    );
    assert_eq!(
        of(State::Exited(Some(0x80 | 11))),
        [value("exited"), value("signal"), 139.into(), 11.into()]
    );
    assert_eq!(
        of(State::Exited(None)),
        [value("exited"), value("unknown"), null.clone(), null.clone()]
    );
    assert_eq!(of(State::Execed), [value("exited"), value("exec"), null.clone(), null]);
}

#[test]
fn losses_are_counted_by_cause() {
    let mut snapshot = snapshot(vec![leaking()]);
    snapshot.losses = Loss::ALL.iter().map(|cause| (*cause, 1 + *cause as u64)).collect();
    (snapshot.unknown_stacks, snapshot.undecodable) = (100, 1000);
    snapshot.processes[0].heap.evicted_blocks = 4;
    let loss = json(&snapshot, &last(), &facts())["loss"].clone();
    assert_eq!(loss["evicted_blocks"], 4);
    let causes: u64 =
        loss["by_cause"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(causes, loss["events"].as_u64().unwrap() + loss["stacks"].as_u64().unwrap());
    assert_eq!(loss["by_cause"]["ring_full_free"], 2);
    assert_eq!(loss["stacks"], 109);
}

#[test]
fn a_whole_report() {
    let mut snapshot = snapshot(vec![leaking()]);
    snapshot.processes[0].stacks.truncate(3);
    let mut out = Vec::new();
    JsonWriter.write(&report(&snapshot, &last(), &facts()), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap().replace(",\"", ",\n\"");
    insta::assert_snapshot!(text);
}

/// They are there only where there are marks.
#[test]
fn marks_are_listed_with_their_times() {
    let without = json(&snapshot(vec![leaking()]), &last(), &facts());
    assert_eq!((without.get("marks"), without.get("dropped_marks")), (None, None));
    let report = json(&marked(), &last(), &facts());
    assert_eq!(report["dropped_marks"], 5);
    let [first, second] = report["marks"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!((&first["name"], &second["name"]), (&"deploy  7".into(), &"a\\u{202e}b".into()));
    for (mark, age) in [(first, 40), (second, 3)] {
        let since = mark["since_start_s"].as_f64().unwrap();
        assert!((since + f64::from(age) - report["uptime_s"].as_f64().unwrap()).abs() < 0.002);
        let time: jiff::Timestamp = mark["time"].as_str().unwrap().parse().unwrap();
        assert_eq!(time, facts().time - jiff::SignedDuration::from_secs(age.into()));
    }
}

/// They are there only where thresholds were set.
#[test]
fn alerts_are_listed_with_their_figures() {
    let without = json(&alarming(), &last(), &facts());
    assert_eq!((without.get("alerts"), without.get("older_alerts")), (None, None));
    let facts = TracerFacts { has_thresholds: true, ..facts() };
    let report = json(&alarming(), &last(), &facts);
    assert_eq!(report["older_alerts"], 2);
    let process = &report["processes"][0];
    let [live, growth] = report["alerts"].as_array().unwrap().as_slice() else { panic!() };
    for (alert, age) in [(live, 40), (growth, 3)] {
        for key in ["pid", "start_time", "comm"] {
            assert_eq!(alert[key], process[key], "{key}");
        }
        assert_eq!(alert["age_s"], f64::from(age));
        let time: jiff::Timestamp = alert["time"].as_str().unwrap().parse().unwrap();
        assert_eq!(time, facts.time - jiff::SignedDuration::from_secs(age.into()));
    }
    let keys = ["kind", "value", "value_ci95", "threshold"];
    let [live, growth] = [live, growth].map(|alert| keys.map(|key| alert[key].clone()).to_vec());
    let bytes = |mebibytes: u64| Value::from(mebibytes << 20);
    assert_eq!(live, ["live".into(), bytes(70), Value::Null, bytes(64)]);
    let range = serde_json::json!([1_500_000, 1_750_000]);
    assert_eq!(growth, ["growth".into(), 1_600_000.into(), range, bytes(1)]);
    let none = json(&snapshot(vec![leaking()]), &last(), &facts);
    assert_eq!(none["alerts"], Value::Array(vec![]));
}

/// Looks at processes that grow are there only where they are made.
#[test]
fn watch_and_looks_have_their_figures() {
    let without = json(&snapshot(vec![leaking()]), &last(), &facts());
    assert_eq!(
        (without["processes"][0].get("watch"), without["tracer"].get("watch")),
        (None, None)
    );
    let report = json(&zoomed(), &last(), &facts());
    let totals = serde_json::json!({ "growing": 1, "looking": 1, "waiting": 2, "looks": 12 });
    assert_eq!(report["tracer"]["watch"], totals);
    let of = |quiet: bool| {
        let mut all = report["processes"].as_array().unwrap().iter();
        all.find(|it| it["watch"]["looks"].as_array().unwrap().is_empty() == quiet).unwrap()
    };
    assert_eq!(of(true)["watch"]["state"], "watching");
    assert_eq!(of(true)["watch"]["growing"], Value::Null);
    let watch = &of(false)["watch"];
    assert_eq!((&watch["state"], &watch["next_look_s"]), (&"resting".into(), &90.0.into()));
    assert_eq!(watch["dropped_looks"], 7);
    let looks = watch["looks"].as_array().unwrap();
    let outcomes: Vec<_> = looks.iter().map(|look| look["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["heap", "not_the_heap", "heap", "refused"]);
    assert!(looks[3]["reason"].as_str().unwrap().starts_with("no allocator\\x1b"));
    assert_eq!(looks[3]["hits"], Value::Null);
    let mut first = looks[0].clone();
    first["stacks"][0]["frames"].as_array_mut().unwrap().truncate(1);
    first["touched"] = Value::Null;
    insta::assert_snapshot!(serde_json::to_string_pretty(&first).unwrap());
}
