//! Plans from typed command lines.

use super::super::args::{BpfLog, Cli, Color, Ledger, LinkFor, Sort};
use super::super::format::Format;
use super::super::log::Verbosity;
use super::super::tier::Tier;
use super::super::values::{SampleInterval, Window};
use super::super::who::Wishes;
use super::TracePlan;
use super::alerts::Alerts;
use crate::engine::alerts::Rate;
use crate::engine::detail::Detail;
use crate::engine::zoom;
use crate::model::ids::SECOND;
use crate::report::ViewOptions;
use clap::Parser;
use memtrace_common::config::{LinkKind, UnwindMode};
use std::time::Duration;

fn plan(line: &str) -> Result<TracePlan, String> {
    let words = std::iter::once("memtrace").chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    TracePlan::new(&cli.select, &cli.trace, &cli.positional).map_err(|error| error.to_string())
}

fn refused(line: &str, parts: &[&str]) {
    let message = plan(line).expect_err(line);
    for part in parts {
        assert!(message.contains(part), "{line}: {message:?} lacks {part:?}");
    }
}

#[test]
fn defaults_are_those_of_the_manual() {
    let seconds = Duration::from_secs;
    let expected = TracePlan {
        who: Wishes { pids: vec![1234], follow: true, ..Wishes::default() },
        interval: Some(seconds(10)),
        duration: None,
        count: None,
        min_age: seconds(10),
        top: Some(10),
        min_size: 0,
        max_size: None,
        sort: Sort::Growth,
        full: false,
        show_blocks: 0,
        full_names: false,
        show_internals: false,
        tier: Tier::Auto,
        zoom: None,
        ledger: Ledger::Both,
        debuginfod: false,
        cmdline: false,
        format: Format::Text,
        output: None,
        record: None,
        color: Color::Auto,
        verbosity: Verbosity::Normal,
        exact: false,
        sample_interval: SampleInterval::Auto,
        window: None,
        no_windows: false,
        overhead_budget: None,
        max_memory: 256 << 20,
        link: None,
        link_for: LinkFor::Auto,
        usdt: true,
        usdt_semaphores: false,
        unwind: UnwindMode::Auto,
        cache_walks: true,
        ring_size: None,
        rings: None,
        has_control: true,
        control: None,
        bpf_log: BpfLog::Off,
        view: ViewOptions::default(),
        growth: None,
        detail: Detail::default(),
        alerts: Alerts { limit: 10, ..Alerts::default() },
        user_functions: Vec::new(),
        notes: Vec::new(),
    };
    assert_eq!(plan("--pid 1234"), Ok(expected));
}

#[test]
fn every_option_arrives() {
    let plan = plan(
        "-p 1,2 -p 3 -p 2 -i 5s -d 1m -c 4 --min-age 2s -T 0 -z 64 -Z 1MiB -s age --full \
         --show-blocks 7 --full-names --show-internals --ledger heap --cmdline -f json -o leaks.json --color never -vv --overhead-budget 5% --window 90m/2h \
         --max-memory 64MiB --alert-live 1M --alert-rss 2G --alert-growth 3k/h --alert-limit 4 --link perf --link-for each --usdt-semaphores --ring-size 1MiB --rings 8 --bpf-log debug",
    )
    .unwrap();
    assert_eq!(plan.who.pids, [1, 2, 3]);
    assert_eq!(plan.interval, Some(Duration::from_secs(5)));
    assert_eq!(plan.duration, Some(Duration::from_secs(60)));
    let Alerts { thresholds, limit, .. } = &plan.alerts;
    assert_eq!((thresholds.live, thresholds.resident, *limit), (Some(1 << 20), Some(2 << 30), 4));
    assert_eq!(thresholds.growth.map(|it| it.bytes), Some(3072));
    assert_eq!((plan.count, plan.top, plan.show_blocks), (Some(4), None, 7));
    assert_eq!((plan.min_size, plan.max_size), (64, Some(1 << 20)));
    assert_eq!((plan.sort, plan.format, plan.color), (Sort::Age, Format::Json, Color::Never));
    assert!(plan.full_names && plan.show_internals && plan.ledger == Ledger::Heap);
    assert!(plan.full && plan.cmdline && plan.output.is_some());
    assert_eq!((plan.overhead_budget, plan.max_memory), (Some(5.0), 64 << 20));
    let window = Window { on: Duration::from_secs(5400), period: Duration::from_secs(7200) };
    assert_eq!(plan.window, Some(window));
    assert_eq!((plan.link, plan.ring_size), (Some(LinkKind::Perf), Some(1 << 20)));
    assert_eq!(plan.rings, Some(8));
    assert_eq!(plan.link_for, LinkFor::Each);
    assert!(plan.usdt && plan.usdt_semaphores && !self::plan("-p 7 --no-usdt").unwrap().usdt);
    assert_eq!((plan.bpf_log, plan.verbosity), (BpfLog::Debug, Verbosity::Everything));
    let options = plan.snapshot_options();
    assert_eq!((options.min_age, options.blocks_per_stack), (2_000_000_000, 7));
}

#[test]
fn pages_alone_have_their_own_ledger() {
    let plan = plan("-p 7 --tier pages").unwrap();
    assert_eq!((plan.tier, plan.ledger), (Tier::Pages, Ledger::Pages));
    assert_eq!(self::plan("-p 7 --ledger pages").unwrap().tier, Tier::Auto);
}

#[test]
fn positions_mean_what_memleak_means() {
    let plan = plan("-p 7 5 3").unwrap();
    assert_eq!((plan.interval, plan.count), (Some(Duration::from_secs(5)), Some(3)));
    assert_eq!(plan.min_age, Duration::from_secs(5));
    refused("-p 7 -i 5 5", &["--interval", "positional INTERVAL", "only one"]);
    refused("-p 7 5 3 -c 3", &["--count", "positional COUNT", "only one"]);
    refused("-p 7 -o 5000", &["--output 5000", "--min-age 5000ms", "./5000"]);
}

#[test]
fn folded_stacks_are_of_one_moment_and_whole() {
    let plan = plan("-p 7 -f folded").unwrap();
    assert_eq!((plan.interval, plan.min_age, plan.top), (None, Duration::ZERO, None));
    let plan = self::plan("-p 7 -f folded -i 5s -T 3 --min-age 1s -o out-{seq}").unwrap();
    assert_eq!(plan.interval, Some(Duration::from_secs(5)));
    assert_eq!((plan.min_age, plan.top), (Duration::from_secs(1), Some(3)));
    assert_eq!(self::plan("-p 7").unwrap().top, Some(10));
    // A name asks for the same as an option.
    let named = self::plan("-p 7 -o heap.csv").unwrap();
    assert_eq!((named.format, named.interval, named.top), (Format::Csv, None, None));
    assert_eq!(self::plan("-p 7 -o heap.csv -f text").unwrap().format, Format::Text);
}

#[test]
fn views_are_of_one_moment_and_of_all_stacks() {
    let plan = plan("-p 7 -f tree -T 3 --by line --depth 4 --inverted --min-bytes 1k").unwrap();
    assert_eq!((plan.interval, plan.min_age, plan.top), (None, Duration::ZERO, None));
    assert_eq!((plan.view.top, plan.view.depth), (Some(3), Some(4)));
    assert_eq!((plan.view.least.bytes, plan.view.inverted), (1024, true));
    refused("-p 7 --by line", &["--by", "--format summary, tree"]);
    refused("-p 7 -f summary --inverted", &["--inverted", "--format tree"]);
    refused("-p 7 -f summary --include [", &["--include", "makes no sense"]);
}

#[test]
fn without_intervals_old_means_ten_seconds() {
    let plan = plan("-p 7 -i 0").unwrap();
    assert_eq!((plan.interval, plan.min_age), (None, Duration::from_secs(10)));
    assert_eq!(self::plan("-p 7 -i 1m").unwrap().min_age, Duration::from_secs(60));
    assert_eq!(self::plan("-p 7 --min-age 0").unwrap().min_age, Duration::ZERO);
}

#[test]
fn in_a_brief_run_all_ages_are_listed() {
    let min_age = |words: &str| plan(words).unwrap().min_age;
    assert_eq!(min_age("-p 7 -d 10"), Duration::ZERO);
    assert_eq!(min_age("-p 7 -d 11"), Duration::from_secs(10));
    assert_eq!(min_age("-p 7 -i 1m -d 30"), Duration::ZERO);
    assert_eq!(min_age("-p 7 -d 8 --min-age 10s"), Duration::from_secs(10));
}

#[test]
fn page_faults_may_cost_two_percent_unless_the_user_says_otherwise() {
    let most = |line: &str| plan(line).unwrap().most_for_faults();
    assert_eq!(most("-p 7 --tier pages"), Some(2.0));
    assert_eq!(most("-p 7 --tier pages --overhead-budget 5"), Some(5.0));
    assert_eq!(most("-p 7 --tier pages --exact"), None);
    assert_eq!(most("--all"), Some(2.0));
}

#[test]
fn contradictions_name_both_options_and_a_remedy() {
    refused("-p 7 -q -v", &["--quiet", "--verbose", "only one"]);
    refused("-p 7 -z 2k -Z 1k", &["--min-size 2048", "--max-size 1024", "exchange"]);
    refused("-p 7 --exact --overhead-budget 5", &["--exact", "--overhead-budget", "only one"]);
    refused("-p 7 --tier exact --sample-interval 4k", &["--tier exact", "--sample-interval"]);
    refused("-p 7 --tier exact --overhead-budget 5", &["--tier exact", "--overhead-budget"]);
    refused("-p 7 --tier sampled --sample-interval 0", &["--tier sampled", "every allocation"]);
    refused("-p 7 --tier pages --sample-interval 4k", &["--tier pages", "--sample-interval"]);
    let interval = |typed| self::plan(typed).unwrap().sample_interval;
    assert_eq!(interval("-p 7 --tier sampled"), SampleInterval::Bytes(512 << 10));
    assert_eq!(interval("-p 7 --tier sampled --sample-interval 4k"), SampleInterval::Bytes(4096));
    assert_eq!(interval("-p 7 --tier exact"), SampleInterval::Bytes(0));
    assert_eq!(interval("-p 7"), SampleInterval::Auto);
    refused("-p 7 --tier pages --ledger heap", &["--tier pages", "--ledger heap", "only one"]);
    refused("-p 7 --tier pages --show-blocks 1", &["--tier pages", "--show-blocks"]);
    refused("-p 7 --tier pages --free-fn lib.so:give(ptr=0)", &["--tier pages", "--alloc-fn"]);
    refused("-p 7 --no-usdt --usdt-semaphores", &["--no-usdt", "--usdt-semaphores"]);
    refused("-p 7 -i 0 -c 3", &["--count", "--interval 0", "--duration"]);
    refused("-p 7 0 3", &["--count", "--interval 0"]);
    refused("-p 7,8 -o r-{pid}.json", &["{pid}", "--pid", "{seq}"]);
    refused("-p 7 --max-memory 32MiB --ring-size 32MiB", &["--ring-size", "--max-memory"]);
}

#[test]
fn values_without_meaning_are_refused() {
    refused("", &["no process given", "--pid PID", "--help"]);
    refused("1234", &["no process given", "--pid 1234 10"]);
    refused("-p 0", &["zero has no meaning"]);
    refused("-p 1,,2", &["process number"]);
    refused("-p 7 -d 0", &["--duration 0"]);
    refused("-p 7 -c 0", &["at least 1"]);
    refused("-p 7 -i 50ms", &["100ms"]);
    refused("-p 7 -i -5", &["cannot be negative"]);
    refused("-p 7 -z -5", &["cannot be negative"]);
    refused("-p 7 --show-blocks 10001", &["at most 10000"]);
    refused("-p 7 --max-memory 1MiB", &["below 32MiB"]);
    refused("-p 7 --ring-size 5000", &["power of two"]);
    refused("-p 7 --rings 3", &["--rings", "power of two"]);
    refused("-p 7 --rings 128", &["power of two", "64"]);
    refused("-p 7 --ring-size 8GiB --max-memory 64GiB", &["power of two"]);
    refused("-p 7 doctor", &["doctor"]);
    let many: Vec<String> = (1..=65_537).map(|pid| pid.to_string()).collect();
    refused(&format!("-p {}", many.join(",")), &["65537", "at most 65536"]);
}

#[test]
fn surprising_plans_are_remarked_upon() {
    let notes = plan("-p 7 -i 10 -d 5 --min-age 10s").unwrap().notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("only the final report"));
    assert!(notes[1].contains("--min-age 10s within --duration 5s"));
    assert_eq!(plan("-p 7 -d 5 --min-age 10s").unwrap().notes, notes[1..]);
    assert!(plan("-p 7 -d 5").unwrap().notes.is_empty());
    assert!(plan("-p 7 -d 60").unwrap().notes.is_empty());
    assert!(plan("-p 7 --usdt-semaphores").unwrap().notes[0].contains("the target's memory"));
    assert!(plan("-p 7 --full -f json").unwrap().notes[0].contains("--full"));
}

#[test]
fn standard_output_has_three_names() {
    for name in ["-", "/dev/stdout"] {
        assert_eq!(plan(&format!("-p 7 -o {name}")).unwrap().output, None);
    }
    assert_eq!(plan("-p 7").unwrap().output, None);
}

#[test]
fn a_whole_machine_is_watched_for_growth_unless_blocks_are_wanted() {
    let tier = |typed: &str| self::plan(typed).unwrap().tier;
    assert_eq!(tier("--all"), Tier::Watch);
    for blocks in
        ["--exact", "--tier pages", "--sample-interval 4k", "--ledger heap", "--alert-live 1M"]
    {
        assert_ne!(tier(&format!("--all {blocks}")), Tier::Watch, "{blocks}");
    }
    assert_eq!((tier("--comm x"), tier("--comm x --tier watch")), (Tier::Auto, Tier::Watch));
    assert_eq!(self::plan("--all --tier exact").unwrap().zoom, None);
    let plan = self::plan("--all --watch-growth 5MiB/h --watch-pace 2s").unwrap();
    let growth = Rate { bytes: 5 << 20, per: 3600 * SECOND };
    assert_eq!(plan.zoom, Some(zoom::Settings { growth, pace: 2 * SECOND, budget: Some(100) }));
    assert_eq!(
        (plan.ledger, plan.sample_interval),
        (Ledger::Pages, SampleInterval::Bytes(16 << 10))
    );
    let exact = self::plan("-p 7 --tier watch --exact").unwrap();
    assert_eq!((exact.sample_interval, exact.tier), (SampleInterval::Bytes(0), Tier::Watch));
    refused("-p 7 --watch-growth 1k/s", &["--watch-growth", "--tier watch"]);
    refused("--all --watch-pace 10ms", &["--watch-pace", "1s"]);
    refused("-p 7 --tier watch --show-blocks 1", &["--tier watch", "--show-blocks", "only one"]);
    refused("-p 7 --tier watch --alert-live 1", &["--tier watch", "--alert-live"]);
}
