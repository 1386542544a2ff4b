//! The same comparison in each form that is for people to look around in: its figures add up to the totals.

use super::{estimated, exact, frame, later, leak, process, side, stack, two, unlisted};
use crate::engine::detail::{Part, SizeClass};
use crate::report::TextStyle;
use crate::report::diff::{
    Account, By, Figure, Process, Side, Stack, ViewOptions, write_stats, write_summary, write_tree,
};
use crate::report::view::Least;
use std::io;

type Write = fn([(&str, &Side); 2], By, &ViewOptions, &mut dyn io::Write) -> io::Result<()>;

fn summary_with(sides: (&Side, &Side), by: By, options: &ViewOptions) -> String {
    written(write_summary, sides, by, options)
}

fn tree(sides: (&Side, &Side), options: &ViewOptions) -> String {
    written(write_tree, sides, By::Function, options)
}

fn stats(sides: (&Side, &Side)) -> String {
    written(write_stats, sides, By::Line, &ViewOptions::default())
}

fn written(write: Write, sides: (&Side, &Side), by: By, options: &ViewOptions) -> String {
    let mut out = Vec::new();
    let (before, after) = sides;
    write([("a.json", before), ("b.json", after)], by, options, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for line in text.lines() {
        let width = line.chars().count();
        assert!(width <= options.style.width, "{width} columns: {line}");
        assert_eq!(line, line.trim_end());
    }
    text
}

fn summary(sides: (&Side, &Side), by: By) -> String {
    summary_with(sides, by, &ViewOptions::default())
}

/// Lines from the heading of the figures to the empty line behind them.
fn body(text: &str) -> Vec<&str> {
    let rows = text.lines().skip_while(|line| !line.trim_start().starts_with("TOTAL  "));
    rows.take_while(|line| !line.is_empty()).collect()
}

#[test]
fn a_summary_has_what_functions_hold_themselves_and_with_all_they_call() {
    let (before, after) = two();
    let text = summary((&before, &after), By::Function);
    assert!(text.contains("\ntotal: size=9.43 KiB (-96 B), count=58 (+40), average=166 B\n"));
    assert_eq!(
        body(&text),
        [
            "     TOTAL      CHANGE        OWN      CHANGE      BLOCKS      CHANGE  FUNCTION",
            "  4.00 KiB   -4.00 KiB   4.00 KiB   -4.00 KiB           1          -1  cache  demo",
            "  4.88 KiB   +3.91 KiB   4.88 KiB   +3.91 KiB          50         +40  leak  demo",
            "  9.43 KiB       -96 B        0 B        +0 B          58         +40  main  demo",
            "      64 B       +64 B       64 B       +64 B           2          +2  new  demo",
            "       0 B       -64 B        0 B       -64 B           0          -1  old  demo",
            "                            500 B        +0 B                          (1 unchanged)",
        ]
    );
    assert!(text.ends_with("\nB lost 0 events, 0 stacks, 0 blocks for want of memory\n"), "{text}");
    let top = ViewOptions { top: 1, ..ViewOptions::default() };
    let text = summary_with((&before, &after), By::Function, &top);
    let [_, _, others, unchanged] = body(&text)[..] else { panic!("{text}") };
    // What is not shown holds 9,660 − 4,096 − 500 bytes, and has gained 4,000.
    let blank = " ".repeat(22);
    assert!(others.starts_with(&format!("{blank}   4.95 KiB   +3.91 KiB ")), "{others}");
    assert!(others.ends_with("(4 others changed)"), "{others}");
    assert!(unchanged.ends_with("(1 unchanged)"), "{unchanged}");
}

/// What changed by less is summed with what there was no room for; what is not known is shown all the same.
#[test]
fn what_changed_by_little_is_not_shown_by_itself() {
    let (before, after) = two();
    let least = Least { bytes: 65, count: 0 };
    let options = ViewOptions { least, ..ViewOptions::default() };
    let text = summary_with((&before, &after), By::Function, &options);
    let rows = body(&text);
    let ends = ["cache  demo", "leak  demo", "main  demo", "(2 others changed)", "(1 unchanged)"];
    assert_eq!(rows.len(), ends.len() + 1, "{text}");
    rows[1..].iter().zip(ends).for_each(|(row, end)| assert!(row.ends_with(end), "{row}"));
    let text = tree((&before, &after), &options);
    assert!(body(&text)[4].ends_with("(3 other stacks)"), "{text}");
    let text = written(write_stats, (&before, &after), By::Line, &options);
    let places = section(&text, "MOST BYTES, BY LINE");
    assert_eq!(words(places[2]), "64 B 64 B +0 B 1 2 +1 (2 others changed)");
    let least = Least { bytes: u64::MAX, count: 0 };
    let options = ViewOptions { least, ..ViewOptions::default() };
    let (before, after) = unlisted();
    let text = tree((&before, &after), &options);
    assert!(text.contains("(stacks that are not listed)"), "{text}");
}

/// A stack that leads through a function several times counts once.
#[test]
fn recursion_counts_once() {
    let again = [frame("walk", 3), frame("walk", 4), frame("main", 1)];
    let before = side(vec![process(7, "demo", vec![stack(&again, 100, 1)])]);
    let after = later(vec![process(7, "demo", vec![stack(&again, 300, 3)])]);
    let text = summary((&before, &after), By::Function);
    for name in ["walk", "main"] {
        let row = body(&text).into_iter().find(|row| row.contains(name)).unwrap();
        assert!(row.starts_with("     300 B      +200 B"), "{row}");
    }
}

#[test]
fn rows_are_of_what_was_asked_for() {
    let (before, after) = two();
    let of = |by| summary((&before, &after), by);
    let last = |by| {
        of(by)
            .lines()
            .find(|row| row.contains("KiB  ") && row.contains("-96 B"))
            .unwrap()
            .to_owned()
    };
    assert!(last(By::Module).ends_with("  demo"), "{}", of(By::Module));
    assert!(last(By::Process).ends_with("  demo (7)"), "{}", of(By::Process));
    assert!(last(By::SizeClass).ends_with("  (sizes are not told apart)"));
    assert!(last(By::File).ends_with("  src/main.c"));
    assert!(
        of(By::Line).contains("  src/leak.c:12\n") && of(By::Line).contains("  src/main.c:30\n")
    );
    assert!(of(By::Stack).contains("  leak < main  demo (7)\n"), "{}", of(By::Stack));
    assert!(of(By::Thread).contains("  (threads are not told apart)\n"));
}

#[test]
fn equal_sides_have_no_rows() {
    let (before, _) = two();
    let text = summary((&before, &before), By::Function);
    assert!(text.contains("\nnothing has changed\n"), "{text}");
    assert!(text.contains("(5 unchanged)\n"), "{text}");
    let nothing = Side::default();
    assert!(summary((&nothing, &nothing), By::Function).contains("\nnothing has changed\n"));
}

/// What the first side does not list is no gain, neither by itself nor in a sum.
#[test]
fn what_is_not_listed_is_a_limit() {
    let (before, after) = unlisted();
    let text = summary((&before, &after), By::Function);
    let rows = body(&text);
    let row = |name: &str| *rows.iter().find(|row| row.contains(name)).unwrap();
    assert!(
        row("cache")
            .starts_with("  4.00 KiB  ≤+4.00 KiB   4.00 KiB  ≤+4.00 KiB           1         ≤+1")
    );
    assert!(row("main  ").starts_with("  9.43 KiB  ≤+8.46 KiB        0 B        +0 B"), "{text}");
    assert!(row("leak").starts_with("  4.88 KiB   +3.91 KiB"), "{text}");
    assert!(
        row("(stacks that").starts_with("       0 B   -8.55 KiB        0 B   -8.55 KiB"),
        "{text}"
    );
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        squeezed.contains("total size=9.43 KiB (at most +8.46 KiB: not all listed in A)"),
        "{text}"
    );
    assert!(
        squeezed.contains("total size=4.00 KiB (at most +4.00 KiB: not listed in A)"),
        "{text}"
    );
    assert!(squeezed.contains("≥, ≤ and unknown: a side does not list it, or not all of it"));
    let back = summary((&after, &before), By::Function);
    let row =
        |name: &str| body(&back).into_iter().find(|row| row.contains(name)).unwrap().to_owned();
    assert!(row("cache").starts_with("   unknown  ≥-4.00 KiB    unknown  ≥-4.00 KiB"), "{back}");
    assert!(row("main  ").starts_with("   ≥1000 B  ≥-8.46 KiB"), "{back}");
}

#[test]
fn estimates_have_their_ranges_below() {
    let (before, after) = estimated();
    let text = summary((&before, &after), By::Function);
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        squeezed.contains("≈8.79 KiB ≈+7.81 KiB ≈8.79 KiB ≈+7.81 KiB ≈900 ≈+800 leak demo"),
        "{text}"
    );
    assert!(
        squeezed.contains(
            "total size=about 8.79 KiB (+7.81 KiB, 95 %: +7.26 KiB to +8.38 KiB), count=about 900"
        ),
        "{text}"
    );
    assert!(squeezed.contains("; ≈ is an estimate"), "{text}");
}

/// Names as long as they like: each line fits, whatever the width.
#[test]
fn tables_fit_their_width() {
    let long = "very::long::name<with, many, arguments>::".repeat(9);
    let stacks =
        |bytes| vec![stack(&[frame(&long, 1), frame("main", 2)], bytes, 1), stack(&leak(), 1, 1)];
    let before = side(vec![process(7, &long, stacks(10))]);
    let after = later(vec![process(7, &long, stacks(9_999_999_999))]);
    for (before, after) in [(before, after), unlisted(), estimated()] {
        for width in [50, 60, 72, 80, 96, 100] {
            let style = TextStyle { width, ..TextStyle::default() };
            let options = ViewOptions { style, ..ViewOptions::default() };
            for by in [By::Function, By::Line, By::File, By::Module, By::Process, By::Stack] {
                let text = summary_with((&before, &after), by, &options);
                assert!(body(&text).len() > 1, "{text}");
            }
        }
    }
}

#[test]
fn a_tree_has_what_is_below_each_function() {
    let (before, after) = two();
    let text = tree((&before, &after), &ViewOptions::default());
    assert_eq!(
        body(&text),
        [
            "     TOTAL      CHANGE      BLOCKS      CHANGE",
            "  9.43 KiB       -96 B          58         +40  └─ main  demo",
            "  4.00 KiB   -4.00 KiB           1          -1     ├─ cache  demo",
            "  4.88 KiB   +3.91 KiB          50         +40     ├─ leak  demo",
            "      64 B       +64 B           2          +2     ├─ new  demo",
            "       0 B       -64 B           0          -1     ├─ old  demo",
            "     500 B        +0 B           5          +0     └─ (1 other stack)",
        ]
    );
    let inverted = ViewOptions { inverted: true, top: 1, ascii: true, ..ViewOptions::default() };
    let text = tree((&before, &after), &inverted);
    assert_eq!(
        body(&text)[1..],
        [
            "  4.00 KiB   -4.00 KiB           1          -1  |- cache  demo",
            "                                                |  main  demo",
            "  5.43 KiB   +3.91 KiB          57         +41  `- (4 other stacks)",
        ]
    );
    let depth = ViewOptions { depth: Some(1), ..ViewOptions::default() };
    let text = tree((&before, &after), &depth);
    assert_eq!(body(&text)[1..], ["  9.43 KiB       -96 B          58         +40  └─ main  demo"]);
}

/// Processes stand apart where there are several; the sums of their branches are those of the whole.
#[test]
fn trees_have_a_branch_per_process() {
    let (mut before, mut after) = two();
    before.processes.push(process(9, "other", vec![stack(&leak(), 100, 1)]));
    after.processes.push(process(9, "other", vec![stack(&leak(), 400, 4)]));
    let text = tree((&before, &after), &ViewOptions::default());
    let rows = body(&text);
    assert!(rows[1].ends_with("├─ other (9)") && rows[1].contains("+300 B"), "{text}");
    assert!(rows[2].ends_with("│  main  demo") && rows[3].ends_with("│  leak  demo"), "{text}");
    assert!(rows[4].ends_with("└─ demo (7)") && rows[4].contains("-96 B"), "{text}");
    assert!(text.contains("\ntotal: size=9.82 KiB (+204 B), count=62 (+43)"), "{text}");
}

#[test]
fn branches_say_what_is_not_listed_and_where_estimates_lie() {
    let (before, after) = unlisted();
    let text = tree((&before, &after), &ViewOptions::default());
    let row =
        |name: &str| body(&text).into_iter().find(|row| row.contains(name)).unwrap().to_owned();
    assert!(row("cache").starts_with("  4.00 KiB  ≤+4.00 KiB           1         ≤+1"), "{text}");
    assert!(row("main").starts_with("  9.43 KiB  ≤+8.46 KiB"), "{text}");
    assert!(row("(stacks that").starts_with("       0 B   -8.55 KiB"), "{text}");
    assert!(row_of(&text).contains("(at most +8.46 KiB: not all listed in A)"), "{text}");
    let (before, after) = estimated();
    let text = tree((&before, &after), &ViewOptions::default());
    assert!(row_of(&text).contains("95 %: +7.26 KiB to +8.38 KiB"), "{text}");
    let (before, _) = two();
    let text = tree((&before, &before), &ViewOptions::default());
    assert!(text.contains("\nnothing has changed\n"), "{text}");
    assert!(text.contains("─ (4 other stacks)\n"), "{text}");
}

/// A text without its breaks, and what is drawn beside it.
fn row_of(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

/// The lines of a section of statistics, without its heading.
fn section<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| !line.ends_with(&format!("  {name}")));
    lines.skip(1).take_while(|line| !line.is_empty()).collect()
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn statistics_have_both_sides_and_what_changed() {
    let (mut before, mut after) = two();
    for (side, bytes) in [(&mut before, 20_000), (&mut after, 50_000)] {
        let (allocated, freed) = (Some(exact(bytes, 100)), Some(exact(bytes / 2, 40)));
        let peak = Some(Figure::exact(bytes / 4));
        side.processes[0].account = Account { allocated, freed, peak };
    }
    let text = stats((&before, &after));
    let totals: Vec<String> = section(&text, "ALL PROCESSES").into_iter().map(words).collect();
    assert_eq!(
        totals,
        [
            "9.53 KiB 9.43 KiB -96 B bytes alive",
            "18 58 +40 blocks alive",
            "19.5 KiB 48.8 KiB +29.3 KiB bytes allocated",
            "100 100 +0 blocks allocated",
            "9.77 KiB 24.4 KiB +14.6 KiB bytes freed",
            "40 40 +0 blocks freed",
            "4.88 KiB 12.2 KiB +7.32 KiB peak bytes",
        ]
    );
    assert_eq!(words(section(&text, "CALLED")[0]), "9.53 KiB 9.43 KiB -96 B 18 58 +40 malloc");
    let bytes = section(&text, "MOST BYTES, BY LINE");
    assert_eq!(words(bytes[0]), "8.00 KiB 4.00 KiB -4.00 KiB 2 1 -1 src/cache.c:7");
    assert_eq!(words(bytes[4]), "500 B 500 B +0 B 5 5 +0 (1 unchanged)");
    let blocks = section(&text, "MOST BLOCKS, BY LINE");
    assert_eq!(words(blocks[0]), "1000 B 4.88 KiB +3.91 KiB 10 50 +40 src/leak.c:12");
    assert_eq!(
        words(section(&text, "MODULE THAT ASKED")[0]),
        "9.53 KiB 9.43 KiB -96 B 18 58 +40 demo"
    );
    assert!(section(&text, "PROCESS").is_empty(), "there is one only: {text}");
    assert!(words(&text).contains("LEFT out: lifetimes of blocks"), "{text}");
    // Peaks of several may have been at different moments.
    for side in [&mut before, &mut after] {
        let other = Account { peak: Some(Figure::exact(1_024)), ..Account::default() };
        side.processes.push(Process { account: other, ..process(9, "other", Vec::new()) });
    }
    let text = stats((&before, &after));
    let peaks = words(section(&text, "ALL PROCESSES")[6]);
    assert_eq!(peaks, "5.88 KiB 13.2 KiB +7.32 KiB peak bytes of each process, added up");
}

/// What a side does not say is unknown, and so is its change.
#[test]
fn statistics_say_what_is_unknown() {
    let (before, mut after) = two();
    after.processes[0].account.peak = Some(Figure::exact(9_999));
    let text = stats((&before, &after));
    let totals: Vec<String> = section(&text, "ALL PROCESSES").into_iter().map(words).collect();
    assert_eq!(totals[6], "unknown 9.76 KiB unknown peak bytes");
    assert_eq!(totals[2], "unknown unknown unknown bytes allocated");
    let sizes = section(&text, "SIZE OF BLOCKS");
    assert_eq!(words(sizes[0]), "9.53 KiB 9.43 KiB -96 B 18 58 +40 (sizes are not told apart)");
    let (before, after) = unlisted();
    let text = stats((&before, &after));
    let places = section(&text, "MOST BYTES, BY LINE").join(" ");
    assert!(
        words(&places).contains("unknown 4.00 KiB unknown unknown 1 unknown src/cache.c:7"),
        "{text}"
    );
}

/// A side that tells sizes apart beside one that does not.
#[test]
fn sizes_are_compared_where_both_sides_know_them() {
    let sized = |size, bytes, blocks| Stack {
        part: Part { size: Some(SizeClass::of(size)), ..Part::default() },
        ..stack(&leak(), bytes, blocks)
    };
    let of = |stacks| vec![process(7, "demo", stacks)];
    let before = side(of(vec![sized(20, 100, 5), sized(4_096, 8_192, 2)]));
    let after = later(of(vec![sized(20, 300, 15), sized(100, 100, 1)]));
    let sizes = |sides| -> Vec<String> {
        let text = stats(sides);
        section(&text, "SIZE OF BLOCKS").into_iter().map(words).collect()
    };
    assert_eq!(
        sizes((&before, &after)),
        [
            "100 B 300 B +200 B 5 15 +10 16 B to 31 B",
            "0 B 100 B +100 B 0 1 +1 64 B to 127 B",
            "8.00 KiB 0 B -8.00 KiB 2 0 -2 4,096 B to 8,191 B",
        ]
    );
    let untold = later(of(vec![stack(&leak(), 300, 15)]));
    let sizes = sizes((&before, &untold)).join(" ");
    assert!(sizes.contains("100 B unknown unknown 5 unknown unknown 16 B to 31 B"), "{sizes}");
    assert!(sizes.contains("0 B 300 B +300 B 0 15 +15 (sizes are not told apart)"), "{sizes}");
}

#[test]
fn statistics_of_estimates_and_of_nothing() {
    let (before, after) = estimated();
    let text = words(&stats((&before, &after)));
    assert!(text.contains("≈1000 B ≈8.79 KiB ≈+7.81 KiB bytes alive about 8.79 KiB (+7.81 KiB, 95 %: +7.26 KiB to +8.38 KiB)"), "{text}");
    let (before, _) = two();
    assert!(stats((&before, &before)).contains("(4 unchanged)"));
    let nothing = Side::default();
    let text = stats((&nothing, &nothing));
    assert_eq!(words(section(&text, "ALL PROCESSES")[0]), "0 B 0 B +0 B bytes alive");
    let style = |width| TextStyle { width, ..TextStyle::default() };
    for width in [50, 60, 80, 96] {
        let options = ViewOptions { style: style(width), ..ViewOptions::default() };
        for (before, after) in [two(), unlisted(), estimated()] {
            written(write_stats, (&before, &after), By::Line, &options);
        }
    }
}
