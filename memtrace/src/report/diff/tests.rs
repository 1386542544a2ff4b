//! Whole comparisons.

mod forms;
mod views;

use super::side::{LeftOut, REASONS};
use super::{
    Amount, By, Diff, Figure, Frame, Key, Process, Row, Side, Stack, TextOptions, write_folded,
    write_json, write_text,
};
use crate::engine::detail::{Part, SizeClass};
use crate::engine::snapshot::Confidence;
use crate::report::view::Least;
use serde_json::Value;

const TEXT: TextOptions = TextOptions { top: 0, full_names: false };

fn exact(bytes: u64, blocks: u64) -> Amount {
    Amount { bytes: Figure::exact(bytes), blocks: Figure::exact(blocks) }
}

/// A frame of `demo`, in `src/FUNCTION.c`.
fn frame(function: &str, line: u32) -> Frame {
    Frame {
        file: Some(format!("src/{function}.c")),
        line: Some(line),
        function: Some(function.to_owned()),
        short: Some(function.to_owned()),
        module: Some("demo".to_owned()),
        place: None,
    }
}

fn stack(frames: &[Frame], bytes: u64, blocks: u64) -> Stack {
    let (function, amount) = ("malloc".to_owned(), exact(bytes, blocks));
    Stack { function, amount, frames: frames.to_vec(), ..Stack::default() }
}

fn process(pid: u32, comm: &str, stacks: Vec<Stack>) -> Process {
    let live = stacks.iter().fold(Amount::default(), |sum, stack| sum.plus(stack.amount));
    let start_time = u64::from(pid);
    Process { pid, start_time, comm: comm.to_owned(), live, stacks, ..Process::default() }
}

fn side(processes: Vec<Process>) -> Side {
    let time = Some("2026-03-01T03:13:08Z".parse().unwrap());
    Side { sequence: 1, time, watched_s: 60.0, processes, ..Side::default() }
}

fn later(processes: Vec<Process>) -> Side {
    let time = Some("2026-03-01T03:14:08Z".parse().unwrap());
    Side { sequence: 2, watched_s: 120.0, time, ..side(processes) }
}

fn leak() -> [Frame; 2] {
    [frame("leak", 12), frame("main", 30)]
}

/// One stack grows, one shrinks, one stays, one comes, one goes.
fn two() -> (Side, Side) {
    let [cache, steady, new, old] =
        ["cache", "steady", "new", "old"].map(|name| [frame(name, 7), frame("main", 31)]);
    let before = vec![
        stack(&leak(), 1_000, 10),
        stack(&cache, 8_192, 2),
        stack(&steady, 500, 5),
        stack(&old, 64, 1),
    ];
    let after = vec![
        stack(&leak(), 5_000, 50),
        stack(&cache, 4_096, 1),
        stack(&steady, 500, 5),
        stack(&new, 64, 2),
    ];
    (side(vec![process(7, "demo", before)]), later(vec![process(7, "demo", after)]))
}

/// The first report lists one stack only.
fn unlisted() -> (Side, Side) {
    let (mut before, after) = two();
    before.processes[0].stacks.truncate(1);
    before.processes[0].left_out[0] =
        LeftOut { why: REASONS[0], stacks: 3, amount: exact(8_756, 8) };
    (before, after)
}

fn estimated() -> (Side, Side) {
    let amount = |bytes: u64, low, high| Amount {
        bytes: Figure::estimated(bytes, Confidence { low, high }),
        blocks: Figure::estimated(bytes / 10, Confidence { low: low / 10, high: high / 10 }),
    };
    let of = |amount, time: fn(Vec<Process>) -> Side| {
        let stacks = vec![Stack { amount, ..stack(&leak(), 0, 0) }];
        let process = Process { is_sampled: true, live: amount, ..process(7, "demo", stacks) };
        Side { sample_interval: 100, ..time(vec![process]) }
    };
    (of(amount(1_000, 700, 1_400), side), of(amount(9_000, 8_600, 9_500), later))
}

fn text(before: &Side, after: &Side, by: By) -> String {
    let mut out = Vec::new();
    let diff = Diff::between(before, after, by);
    write_text(&diff, [("a.json", before), ("b.json", after)], TEXT, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn differences(diff: &Diff) -> Vec<(i128, i128)> {
    let value = |row: &Row| (row.bytes().unwrap().value, row.blocks().unwrap().value);
    diff.rows.iter().map(value).collect()
}

#[test]
fn differences_are_exact_and_the_largest_come_first() {
    let (before, after) = two();
    let diff = Diff::between(&before, &after, By::Stack);
    // Of equal size in the order of their names: `new` before `old`.
    assert_eq!(differences(&diff), [(-4_096, -1), (4_000, 40), (64, 2), (-64, -1), (0, 0)]);
    let bytes: i128 = differences(&diff).iter().map(|(bytes, _)| bytes).sum();
    assert_eq!(diff.total.bytes().unwrap().value, bytes);
    let back = Diff::between(&after, &before, By::Stack);
    let negated = |(bytes, blocks): &(i128, i128)| (-bytes, -blocks);
    assert_eq!(
        differences(&back),
        [(-4_096, -1), (4_000, 40), (64, 2), (-64, -1), (0, 0)].map(|it| negated(&it))
    );
    let same = Diff::between(&before, &before, By::Line);
    assert!(same.rows.iter().all(Row::is_unchanged) && same.rows.len() == 4);
}

#[test]
fn the_text_has_the_form_of_tracemalloc() {
    let (before, after) = two();
    assert_eq!(
        text(&before, &after, By::Line),
        "from A (a.json, report 1 of 2026-03-01T03:13:08Z, 60.0 s watched) to B (b.json, report 2 of \
         2026-03-01T03:14:08Z, 2m 00s watched), 60.0 s later\n\
         total: size=9.43 KiB (-96 B), count=58 (+40), average=166 B\n\
         src/cache.c:7: size=4.00 KiB (-4.00 KiB), count=1 (-1), average=4.00 KiB\n\
         src/leak.c:12: size=4.88 KiB (+3.91 KiB), count=50 (+40), average=100 B\n\
         src/new.c:7: size=64 B (+64 B), count=2 (+2), average=32 B\n\
         src/old.c:7: size=0 B (-64 B), count=0 (-1)\n\
         1 line unchanged\n\
         A lost 0 events, 0 stacks, 0 blocks for want of memory\n\
         B lost 0 events, 0 stacks, 0 blocks for want of memory\n"
    );
    let stacks = text(&before, &after, By::Stack);
    let leak = "src/leak.c:12: size=4.88 KiB (+3.91 KiB), count=50 (+40), average=100 B\n\
                \x20   leak at src/leak.c:12 in demo\n    main at src/main.c:30 in demo\n    malloc in demo (7)\n";
    assert!(stacks.contains(leak), "{stacks}");
    assert!(
        text(&before, &before, By::Stack)
            .contains("\nnothing has changed\n4 call stacks unchanged\n")
    );
}

#[test]
fn what_is_not_shown_is_summed_up() {
    let (before, after) = two();
    let diff = Diff::between(&before, &after, By::Function);
    let mut out = Vec::new();
    let options = TextOptions { top: 2, ..TEXT };
    write_text(&diff, [("a", &before), ("b", &after)], options, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("\n2 more functions changed: size=64 B (+0 B), count=2 (+1), average=32 B\n")
    );
    assert!(text.contains("\nleak in demo: size="), "{text}");
}

#[test]
fn rows_are_of_what_callers_have_in_common() {
    let one = |line| [frame("f", line), frame("main", 1)];
    let before = side(vec![process(7, "a", vec![stack(&one(1), 10, 1)])]);
    let after = later(vec![
        process(7, "a", vec![stack(&one(1), 20, 2), stack(&one(2), 30, 3)]),
        process(8, "b", vec![stack(&one(2), 300, 4), stack(&[], 5, 5)]),
    ]);
    let of = |by| differences(&Diff::between(&before, &after, by));
    assert_eq!(of(By::Stack), [(300, 4), (30, 3), (10, 1), (5, 5)]);
    assert_eq!(of(By::Line), [(330, 7), (10, 1), (5, 5)]);
    assert_eq!(of(By::Function), [(340, 8), (5, 5)]);
    assert_eq!(of(By::File), [(340, 8), (5, 5)]);
    assert_eq!(of(By::Module), [(340, 8), (5, 5)]);
    assert_eq!(of(By::Process), [(305, 9), (40, 4)]);
}

#[test]
fn what_has_no_source_is_told_by_its_function_or_place() {
    let named = Frame { file: None, line: None, ..frame("f", 1) };
    let placed = Frame {
        module: Some("lib.so".to_owned()),
        place: Some("0x1f".to_owned()),
        ..Frame::default()
    };
    let stacks =
        vec![stack(&[named], 2, 1), stack(&[placed], 1, 1), stack(&[Frame::default()], 3, 1)];
    let text = text(&side(vec![]), &later(vec![process(7, "a", stacks)]), By::Line);
    assert!(text.contains("\nf in demo: size=2 B (+2 B)"), "{text}");
    assert!(text.contains("\nlib.so+0x1f: size=1 B (+1 B)"), "{text}");
    assert!(text.contains("\n(gone before its mappings could be read): size=3 B"), "{text}");
}

/// Main threads belong together, as their processes do; others go by their numbers, which are of one run.
#[test]
fn threads_and_sizes_are_told_apart_where_they_are_known() {
    let part = |thread, size: Option<u64>, bytes| Stack {
        part: Part { thread, size: size.map(SizeClass::of) },
        ..stack(&leak(), bytes, 1)
    };
    let before = vec![part(Some(7), Some(20), 100), part(Some(9), Some(100), 30)];
    let after = vec![part(Some(8), Some(17), 150), part(Some(9), Some(100), 40)];
    let (before, after) =
        (side(vec![process(7, "demo", before)]), later(vec![process(8, "demo", after)]));
    let threads = text(&before, &after, By::Thread);
    assert!(threads.contains("\nmain thread of demo (7 → 8): size=150 B (+50 B)"), "{threads}");
    assert!(threads.contains("\nthread 9 of demo (7 → 8): size=40 B (+10 B)"), "{threads}");
    let sizes = text(&before, &after, By::SizeClass);
    assert!(sizes.contains("\n16 B to 31 B: size=150 B (+50 B)"), "{sizes}");
    let told = |by| {
        let mut out = Vec::new();
        let diff = Diff::between(&before, &after, by);
        write_json(&diff, [("a", &before), ("b", &after)], 0, &mut out).unwrap();
        serde_json::from_slice::<Value>(&out).unwrap()
    };
    let threads = told(By::Thread);
    let names =
        [0, 1].map(|row| threads["differences"][row]["thread"].as_str().unwrap().to_owned());
    assert_eq!(names, ["main", "9"]);
    let sizes = told(By::SizeClass);
    assert_eq!(sizes["by"], "size_class");
    assert_eq!(sizes["differences"][0]["sizes"], serde_json::json!([16, 31]));
    let (before, after) = two();
    let unknown = text(&before, &after, By::Thread);
    assert!(unknown.contains("\n(threads are not told apart) of demo (7): size="), "{unknown}");
    assert!(text(&before, &after, By::SizeClass).contains("\n(sizes are not told apart): size="));
    // Parts of a stack are one where they are not asked for.
    let diff = Diff::between(&before, &after, By::Stack);
    assert_eq!(diff.rows.len(), 5);
}

/// A report lists only its first stacks: what it says nothing of is not nothing.
#[test]
fn what_a_report_does_not_list_is_not_known() {
    let (mut before, after) = two();
    let [unlisted, ..] = REASONS;
    before.processes[0].stacks.truncate(1);
    before.processes[0].left_out[0] = LeftOut { why: unlisted, stacks: 3, amount: exact(8_756, 8) };
    let diff = Diff::between(&before, &after, By::Stack);
    let known: Vec<bool> = diff.rows.iter().map(|row| row.bytes().is_some()).collect();
    assert_eq!(known, [true, false, true, false, false]);
    assert_eq!(diff.rows[0].key, Key::LeftOut { process: Some("demo (7)".into()), why: unlisted });
    let text = text(&before, &after, By::Stack);
    assert!(text.contains("size=4.00 KiB (at most +4.00 KiB: not listed in A)"), "{text}");
    assert!(
        text.contains("A does not list all its blocks by stack: 8,756 B in 8 blocks of 3 stacks")
    );
    let mut out = Vec::new();
    write_json(&diff, [("a", &before), ("b", &after)], 0, &mut out).unwrap();
    let told: Value = serde_json::from_slice(&out).unwrap();
    let cache = &told["differences"][1];
    assert!(cache["bytes_before"].is_null() && cache["bytes_difference"].is_null(), "{cache}");
    assert_eq!(cache["bytes_after"], 4_096);
    let back = super::tests::text(&after, &before, By::Stack);
    assert!(back.contains("size=? (at least -4.00 KiB: not listed in B)"), "{back}");
}

/// Of stacks that are not listed some may be in any group.
#[test]
fn groups_of_a_side_that_lists_a_part_are_limits() {
    let (before, after) = unlisted();
    let of = |by| text(&before, &after, by);
    assert!(
        of(By::Module).contains("\ndemo: size=9.43 KiB (at most +8.46 KiB: not all listed in A)"),
        "{}",
        of(By::Module)
    );
    assert!(of(By::Thread).contains("(at most +8.46 KiB: not all listed in A)"));
    assert!(of(By::Process).contains("\ndemo (7): size=9.43 KiB (-96 B)"), "{}", of(By::Process));
    let back = text(&after, &before, By::Line);
    assert!(
        back.contains(
            "\nsrc/leak.c:12: size=at least 1000 B (at least -3.91 KiB: not all listed in B)"
        ),
        "{back}"
    );
    let diff = Diff::between(&before, &after, By::Module);
    let mut out = Vec::new();
    write_json(&diff, [("a", &before), ("b", &after)], 0, &mut out).unwrap();
    let told: Value = serde_json::from_slice(&out).unwrap();
    let group = &told["differences"][1];
    let parts = ["before_is_part", "after_is_part"].map(|key| group[key].as_bool().unwrap());
    assert_eq!((parts, &group["bytes_before"]), ([true, false], &1_000.into()));
    assert!(group["bytes_difference"].is_null(), "{group}");
    assert_eq!(told["total"]["before_is_part"], false);
}

#[test]
fn what_changed_by_little_is_a_sum() {
    let (before, after) = two();
    let least = |bytes, count| Least { bytes, count };
    let of = |it| Diff::between(&before, &after, By::Stack).without_little(it);
    assert_eq!(of(Least::default()), Diff::between(&before, &after, By::Stack));
    let large = of(least(65, 0));
    // `new` and `old`, 64 bytes each, and what did not change.
    assert_eq!(differences(&large), [(-4_096, -1), (4_000, 40), (0, 1)]);
    let (sum, total) = (large.rows.last().unwrap(), &large.total);
    assert_eq!((sum.before, sum.after), (Some(exact(564, 6)), Some(exact(564, 7))));
    assert_eq!(total.bytes().unwrap().value, -96);
    assert_eq!(differences(&of(least(0, 2))), [(-4_160, -2), (4_000, 40), (64, 2)]);
    let (before, after) = unlisted();
    let sum = Diff::between(&before, &after, By::Stack).without_little(least(65, 0));
    let sum = sum.rows.last().unwrap();
    assert_eq!((sum.before, sum.bytes()), (None, None), "not listed there, so not known");
}

#[test]
fn estimates_have_their_intervals_and_say_where_they_tell_nothing() {
    let estimated = |bytes: u64, low, high| Amount {
        bytes: Figure::estimated(bytes, Confidence { low, high }),
        blocks: Figure::estimated(bytes / 10, Confidence { low: low / 10, high: high / 10 }),
    };
    let sampled = |amount, stacks: Vec<Stack>| {
        let process = Process { is_sampled: true, live: amount, ..process(7, "demo", stacks) };
        Side { sample_interval: 100, ..side(vec![process]) }
    };
    let of = |amount| Stack { amount, ..stack(&leak(), 0, 0) };
    let (small, large) = (estimated(1_000, 700, 1_400), estimated(9_000, 8_600, 9_500));
    let (before, after) = (sampled(small, vec![of(small)]), sampled(large, vec![of(large)]));
    let grown = text(&before, &after, By::Line);
    // √(400² + 400²) = 565.7 below, √(500² + 300²) = 583.1 above.
    assert!(
        grown.contains(
            "src/leak.c:12: size=about 8.79 KiB (+7.81 KiB, 95 %: +7.26 KiB to +8.38 KiB)"
        ),
        "{grown}"
    );
    assert!(grown.contains("A is estimated from samples, one for 100 B on average"), "{grown}");
    let same = text(&before, &before, By::Line);
    assert!(same.contains("1 line unchanged"), "{same}");
    let nearly = sampled(estimated(1_100, 800, 1_500), vec![of(estimated(1_100, 800, 1_500))]);
    let text = text(&before, &nearly, By::Line);
    assert!(text.contains("(+100 B, 95 %: -400 B to +600 B: not told from 0)"), "{text}");
    // Where no sample was taken there may have been something all the same.
    let none = Diff::between(&sampled(small, vec![]), &after, By::Stack);
    assert_eq!(none.rows[0].bytes().unwrap().interval(), Some((9_000 - 545, 9_500)));
}

#[test]
fn folded_stacks_have_two_counts_and_the_sums_of_both_sides() {
    let (before, after) = two();
    let mut out = Vec::new();
    write_folded(&Diff::between(&before, &after, By::Stack), false, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("demo (7);main;leak 1000 5000\n"), "{text}");
    assert!(text.contains("demo (7);main;old 64 0\n"), "{text}");
    let sums = text.lines().fold((0, 0), |(before, after), line| {
        let mut words = line.rsplitn(3, ' ');
        let mut number = || words.next().unwrap().parse::<u64>().unwrap();
        let (second, first) = (number(), number());
        (before + first, after + second)
    });
    assert_eq!(sums, (before.live().bytes.value, after.live().bytes.value));
}
