//! Windows of time in a page: what is known of a part of the run.

use super::{Shown, recorded, writer};
use crate::browser::Browser;
use memtrace::engine::sampling::{Confidence, SumConfidence};
use memtrace::engine::slices::{Deeds, Ranges};
use memtrace::engine::snapshot::{PeriodFigures, PeriodSum};
use memtrace::report::view::Measure;
use memtrace::report::{HtmlWriter, Parts};

/// Drags over the picture of memory, by shares of its width.
fn drag(browser: &mut Browser, from: f64, to: f64) {
    let edge = browser.value(
        "(() => { const it = document.getElementById('plot').getBoundingClientRect(); \
         return [it.x, it.y, it.width]; })()",
    );
    let at = |number: usize| edge[number].as_f64().unwrap();
    let x = |share: f64| at(0) + 4.0 + share * (at(2) - 8.0);
    browser.drag((x(from), at(1) + 50.0), (x(to), at(1) + 50.0));
}

#[test]
fn a_window_of_time_makes_graph_and_table_anew() {
    let mut shown = Shown::new(&recorded(), "");
    let browser = &mut shown.browser;
    assert!(browser.text("shown").starts_with("live: 13.0 MiB"), "{}", browser.text("shown"));
    assert!(browser.text("legend").contains("4.00 sresident set 11.0 MiBlive heap 8.00 MiB"));
    assert_eq!(browser.value("document.querySelectorAll('#plot polyline').length"), 2);
    let ticks =
        "[...document.querySelectorAll('#plot .tick title')].map((it) => it.textContent).join()";
    assert_eq!(browser.value(ticks), "mark <b>deploy</b>, 1.00 s");
    browser.picture("memory");
    drag(browser, 0.26, 0.74);
    assert_eq!(shown.hash(), "#from=1&to=3");
    let browser = &mut shown.browser;
    assert_eq!(
        browser.text("window"),
        "1.00 s to 3.00 s after tracing began: graph and table are of this window."
    );
    // Three quarters of what the first two stacks allocated, and nothing of the third.
    assert!(
        browser
            .text("shown")
            .starts_with("live at its end: 9.00 MiB (9,437,184 B), 589,824 blocks")
    );
    let views = "[...document.getElementById('view').options].map((it) => it.value).join()";
    assert_eq!(browser.value(views), "live,gained,allocated,freed");
    browser.picture("window");
    let file = shown.file.clone();
    let mut shows = |fragment: &str, id: &str| {
        shown.browser.open(&file, fragment);
        shown.browser.text(id)
    };
    assert!(shows("#from=1&to=3&view=gained", "shown").contains(": 6.00 MiB"));
    let note = shows("#from=1&to=3&view=gained", "note");
    assert_eq!(note, "Stacks that hold less than at its beginning are left out: 1.00 MiB less.");
    assert!(shows("#from=1&to=3&view=allocated", "shown").contains(": 8.00 MiB"));
    assert!(shows("#from=1&to=3&view=freed", "shown").contains(": 3.00 MiB"));
    assert!(shows("#from=1&to=2&view=freed", "shown").starts_with("live at its end: 8.00 MiB"));
    assert!(shows("#from=1&to=3&tab=table", "matches").starts_with("2 call stacks"));
    // Numbers that make no sense are the nearest that do.
    assert!(shows("#from=9&to=77", "window").starts_with("3.00 s to 4.00 s"));
    shown.browser.press("w");
    assert_eq!(shown.hash(), "");
    let browser = &mut shown.browser;
    assert!(browser.text("window").starts_with("Drag for a window of time"));
    browser.press("ArrowRight");
    browser.value("document.getElementById('from').focus()");
    browser.press("ArrowRight");
    assert_eq!(shown.hash(), "#from=1", "the sliders do as well");
    shown.browser.assert_clean();
}

/// The third of four seconds, in which each stack had one sample in sixteen of what it allocated.
#[test]
fn a_window_of_samples_says_how_sure_it_is() {
    let mut report = recorded();
    for stack in &mut report.processes[0].stacks {
        let mut live = 0_u64;
        for change in &mut stack.changes {
            live = live.wrapping_add(change.deeds.live.bytes);
            let around = |bytes: u64, blocks: u64| SumConfidence {
                bytes: Confidence { low: bytes - bytes / 4, high: bytes + bytes / 2 },
                blocks: Confidence { low: blocks - blocks / 4, high: blocks + blocks / 2 },
            };
            let Deeds { allocated, freed, .. } = change.deeds;
            change.ranges = Some(Ranges {
                live: around(live, live / 16),
                allocated: around(allocated.bytes, allocated.blocks),
                freed: around(freed.bytes, freed.blocks),
            });
        }
    }
    let mut shown = Shown::new(&report, "#from=1&to=3&view=allocated&tab=table");
    assert!(
        shown.browser.text("table").contains("about 4.00 MiB"),
        "{}",
        shown.browser.text("table")
    );
    shown.browser.click("#table tbody td.name button");
    let first = shown.browser.text("table");
    for expected in [
        // What is alive is not summed, it is as it was told last.
        "live at its end: about 6.00 MiB (4.50 MiB to 9.00 MiB)",
        // It allocated 2 MiB in each of two seconds, between 1.5 and 3: distances add as squares.
        "allocated in it: about 4.00 MiB (3.29 MiB to 5.41 MiB)",
        // It gained as much: nothing was freed.
        "more than at its beginning: about 4.00 MiB (3.29 MiB to 5.41 MiB)",
    ] {
        assert!(first.contains(expected), "{first}");
    }
    let file = shown.file.clone();
    shown.browser.open(&file, "#from=1&to=3&tab=table&view=freed");
    shown.browser.click("#table tbody td.name button");
    let freed = shown.browser.text("table");
    assert!(freed.contains("freed again in it: about 3.00 MiB (2.25 MiB to 4.50 MiB)"), "{freed}");
    shown.browser.picture("window-of-samples");
    shown.browser.assert_clean();
}

#[test]
fn without_slices_a_window_is_a_closer_look_at_memory() {
    let mut report = recorded();
    report.parts = Parts::Unknown("allocations were sampled");
    for stack in &mut report.processes[0].stacks {
        stack.changes.clear();
    }
    let mut shown = Shown::new(&report, "");
    let whole = shown.browser.text("shown");
    drag(&mut shown.browser, 0.26, 0.74);
    assert_eq!(shown.hash(), "#from=2&to=6");
    let browser = &mut shown.browser;
    assert_eq!(
        browser.text("window"),
        "1.00 s to 3.00 s after tracing began: only this picture. Figures are of the whole run, as those of parts are \
         not known: allocations were sampled."
    );
    assert_eq!(browser.text("shown"), whole);
    let begin = "document.querySelectorAll('#plot text')[1].textContent";
    assert_eq!(browser.value(begin), "1.00 s", "the picture itself is of the window");
    browser.click("#whole");
    assert_eq!(shown.hash(), "");
    shown.browser.assert_clean();
}

/// A page of the last two seconds: what was allocated in them and lives is known of each stack.
#[test]
fn a_page_of_a_part_of_the_run_begins_there() {
    let mut report = recorded();
    let sum = |bytes| PeriodSum { bytes, blocks: bytes / 16, around: None };
    for (number, stack) in (0..).zip(&mut report.processes[0].stacks) {
        // The third freed what it had in the third second, and then allocated 1 MiB.
        let (allocated, kept) =
            [(4 << 20, 4 << 20), (2 << 20, 2 << 20), (2 << 20, 1 << 20)][number];
        let (allocated, kept) = (sum(allocated), sum(kept));
        stack.period = Some(PeriodFigures { allocated, kept, ..PeriodFigures::default() });
    }
    let of_a_part = HtmlWriter { from: Some(2_000_000_000), ..writer(Measure::Leaks) };
    let mut shown = Shown::of(&report, of_a_part, "");
    let browser = &mut shown.browser;
    let kept = "allocated in it and alive: 7.00 MiB (7,340,032 B), 458,752 blocks";
    assert_eq!(browser.text("shown"), kept);
    let words = "2.00 s to 4.00 s after tracing began: graph and table are of this window.";
    assert_eq!(browser.text("window"), words);
    let views = "[...document.getElementById('view').options].map((it) => it.value).join()";
    assert_eq!(browser.value(views), "live,kept,gained,allocated,freed");
    assert_eq!(browser.value("document.getElementById('whole').disabled"), true);
    browser.picture("part");
    // Of a window in it that is not known, and what was before it is not shown.
    drag(browser, 0.1, 0.74);
    assert_eq!(shown.hash(), "#to=3");
    let browser = &mut shown.browser;
    assert!(browser.text("window").starts_with("2.00 s to 3.00 s"), "{}", browser.text("window"));
    assert_eq!(browser.value(views), "live,gained,allocated,freed");
    browser.press("w");
    assert_eq!(browser.text("shown"), kept);
    shown.browser.assert_clean();
}
