//! Files are held against the rules of speedscope's published schema, and read again.

use super::SpeedscopeWriter;
use super::schema::SCHEMA;
use crate::report::ReportWriter as _;
use crate::report::example::{ESTIMATED_LIVE, EXACT_LIVE, HOSTILE, report};
use crate::report::model::Report;
use crate::report::view::Measure;
use serde_json::Value;

fn written(report: &Report, all: bool) -> Value {
    let mut bytes = Vec::new();
    let writer = SpeedscopeWriter { internals: all, full_names: false };
    writer.write(report, &mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no array"))
}

/// What `file-format-schema.json` requires of a file with sampled profiles, and what its types' descriptions add:
/// as many weights as samples, indices of frames that are there, an end that is not before the start.
fn assert_valid(file: &Value) {
    assert_eq!(file["$schema"], SCHEMA);
    for optional in ["exporter", "name"] {
        assert!(file.get(optional).is_none_or(Value::is_string), "{optional}");
    }
    let frames = array(&file["shared"]["frames"]);
    for frame in frames {
        assert!(frame["name"].is_string(), "{frame}");
        assert!(frame.get("file").is_none_or(Value::is_string), "{frame}");
        assert!(frame.get("line").is_none_or(Value::is_number), "{frame}");
    }
    for profile in array(&file["profiles"]) {
        assert_eq!((&profile["type"], &profile["unit"]), (&"sampled".into(), &"bytes".into()));
        assert!(profile["name"].is_string(), "{profile}");
        let (start, end) = (profile["startValue"].as_f64(), profile["endValue"].as_f64());
        assert!(start.unwrap() <= end.unwrap(), "{profile}");
        let (samples, weights) = (array(&profile["samples"]), array(&profile["weights"]));
        assert_eq!(samples.len(), weights.len());
        assert!(weights.iter().all(Value::is_number));
        for index in samples.iter().flat_map(array) {
            assert!(index.as_u64().unwrap() < frames.len() as u64, "{index}");
        }
    }
}

fn sum(profile: &Value) -> u64 {
    array(&profile["weights"]).iter().map(|weight| weight.as_u64().unwrap()).sum()
}

/// Names of a sample's frames, outermost first.
fn path(file: &Value, profile: usize, sample: usize) -> Vec<&str> {
    let indices = array(&file["profiles"][profile]["samples"][sample]).iter();
    let frame = |index: &Value| &file["shared"]["frames"][index.as_u64().unwrap() as usize];
    indices.map(|index| frame(index)["name"].as_str().unwrap()).collect()
}

#[test]
fn files_keep_the_rules_of_the_published_schema() {
    assert_valid(&written(&report(), false));
    assert_valid(&written(&report(), true));
    assert_valid(&written(&Report::default(), false));
}

#[test]
fn profiles_add_up_to_what_lives_and_to_what_was_allocated() {
    let file = written(&report(), false);
    let profiles = array(&file["profiles"]);
    let sums: Vec<_> = profiles.iter().map(sum).collect();
    assert_eq!(sums, [EXACT_LIVE, 2100, ESTIMATED_LIVE, ESTIMATED_LIVE]);
    let ends: Vec<_> = profiles.iter().map(|it| it["endValue"].as_u64().unwrap()).collect();
    assert_eq!(ends, sums);
}

#[test]
fn names_come_through_whatever_they_are() {
    assert_eq!(path(&written(&report(), false), 0, 0), HOSTILE);
    let all = written(&report(), true);
    assert_eq!(path(&all, 0, 0)[HOSTILE.len()..], ["xmalloc", "malloc"]);
    let placed = array(&all["shared"]["frames"]).iter().find(|frame| frame.get("file").is_some());
    let placed = placed.unwrap();
    assert_eq!((&placed["file"], &placed["line"]), (&"a,b.c".into(), &7.into()));
}

#[test]
fn estimates_losses_and_unknowns_are_said() {
    let file = written(&report(), false);
    let names: Vec<_> =
        array(&file["profiles"]).iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(
        names[..2],
        ["@app (7): live bytes, 11 bytes more may be alive", "@app (7): allocated bytes"]
    );
    let interval = "estimated from samples: 17179869184 to 25769803776 (95 %)";
    assert_eq!(names[2], format!("big (8): live bytes, {interval}"));
    assert_eq!(names[3], format!("big (8): allocated bytes, {interval}"));
    let said = file["name"].as_str().unwrap();
    assert!(said.contains("lost: 7 events, 2 stacks, 1 blocks; over 1 %"), "{said}");
}

#[test]
fn a_measure_of_the_report_is_the_one_profile_of_a_process() {
    let file = written(&Report { measure: Some(Measure::Allocated), ..report() }, false);
    assert_valid(&file);
    let profiles = array(&file["profiles"]);
    assert_eq!((profiles.len(), sum(&profiles[0]), sum(&profiles[1])), (2, 2100, ESTIMATED_LIVE));
    let name = profiles[1]["name"].as_str().unwrap();
    assert_eq!(
        name,
        "big (8): bytes allocated, estimated from samples: 17179869184 to 25769803776 (95 %)"
    );
}
