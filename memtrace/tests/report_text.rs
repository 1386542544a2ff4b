//! Text reports of processes made by hand, as people see them.

mod report_fixtures;

use memtrace::engine::ended::{Ended, Sums};
use memtrace::engine::snapshot::{
    Confidence, HeapTotals, Owner, ProcessSnapshot, ResidentBounds, Snapshot, State, TouchFigures,
    TouchTotals, TouchedStack,
};
use memtrace::model::frame::Frame;
use memtrace::model::ids::{SECOND, StackId};
use memtrace::model::module::Module;
use memtrace::model::picture::{PageKind, PageSum};
use memtrace::model::process::Usage;
use memtrace::report::{
    FoldedWriter, Ledgers, Report, ReportOptions, ReportWriter, TextStyle, TextWriter, TracerFacts,
    resolve,
};
use memtrace_common::wire::{Loss, StackEnd};
use report_fixtures::*;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

const WIDE: TextStyle = TextStyle { width: 100, color: false, full: false };

fn final_text(processes: Vec<ProcessSnapshot>) -> String {
    let text = text(&report(&snapshot(processes), &last(), &facts()), WIDE);
    assert_width(&text, 100);
    text
}

fn assert_width(text: &str, width: usize) {
    for line in text.lines() {
        assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
    }
}

#[test]
fn a_leak() {
    insta::assert_snapshot!(final_text(vec![leaking()]));
}

/// A budget that cannot be met: what is reached, the budget, and why.
#[test]
fn a_budget_that_is_not_reached() {
    let said = "the budget of 0.5 % is not reached by the shortest windows, either".to_owned();
    let facts = TracerFacts {
        target_cost_cores: Some(0.01),
        target_cost_percent: Some(0.84),
        overhead_budget: Some(0.5),
        notes: vec![said.clone()],
        ..facts()
    };
    let text = text(&report(&snapshot(vec![leaking()]), &last(), &facts), WIDE);
    assert_width(&text, 100);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("(0.8 %, budget 0.5 %)"), "{text}");
    assert!(words.contains(&said), "{text}");
}

/// A cost that is large for the program and small for the machine.
#[test]
fn a_budget_from_so_many_cores_on() {
    let cost = |cores, percent| {
        let facts = TracerFacts {
            target_cost_cores: Some(cores),
            target_cost_percent: Some(percent),
            overhead_budget: Some(10.0),
            budget_from_cores: 0.05,
            ..facts()
        };
        let text = text(&report(&snapshot(vec![leaking()]), &last(), &facts), WIDE);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(cost(0.01, 17.1).contains("(17.1 %, budget 10 % where that is over 0.05 cores)"));
    assert!(cost(0.06, 17.1).contains("(17.1 %, budget 10 %)"));
    assert!(cost(0.01, 9.2).contains("(9.2 %, budget 10 %)"));
}

#[test]
fn estimates() {
    let facts = TracerFacts {
        sample_interval_bytes: 64 << 10,
        sampling_changes: vec![sampling_change()],
        ..facts()
    };
    let shown = |options, style| {
        let text = text(&report(&snapshot(vec![sampled()]), &options, &facts), style);
        assert_width(&text, style.width);
        text
    };
    insta::assert_snapshot!(shown(last(), WIDE));
    let brief = ReportOptions { is_final: false, ..last() };
    insta::assert_snapshot!("estimates_in_brief", shown(brief, WIDE));
    shown(last(), TextStyle { width: 60, ..WIDE });
}

#[test]
fn a_leak_on_a_narrow_terminal() {
    let narrow = TextStyle { width: 60, ..WIDE };
    let text = text(&report(&snapshot(vec![leaking()]), &last(), &facts()), narrow);
    assert_width(&text, 60);
    insta::assert_snapshot!(text);
}

#[test]
fn a_leak_between_two_reports() {
    let options = ReportOptions { is_final: false, ..last() };
    let brief = report(&snapshot(vec![leaking()]), &options, &facts());
    let shown = text(&brief, WIDE);
    assert!(shown.trim_end().lines().count() <= 12);
    assert_width(&shown, 100);
    assert_width(&text(&brief, TextStyle { width: 60, ..WIDE }), 60);
    insta::assert_snapshot!(shown);
    let full = text(&brief, TextStyle { full: true, ..WIDE });
    let last = text(&report(&snapshot(vec![leaking()]), &last(), &facts()), WIDE);
    assert_eq!(full.replace("   report 6", "   final report 6"), last, "--full shows everything");
}

fn touching() -> ProcessSnapshot {
    let mut process = leaking();
    process.stacks.clear();
    process.touched = TouchTotals {
        sums: TouchFigures {
            live_bytes: 13 * MIB,
            touched_bytes: 20 * MIB,
            given_back_bytes: 7 * MIB,
            copied: 3,
            copied_older: 4,
            again: 5,
            only_read: 6,
            file_faults: 700,
            elsewhere: 1,
            ..TouchFigures::default()
        },
        lazily_freed_bytes: MIB,
        populated_bytes: 2 * MIB,
        confidence: None,
    };
    process.touched_stacks = vec![TouchedStack {
        stack: StackId(901),
        frames: leak_frames(),
        end: StackEnd::Complete,
        live_bytes: 12 * MIB,
        touched_bytes: 16 * MIB,
        given_back_bytes: 4 * MIB,
        confidence: None,
    }];
    process
}

fn by_pages(snapshot: &Snapshot) -> Report {
    let options = ReportOptions { ledger: Ledgers::Mappings, touches: true, ..last() };
    report(snapshot, &options, &facts())
}

fn touched_part(report: &Report) -> String {
    let text = text(report, TextStyle::default());
    assert_width(&text, 100);
    text.split("\n\n")
        .find(|part| part.starts_with("TOUCHED"))
        .expect("a part about touched pages")
        .to_owned()
}

/// Pages have no blocks, and the report never says so.
#[test]
fn who_touches_pages() {
    let report = by_pages(&snapshot(vec![touching()]));
    insta::assert_snapshot!(touched_part(&report));
    let mut folded = Vec::new();
    FoldedWriter { internals: false, full_names: false }.write(&report, &mut folded).unwrap();
    let folded = String::from_utf8(folded).unwrap();
    let sizes = folded.lines().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    assert_eq!(sizes.sum::<u64>(), 13 * MIB, "{folded}");
}

/// Some of them stand for others.
#[test]
fn who_touches_pages_that_are_not_all_looked_at() {
    let mut process = touching();
    let around =
        |bytes: u64, by: u64| Confidence { low: bytes.saturating_sub(by), high: bytes + by };
    process.touched.confidence = Some(TouchFigures {
        live_bytes: around(13 * MIB, 2 * MIB),
        touched_bytes: around(20 * MIB, 3 * MIB),
        given_back_bytes: around(7 * MIB, MIB),
        copied: around(3, 50),
        file_faults: around(700, 90),
        ..TouchFigures::default()
    });
    let bytes = [12 * MIB, 16 * MIB, 4 * MIB];
    process.touched_stacks[0].confidence = Some(bytes.map(|bytes| around(bytes, MIB)));
    let snapshot = Snapshot { touch_level: 5, ..snapshot(vec![process]) };
    let report = by_pages(&snapshot);
    insta::assert_snapshot!(touched_part(&report));
    let text = text(&report, WIDE);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("TRUST estimates, which in 95 of 100 cases"), "{text}");
}

/// The blocks' own account, and nothing of mappings.
#[test]
fn the_heap_alone() {
    let mut process = leaking();
    process.picture = None;
    let shown = |ledger| {
        let options = ReportOptions { ledger, ..last() };
        text(&report(&snapshot(vec![process.clone()]), &options, &facts()), WIDE)
    };
    let (all, heap) = (shown(Ledgers::Both), shown(Ledgers::Heap));
    let left_out: Vec<&str> =
        all.lines().filter(|line| !heap.lines().any(|other| other == *line)).collect();
    let [row, title, ..] = left_out[..] else { panic!("{left_out:?}") };
    assert!(row.starts_with("  mapped, seen") && title.starts_with("MAPPINGS"), "{left_out:?}");
    // All the others are of that section, the last one.
    let section: Vec<&str> = all.lines().skip_while(|line| *line != title).collect();
    assert!(left_out[1..].iter().all(|line| section.contains(line)), "{left_out:?}");
}

/// What was broken off, what a process held before its end, pages of hugetlbfs.
#[test]
fn pictures_that_are_not_whole_say_so() {
    let mut process = leaking();
    let mut picture = picture(process.heap.live_bytes);
    picture.time -= 30 * SECOND;
    picture.picture.whole = false;
    picture.picture.kinds[PageKind::Anonymous as usize].hugetlb = 64 * MIB;
    picture.picture.kinds[PageKind::ThreadStack as usize] = PageSum::default();
    picture.blocks.elsewhere = 0;
    // Pages could not be looked at, and a call's stack was lost.
    picture.owners.undecided = 0;
    picture.owners.sums[Owner::OlderAllocator as usize].beyond.least -= MIB;
    picture.owners.sums[Owner::Unknown as usize].beyond =
        ResidentBounds { least: MIB, most: 2 * MIB };
    picture.owners.sums[Owner::Older as usize].beyond = ResidentBounds { least: 0, most: MIB };
    picture.blocks.touched_least = picture.blocks.live;
    picture.blocks.touched_most = picture.blocks.live;
    process.picture = Some(picture);
    let shown = final_text(vec![process]);
    let lines = shown.lines().skip_while(|line| !line.starts_with("PICTURE"));
    let section: Vec<&str> = lines.take_while(|line| !line.starts_with("#1")).collect();
    insta::assert_snapshot!(section.join("\n").trim_end());
}

/// The report of a process that has another account beside the heap's, which is as without it.
fn beside_the_heap(process: ProcessSnapshot, facts: &TracerFacts) -> String {
    let whole = text(&report(&snapshot(vec![process]), &last(), facts), WIDE);
    assert_width(&whole, 100);
    let alone = final_text(vec![leaking()]);
    let heap =
        |text: &str| text.lines().find(|line| line.contains("heap, seen")).map(str::to_owned);
    assert_eq!(heap(&whole), heap(&alone));
    whole
}

#[test]
fn a_pool_is_no_part_of_the_heap() {
    let (process, facts) = pooling();
    insta::assert_snapshot!(beside_the_heap(process, &facts));
}

#[test]
fn memory_of_devices_is_no_part_of_the_heap() {
    let process = ProcessSnapshot { device: device(), ..leaking() };
    insta::assert_snapshot!(beside_the_heap(process, &facts()));
}

#[test]
fn what_a_program_tells_is_no_part_of_the_heap() {
    let whole = beside_the_heap(telling(), &facts());
    let told = whole.split("\n\n").find(|part| part.starts_with("TOLD")).unwrap();
    insta::assert_snapshot!(told);
    let brief = ReportOptions { is_final: false, ..last() };
    let wide = TextStyle { width: 200, ..WIDE };
    let shown = text(&report(&snapshot(vec![telling()]), &brief, &facts()), wide);
    assert!(shown.contains("; the program tells of about 2.50 MiB ("), "{shown}");
    assert!(shown.trim_end().lines().count() <= 12, "{shown}");
}

#[test]
fn brief_reports_name_what_is_counted_beside_the_heap() {
    let (process, facts) = pooling();
    let process = ProcessSnapshot { device: device(), ..process };
    let options = ReportOptions { is_final: false, ..last() };
    let wide = TextStyle { width: 200, ..WIDE };
    let shown = text(&report(&snapshot(vec![process]), &options, &facts), wide);
    let beside = "; pools 4.88 KiB in 50 blocks; device 32.0 MiB in 32 blocks";
    assert!(shown.contains(beside), "{shown}");
    assert!(shown.trim_end().lines().count() <= 12, "{shown}");
}

#[test]
fn steady() {
    let mut process = process(77, "postgres", vec![stack(0, leak_frames(), 12, 100)]);
    process.stacks[0].freed_blocks = 100;
    process.stacks[0].allocated_blocks = 112;
    insta::assert_snapshot!(final_text(vec![process]));
}

#[test]
fn not_the_heap() {
    let mut process = process(77, "java", vec![stack(0, leak_frames(), 12, 100)]);
    process.usage_last = process.usage_last.map(|last| Usage {
        resident: last.resident + 400 * MIB,
        resident_anonymous: last.resident_anonymous + 400 * MIB,
        ..last
    });
    process.resident_growth = growth(419_430_400, 6, 6);
    process.mappings.live_by_kind = [512 * MIB, 0, 0, 0, 0, 0, 0];
    (process.mappings.live_bytes, process.mappings.mapped_bytes) = (512 * MIB, 600 * MIB);
    process.mappings.live_ranges = 1;
    insta::assert_snapshot!(final_text(vec![process]));
}

#[test]
fn too_short() {
    let mut process = process(77, "curl", vec![stack(0, leak_frames(), 12, 100)]);
    process.seen = NOW - 4 * SECOND;
    process.intervals = 0;
    process.growth = growth(1200, 0, 0);
    process.stacks[0].growth = growth(1200, 0, 0);
    process.stacks[0].oldest = Some(NOW - 3 * SECOND);
    insta::assert_snapshot!(final_text(vec![process]));
}

#[test]
fn nothing_was_before_a_programs_first_instruction() {
    let older = |usage, unknown_frees| {
        let mut process = leaking();
        process.usage_first = usage;
        process.heap.unknown_frees = unknown_frees;
        final_text(vec![process]).contains("before attach")
    };
    let usage = leaking().usage_first;
    assert!(usage.is_some() && older(usage, 0));
    assert!(!older(None, 0));
    assert!(older(None, 1), "its probes came later");
}

#[test]
fn code_that_was_gone_has_no_place() {
    let mut process = leaking();
    process.mapped.clear();
    for stack in &mut process.stacks {
        stack.frames = Arc::from([Frame::Unmapped(0)]);
    }
    let text = final_text(vec![process]);
    let named = text.matches("(gone before its mappings could be read)\n").count();
    assert_eq!(named, 10, "nothing behind it: {text}");
}

#[test]
fn losses() {
    let mut snapshot = snapshot(vec![leaking()]);
    snapshot.losses[Loss::RingFree as usize].1 = 200_000;
    snapshot.losses[Loss::NoScratch as usize].1 = 12;
    snapshot.unknown_stacks = 3;
    snapshot.bounds.crowded_out = 9;
    snapshot.processes[0].heap.missed_frees = 17;
    snapshot.processes[0].unseen_vforks = 1;
    snapshot.processes[0].untraced_children = 2;
    let mut facts = facts();
    facts.degraded =
        vec!["tracing cost more than twice the budget of 5 %, so it ended early".to_owned()];
    facts.notes = vec![
        "python3: pymalloc serves blocks up to 512 bytes, which malloc does not show".to_owned(),
    ];
    let report = report(&snapshot, &last(), &facts);
    assert!(report.is_degraded());
    let text = text(&report, WIDE);
    assert_width(&text, 100);
    insta::assert_snapshot!(text);
}

/// Of all allocations, those whose stack ended because a table was not ready are told apart.
#[test]
fn code_too_new_to_be_walked() {
    let mut process = leaking();
    let ends = process.stacks.iter_mut().map(|stack| &mut stack.end);
    ends.filter(|end| **end == StackEnd::NoFramePointer)
        .for_each(|end| *end = StackEnd::NoTableYet);
    let snapshot = snapshot(vec![process]);
    let report = report(&snapshot, &ReportOptions { top: 0, ..last() }, &facts());
    assert_eq!(report.processes[0].early.stacks, 1);
    assert_eq!(report.processes[0].early.blocks, report.processes[0].incomplete_blocks);
    let text = text(&report, WIDE);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "incomplete stacks 3.2 % (3.2 % in code too new to be walked)",
        "(the code there was new, its unwinding table not ready yet)",
    ] {
        assert!(words.contains(expected), "{text}");
    }
}

#[test]
fn ended_by_a_signal() {
    let mut process = leaking();
    process.state = State::Exited(Some(0x80 | 11));
    process.until = NOW - 30 * SECOND;
    let mut info = (*process.info).clone();
    info.cmdline = Some(vec!["thumbd".to_owned(), "--port=80".to_owned()]);
    process.info = Arc::new(info);
    insta::assert_snapshot!(final_text(vec![process]));
}

#[test]
fn several_processes() {
    let mut short = process(900, "sh", vec![stack(0, leak_frames(), 3, 16)]);
    short.state = State::Exited(Some(3 << 8));
    (short.seen, short.until) = (NOW - 20 * SECOND, NOW - 18 * SECOND);
    short.growth = growth(0, 0, 0);
    let mut program = process(901, "init", vec![]);
    program.state = State::Execed;
    let quiet = process(77, "postgres", vec![stack(0, leak_frames(), 12, 100)]);
    insta::assert_snapshot!(final_text(vec![
        short.clone(),
        quiet.clone(),
        leaking(),
        program.clone()
    ]));
    let options = ReportOptions { is_final: false, ..last() };
    let brief =
        text(&report(&snapshot(vec![short, quiet, leaking(), program]), &options, &facts()), WIDE);
    assert!(brief.trim_end().lines().count() <= 12, "{brief}");
    insta::assert_snapshot!(brief);
}

/// What grows is shown first, and what did nothing takes one line together.
#[test]
fn many_processes() {
    let worker = |pid: u32| {
        let blocks = u64::from(pid);
        let mut worker = process(pid, "worker", vec![stack(0, leak_frames(), blocks, 100)]);
        (worker.heap.live_blocks, worker.heap.live_bytes) = (blocks, blocks * 100);
        worker.growth = growth(0, 0, 6);
        worker
    };
    let mut processes: Vec<_> = (101..=114).map(worker).collect();
    for pid in 200..220 {
        let mut quiet = process(pid, if pid < 215 { "sleep" } else { "agetty" }, vec![]);
        quiet.heap = HeapTotals::default();
        processes.push(quiet);
    }
    processes.push(leaking());
    let whole = final_text(processes.clone());
    let sections: Vec<&str> = whole.lines().filter(|line| line.contains(" (pid ")).collect();
    assert_eq!(sections.len(), 10, "{whole}");
    assert!(sections[0].starts_with("thumbd (pid 1234"), "{sections:?}");
    assert!(sections[1].starts_with("worker (pid 114"), "{sections:?}");
    assert!(whole.contains("5 more processes with 50.3 KiB in 515 blocks: worker 5"), "{whole}");
    let quiet = "20 processes in which no allocation was seen: sleep 15, agetty 5";
    assert!(whole.contains(quiet), "{whole}");
    let options = ReportOptions { full: true, ..last() };
    let full = text(&report(&snapshot(processes), &options, &facts()), WIDE);
    assert_eq!(full.lines().filter(|line| line.contains(" (pid ")).count(), 35);
}

#[test]
fn nothing_allocated() {
    insta::assert_snapshot!(final_text(vec![process(5, "sleep", vec![])]));
    insta::assert_snapshot!(final_text(vec![]));
}

#[test]
fn hostile_names() {
    let long = format!("ns::Outer<{}>::method(int)", "std::pair<int, long>, ".repeat(500));
    let mut symbolizer = symbolizer();
    let evil = source("\x1b]0;owned\x07\nrm -rf /", Some(("a\tb\u{202e}c.c", 1)));
    symbolizer.names.insert((PROGRAM, 0x1200), vec![evil]);
    symbolizer.names.insert((PROGRAM, 0x1400), vec![source(&long, None)]);
    let mut snapshot =
        snapshot(vec![process(6, "\x1b[2J\n\u{9b}x", vec![stack(0, leak_frames(), 12, 100)])]);
    let module =
        Module { path: PathBuf::from("/tmp/\x1b[31mred\r\n.so"), ..(*modules()[0]).clone() };
    snapshot.modules = Arc::from([Arc::new(module), modules()[1].clone()]);
    let mut facts = facts();
    facts.notes = vec!["note of \x1b[5m".to_owned()];
    let report = resolve(&snapshot, &mut symbolizer, &last(), &facts);
    let shown = text(&report, WIDE);
    assert_width(&shown, 100);
    assert!(!shown.chars().any(|character| character.is_control() && character != '\n'));
    insta::assert_snapshot!(shown);
}

#[test]
fn blocks_and_sizes() {
    let mut process = leaking();
    for stack in &mut process.stacks {
        (stack.filtered_blocks, stack.filtered_bytes) = (1, 8);
        stack.blocks =
            (0..9).map(|n| block(0x5555_0000 + n * 64, 1024, BEGAN + n * SECOND)).collect();
    }
    let mut snapshot = snapshot(vec![process]);
    snapshot.options.min_size = 16;
    let options = ReportOptions { show_blocks: 2, top: 1, ..last() };
    let text = text(&report(&snapshot, &options, &facts()), WIDE);
    assert_width(&text, 100);
    insta::assert_snapshot!(text);
}

#[test]
fn colours_only_when_asked() {
    let report = report(&snapshot(vec![leaking()]), &last(), &facts());
    let plain = text(&report, WIDE);
    assert!(!plain.contains('\x1b'));
    let colored = text(&report, TextStyle { color: true, ..WIDE });
    assert!(colored.contains("\x1b[1;31mGROWING\x1b[0m: +1.36"));
    let stripped =
        colored.replace("\x1b[1;31m", "").replace("\x1b[1;32m", "").replace("\x1b[0m", "");
    assert_eq!(stripped, plain);
}

struct Closed;

impl io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_went_away_is_passed_on() {
    let report = report(&snapshot(vec![leaking()]), &last(), &facts());
    let error = TextWriter::default().write(&report, &mut Closed).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let error = memtrace::report::JsonWriter.write(&report, &mut Closed).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn full_names_and_internals_are_there_on_request() {
    let options = ReportOptions { full_names: true, show_internals: true, top: 1, ..last() };
    let report = report(&snapshot(vec![leaking()]), &options, &facts());
    let wide = text(&report, TextStyle::default());
    assert!(wide.contains("      thumb::Cache::insert(Key const&, Image&&)   "), "{wide}");
    assert!(wide.contains("      start_thread  ") && !wide.contains("HIDDEN"), "{wide}");
    let narrow = text(&report, TextStyle { width: 50, ..TextStyle::default() });
    let whole: Vec<&str> = narrow.split_whitespace().collect();
    assert!(whole.join(" ").contains("thumb::Cache::insert(Key const&, Image&&)"), "{narrow}");
    assert!(narrow.lines().all(|line| line.chars().count() <= 50), "{narrow}");
}

#[test]
fn those_that_are_not_listed_any_more_are_told_of() {
    let heap = Sums {
        allocated_bytes: 3 * KIB,
        allocated_blocks: 12,
        freed_bytes: 2 * KIB,
        freed_blocks: 8,
        live_bytes: KIB,
        live_blocks: 4,
        lost_frees: 7,
        perhaps_freed_blocks: 3,
        ..Sums::default()
    };
    let ended = Ended { processes: 300, heap, ..Ended::default() };
    let snapshot = Snapshot { ended, ..snapshot(vec![process(1, "x", vec![])]) };
    let text = text(&report(&snapshot, &last(), &facts()), WIDE);
    assert_width(&text, 100);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = "300 processes that ended earlier are not listed: allocated 3.00 KiB in 12 blocks, freed 2.00 \
                KiB in 8 blocks, left 1.00 KiB in 4 blocks at the end, of which up to 3 may have been freed unseen";
    assert!(words.contains(told), "{text}");
}

#[test]
fn alerts_have_a_line_each() {
    let facts = TracerFacts { has_thresholds: true, ..facts() };
    let style = TextStyle { width: 110, ..TextStyle::default() };
    let lines = |options: &ReportOptions| -> Vec<String> {
        let text = text(&report(&alarming(), options, &facts), style);
        text.lines().filter(|line| line.contains("ALERT")).map(str::to_owned).collect()
    };
    let whole = lines(&last());
    assert_eq!(whole.len(), 3, "{whole:#?}");
    assert_eq!(whole[0], "ALERT   2 earlier ones not listed here");
    assert!(whole[1].ends_with("live heap 70.0 MiB reached 64.0 MiB"), "{whole:#?}");
    let brief = lines(&ReportOptions { is_final: false, ..last() });
    assert_eq!(brief.len(), 1, "{brief:#?}");
    assert!(brief[0].contains("live heap grew by +1.53 MiB/s"), "{brief:#?}");
}

#[test]
fn marks_have_a_line_each() {
    let lines = |options: &ReportOptions| -> Vec<String> {
        let text = text(&report(&marked(), options, &facts()), TextStyle::default());
        text.lines().filter(|line| line.starts_with("MARK")).map(str::to_owned).collect()
    };
    let whole = lines(&last());
    assert_eq!(whole.len(), 3, "{whole:#?}");
    assert_eq!(whole[0], "MARK    5 earlier ones not listed here");
    assert!(whole[1].ends_with(" after the start: deploy  7"), "{whole:#?}");
    assert!(whole[2].ends_with(" after the start: a\\u{202e}b"), "{whole:#?}");
    let brief = lines(&ReportOptions { is_final: false, ..last() });
    assert_eq!(brief, [format!("{}; 6 earlier ones", whole[2])]);
}

/// How it grew, what each look found and cost; nothing of a process that never grew.
#[test]
fn what_grew_and_was_looked_at() {
    let watching = ReportOptions { ledger: Ledgers::Mappings, touches: true, ..last() };
    let report = report(&zoomed(), &watching, &facts());
    let whole = text(&report, TextStyle::default());
    assert_width(&whole, 100);
    let stories: Vec<&str> =
        whole.split("\n\n").filter(|part| part.starts_with("WATCH   it")).collect();
    let [story] = stories[..] else { panic!("{whole}") };
    insta::assert_snapshot!(story);
    assert!(
        whole.contains("WATCH   1 of 2 processes grow; 12 closer looks so far, 1 now, 2 waiting")
    );
    let narrow = text(&report, TextStyle { width: 50, ..TextStyle::default() });
    assert_width(&narrow, 50);
}

#[test]
fn brief_reports_say_what_was_found_last() {
    let watching =
        ReportOptions { ledger: Ledgers::Mappings, touches: true, is_final: false, ..last() };
    let mut snapshot = zoomed();
    if let Some(story) = &mut snapshot.processes[0].story {
        story.looks.pop();
    }
    let brief = text(&report(&snapshot, &watching, &facts()), TextStyle::default());
    let lines: Vec<&str> = brief.lines().skip_while(|line| !line.starts_with("WATCH")).collect();
    let told = "  thumbd (pid 1234): grew +40.0 KiB/s; +41.5 KiB/s by thumb::Cache::insert < \
                thumb::Worker::serve";
    assert_eq!(lines[1], told, "{brief}");
}
