//! Pages of reports in a real browser, driven as a person would: keys, clicks, a narrow window, the dark.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod report_fixtures;
#[path = "html_browser/windows.rs"]
mod windows;

use browser::Browser;
use jiff::Timestamp;
use memtrace::engine::slices::{Amount, Deeds};
use memtrace::engine::snapshot::{
    Confidence, HeapTotals, PeriodFigures, PeriodSum, SampledConfidence,
};
use memtrace::report::diff::{By, Diff, Side, write_html};
use memtrace::report::view::Measure;
use memtrace::report::{
    AccountReport, Change, FrameReport, HtmlWriter, MarkReport, MemoryPoint, Parts, Place,
    ProcessReport, Report, ReportWriter as _, StackReport,
};
use report_fixtures::{facts, last, leaking, report, snapshot};
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A page in a folder of its own, and a browser that shows it.
struct Shown {
    browser: Browser,
    file: PathBuf,
    _folder: TempDir,
}

impl Shown {
    fn new(report: &Report, fragment: &str) -> Self {
        Self::of(report, writer(Measure::Leaks), fragment)
    }

    fn of(report: &Report, writer: HtmlWriter, fragment: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.html");
        write(report, writer, &file);
        let mut browser = Browser::start();
        browser.resize(1200, 800);
        browser.open(&file, fragment);
        Self { browser, file, _folder: folder }
    }

    /// Where the middle of a box of the graph is, by its row and its share of the width.
    fn place(&mut self, row: u32, share: f64) -> (f64, f64) {
        let edge = self.browser.value(
            "(() => { const it = document.getElementById('canvas').getBoundingClientRect(); \
             return [it.x, it.y, it.width]; })()",
        );
        let at = |number: usize| edge[number].as_f64().unwrap();
        (at(0) + share * at(2), at(1) + f64::from(20 * row + 10))
    }

    fn hash(&mut self) -> String {
        self.browser.value("location.hash").as_str().unwrap().to_owned()
    }
}

const fn writer(measure: Measure) -> HtmlWriter {
    HtmlWriter { full_names: false, measure, from: None }
}

fn write(report: &Report, writer: HtmlWriter, file: &Path) {
    let mut bytes = Vec::new();
    writer.write(report, &mut bytes).unwrap();
    std::fs::write(file, bytes).unwrap();
}

/// A page of what changed from one report to another.
fn compared(before: &Report, after: &Report, by: By, fragment: &str) -> Shown {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("diff.html");
    let [before, after] = [before, after].map(|report| {
        let mut report = report.clone();
        for process in &mut report.processes {
            process.heap.live_bytes = process.stacks.iter().map(|stack| stack.live_bytes).sum();
            process.heap.live_blocks = process.stacks.iter().map(|stack| stack.live_blocks).sum();
        }
        Side::of(&report)
    });
    let sides = [("a.json", &before), ("b.json", &after)];
    let mut bytes = Vec::new();
    write_html(&Diff::between(&before, &after, by), sides, false, &mut bytes).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let mut browser = Browser::start();
    browser.resize(1200, 800);
    browser.open(&file, fragment);
    Shown { browser, file, _folder: folder }
}

/// As `simple`, but `load` has twice as much copied, `store` none of it, and `keep` is new.
fn changed() -> Report {
    let stacks = vec![
        stack(&["copy", "load", "main"], 4 << 20),
        stack(&["read", "load", "main"], 1 << 20),
        stack(&["keep", "main"], 512 << 10),
    ];
    let degraded = vec!["<b>too slow</b>".to_owned()];
    Report { processes: vec![process(7, "app", stacks)], degraded, ..Report::default() }
}

/// The colour of the canvas in the middle of a box, as red, green and blue.
fn color(shown: &mut Shown, row: u32, share: f64) -> [u64; 3] {
    // Of a copy: a canvas that is painted on is not made for reading.
    let ask = format!(
        "(() => {{ const it = document.getElementById('canvas'); const copy = document.createElement('canvas'); \
         [copy.width, copy.height] = [it.width, it.height]; const ratio = it.width / it.clientWidth; \
         const context = copy.getContext('2d', {{ willReadFrequently: true }}); context.drawImage(it, 0, 0); \
         const [x, y] = [{share} * it.width, ({row} * 20 + 3) * ratio]; \
         return [...context.getImageData(x, y, 1, 1).data].slice(0, 3); }})()"
    );
    let found = shown.browser.value(&ask);
    [0, 1, 2].map(|at| found[at].as_u64().unwrap())
}

#[test]
fn differences_are_a_graph_a_table_and_a_summary() {
    let mut shown = compared(&simple(), &changed(), By::Stack, "");
    let browser = &mut shown.browser;
    assert_eq!(
        browser.text("shown"),
        "+1.50 MiB (1,572,864 B): before 4.00 MiB (4,194,304 B), after 5.50 MiB (5,767,168 B)"
    );
    assert_eq!(browser.text("degraded"), "B is not what was asked for: <b>too slow</b>");
    assert!(browser.text("note").starts_with("total: size=5.50 MiB (+1.50 MiB)"));
    browser.picture("differences");
    // main, load (+2 MiB of the 6.5 that are wide), store (−1 MiB).
    let [red, _, blue] = color(&mut shown, 2, 0.3);
    assert!(red > blue + 30, "load grew: {red} {blue}");
    let [red, _, blue] = color(&mut shown, 2, 5.5 / 6.5);
    assert!(blue > red + 30, "store shrank: {red} {blue}");
    let (x, y) = shown.place(2, 0.3);
    shown.browser.point(x, y, false);
    assert_eq!(
        shown.browser.text("tooltip"),
        "load\nsrc/app.c:7 in app\n\
         +2.00 MiB (2,097,152 B): before 3.00 MiB (3,145,728 B), after 5.00 MiB (5,242,880 B)"
    );
    shown.browser.point(x, y, true);
    assert_eq!(shown.browser.text("path"), "all›main›load");
    shown.browser.press("Escape");
    assert_eq!(shown.browser.text("path"), "all›main");
    shown.browser.press("2");
    let browser = &mut shown.browser;
    assert_eq!(browser.text("matches"), "4 differences");
    let column = |browser: &mut Browser| {
        let cells = "[...document.querySelectorAll('#table tbody td:first-child')].map((it) => it.textContent).join()";
        browser.value(cells).as_str().unwrap().to_owned()
    };
    assert_eq!(column(browser), "+2.00 MiB,-1.00 MiB,+512 KiB,+0 B");
    browser.click("#table tbody td.name button");
    assert!(
        browser
            .text("table")
            .contains("bytes: 2.00 MiB (2,097,152 B) → 4.00 MiB (4,194,304 B): +2.00 MiB")
    );
    browser.press("3");
    let summary = browser.text("summary-panel");
    assert!(summary.contains("A lost 0 events") && summary.contains("b.json"), "{summary}");
    let file = shown.file.clone();
    shown.browser.open(&file, "#tab=table&view=shrank&search=STORE");
    assert_eq!(shown.browser.text("matches"), "1 differences match");
    shown.browser.open(&file, "#by=blocks&inverted=1&process=77&view=x&zoom=999&sort=%3Cb%3E");
    assert!(shown.browser.text("shown").starts_with("+98,304 blocks: "));
    shown.browser.press("r");
    assert_eq!(shown.hash(), "");
    shown.browser.assert_clean();
}

#[test]
fn differences_by_group_estimates_and_hostile_names_are_shown_as_they_are() {
    let name = "<img src=x onerror=\"document.title='taken'\"></script><script>document.title='taken'</script>";
    let mut hostile = changed();
    hostile.processes[0].stacks[0].frames[0] = frame(name, name, 7);
    hostile.processes[0].comm = name.to_owned();
    let mut other = process(8, "other", vec![stack(&["main"], 1 << 20)]);
    let ci = Confidence { low: 1 << 19, high: 2 << 20 };
    let around =
        SampledConfidence { live_bytes: ci, live_blocks: ci, ..SampledConfidence::default() };
    other.stacks[0].confidence = Some(around);
    other.heap.confidence = Some(around);
    hostile.processes.push(other);
    let mut shown = compared(&simple(), &hostile, By::Stack, "#tab=table");
    assert!(shown.browser.text("table").contains("<img src=x"));
    assert!(shown.browser.text("table").contains("about +1.00 MiB"));
    for fragment in ["#tab=graph", "#tab=summary", "#tab=graph&inverted=1&lines=1"] {
        let file = shown.file.clone();
        shown.browser.open(&file, fragment);
    }
    assert_ne!(shown.browser.value("document.title"), "taken");
    shown.browser.assert_clean();
    let mut shown = compared(&simple(), &hostile, By::Module, "#tab=table");
    assert!(shown.browser.text("table").contains("app"));
    shown.browser.press("1");
    shown.browser.assert_clean();
}

fn frame(name: &str, module: &str, line: u32) -> FrameReport {
    FrameReport {
        function: Some(name.to_owned()),
        short: None,
        module: Some(module.to_owned()),
        build_id: None,
        place: Place::Offset(1),
        file: Some(format!("src/{module}.c")),
        line: Some(line),
        inlined: false,
        internal: false,
        missing: None,
    }
}

fn stack(names: &[&str], live_bytes: u64) -> StackReport {
    StackReport {
        function: "malloc".to_owned(),
        live_bytes,
        live_blocks: live_bytes / 16,
        allocated_bytes: 4 * live_bytes,
        allocated_blocks: live_bytes / 4,
        oldest_age: Some(90_000_000_000),
        frames: names.iter().map(|name| frame(name, "app", 7)).collect(),
        ..StackReport::default()
    }
}

fn process(pid: u32, comm: &str, stacks: Vec<StackReport>) -> ProcessReport {
    let mut process =
        ProcessReport { pid, comm: comm.to_owned(), stacks, ..ProcessReport::default() };
    let sum = |of: fn(&StackReport) -> u64| process.stacks.iter().map(of).sum();
    process.heap.allocated_bytes = sum(|it| it.allocated_bytes);
    process.heap.allocated_blocks = sum(|it| it.allocated_blocks);
    process
}

/// `main` calls `load` (3/4 of all) and `store`; both call `copy`.
fn simple() -> Report {
    let stacks = vec![
        stack(&["copy", "load", "main"], 2 << 20),
        stack(&["read", "load", "main"], 1 << 20),
        stack(&["copy", "store", "main"], 1 << 20),
    ];
    Report { processes: vec![process(7, "app", stacks)], ..Report::default() }
}

/// What `simple` did in four seconds, of which slices were kept: each stack allocated a quarter in each of them, and in
/// the third `store` freed what it had until then.
fn recorded() -> Report {
    let mut report = simple();
    let slice = 1_000_000_000;
    report.watched = 4 * slice;
    report.parts = Parts::Kept((1..=4).map(|number| number * slice).collect());
    let process = &mut report.processes[0];
    for (number, stack) in (0..).zip(&mut process.stacks) {
        let (bytes, blocks) = (stack.allocated_bytes / 4, stack.allocated_blocks / 4);
        let each = Amount { bytes, blocks };
        let frees = number == 2;
        stack.changes = (0..4)
            .map(|part| {
                let gone = |of: u64| if frees && part == 2 { of.wrapping_mul(3) } else { 0 };
                let freed = Amount { bytes: gone(bytes), blocks: gone(blocks) };
                let live = Amount {
                    bytes: bytes.wrapping_sub(freed.bytes),
                    blocks: blocks.wrapping_sub(freed.blocks),
                };
                let told = Deeds { live, allocated: each, freed, temporary: Amount::default() };
                Change::exact(part, told)
            })
            .collect();
        let kept = if frees { 1 } else { 4 };
        (stack.live_bytes, stack.live_blocks) = (kept * bytes, kept * blocks);
        stack.part.thread = Some(100 + number);
    }
    process.memory = (0..=8)
        .map(|half| MemoryPoint {
            since_start: half * slice / 2,
            heap: Some(half << 20),
            resident: (half % 2 == 0).then_some((half + 3) << 20),
            ..MemoryPoint::default()
        })
        .collect();
    let mark = MarkReport {
        name: "<b>deploy</b>".to_owned(),
        since_start: slice,
        time: Timestamp::UNIX_EPOCH,
    };
    report.marks.push(mark);
    report
}

#[test]
fn threads_temporary_blocks_and_imports_have_switches() {
    let mut report = recorded();
    let stacks = &mut report.processes[0].stacks;
    stacks[0].frames.insert(2, frame("_dl_map_object", "ld-linux", 9));
    let temporary = PeriodSum { bytes: 4096, blocks: 4, around: None };
    stacks[1].period =
        Some(PeriodFigures { temporary, knows_temporary: true, ..PeriodFigures::default() });
    let mut shown = Shown::new(&report, "#view=temporary");
    let browser = &mut shown.browser;
    assert_eq!(browser.text("shown"), "temporary: 4.00 KiB (4,096 B), 4 blocks");
    assert_eq!(
        browser.text("note"),
        "temporary, that is freed before their thread allocated again"
    );
    let threads = "[...document.getElementById('thread').options].map((it) => it.text).join()";
    assert_eq!(browser.value(threads), "all,100,101,102");
    let file = shown.file.clone();
    shown.browser.open(&file, "#thread=102");
    assert!(shown.browser.text("shown").starts_with("live: 1.00 MiB"), "what store kept");
    shown.browser.open(&file, "#tab=table");
    let browser = &mut shown.browser;
    assert!(browser.text("table").contains("Thread"));
    let opened = "document.querySelector('#table tbody tr td.name button').click()";
    browser.value(opened);
    assert!(browser.text("table").contains("_dl_map_object"));
    browser.click("#imports");
    browser.value(opened);
    assert!(!browser.text("table").contains("_dl_map_object"));
    assert_eq!(shown.hash(), "#tab=table&imports=1");
    shown.browser.open(&file, "");
    let visible = "getComputedStyle(document.getElementById('imports').parentElement).display";
    assert_ne!(shown.browser.value(visible), "none");
    shown.browser.assert_clean();
    let mut plain = Shown::new(&simple(), "");
    for id in ["imports", "thread"] {
        let visible = visible.replace("imports", id);
        assert_eq!(plain.browser.value(&visible), "none", "{id}: there is nothing to choose");
    }
    assert_eq!(plain.browser.value("document.getElementById('memory').hidden"), true);
}

/// Chooses an entry of a list, as a click on it does.
fn choose(browser: &mut Browser, id: &str, value: &str) {
    let chosen = format!(
        "(() => {{ const it = document.getElementById('{id}'); it.value = '{value}'; \
         it.dispatchEvent(new Event('change', {{ bubbles: true }})); return it.value; }})()"
    );
    assert_eq!(browser.value(&chosen), value, "{id} has such an entry");
}

/// Two processes, of which the first has a pool of its own; its biggest stack lies on two lines and comes through the
/// internals of an allocator.
fn two_processes() -> Report {
    let mut first = simple().processes.remove(0);
    first.stacks[0].frames.insert(0, frame("zmalloc_internal", "app", 3));
    first.stacks[0].frames[0].internal = true;
    first.stacks[0].frames[2].line = Some(9);
    for (stack, mebibytes) in first.stacks.iter_mut().zip([6, 1, 1]) {
        stack.peak_bytes = mebibytes << 20;
    }
    first.heap.peak_bytes = 8 << 20;
    let pooled = stack(&["from_pool", "main"], 3 << 20);
    first.pools = Some(AccountReport {
        functions: vec!["pool_get".to_owned()],
        totals: HeapTotals { live_bytes: 3 << 20, live_blocks: 1 << 17, ..HeapTotals::default() },
        stacks: vec![pooled],
        ..AccountReport::default()
    });
    let second = process(8, "other", vec![stack(&["lone", "main"], 5 << 20)]);
    Report { processes: vec![first, second], ..Report::default() }
}

#[test]
fn processes_accounts_views_and_names_have_switches() {
    let mut shown = Shown::new(&two_processes(), "");
    let browser = &mut shown.browser;
    let entries = |id: &str| {
        format!("[...document.getElementById('{id}').options].map((it) => it.text).join()")
    };
    assert_eq!(browser.value(&entries("process")), "all,app (7),other (8)");
    assert!(browser.text("shown").starts_with("live: 9.00 MiB"));
    let of_app = browser.value("document.getElementById('process').options[1].value");
    choose(browser, "process", of_app.as_str().unwrap());
    assert!(browser.text("shown").starts_with("live: 4.00 MiB"));
    choose(browser, "by", "blocks");
    assert!(browser.value("location.hash").as_str().unwrap().contains("by=blocks"));
    browser.picture("blocks");
    choose(browser, "by", "bytes");
    choose(browser, "view", "peak");
    assert!(browser.text("shown").contains("8.00 MiB"), "{}", browser.text("shown"));
    choose(browser, "view", "live");
    assert_eq!(browser.value(&entries("account")), "Heap,Pools");
    let pools = browser.value("document.getElementById('account').options[1].value");
    choose(browser, "account", pools.as_str().unwrap());
    assert!(browser.text("shown").starts_with("live: 3.00 MiB"), "{}", browser.text("shown"));
    let file = shown.file.clone();
    shown.browser.open(&file, "#tab=table&rows=functions");
    let table = |browser: &mut Browser| browser.text("table");
    assert!(!table(&mut shown.browser).contains("zmalloc_internal"));
    shown.browser.click("#internals");
    assert!(table(&mut shown.browser).contains("zmalloc_internal"));
    assert_eq!(table(&mut shown.browser).matches("load").count(), 1, "one function");
    shown.browser.click("#lines");
    let both = table(&mut shown.browser);
    assert!(both.contains("app.c:9") && both.contains("app.c:7"), "one row for each line: {both}");
    assert!(shown.hash().contains("lines=1") && shown.hash().contains("internals=1"));
    shown.browser.picture("lines");
    shown.browser.assert_clean();
}

#[test]
fn the_view_that_was_asked_for_is_shown_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let mut bytes = Vec::new();
    writer(Measure::Allocated).write(&recorded(), &mut bytes).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let mut browser = Browser::start();
    browser.open(&file, "");
    assert!(browser.text("shown").starts_with("allocated: 16.0 MiB"));
    browser.assert_clean();
}

#[test]
fn a_click_zooms_and_the_way_back_leads_back() {
    let mut shown = Shown::new(&simple(), "");
    assert!(
        shown.browser.text("shown").starts_with("live: 4.00 MiB (4,194,304 B), 262,144 blocks")
    );
    let (x, y) = shown.place(2, 0.3);
    shown.browser.point(x, y, false);
    let tooltip = shown.browser.text("tooltip");
    assert_eq!(
        tooltip,
        "load\nsrc/app.c:7 in app\n\
         live: 3.00 MiB (3,145,728 B), 196,608 blocks, 75.0 %, oldest 1m 30s"
    );
    shown.browser.point(x, y, true);
    assert_eq!(shown.browser.text("path"), "all›main›load");
    assert!(shown.browser.text("shown").starts_with("live: 3.00 MiB"));
    shown.browser.picture("zoomed");
    shown.browser.value("history.back()");
    shown.browser.wait("document.getElementById('path').textContent === 'all'");
    shown.browser.assert_clean();
}

#[test]
fn keys_do_what_the_help_says() {
    let mut shown = Shown::new(&simple(), "");
    let browser = &mut shown.browser;
    browser.press("/");
    assert_eq!(browser.value("document.activeElement.id"), "search");
    for letter in ["c", "o", "p", "y"] {
        browser.press(letter);
    }
    assert!(browser.text("shown").ends_with("; matches: 3.00 MiB, 75.0 % of all"));
    browser.press("Escape");
    assert!(!browser.text("shown").contains("matches"));
    // From the root down to the largest callee's largest callee.
    for _ in 0..3 {
        browser.press("ArrowDown");
    }
    assert!(browser.text("selected").starts_with("copy\n"));
    browser.press("ArrowRight");
    assert!(browser.text("selected").starts_with("read\n"));
    browser.press("Enter");
    assert_eq!(browser.text("path"), "all›main›load›read");
    browser.press("Escape");
    assert_eq!(browser.text("path"), "all›main›load");
    browser.press("i");
    assert_eq!(browser.text("path"), "all", "another tree has other places");
    browser.press("ArrowDown");
    assert!(browser.text("selected").starts_with("copy\n"));
    assert!(browser.text("selected").contains("3.00 MiB"), "through both callers");
    browser.press("r");
    assert_eq!(browser.value("document.getElementById('inverted').checked"), false);
    browser.press("?");
    assert_eq!(browser.value("document.getElementById('help').open"), true);
    browser.press("Escape");
    assert_eq!(browser.value("document.getElementById('help').open"), false);
    browser.assert_clean();
}

#[test]
fn the_address_holds_what_is_shown() {
    let mut shown = Shown::new(&simple(), "#tab=table&rows=functions&view=allocated&search=STORE");
    assert_eq!(shown.browser.text("matches"), "1 functions match; allocated");
    assert!(shown.browser.text("table").contains("store"));
    shown.browser.press("1");
    let hash = shown.hash();
    assert_eq!(hash, "#view=allocated&search=STORE&rows=functions");
    assert!(shown.browser.text("shown").starts_with("allocated: 16.0 MiB"));
    let file = shown.file.clone();
    shown
        .browser
        .open(&file, "#tab=nonsense&zoom=99999999&view=x&account=%3Cb%3E&process=9&page=7");
    assert_eq!(shown.browser.text("path"), "all", "what makes no sense is left out");
    shown.browser.assert_clean();
}

#[test]
fn tables_are_sorted_opened_and_turned() {
    let stacks = (1..=120).map(|number| stack(&[&format!("f{number:03}"), "main"], 16 * number));
    let mut process = process(7, "app", stacks.collect());
    process.stacks[50].perhaps_freed = 3;
    let report = Report { processes: vec![process], ..Report::default() };
    let mut shown = Shown::new(&report, "#tab=table");
    let browser = &mut shown.browser;
    let first = "document.querySelector('#table tbody td.name').textContent";
    assert_eq!(browser.value("document.querySelectorAll('#table tbody tr').length"), 50);
    assert_eq!(browser.value(first), "f120  src/app.c:7");
    browser.click("#table th:first-child button");
    assert_eq!(browser.value(first), "f001  src/app.c:7");
    assert_eq!(browser.value("document.querySelector('#table th').ariaSort"), "ascending");
    browser.click("#pages button:last-child");
    assert_eq!(browser.value(first), "f051  src/app.c:7");
    assert!(browser.text("pages").contains("page 2 of 3"));
    browser.click("#table tbody td.name button");
    let opened = browser.value(first).as_str().unwrap().to_owned();
    assert!(opened.contains("main  src/app.c:7 in app"), "{opened}");
    assert!(opened.contains("allocated: 3.19 KiB (3,264 B) in 204 blocks"), "{opened}");
    assert!(opened.contains("perhaps freed unseen: up to 3 blocks"), "{opened}");
    browser.assert_clean();
}

#[test]
fn hostile_names_do_nothing() {
    let name = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">";
    let mut report = simple();
    report.processes[0].comm = "<script>".to_owned();
    report.processes[0].explanation = vec![name.to_owned()];
    report.processes[0].stacks.push(stack(&[name, "main"], 1 << 24));
    report.degraded = vec![name.to_owned()];
    for tab in ["graph", "table", "summary"] {
        let mut shown = Shown::new(&report, &format!("#tab={tab}"));
        if tab == "graph" {
            let (x, y) = shown.place(2, 0.3);
            shown.browser.point(x, y, true);
            assert!(shown.browser.text("path").contains(name));
        }
        assert_eq!(shown.browser.value("document.title"), "memtrace: <script> (7)");
        assert_eq!(shown.browser.value("document.images.length"), 0);
        assert_eq!(shown.browser.value("document.scripts.length"), 2);
        shown.browser.assert_clean();
    }
}

#[test]
fn the_policy_forbids_the_network_and_foreign_code() {
    let mut shown = Shown::new(&simple(), "");
    let browser = &mut shown.browser;
    browser.value("fetch('https://example.org/').catch(() => { window.refused = true; }); 0");
    browser.wait("window.refused === true");
    let markup = "try { document.body.innerHTML = '<b>x</b>'; 'made' } catch { 'refused' }";
    assert_eq!(browser.value(markup), "refused");
    let script = "const it = document.createElement('script'); \
                  try { it.text = 'window.taken = true'; document.body.append(it); } catch {} \
                  String(window.taken)";
    assert_eq!(browser.value(script), "undefined");
}

#[test]
fn it_follows_the_users_light_and_dark_and_width() {
    let fixture = report(&snapshot(vec![leaking()]), &last(), &facts());
    let mut shown = Shown::new(&fixture, "");
    let browser = &mut shown.browser;
    let paper = "getComputedStyle(document.body).backgroundColor";
    browser.prefer("light");
    assert_eq!(browser.value(paper), "rgb(255, 255, 255)");
    browser.picture("light");
    browser.prefer("dark");
    assert_eq!(browser.value(paper), "rgb(22, 24, 29)");
    browser.picture("dark");
    browser.click("#theme");
    assert_eq!(browser.value(paper), "rgb(255, 255, 255)", "the switch is stronger");
    browser.resize(360, 740);
    for tab in ["graph", "table", "summary"] {
        browser.value(&format!("document.getElementById('tab-{tab}').click()"));
        browser.picture(&format!("narrow-{tab}"));
        let (inside, window) =
            (browser.value("document.documentElement.scrollWidth"), browser.value("innerWidth"));
        assert_eq!(inside, window, "nothing of {tab} sticks out");
    }
    browser.assert_clean();
}

#[test]
fn what_was_lost_and_estimated_is_told() {
    let mut fixture = report(&snapshot(vec![report_fixtures::sampled()]), &last(), &facts());
    fixture.loss.by_cause.push(("of_this_test", 41));
    fixture.processes[0].perhaps_freed = 17;
    let mut shown = Shown::new(&fixture, "#tab=summary");
    let text = shown.browser.text("summary-panel");
    assert!(text.contains("of this test41"), "{text}");
    assert!(text.contains("live blocks that may have been freed unseen, at most17"), "{text}");
    assert!(text.contains("sampled blocks perhaps freed unseen, at most17"), "{text}");
    assert!(text.contains("which in 95 of 100 cases lie in the range beside them"), "{text}");
    assert!(text.contains("about 100 MiB (90.0 MiB to 110 MiB)"), "{text}");
    shown.browser.picture("summary");
    shown.browser.press("1");
    assert!(shown.browser.text("shown").contains("about "));
    shown.browser.assert_clean();
}

#[test]
fn paper_has_no_switches_and_the_whole_summary() {
    let fixture = report(&snapshot(vec![leaking()]), &last(), &facts());
    let mut shown = Shown::new(&fixture, "#theme=dark");
    let browser = &mut shown.browser;
    browser.print();
    let display = |id| format!("getComputedStyle(document.getElementById('{id}')).display");
    assert_eq!(browser.value(&display("controls")), "none");
    assert_eq!(browser.value(&display("summary-panel")), "block");
    let paper = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.value(paper), "rgb(255, 255, 255)");
    // The graph is painted again for it, without what would need scrolling.
    browser.value("dispatchEvent(new Event('beforeprint')); 0");
    let corner =
        "[...document.getElementById('canvas').getContext('2d').getImageData(2, 62, 1, 1).data]";
    assert_eq!(browser.value(corner), json!([255, 255, 255, 255]));
    browser.picture("paper");
    browser.assert_clean();
}

/// Many and deep: none may be lost in the page, and it must stay usable.
#[test]
fn a_hundred_thousand_stacks() {
    let stacks = (0..100_000_u64).map(|number| {
        let mut names = vec![format!("leaf{}", number % 977)];
        names.extend(
            (0..24_u64)
                .rev()
                .map(|depth| format!("f{depth}_{}", (number >> (23 - depth).min(17)) % 61)),
        );
        names.push("main".to_owned());
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let stack = stack(&names, 16 * (number % 89 + 1));
        // As many changes as the engine keeps of so many stacks.
        let half = Amount { bytes: stack.live_bytes / 2, blocks: stack.live_blocks / 2 };
        let done = Deeds { live: half, allocated: half, ..Deeds::default() };
        StackReport { changes: vec![Change::exact(0, done), Change::exact(1, done)], ..stack }
    });
    let process = process(7, "app", stacks.collect());
    let live: u64 = process.stacks.iter().map(|stack| stack.live_bytes).sum();
    let second = 1_000_000_000;
    let (watched, parts) = (2 * second, Parts::Kept(vec![second, 2 * second]));
    let report = Report { processes: vec![process], watched, parts, ..Report::default() };
    let mut shown = Shown::new(&report, "");
    let size = std::fs::metadata(&shown.file).unwrap().len();
    eprintln!("{size} bytes");
    let opened = "performance.getEntriesByType('navigation')[0].loadEventEnd";
    eprintln!("opened after {} ms", shown.browser.value(opened));
    for step in ["i", "i", "2", "1"] {
        let began = std::time::Instant::now();
        shown.browser.press(step);
        shown.browser.value("0");
        eprintln!("{step}: {} ms", began.elapsed().as_millis());
    }
    let text = shown.browser.text("shown");
    let exact = shown.browser.value(&format!("({live}).toLocaleString('en-US')"));
    assert!(text.contains(&format!("({} B)", exact.as_str().unwrap())), "{text}");
    let began = std::time::Instant::now();
    shown.browser.value("location.hash = '#from=1'; 0");
    shown
        .browser
        .wait("document.getElementById('shown').textContent.startsWith('live at its end')");
    eprintln!("window: {} ms", began.elapsed().as_millis());
    let text = shown.browser.text("shown");
    assert!(text.contains(&format!("({} B)", exact.as_str().unwrap())), "{text}");
    shown.browser.press("r");
    shown.browser.picture("many");
    shown.browser.press("i");
    shown.browser.picture("many-inverted");
    shown.browser.press("2");
    assert!(shown.browser.text("matches").starts_with("100,000 call stacks"));
    assert_eq!(
        shown.browser.value("document.querySelectorAll('#table tbody tr').length"),
        json!(50)
    );
    shown.browser.assert_clean();
}
