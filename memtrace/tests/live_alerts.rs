//! Alerts: each crossing once, a report at once, a command that knows what happened.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use support::program::Program;
use support::report::{Report, number};
use support::tracer::Tracer;
use support::{may_trace, wait_until};

/// The alerts that a report lists.
fn alerts(report: &Report) -> &[Value] {
    report.0["alerts"].as_array().unwrap()
}

/// The options for a command that appends what it is told to `told`.
fn command(told: &Path) -> String {
    format!(
        "sh -c 'echo $MEMTRACE_PID,$MEMTRACE_COMM,$MEMTRACE_ALERT,$MEMTRACE_VALUE,$MEMTRACE_THRESHOLD,\
         ${{MEMTRACE_REPORT-none}} >> {}'",
        told.display()
    )
}

fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_crossing_makes_one_report_and_one_run_of_the_command() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let mut program = Program::start("grows", &["7", "100"]);
    let options = ["--alert-live", "500", "--alert-command", &command(&told)];
    let mut tracer = Tracer::with(&[&program], &options);
    let accounts = program.work();
    let report = tracer.report();
    assert_eq!(report.0["final"], false);
    report.process(program.pid()).assert_exactly(&accounts);
    let [alert] = alerts(&report) else { panic!("{:?}", report.0["alerts"]) };
    assert_eq!((&alert["kind"], &alert["comm"]), (&"live".into(), &"grows".into()));
    assert_eq!(number(&alert["pid"]), u64::from(program.pid()));
    // Seen at a look that came in the middle of it, or after it.
    let value = number(&alert["value"]);
    assert!(value.is_multiple_of(100) && (500..=700).contains(&value), "{value}");
    assert_eq!(number(&alert["threshold"]), 500);
    assert!(alert["value_ci95"].is_null(), "each block was seen: {alert}");
    let expected = format!("{},grows,live,{value},500,none", program.pid());
    let found = wait_until("the command", || Some(lines(&told)).filter(|found| !found.is_empty()));
    assert_eq!(found, std::slice::from_ref(&expected));
    // It stays beyond: nothing more comes of it.
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let last = &run.reports[..];
    assert_eq!(last.len(), 1, "reports after the first");
    assert_eq!((&last[0].0["final"], alerts(&last[0]).len()), (&true.into(), 1));
    assert_eq!(lines(&told), [expected]);
    let said = run.messages.iter().filter(|line| line.contains("alert: grows (pid "));
    assert_eq!(said.count(), 1, "{:#?}", run.messages);
    assert!(program.end().success());
}

/// Two processes cross two thresholds each; the command is run for as many as the user allows, and for
/// those that are seen last before it all ends, too.
#[test]
fn the_number_of_runs_is_bounded_and_the_last_are_waited_for() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let output = folder.path().join("report-{seq}.json");
    let mut programs = ["left", "right"].map(|_| Program::start("grows", &["4", "1048576"]));
    let both = [&programs[0], &programs[1]];
    let options = [
        ["--alert-live", "2MiB", "--alert-rss", "1MiB"],
        ["--alert-limit", "3", "--alert-command", &command(&told)],
        ["--output", output.to_str().unwrap(), "--color", "never"],
    ];
    let tracer = Tracer::with(&both, &options.concat());
    for program in &mut programs {
        program.work();
    }
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let found = lines(&told);
    assert_eq!(found.len(), 3, "{found:#?}");
    for line in &found {
        // The report that the command is told of tells of its alert.
        let fields: Vec<&str> = line.split(',').collect();
        let [pid, "grows", kind, value, threshold, file] = fields[..] else { panic!("{line}") };
        let report = Report::read(fs::read_to_string(file).unwrap().trim_end());
        let pid: u64 = pid.parse().unwrap();
        let its = |alert: &&Value| alert["pid"] == pid && alert["kind"] == kind;
        let alert = alerts(&report).iter().find(its).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(
            (alert["value"].to_string(), alert["threshold"].to_string()),
            (value.to_owned(), threshold.to_owned())
        );
    }
    let said = run.messages.iter().filter(|line| line.contains("alert: grows (pid "));
    let (kept, left): (Vec<_>, Vec<_>) = said.partition(|line| !line.contains("--alert-limit"));
    assert_eq!((kept.len(), left.len()), (3, 1), "{:#?}", run.messages);
}

#[test]
fn growth_is_told_with_its_interval() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("grows", &["1000000", "4096", "20"]);
    let options = ["--exact", "--alert-growth", "1KiB/s", "--format", "json", "--interval", "0"];
    let mut tracer = Tracer::typed(&[&program], &options);
    program.tell();
    let report = tracer.report();
    let [alert] = alerts(&report) else { panic!("{:?}", report.0["alerts"]) };
    assert_eq!((&alert["kind"], number(&alert["threshold"])), (&"growth".into(), 1024));
    let [least, value, most] =
        [&alert["value_ci95"][0], &alert["value"], &alert["value_ci95"][1]].map(number);
    assert!(1024 <= least && least <= value && value <= most, "{alert}");
    let run = tracer.stop();
    assert_eq!((run.status.code(), run.reports.len()), (Some(0), 1), "{:#?}", run.messages);
}

/// None of two processes reaches what both do; the command has memtrace's place when memory runs out as it was
/// when memtrace was started, and not that which memtrace took.
#[test]
fn all_together_and_the_command_is_the_users() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let mut programs = ["left", "right"].map(|_| Program::start("grows", &["4", "1048576"]));
    let both = [&programs[0], &programs[1]];
    let command = format!(
        "sh -c 'echo $MEMTRACE_SCOPE,$MEMTRACE_PID,$MEMTRACE_ALERT,$(cat /proc/self/oom_score_adj) >> {}'",
        told.display()
    );
    let options =
        ["--alert-live", "6MiB", "--alert-total-live", "6MiB", "--alert-command", &command];
    let tracer = Tracer::with(&both, &options);
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_ne!(own.trim(), "1000", "memtrace takes this for itself");
    for program in &mut programs {
        program.work();
    }
    let found = wait_until("the command", || Some(lines(&told)).filter(|found| !found.is_empty()));
    assert_eq!(found, [format!("total,,live,{}", own.trim())]);
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let [alert] = alerts(run.reports.last().unwrap()) else { panic!("{:#?}", run.messages) };
    assert_eq!((&alert["scope"], &alert["kind"]), (&"total".into(), &"live".into()));
    assert_eq!(number(&alert["processes"]), 2);
    assert!(alert["pid"].is_null() && alert["comm"].is_null(), "{alert}");
    let value = number(&alert["value"]);
    assert!((6 << 20..=8 << 20).contains(&value), "{value}");
    let said =
        run.messages.iter().filter(|line| line.contains("alert: all 2 processes together: "));
    assert_eq!(said.count(), 1, "{:#?}", run.messages);
}
