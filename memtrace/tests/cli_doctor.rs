//! `memtrace doctor` on the machine that the tests run on.

use serde_json::Value;
use std::process::Command;

fn doctor(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    let output = command.arg("doctor").args(arguments).output().expect("memtrace starts");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_text_has_every_part_and_fits_the_page() {
    let text = doctor(&[]);
    for part in ["release", "BTF", "lockdown", "tracefs", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(text.contains("What tracing leaves behind") && text.contains("[uprobes]"));
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn the_json_is_one_object_on_one_line() {
    let text = doctor(&["--format", "json"]);
    assert_eq!(text.lines().count(), 1);
    let doctor: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(doctor["schema"], "memtrace.doctor/1");
    for section in doctor["sections"].as_array().unwrap() {
        assert!(section["title"].is_string());
        for line in section["lines"].as_array().unwrap() {
            let state = line["state"].as_str().unwrap();
            assert!(["ok", "missing", "hazard", "unknown"].contains(&state), "{line}");
            assert!(state == "ok" || line["remedy"].is_string(), "{line}");
        }
    }
}

#[test]
fn colours_come_when_called_and_never_into_a_pipe() {
    assert!(!doctor(&[]).contains('\x1b'));
    assert!(doctor(&["--color", "always"]).contains("\x1b["));
    assert!(!doctor(&["--color", "never"]).contains('\x1b'));
}
