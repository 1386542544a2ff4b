//! What is in a page is read again as its script reads it, and adds up to what is in the report.

use super::HtmlWriter;
use crate::engine::sampling::SumConfidence;
use crate::engine::slices::{Amount, Deeds, Ranges};
use crate::engine::snapshot::{Confidence, HeapTotals, SampledConfidence};
use crate::engine::trend::{Judgement, Trend};
use crate::report::ReportWriter as _;
use crate::report::model::{
    FrameReport, LossReport, MappedReport, ProcessReport, Report, StackReport, Sum,
};
use crate::report::timeline::{Change, MemoryPoint, Parts};
use crate::report::view::Measure;
use serde_json::Value;

fn written(report: &Report) -> String {
    let mut bytes = Vec::new();
    HtmlWriter { full_names: false, measure: Measure::Leaks, from: None }
        .write(report, &mut bytes)
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The data, as a browser finds it: up to the first end of the element.
fn data(page: &str) -> Value {
    let (_, after) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(after.split_once("</script").unwrap().0).unwrap()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn account<'a>(data: &'a Value, key: &str) -> &'a Value {
    data["accounts"].as_array().unwrap().iter().find(|it| it["key"] == key).unwrap()
}

fn view<'a>(account: &'a Value, key: &str) -> &'a Value {
    account["views"].as_array().unwrap().iter().find(|it| it["key"] == key).unwrap()
}

fn sum(column: &Value) -> u64 {
    column.as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).sum()
}

/// The names of a row's frames, the outermost first.
fn names(data: &Value, account: &Value, row: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut node = account["node"][row].as_i64().unwrap();
    while let Ok(at) = usize::try_from(node) {
        let function = number(&data["frames"]["function"][number(&data["nodes"]["frame"][at])]);
        let name = number(&data["functions"]["name"][function]);
        names.insert(0, data["strings"][name].as_str().unwrap().to_owned());
        let caller = data["nodes"]["parent"][at].as_i64().unwrap();
        assert!(caller < node, "callers come first");
        node = caller;
    }
    names
}

fn stack(names: &[&str], live_bytes: u64, trend: Trend) -> StackReport {
    StackReport {
        function: "malloc".to_owned(),
        live_bytes,
        live_blocks: 2,
        allocated_bytes: 10 * live_bytes,
        allocated_blocks: 20,
        peak_bytes: 2 * live_bytes,
        judgement: Judgement { trend, ..Judgement::default() },
        frames: names.iter().map(|name| FrameReport::called(name)).collect(),
        ..StackReport::default()
    }
}

fn process() -> ProcessReport {
    ProcessReport {
        pid: 7,
        comm: "app".to_owned(),
        heap: HeapTotals {
            live_bytes: 1_380,
            peak_bytes: 1_000,
            allocated_bytes: 5_000,
            allocated_blocks: 70,
            ..HeapTotals::default()
        },
        stacks: vec![
            stack(&["load", "main"], 50, Trend::Growing),
            stack(&["store", "main"], 70, Trend::Stable),
            stack(&[], 30, Trend::Stable),
        ],
        others: Sum { stacks: 1, blocks: 1, bytes: 30 },
        young: Sum { stacks: 1, blocks: 3, bytes: 200 },
        filtered: Sum { stacks: 1, blocks: 1, bytes: 1000 },
        ..ProcessReport::default()
    }
}

#[test]
fn the_columns_add_up_to_the_report() {
    let data = data(&written(&Report { processes: vec![process()], ..Report::default() }));
    let heap = account(&data, "heap");
    assert_eq!(sum(&view(heap, "live")["bytes"]), 1_380);
    assert_eq!(sum(&view(heap, "live")["count"]), 11);
    assert_eq!(sum(&view(heap, "growing")["bytes"]), 50);
    assert_eq!(sum(&view(heap, "peak")["bytes"]), 1_000);
    assert_eq!(sum(&view(heap, "allocated")["bytes"]), 5_000);
    assert_eq!(sum(&view(heap, "allocated")["count"]), 70);
    assert_eq!(view(heap, "peak")["count"], Value::Array(vec![]), "it is not known");
    let keys: Vec<_> = heap["views"].as_array().unwrap().iter().map(|it| &it["key"]).collect();
    assert_eq!(keys, ["live", "growing", "peak", "allocated"], "nothing was freed");
    let rows = heap["node"].as_array().unwrap().len();
    for column in ["process", "oldest", "end"] {
        assert_eq!(heap[column].as_array().unwrap().len(), rows, "{column}");
    }
    for view in heap["views"].as_array().unwrap() {
        assert_eq!(view["bytes"].as_array().unwrap().len(), rows);
    }
}

#[test]
fn stacks_share_their_callers() {
    let data = data(&written(&Report { processes: vec![process()], ..Report::default() }));
    let heap = account(&data, "heap");
    assert_eq!(names(&data, heap, 0), ["main", "load", "malloc"]);
    assert_eq!(names(&data, heap, 1), ["main", "store", "malloc"]);
    assert_eq!(names(&data, heap, 2), ["(no call stack)", "malloc"]);
    let main = data["strings"].as_array().unwrap().iter().filter(|text| *text == "main");
    assert_eq!(main.count(), 1);
    let roots = data["nodes"]["parent"].as_array().unwrap().iter().filter(|it| **it == -1);
    assert_eq!(roots.count(), 5, "main, no stack, young, of other sizes, not listed");
}

#[test]
fn accounts_stay_apart() {
    let mapped = MappedReport { live_bytes: 4096, live_ranges: 1, ..MappedReport::default() };
    let process = ProcessReport { mapped: vec![mapped], ..process() };
    let data = data(&written(&Report { processes: vec![process], ..Report::default() }));
    assert_eq!(sum(&view(account(&data, "mapped"), "live")["bytes"]), 4096);
    assert_eq!(sum(&view(account(&data, "heap"), "live")["bytes"]), 1_380);
    assert_eq!(data["accounts"].as_array().unwrap().len(), 2, "those with something in them");
}

#[test]
fn estimates_say_where_they_lie_and_losses_are_told() {
    let mut process = process();
    let live_bytes = Confidence { low: 40, high: 60 };
    let live_blocks = Confidence { low: 1, high: 3 };
    let confidence = SampledConfidence { live_bytes, live_blocks, ..SampledConfidence::default() };
    process.stacks[0].confidence = Some(confidence);
    process.heap.confidence = Some(confidence);
    let by_cause = vec![("ring_full", 3), ("other", 0)];
    let loss = LossReport { events: 3, by_cause, ..LossReport::default() };
    let data = data(&written(&Report { processes: vec![process], loss, ..Report::default() }));
    let live = view(account(&data, "heap"), "live");
    assert_eq!((&live["low"][0], &live["high"][0]), (&40.into(), &60.into()));
    assert_eq!((&live["low"][1], &live["high"][1]), (&70.into(), &70.into()), "it is exact");
    assert_eq!((&live["count_low"][0], &live["count_high"][0]), (&1.into(), &3.into()));
    assert_eq!(view(account(&data, "heap"), "peak")["count_low"], Value::Array(vec![]));
    let total = &data["processes"][0]["totals"][0];
    assert_eq!(total["range"], serde_json::json!([40, 60]));
    assert_eq!(total["count_range"], serde_json::json!([1, 3]));
    let losses = data["losses"].to_string();
    assert!(losses.contains("[\"ring_full\",3]") && losses.contains("[\"other\",0]"), "{losses}");
}

/// Of blocks whose frees may have been lost the page says as much as the text does.
#[test]
fn lost_frees_are_told_of_the_whole_of_processes_and_of_stacks() {
    let mut process = process();
    let exact = data(&written(&Report { processes: vec![process.clone()], ..Report::default() }));
    assert_eq!(account(&exact, "heap")["doubtful"], Value::Array(Vec::new()));
    process.heap.lost_frees = 9;
    process.perhaps_freed = 5;
    process.stacks[1].perhaps_freed = 4;
    let data = data(&written(&Report { processes: vec![process], ..Report::default() }));
    let losses = data["losses"].to_string();
    assert!(losses.contains("[\"frees that were lost, at most\",9]"), "{losses}");
    let live = "[\"live blocks that may have been freed unseen, at most\",5]";
    assert!(losses.contains(live), "{losses}");
    let totals = data["processes"][0]["totals"].as_array().unwrap();
    let doubt = totals.iter().find(|it| it["name"] == "perhaps freed unseen, at most").unwrap();
    assert_eq!((&doubt["count"], &doubt["bytes"]), (&5.into(), &Value::Null));
    let heap = account(&data, "heap");
    assert_eq!((&heap["doubtful"][0], &heap["doubtful"][1]), (&0.into(), &4.into()));
}

#[test]
fn names_cannot_leave_the_data() {
    let name = "</script><script>document.title='taken'</script>";
    let frames = vec![FrameReport { file: Some(name.to_owned()), ..FrameReport::called(name) }];
    let stack = StackReport { live_bytes: 1, frames, ..StackReport::default() };
    let comm = "<script>".to_owned();
    let hostile = ProcessReport { comm, stacks: vec![stack], ..ProcessReport::default() };
    let page = written(&Report { processes: vec![hostile], ..Report::default() });
    assert_eq!(page.matches("<script").count(), 2);
    let data = data(&page);
    assert_eq!(data["processes"][0]["comm"], "<script>");
    assert!(data["strings"].as_array().unwrap().iter().any(|text| text == name));
}

/// What is kept by part of the run adds up to what is kept of all of it, whoever did it.
#[test]
fn parts_add_up_to_the_whole() {
    let amount = |bytes| Amount { bytes, blocks: 1 };
    let change = |live: i64, allocated| Deeds {
        live: amount(live.cast_unsigned()),
        allocated: amount(allocated),
        ..Deeds::default()
    };
    let mut process = process();
    process.stacks[0].changes =
        vec![Change::exact(0, change(80, 300)), Change::exact(2, change(-30, 200))];
    process.stacks[0].part.thread = Some(71);
    process.other_changes = vec![Change::exact(1, change(5, 3_500))];
    let point = |since_start, resident| MemoryPoint {
        since_start,
        heap: Some(since_start),
        resident,
        ..MemoryPoint::default()
    };
    process.memory = vec![point(1_000_000_000, None), point(2_500_000_000, Some(4096))];
    let parts = Parts::Kept(vec![1_000_000_000, 2_000_000_000, 3_000_000_000]);
    let report =
        Report { processes: vec![process], watched: 3_000_000_000, parts, ..Report::default() };
    let data = data(&written(&report));
    assert_eq!(data["timeline"]["ends"], serde_json::json!([1.0, 2.0, 3.0]));
    let memory = &data["processes"][0]["memory"];
    assert_eq!(memory["time"], serde_json::json!([1.0, 2.5]));
    assert_eq!(memory["resident"], serde_json::json!([null, 4096]));
    assert_eq!(memory["mapped"], Value::Array(Vec::new()), "nothing is known of it");
    let heap = account(&data, "heap");
    assert_eq!(heap["thread"][0], 71);
    assert_eq!(heap["thread"][1], -1);
    let parts = heap["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[2]["live"], serde_json::json!([[-30], [1]]));
    let row = number(&parts[1]["row"][0]);
    assert_eq!(names(&data, heap, row), ["(stacks that are not listed)"]);
    let allocated: i64 = parts
        .iter()
        .flat_map(|part| part["allocated"][0].as_array().unwrap())
        .map(|bytes| bytes.as_i64().unwrap())
        .sum();
    assert_eq!(allocated, 4_000);
}

#[test]
fn parts_of_samples_have_ranges_beside_their_figures() {
    let within = |low, high| SumConfidence {
        bytes: Confidence { low, high },
        blocks: Confidence { low: 1, high: 9 },
    };
    let ranges = Ranges { live: within(50, 120), allocated: within(40, 110), freed: within(0, 30) };
    let deeds = Deeds { live: Amount { bytes: 80, blocks: 2 }, ..Deeds::default() };
    let mut process = process();
    process.stacks[0].changes =
        vec![Change { ranges: Some(ranges), ..Change::exact(0, deeds) }, Change::exact(1, deeds)];
    process.stacks[1].changes = vec![Change::exact(0, deeds)];
    let parts = Parts::Kept(vec![1_000_000_000, 2_000_000_000]);
    let report = Report { processes: vec![process], parts, ..Report::default() };
    let data = data(&written(&report));
    let parts = &account(&data, "heap")["parts"];
    let expected = serde_json::json!([[50, null], [120, null], [1, null], [9, null]]);
    assert_eq!(parts[0]["ranges"]["live"], expected);
    assert_eq!(parts[0]["ranges"]["freed"][1], serde_json::json!([30, null]));
    assert_eq!(parts[1]["ranges"]["live"], serde_json::json!([[], [], [], []]), "all is exact");
}
