//! `memtrace doctor --pid` on programs that run: needs root and eBPF, and is asked for by
//! `MEMTRACE_PRIVILEGED=1`.

mod programs;
mod support;

use serde_json::Value;
use std::process::Command;
use support::may_trace;
use support::program::{Program, compiled};

fn doctor(pid: u32, more: &[&str]) -> programs::Ended {
    programs::run([&["doctor", "--pid", &pid.to_string()], more].concat())
}

/// What it says of a process, where it succeeds.
#[track_caller]
fn text(pid: u32, more: &[&str]) -> String {
    let ended = doctor(pid, more);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    ended.stdout
}

/// The sections on this topic.
fn sections<'a>(doctor: &'a Value, topic: &str) -> Vec<&'a Value> {
    let all = doctor["sections"].as_array().expect("sections");
    all.iter().filter(|section| section["topic"] == topic).collect()
}

fn row<'a>(section: &'a Value, function: &str) -> &'a Value {
    let rows = section["table"].as_array().expect("a table");
    rows.iter().find(|row| row["function"] == function).expect("the function is there")
}

#[test]
fn an_idle_program_is_examined_and_goes_on() {
    if !may_trace() {
        return;
    }
    let mut idle = Program::start("two_sizes", &[]);
    let text = text(idle.pid(), &[]);
    for part in ["glibc ", "malloc ", "push ", " link ", "call+return", "free ", "no call in 1."] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(idle.work().all.allocated_blocks > 0);
    assert!(idle.end().success());
}

#[test]
fn a_busy_program_gets_a_prediction() {
    if !may_trace() {
        return;
    }
    let mut busy = Program::start("plain/rounds", &[]);
    let json = text(busy.pid(), &["--format", "json"]);
    let doctor: Value = serde_json::from_str(&json).expect("JSON");
    let [probes] = sections(&doctor, "probes")[..] else { panic!("{doctor}") };
    let used = |line: &Value| line["detail"].as_str().is_some_and(|it| it.contains("is used"));
    assert_eq!(probes["lines"].as_array().expect("lines").iter().filter(|it| used(it)).count(), 1);
    let [glibc] = sections(&doctor, "allocator")[..] else { panic!("{doctor}") };
    let hits = |function| row(glibc, function)["hits_per_s"].as_u64().expect("counted");
    // Each round of the program calls malloc and calloc once, and free twice. A second cuts one
    // round at either end, and rates are rounded.
    assert!(hits("malloc") > 0 && hits("calloc") > 0, "{glibc}");
    assert!(hits("free").abs_diff(hits("malloc") + hits("calloc")) <= 4, "{glibc}");
    assert_eq!(hits("realloc"), 0);
    assert_eq!(row(glibc, "free")["probe"], "entry");
    assert_eq!(row(glibc, "malloc")["probe"], "call+return");
    assert!(row(glibc, "malloc")["traced_ns"].as_u64().is_some_and(|price| price > 0));
    let [ceiling] = sections(&doctor, "ceiling")[..] else { panic!("{doctor}") };
    let rows = ceiling["table"].as_array().expect("a table");
    assert_eq!(rows.len(), 4, "{ceiling}");
    for key in ["one_cpu_hits_per_s", "all_cpus_hits_per_s"] {
        assert!(rows.iter().all(|row| row[key].as_u64().is_some_and(|hits| hits > 0)), "{ceiling}");
    }
    let [cost] = sections(&doctor, "cost")[..] else { panic!("{doctor}") };
    assert!(cost["table"][0]["tracing_cores"].as_f64().is_some_and(|cores| cores > 0.0), "{cost}");
    assert!(busy.is_alive());
}

#[test]
fn a_thread_stands_for_its_process() {
    if !may_trace() {
        return;
    }
    let program = Program::start("threads", &[]);
    let is_other = |thread: &u32| *thread != program.pid();
    let thread = program.threads().into_iter().find(is_other).expect("it has several");
    let text = text(thread, &[]);
    assert!(text.contains(&format!("Process {}", program.pid())), "{text}");
    assert!(text.contains(&format!("thread {thread} belongs to pid")), "{text}");
}

#[test]
fn a_process_that_has_gone_is_an_error_in_one_line() {
    if !may_trace() {
        return;
    }
    let mut gone = Command::new("true").spawn().expect("true starts");
    gone.wait().expect("true ends");
    let said = format!("no process {}", gone.id());
    doctor(gone.id(), &[]).assert_refused(1, &[&said]);
}

/// Functions that the user describes are looked for as tracing does, and what is refused is a finding.
#[test]
fn described_functions_are_shown() {
    if !may_trace() {
        return;
    }
    let [library, calls] = ["library/take", "library/calls_take_lazy"].map(compiled);
    let arguments = [library.to_str().unwrap(), calls.to_str().unwrap()];
    let mut unbound = Program::start("indirect", &arguments);
    let mut bound = Program::start("indirect", &[&arguments[..], &["called"]].concat());
    let options = ["--alloc-fn", "take:pool_take(size=0)", "--free-fn", "take:pool_give(ptr=0)"];
    let examined = |pid| -> Value {
        let json = text(pid, &[&options[..], &["--format", "json"]].concat());
        serde_json::from_str(&json).expect("JSON")
    };
    let described = |doctor: &Value| -> Vec<(String, String)> {
        let all = sections(doctor, "allocator");
        let about = |it: &&&Value| it["title"].as_str().expect("a title").starts_with("Functions");
        let lines = all.iter().find(about).expect("a section")["lines"].as_array().expect("lines");
        let word = |line: &Value, key: &str| line[key].as_str().expect("text").to_owned();
        lines.iter().map(|line| (word(line, "state"), word(line, "detail"))).collect()
    };
    let doctor = examined(bound.pid());
    let [(state, _), (other, why)] = &described(&doctor)[..] else { panic!("{doctor}") };
    assert_eq!((state.as_str(), other.as_str()), ("ok", "missing"), "{doctor}");
    assert!(why.contains("has no such function"), "{why}");
    let is_pool = |it: &&&Value| it["title"].as_str().expect("a title").starts_with("pool_take (");
    let all = sections(&doctor, "allocator");
    let pool = all.iter().find(is_pool).expect("a section");
    assert_eq!(row(pool, "pool_take")["probe"], "call+return", "{pool}");
    assert!(pool["lines"].to_string().contains("pool_take stands for take_wide"), "{pool}");

    let doctor = examined(unbound.pid());
    let (state, why) = &described(&doctor)[0];
    assert_eq!(state, "missing", "{doctor}");
    assert!(why.contains("an IFUNC") && why.contains("has not called it yet"), "{why}");
    assert!(bound.is_alive() && unbound.is_alive());
}

/// Name and detail of each line.
fn told(section: &Value) -> Vec<(&str, &str)> {
    let lines = section["lines"].as_array().expect("lines");
    let told = lines.iter().map(|line| (line["name"].as_str(), line["detail"].as_str()));
    told.map(|(name, detail)| (name.expect("a name"), detail.expect("a detail"))).collect()
}

#[test]
fn static_probes_of_programs_and_of_loaded_libraries_are_listed() {
    if !may_trace() {
        return;
    }
    let library = compiled("library/usdt").display().to_string();
    let program = compiled("plain/usdt").display().to_string();
    let plain = Program::start("plain/usdt", &[&library]);
    let json = text(plain.pid(), &["--format", "json"]);
    let doctor: Value = serde_json::from_str(&json).expect("JSON");
    let [usdt] = sections(&doctor, "usdt")[..] else { panic!("{doctor}") };
    let mut told = told(usdt);
    // Files come in the order of addresses, which differs from run to run.
    let second = 1 + told.iter().skip(1).position(|(name, _)| *name == "file").expect("two files");
    if told[0].1 == library {
        told.rotate_left(second);
    }
    let waits = "1 place; fires only while a tracer raises its semaphore in the program's memory";
    let expected = [
        ("file", program.as_str()),
        ("alloc", "2 places"),
        ("free", "1 place"),
        ("not readable", "alloc (1 place): it has 2 arguments, and the contract says 3"),
        ("not readable", "mmap (1 place): no probe that memtrace knows"),
        ("file", &library),
        ("alloc", waits),
        ("free", waits),
        (
            "not readable",
            "free (1 place): its arguments cannot be read: `8@last_freed(%rip)` is relative to a symbol",
        ),
    ];
    assert_eq!(told, expected);
    assert!(text(plain.pid(), &[]).contains("Static probes (otel_memory)"));
}

#[test]
fn a_process_without_static_probes_has_no_section_for_them() {
    if !may_trace() {
        return;
    }
    let idle = Program::start("two_sizes", &[]);
    let json = text(idle.pid(), &["--format", "json"]);
    let doctor: Value = serde_json::from_str(&json).expect("JSON");
    assert!(sections(&doctor, "usdt").is_empty(), "{doctor}");
}
