//! Static probes by which a program tells of blocks that it samples: each is counted, with what it stands for,
//! apart from the heap.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use support::kernel::links;
use support::program::{Program, compiled};
use support::report::{Accounts, Process, Report, number, path_of};
use support::tracer::{Run, Tracer};
use support::{let_it_look, may_trace};

/// What is counted of a stack, and of all.
const FIGURES: [&str; 6] = [
    "live_samples",
    "live_bytes",
    "live_blocks",
    "allocated_samples",
    "allocated_bytes",
    "allocated_blocks",
];

type Figures = [u64; FIGURES.len()];

fn figures(told: &Value) -> Figures {
    FIGURES.map(|key| number(&told[key]))
}

/// What the program says that must be counted.
fn said(accounts: &Accounts, name: &str) -> Figures {
    FIGURES.map(|key| accounts.figure(&format!("told {name} "), key))
}

/// What was counted, by the function that tells.
fn by_function(told: &Value) -> BTreeMap<String, Figures> {
    let stacks = told["stacks"].as_array().unwrap();
    let mut functions: BTreeMap<String, Figures> = BTreeMap::new();
    for stack in stacks {
        assert_eq!(stack["complete"], true, "{stack}");
        let path = path_of(stack);
        let sums = functions.entry(path[0].to_owned()).or_default();
        sums.iter_mut().zip(figures(stack)).for_each(|(sum, figure)| *sum += figure);
    }
    functions
}

/// The estimates lie where they are said to lie, and are uncertain.
fn assert_uncertain(told: &Value) {
    for key in ["live_bytes", "live_blocks", "allocated_bytes", "allocated_blocks"] {
        let range = told[format!("{key}_ci95")].as_array().unwrap();
        let (low, high) = (number(&range[0]), number(&range[1]));
        let value = number(&told[key]);
        assert!(low < value && value < high, "{key}: {low} {value} {high}");
    }
}

/// A program that tells, through its work.
fn traced(arguments: &[&str], options: &[&str]) -> (Program, Accounts, Run) {
    let mut program = Program::start("tells", arguments);
    let tracer = Tracer::with(&[&program], options);
    let accounts = program.work();
    let run = tracer.stop();
    (program, accounts, run)
}

fn notes(report: &Report) -> Vec<&str> {
    let notes = report.0["tracer"]["notes"].as_array().unwrap();
    notes.iter().map(|note| note.as_str().unwrap()).collect()
}

const FUNCTIONS: [&str; 5] =
    ["in_registers", "in_high_registers", "in_memory", "in_constants", "in_a_table"];

#[track_caller]
fn assert_all_told(process: Process<'_>, accounts: &Accounts) {
    let told = &process.0["told"];
    assert_eq!(figures(told), said(accounts, "all"), "{told}");
    let expected = FUNCTIONS.map(|name| (name.to_owned(), said(accounts, name)));
    assert_eq!(by_function(told), BTreeMap::from(expected));
    assert_uncertain(told);
    assert_eq!((&told["unknown_frees"], &told["missed_frees"]), (&1.into(), &1.into()));
    assert_eq!((&told["evicted_samples"], &told["below_size_samples"]), (&0.into(), &0.into()));
    assert_eq!(told["others"]["samples"], 0, "all stacks are listed");
    // The heap is as without.
    process.assert_totals(accounts);
}

#[test]
fn told_samples_are_counted_exactly_apart_from_the_heap() {
    if !may_trace() {
        return;
    }
    for link in links() {
        let (program, accounts, run) = traced(&[], &["--link", link]);
        let report = run.only_report();
        report.assert_nothing_lost();
        assert_all_told(report.process(program.pid()), &accounts);
        assert!(program.end().success(), "{link}");
    }
}

#[test]
fn told_by_probes_with_a_counter_only_if_the_user_lets_the_kernel_raise_it() {
    if !may_trace() {
        return;
    }
    let (program, accounts, run) = traced(&[], &[]);
    let report = run.only_report();
    assert_eq!(figures(&report.process(program.pid()).0["told"]), said(&accounts, "all"));
    let about = |note: &&&str| note.contains("--usdt-semaphores lets the kernel raise it");
    assert_eq!(notes(&report).iter().filter(about).count(), 1, "{:?}", notes(&report));
    assert!(program.end().success());
    for link in links() {
        let (program, accounts, run) = traced(&[], &["--usdt-semaphores", "--link", link]);
        let warned =
            run.messages.iter().any(|line| line.contains("raises that in the target's memory"));
        assert!(warned, "{:?}", run.messages);
        let report = run.only_report();
        report.assert_nothing_lost();
        let told = &report.process(program.pid()).0["told"];
        let [live, bytes, blocks, samples, allocated, allocated_blocks] = said(&accounts, "all");
        let one = 512 << 10;
        let more = [
            live + 1,
            bytes + one,
            blocks + 32768,
            samples + 1,
            allocated + one,
            allocated_blocks + 32768,
        ];
        assert_eq!(figures(told), more, "{link}");
        assert!(by_function(told).contains_key("if_raised"), "{told}");
        assert!(
            !notes(&report).iter().any(|note| note.contains("otel_memory")),
            "{:?}",
            notes(&report)
        );
        // It ends well only if its counter is 0 again.
        assert!(program.end().success(), "{link}");
    }
}

/// Whoever is not traced is not written to, though it maps the same file.
#[test]
fn told_only_by_targets_whose_counters_are_raised() {
    if !may_trace() {
        return;
    }
    for link in links() {
        let mut target = Program::start("tells", &[]);
        let mut other = Program::start("tells", &[]);
        let tracer = Tracer::with(&[&target], &["--usdt-semaphores", "--link", link]);
        other.work();
        // It ends well only if its counter is 0 now.
        assert!(other.end().success(), "{link}");
        let accounts = target.work();
        let report = tracer.stop().only_report();
        let told = &report.process(target.pid()).0["told"];
        assert_eq!(figures(told)[0], said(&accounts, "all")[0] + 1, "{link}");
        assert!(target.end().success(), "{link}");
    }
}

#[test]
fn told_of_nothing_where_static_probes_are_not_wanted() {
    if !may_trace() {
        return;
    }
    let (program, accounts, run) = traced(&[], &["--no-usdt"]);
    let report = run.only_report();
    report.assert_nothing_lost();
    let process = report.process(program.pid());
    assert!(process.0.get("told").is_none(), "{}", process.0);
    process.assert_totals(&accounts);
    let links = report.0["tracer"]["links"].as_array().unwrap();
    assert!(
        !links.iter().any(|link| link["allocator"].as_str().unwrap().contains("otel")),
        "{links:?}"
    );
    assert!(program.end().success());
}

#[test]
fn told_in_the_announcement_and_in_text() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("tells", &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    let options = ["--interval", "0", "--exact", "--output", file.to_str().unwrap()];
    let tracer = Tracer::typed(&[&program], &options);
    assert!(tracer.announcement.contains("otel_memory of tells"), "{}", tracer.announcement);
    program.work();
    assert!(tracer.stop().status.success());
    let text = std::fs::read_to_string(file).unwrap();
    assert!(
        text.contains("TOLD    what the program itself tells of blocks that it samples"),
        "{text}"
    );
    assert!(text.contains("LIVE    about 4.00 MiB ("), "{text}");
    assert!(program.end().success());
}

#[test]
fn told_by_a_child_as_its_own_beside_what_it_inherited() {
    if !may_trace() {
        return;
    }
    for link in links() {
        let (program, accounts, run) = traced(&["fork"], &["--link", link]);
        let report = run.only_report();
        report.assert_nothing_lost();
        let [live, live_bytes, live_blocks, ..] = said(&accounts, "all");
        assert_all_told(report.process(program.pid()), &accounts);
        let child = u32::try_from(accounts.figure("child", "pid")).unwrap();
        let told = &report.process(child).0["told"];
        // It gave one back of what it inherited, and kept one of its own two.
        let expected = [live, live_bytes, live_blocks, 2, 1 << 20, 2 * 32768];
        assert_eq!(figures(told), expected, "{link}: {told}");
        assert_eq!((&told["inherited_samples"], &told["unknown_frees"]), (&live.into(), &1.into()));
        assert!(program.end().success());
    }
}

#[test]
fn told_before_an_exec_goes_with_the_memory() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("tells", &["exec"]);
    let tracer = Tracer::of(&[&program]);
    program.tell();
    let before = program.accounts_until("ready");
    let_it_look();
    program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let [first, second] = report.processes(program.pid())[..] else { panic!("{}", report.0) };
    assert_eq!(first.0["end"], "exec");
    assert_all_told(first, &before);
    let told = &second.0["told"];
    assert_eq!(figures(told), [1, 512 << 10, 32768, 1, 512 << 10, 32768]);
    assert_eq!(told["unknown_frees"], 1, "of what the program before had");
    assert!(program.end().success());
}

#[test]
fn told_by_a_library_that_is_loaded_later() {
    if !may_trace() {
        return;
    }
    let library = compiled("library/tells");
    let path = library.to_str().unwrap();
    let calls = ["tell", "4096", "tell", "512", "take_back", "512", "tell_if_raised", "128"];
    for (options, raised) in [(&[][..], 0), (&["--usdt-semaphores"][..], 1)] {
        let arguments = [&[path, "late"][..], &calls].concat();
        let mut program = Program::start("loads", &arguments);
        let tracer = Tracer::with(&[&program], options);
        program.tell();
        program.wait_for("loaded");
        let_it_look();
        program.work();
        let report = tracer.stop().only_report();
        report.assert_nothing_lost();
        let told = &report.process(program.pid()).0["told"];
        let expected = [
            1 + raised,
            64 * (4096 + 128 * raised),
            64 * (1 + raised),
            2 + raised,
            64 * (4096 + 512 + 128 * raised),
            64 * (2 + raised),
        ];
        assert_eq!(figures(told), expected, "{told}");
        let refused =
            notes(&report).iter().filter(|note| note.contains("--usdt-semaphores")).count();
        assert_eq!(refused, usize::from(raised == 0), "{:?}", notes(&report));
        assert!(program.end().success());
    }
}
