//! Views of reports made by hand: whatever is grouped, filtered or left away, nothing is lost.

use super::{
    Amount, Branch, By, Entry, Filter, Least, Naming, Order, Row, Sizes, Stretch, Subject, Tree,
    View, ViewOptions, ViewWriter, Weighed, What, allocators, apart, called, rows,
};
use crate::engine::snapshot::HeapTotals;
use crate::report::facts::{Ledgers, Sort};
use crate::report::model::{
    AccountReport, FrameReport, MappedReport, ProcessReport, Report, StackReport, Sum,
    TouchedReport, TouchedStackReport,
};
use crate::report::{ReportOptions, ReportWriter as _, TextStyle};
use crate::selection::Pattern;
use proptest::prelude::*;

const NAMING: Naming = Naming { by: By::Function, full_names: false, internals: false };

/// A stack through these functions, the innermost first: a blank between them.
fn stack(bytes: u64, blocks: u64, functions: &str) -> StackReport {
    let frame = |name: &str| FrameReport {
        module: Some("app".to_owned()),
        file: Some(format!("/src/{}.c", &name[..1])),
        line: Some(7),
        ..FrameReport::called(name)
    };
    StackReport {
        function: "malloc".to_owned(),
        live_bytes: bytes,
        live_blocks: blocks,
        frames: functions.split_whitespace().map(frame).collect(),
        ..StackReport::default()
    }
}

fn process(pid: u32, stacks: Vec<StackReport>) -> ProcessReport {
    let mut process =
        ProcessReport { pid, comm: "app".to_owned(), stacks, ..ProcessReport::default() };
    process.heap.allocated_blocks = 1;
    process
}

fn report(processes: Vec<ProcessReport>) -> Report {
    Report { processes, ..Report::default() }
}

/// Three functions call each other in several ways.
fn usual() -> Report {
    let stacks = vec![
        stack(50, 5, "leaf work main"),
        stack(30, 1, "work main"),
        stack(15, 9, "leaf other main"),
        stack(5, 1, ""),
        stack(0, 0, "gone main"),
    ];
    report(vec![process(7, stacks)])
}

fn table(report: &Report, naming: Naming) -> Vec<Row> {
    rows(&Weighed::of(report, &Filter::default()), naming)
}

fn figures(rows: &[Row]) -> Vec<(&str, u64, u64)> {
    rows.iter().map(|row| (row.entry.name.as_str(), row.own.bytes, row.total.bytes)).collect()
}

fn written(report: &Report, view: View, options: ViewOptions, ascii: bool) -> String {
    let mut bytes = Vec::new();
    let style = TextStyle { width: 80, ..TextStyle::default() };
    ViewWriter { view, options, style, ascii }.write(report, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The lines of a tree alone.
fn drawn(report: &Report, options: ViewOptions) -> Vec<String> {
    let text = written(report, View::Tree, options, true);
    let tree = text.lines().skip_while(|line| !line.trim_start().starts_with("TOTAL")).skip(1);
    tree.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn filter(include: &[&str], exclude: &[&str]) -> Filter {
    let patterns = |texts: &[&str]| -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::of_name(text).unwrap()).collect()
    };
    Filter { include: patterns(include), exclude: patterns(exclude) }
}

#[test]
fn own_is_apart_from_what_others_ask_for() {
    let rows = table(&usual(), NAMING);
    let expected = [
        ("leaf", 65, 65),
        ("work", 30, 80),
        ("(no call stack)", 5, 5),
        ("main", 0, 95),
        ("other", 0, 15),
    ];
    assert_eq!(figures(&rows), expected);
    assert_eq!(rows[0].total.count, 14);
}

#[test]
fn blocks_come_first_where_stacks_are_sorted_by_them() {
    let report = report(vec![process(7, vec![stack(99, 1, "large"), stack(1, 9, "many")])]);
    assert_eq!(table(&report, NAMING)[0].entry.name, "large");
    let options = ReportOptions { sort: Sort::Blocks, ..ReportOptions::default() };
    assert_eq!(table(&Report { options, ..report }, NAMING)[0].entry.name, "many");
}

/// A stack that leads through a function several times holds its bytes once.
#[test]
fn recursion_counts_once() {
    let report = report(vec![process(7, vec![stack(8, 1, "walk step walk walk main")])]);
    let rows = table(&report, NAMING);
    assert_eq!(figures(&rows), [("walk", 8, 8), ("main", 0, 8), ("step", 0, 8)]);
    let lines = drawn(&report, ViewOptions::default());
    assert_eq!(lines.len(), 5, "the tree shows each call: {lines:#?}");
}

#[test]
fn functions_of_one_name_in_two_files_are_two() {
    let mut stacks = vec![stack(8, 1, "init main"), stack(4, 1, "init main")];
    stacks[1].frames[0].module = Some("libother.so".to_owned());
    let rows = table(&report(vec![process(7, stacks)]), NAMING);
    assert_eq!(figures(&rows), [("init", 8, 8), ("init", 4, 4), ("main", 0, 12)]);
}

#[test]
fn groups_are_of_what_was_asked_for() {
    let names = |by| -> Vec<(String, String)> {
        let rows = table(&usual(), Naming { by, ..NAMING });
        rows.into_iter().map(|row| (row.entry.name, row.entry.place)).collect()
    };
    let pair = |name: &str, place: &str| (name.to_owned(), place.to_owned());
    assert_eq!(names(By::Line)[0], pair("leaf", "/src/l.c:7"));
    assert_eq!(names(By::File)[0], pair("/src/l.c", ""));
    assert_eq!(names(By::Module), [pair("app", ""), pair("(no call stack)", "")]);
    assert_eq!(names(By::Process), [pair("app (pid 7)", "")]);
    assert_eq!(names(By::Stack)[0].0, "leaf < work < main");
    let mut unknown = FrameReport::nameless();
    unknown.module = Some("libz.so".to_owned());
    let stacks = vec![StackReport { frames: vec![unknown], ..stack(3, 1, "") }];
    let report = report(vec![process(7, stacks)]);
    let first = |by| table(&report, Naming { by, ..NAMING })[0].entry.clone();
    let entry = |name: &str| Entry { name: name.to_owned(), ..Entry::default() };
    assert_eq!(first(By::Function), entry("libz.so+0x1"));
    assert_eq!(first(By::Line), entry("libz.so+0x1"));
    assert_eq!(first(By::File), entry("(source not known: libz.so)"));
}

#[test]
fn a_tree_has_the_largest_first_and_chains_in_one_branch() {
    let expected = [
        "      95 B    95 %           15  |- main  app",
        "      80 B    80 %            6  |  |- work  app",
        "      50 B    50 %            5  |  |  |- leaf  app",
        "      30 B    30 %            1  |  |  `- (by itself)",
        "      15 B    15 %            9  |  `- other  app",
        "                                    |     leaf  app",
        "       5 B     5 %            1  `- (no call stack)",
    ];
    let lines = drawn(&usual(), ViewOptions::default());
    let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        lines.iter().map(|line| squeeze(line)).collect::<Vec<_>>(),
        expected.iter().map(|line| squeeze(line)).collect::<Vec<_>>()
    );
    let unicode = written(&usual(), View::Tree, ViewOptions::default(), false);
    assert!(unicode.contains("│  ├─ work  app") && !unicode.contains("`- "), "{unicode}");
}

#[test]
fn what_is_not_shown_is_summed_where_it_branches_off() {
    let lines = drawn(&usual(), ViewOptions { top: Some(1), ..ViewOptions::default() });
    let whole = lines.join("\n");
    assert!(whole.contains("leaf  app") && !whole.contains("other  app"), "{whole}");
    let others: Vec<&String> = lines.iter().filter(|line| line.contains("other stack)")).collect();
    assert_eq!(others.len(), 1, "{whole}");
    assert!(others[0].trim_start().starts_with("15 B"), "{whole}");
    assert!(whole.contains("(no call stack)"), "what is not known is always shown: {whole}");
    let least = Least { bytes: 20, count: 0 };
    let by_size = drawn(&usual(), ViewOptions { least, ..ViewOptions::default() }).join("\n");
    assert!(by_size.contains("(1 other stack)") && by_size.contains("(no call stack)"));
    let least = Least { bytes: 0, count: 9 };
    let by_count = drawn(&usual(), ViewOptions { least, ..ViewOptions::default() }).join("\n");
    assert!(by_count.contains("other  app") && !by_count.contains("work  app"), "{by_count}");
}

#[test]
fn an_inverted_tree_begins_with_who_asked() {
    let options = ViewOptions { inverted: true, depth: Some(2), ..ViewOptions::default() };
    let lines = drawn(&usual(), options);
    let names: Vec<&str> = lines.iter().map(|line| line.split("- ").last().unwrap()).collect();
    assert_eq!(names[..3], ["leaf  app", "work  app", "other  app"], "{lines:#?}");
}

#[test]
fn deeper_ones_are_summed_at_the_last() {
    let lines = drawn(&usual(), ViewOptions { depth: Some(1), ..ViewOptions::default() });
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("95 B") && lines[0].ends_with("main  app"), "{lines:#?}");
}

#[test]
fn several_processes_are_roots_of_their_own() {
    let processes =
        vec![process(7, vec![stack(9, 1, "main")]), process(8, vec![stack(3, 1, "main")])];
    let report = report(processes);
    let lines = drawn(&report, ViewOptions::default());
    assert!(lines[0].ends_with("|- app (pid 7)") && lines[1].ends_with("main  app"), "{lines:#?}");
    assert!(lines[2].ends_with("app (pid 8)"), "{lines:#?}");
    let one = table(&report, NAMING);
    assert_eq!(figures(&one), [("main", 12, 12)], "a table is of all");
}

#[test]
fn what_patterns_leave_out_is_said() {
    let options = || ViewOptions { filter: filter(&["work"], &[]), ..ViewOptions::default() };
    let text = written(&usual(), View::Summary, options(), true);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(
        "LEFT out by --include or --exclude: 20 B in 10 blocks of 2 stacks; 5 B of that has no call stack"
    ), "{text}");
    // Of all that lives, not of what is left.
    assert!(words.contains("50 B 50 % 50 B 50 % 5 leaf"), "{text}");
    let excluded = ViewOptions { filter: filter(&[], &["main"]), ..ViewOptions::default() };
    let text = written(&usual(), View::Summary, excluded, true);
    assert!(text.contains("(no call stack)") && !text.contains("of that has no"), "{text}");
}

#[test]
fn young_and_filtered_blocks_have_lines_of_their_own() {
    let mut report = usual();
    report.processes[0].young = Sum { stacks: 1, blocks: 3, bytes: 0 };
    report.processes[0].filtered = Sum { stacks: 1, blocks: 4, bytes: 40 };
    for view in [View::Tree, View::Summary, View::Stats] {
        let text =
            written(&report, view, ViewOptions { top: Some(1), ..ViewOptions::default() }, true);
        assert!(text.contains("(younger than --min-age)"), "blocks without bytes: {text}");
        assert!(text.contains("(of other sizes)") && text.contains("140 B in 23 blocks"), "{text}");
    }
}

#[test]
fn pages_and_ranges_have_views_where_there_are_no_blocks() {
    let mut process = ProcessReport { pid: 7, ..ProcessReport::default() };
    let frames = vec![FrameReport::called("main")];
    process.mapped = vec![MappedReport {
        function: "mmap".to_owned(),
        live_bytes: 8192,
        live_ranges: 1,
        frames: frames.clone(),
        ..MappedReport::default()
    }];
    process.mapped_others = Sum { stacks: 1, blocks: 1, bytes: 4096 };
    process.touched = Some(TouchedReport {
        stacks: vec![TouchedStackReport {
            live_bytes: 4096 * 3,
            frames,
            ..TouchedStackReport::default()
        }],
        others: Sum { stacks: 1, blocks: 2, bytes: 8192 },
        ..TouchedReport::default()
    });
    let options =
        ReportOptions { ledger: Ledgers::Mappings, touches: true, ..ReportOptions::default() };
    let report = Report { options, ..report(vec![process]) };
    let weighed = Weighed::of(&report, &Filter::default());
    assert_eq!((weighed.subject, weighed.total), (Subject::Pages, Amount::exact(20_480, 5)));
    let options = ReportOptions { touches: false, ..report.options.clone() };
    let report = Report { options, ..report };
    let weighed = Weighed::of(&report, &Filter::default());
    assert_eq!((weighed.subject, weighed.total), (Subject::Ranges, Amount::exact(12_288, 2)));
}

#[test]
fn nothing_is_a_view_too() {
    for report in [Report::default(), report(vec![process(7, Vec::new())])] {
        for view in [View::Tree, View::Summary, View::Stats] {
            let text = written(&report, view, ViewOptions::default(), true);
            assert!(text.contains("0 B in 0 blocks alive") && text.contains("LOST"), "{text}");
        }
    }
}

#[test]
fn sizes_are_told_as_far_as_they_are_known() {
    let sized = |bytes, blocks, least, most| StackReport {
        sizes: Some((least, most)),
        ..stack(bytes, blocks, "main")
    };
    let stacks = vec![
        sized(100, 1, 100, 100),
        sized(210, 3, 64, 80),
        sized(300, 2, 60, 240),
        sized(0, 4, 0, 0),
    ];
    let mut report = report(vec![process(7, stacks)]);
    report.processes[0].young = Sum { stacks: 1, blocks: 5, bytes: 50 };
    let sizes = Sizes::of(&Weighed::of(&report, &Filter::default()));
    let classes: Vec<_> = sizes.classes.iter().map(|it| (it.least, it.most, it.amount)).collect();
    let expected = [(0, 0, Amount::exact(0, 4)), (64, 127, Amount::exact(310, 4))];
    assert_eq!(classes, expected);
    assert_eq!((sizes.mixed, sizes.unknown), (Amount::exact(300, 2), Amount::exact(50, 5)));
}

/// All rows together are what was allocated, also what is in no listed stack and what is left out.
#[test]
fn what_was_allocated_is_shared_out_to_the_functions_called() {
    let asked = |function: &str, bytes, frames| StackReport {
        function: function.to_owned(),
        allocated_bytes: bytes,
        allocated_blocks: 2,
        freed_bytes: 1,
        freed_blocks: 1,
        allocator: Some(if function == "calloc" { "glibc" } else { "jemalloc" }),
        ..stack(0, 0, frames)
    };
    let stacks = vec![
        asked("calloc", 40, "main"),
        asked("malloc", 90, "main"),
        asked("malloc", 10, "other"),
    ];
    let mut report = report(vec![process(7, stacks)]);
    let heap = &mut report.processes[0].heap;
    (heap.allocated_bytes, heap.allocated_blocks) = (150, 7);
    (heap.freed_bytes, heap.freed_blocks) = (3, 3);
    let all = called(&report, &filter(&[], &["other"]), Order::Bytes);
    let figures: Vec<_> =
        all.iter().map(|it| (it.name.as_str(), it.allocated, it.freed.bytes)).collect();
    let expected = [
        ("malloc", Amount::exact(90, 2), 1),
        ("calloc", Amount::exact(40, 2), 1),
        ("(stacks that are not listed)", Amount::exact(10, 1), 0),
        ("(left out by --include or --exclude)", Amount::exact(10, 2), 1),
    ];
    assert_eq!(figures, expected);
    // By allocator; blocks of one that is not known are told, too.
    report.processes[0].stacks[2].allocator = None;
    let pools = HeapTotals { allocated_bytes: 9, allocated_blocks: 3, ..HeapTotals::default() };
    report.processes[0].pools = Some(AccountReport { totals: pools, ..AccountReport::default() });
    let none = Filter::default();
    let mut all = allocators(&report, &none, Order::Bytes);
    all.extend(apart(&report));
    let figures: Vec<_> = all.iter().map(|it| (it.name.as_str(), it.allocated)).collect();
    let expected = [
        ("jemalloc", Amount::exact(90, 2)),
        ("glibc", Amount::exact(40, 2)),
        ("(an allocator that is not known)", Amount::exact(10, 2)),
        ("(stacks that are not listed)", Amount::exact(10, 1)),
        ("(apart: functions that are described, in the memory of others)", Amount::exact(9, 3)),
    ];
    assert_eq!(figures, expected);
}

/// What branches are made of is what they hold, everywhere.
fn check(branches: &[Branch<'_>]) -> Amount {
    let mut sum = Amount::default();
    for branch in branches {
        if !branch.parts.is_empty() {
            assert_eq!(check(&branch.parts), branch.amount);
        }
        let named = matches!(&branch.what, What::Entries(entries) if !entries.is_empty());
        assert!(named || branch.parts.is_empty());
        sum.add(&branch.amount);
    }
    sum
}

fn processes() -> impl Strategy<Value = Vec<ProcessReport>> {
    let functions = prop::collection::vec("[a-d]", 0..6).prop_map(|names| names.join(" "));
    let stack =
        (0..100_u64, 0..5_u64, functions).prop_map(|(bytes, blocks, functions)| StackReport {
            sizes: (blocks > 0).then_some((bytes / 2, bytes)),
            ..stack(bytes, blocks, &functions)
        });
    let process = (prop::collection::vec(stack, 0..12), 0..3_u64).prop_map(|(stacks, young)| {
        let mut process = process(7, stacks);
        process.young = Sum { stacks: young, blocks: young, bytes: young * 10 };
        process
    });
    prop::collection::vec(process, 0..3)
}

fn options() -> impl Strategy<Value = ViewOptions> {
    let by = prop::sample::select(vec![
        By::Function,
        By::Line,
        By::File,
        By::Module,
        By::Process,
        By::Stack,
    ]);
    let names = || prop::collection::vec(prop::sample::select(vec!["a", "b", "app"]), 0..2);
    let numbers = (prop::option::of(0..4_usize), prop::option::of(1..4_usize));
    let least = (0..60_u64, 0..4_u64).prop_map(|(bytes, count)| Least { bytes, count });
    (by, any::<bool>(), numbers, least, names(), names()).prop_map(
        |(by, inverted, (top, depth), least, include, exclude)| ViewOptions {
            measure: None,
            stretch: Stretch::default(),
            by: Some(by),
            inverted,
            depth,
            top,
            least,
            filter: filter(&include, &exclude),
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_lost(processes in processes(), options in options()) {
        let held = processes.iter().fold(Amount::default(), |mut sum, process| {
            let stacks = process.stacks.iter();
            stacks.for_each(|it| sum.add(&Amount::exact(it.live_bytes, it.live_blocks)));
            sum.add(&Amount::exact(process.young.bytes, process.young.blocks));
            sum
        });
        let report = report(processes);
        let weighed = Weighed::of(&report, &options.filter);
        prop_assert_eq!(weighed.total, held);
        let naming = Naming { by: options.by.unwrap_or_default(), ..NAMING };
        let mut own = weighed.left_out.amount;
        for row in rows(&weighed, naming) {
            own.add(&row.own);
            prop_assert!(row.own.bytes <= row.total.bytes && row.total.bytes <= held.bytes);
        }
        prop_assert_eq!(own, held);
        let sizes = Sizes::of(&weighed);
        let mut sum = weighed.left_out.amount;
        sizes.classes.iter().for_each(|class| sum.add(&class.amount));
        sum.add(&sizes.mixed);
        sum.add(&sizes.unknown);
        prop_assert_eq!(sum, held);
        let tree = Tree::of(&weighed, naming, &options);
        let mut sum = check(&tree.branches(options.top, options.least));
        sum.add(&weighed.left_out.amount);
        prop_assert_eq!(sum, held);
    }
}
