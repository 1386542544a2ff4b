//! Results → Markdown.

use super::Options;
use super::overhead::{Bystander, Comparison, Costs, Detach, Flood, Results};
use super::sample::Thousands;
use super::tracer::SAMPLED;
use super::workload::ROWS;
use std::fmt::Write as _;

/// The most that exact tracing may cost, in units of the floor.
const MOST_OVER_FLOOR: f64 = 2.0;
/// The most that sampling may cost, likewise.
const MOST_SAMPLED: f64 = 1.15;
/// The longest that taking the probes away may last, ms, with session or multi links.
const LONGEST_DETACH: f64 = 500.0;

/// The whole document.
pub(super) fn render(machine: &[String], options: Options, results: &Results) -> String {
    let sections = [
        head(machine, options, results),
        comparison("A pair of malloc(64) and free, 12 frames deep", "pair", &results.churn, true),
        sqlite(results),
        floods(&results.floods, options),
        detach(&results.detach),
        bystanders(&results.bystanders),
        engine(&results.engine),
    ];
    sections.join("\n")
}

fn head(machine: &[String], options: Options, results: &Results) -> String {
    let mut text = String::from(
        "# What tracing costs\n\n\
         Made by `cargo xtask bench overhead --write`; do not edit. ",
    );
    let Options { rounds, seconds, .. } = options;
    let _ = write!(
        text,
        "Medians of {rounds} rounds with their extremes in brackets. Each round measures every way \
         once, in turn, so that noise meets all alike; ratios are taken within a round. The loop runs \
         {seconds} s each time, of which the first quarter is left out. *Floor* is empty probes of the \
         same kind of link at the same places: what the kernel takes for the traps. CPU time is the \
         program's own, traps and probe programs included; wall time also holds whatever else ran.\n\n"
    );
    for line in machine {
        let _ = writeln!(text, "- {line}");
    }
    let _ = writeln!(text, "- memtrace said: `{}`", results.allocators);
    text
}

/// A table of one workload; `is_judged` where the target for the ratio to the floor applies.
fn comparison(title: &str, unit: &str, all: &Comparison, is_judged: bool) -> String {
    let mut text = format!(
        "## {title}\n\n\
         | | CPU ns per {unit} | wall ns per {unit} | × untraced | × floor |\n\
         |---|---:|---:|---:|---:|\n"
    );
    let mut row = |name: &str, costs: &Costs, over_floor: String| {
        let over_untraced = costs.cpu.ratio(&all.untraced.cpu).shown(1);
        let (cpu, wall) = (costs.cpu.shown(0), costs.wall.shown(0));
        let _ = writeln!(text, "| {name} | {cpu} | {wall} | {over_untraced} | {over_floor} |");
    };
    row("untraced", &all.untraced, String::new());
    for traced in &all.traced {
        row(&format!("{}: floor", traced.link), &traced.floor, String::new());
        let ways = [
            (String::new(), &traced.memtrace, MOST_OVER_FLOOR),
            (format!(", samples of {SAMPLED}"), &traced.sampled, MOST_SAMPLED),
        ];
        for (how, costs, most) in ways {
            let ratio = costs.cpu.ratio(&traced.floor.cpu);
            let mut shown = ratio.shown(2);
            if is_judged {
                let is_met = ratio.median().is_some_and(|ratio| ratio <= most);
                let _ = write!(shown, ", target {}", verdict(is_met));
            }
            row(&format!("{}: memtrace{how}", traced.link), costs, shown);
        }
    }
    if is_judged {
        let _ = writeln!(
            text,
            "\nTargets: memtrace at most {MOST_OVER_FLOOR} × the floor, with samples {MOST_SAMPLED} ×."
        );
    }
    text
}

fn sqlite(results: &Results) -> String {
    let title = format!("sqlite3 inserting {} rows in memory", Thousands(ROWS.into()));
    let mut text = comparison(&title, "row", &results.sqlite, false);
    let blocks = results.blocks_per_row.median().unwrap_or_default();
    let _ = writeln!(text, "\nA row is a statement of its own and takes {blocks:.1} blocks.");
    text
}

const fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

fn floods(floods: &[Flood], options: Options) -> String {
    let mut text = format!(
        "## Events lost in {} s at full speed\n\n\
         | threads | pairs | allocations seen | events lost | events/s | memtrace: cores | memtrace: \
         peak resident |\n|---:|---:|---:|---:|---:|---:|---:|\n",
        options.loss_seconds
    );
    for flood in floods {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.2} | {:.0} MiB |",
            flood.threads,
            Thousands(flood.pairs),
            Thousands(flood.seen),
            Thousands(flood.lost),
            Thousands(flood.events_per_second as u64),
            flood.cores,
            flood.memory
        );
    }
    let is_met = floods.iter().all(|flood| flood.lost == 0 && flood.seen == flood.pairs);
    let _ = writeln!(text, "\nTarget: none lost: {}.", verdict(is_met));
    text
}

fn detach(all: &[Detach]) -> String {
    let mut text = String::from(
        "## Letting go of a program at full speed\n\n\
         | link | probes removed, ms | SIGINT to exit, report included, ms |\n|---|---:|---:|\n",
    );
    for one in all {
        let (removal, exit) = (one.removal.shown(0), one.exit.shown(0));
        let _ = writeln!(text, "| {} | {removal} | {exit} |", one.link);
    }
    let mut judged = all.iter().filter(|one| one.link != "perf");
    let is_met = judged.all(|one| one.removal.median().is_some_and(|took| took < LONGEST_DETACH));
    let _ = writeln!(
        text,
        "\nTarget: under {LONGEST_DETACH} ms with session or multi links: {}.",
        verdict(is_met)
    );
    text
}

fn bystanders(all: &[Bystander]) -> String {
    let mut text = String::from(
        "## Processes that are not the target\n\n\
         | | untraced, CPU ns per pair | beside a target | ratio |\n|---|---:|---:|---:|\n",
    );
    for one in all {
        let (alone, beside) = (one.alone.shown(1), one.beside.shown(1));
        let ratio = one.beside.ratio(&one.alone).shown(2);
        let _ = writeln!(text, "| {} | {alone} | {beside} | {ratio} |", one.name);
    }
    text.push_str(
        "\nA forked child pays until it executes, or until a link at the same places comes or goes: the \
         kernel then takes the breakpoints from every process that no link wants. So another tracer at \
         work during a round makes that round's figure small.\n",
    );
    text
}

fn engine(said: &str) -> String {
    format!(
        "## The engine alone\n\n\
         Decoding and applying records from a synthetic source, one core, no I/O. Target: at least 2 \
         million events per second.\n\n```text\n{}\n```\n",
        said.trim_end()
    )
}
