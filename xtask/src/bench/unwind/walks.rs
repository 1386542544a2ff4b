//! What a walk costs, beside the kernel's own walk along frame pointers.

use super::{Options, release};
use crate::bench::sample::Sample;
use crate::command::read;
use crate::fixtures;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::process::Command;

/// Frames at which the target holds, and the most that a walk by tables may cost there in units of the
/// kernel's.
const JUDGED: usize = 31;
const MOST: f64 = 1.8;

/// The ways, as `examples/walk_cost.rs` calls them and as the table does.
const WAYS: [(&str, &str); 4] = [
    ("kernel", "`bpf_get_stack`"),
    ("fp", "frame pointers"),
    ("tables", "tables, walked"),
    ("cached", "tables, known walk"),
];

/// The section.
pub(super) fn section(options: &Options) -> Result<String> {
    let program = release("--example", "walk_cost")?;
    let [bare, kept] = ["plain/deep", "plain/deep_kept"].map(fixtures::compile);
    let said =
        read(Command::new(program).args([bare?, kept?]).arg(options.rounds.max(3).to_string()))?;
    let depths = parse(&said).context("walk_cost said something else than figures")?;
    Ok(render(&depths))
}

/// The same stack, walked in each way.
#[derive(Debug, Default, PartialEq)]
struct Depth {
    /// Functions of the program's own.
    functions: usize,
    /// What a pair of malloc and free costs with a probe that does nothing at malloc's return, ns.
    floor: Sample,
    /// Frames found and costs, in the order of [`WAYS`].
    ways: Vec<(usize, Sample)>,
}

/// Reads lines such as `12 tables 16 2096 2117 2106`.
fn parse(said: &str) -> Option<Vec<Depth>> {
    let mut depths: Vec<Depth> = Vec::new();
    for line in said.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [functions, way, frames, costs @ ..] = words.as_slice() else { return None };
        let functions = functions.parse().ok()?;
        let costs = costs.iter().map(|cost| cost.parse().ok()).collect::<Option<Sample>>()?;
        if *way == "nothing" {
            depths.push(Depth { functions, floor: costs, ways: Vec::new() });
            continue;
        }
        let depth = depths.last_mut().filter(|depth| depth.functions == functions)?;
        let is_next = WAYS.get(depth.ways.len()).is_some_and(|(name, _)| name == way);
        depth.ways.push((frames.parse().ok().filter(|_| is_next)?, costs));
    }
    depths.iter().all(|depth| depth.ways.len() == WAYS.len()).then_some(depths)
}

fn render(depths: &[Depth]) -> String {
    let mut text = String::from(
        "## A walk\n\n\
         One program, `tests/fixtures/plain/deep`, compiled without and with frame pointers, allocates \
         under functions of four usual shapes. Programs that only walk run at malloc's return; what an \
         empty one costs there is taken off. The kernel's walk and the one by frame pointers have the \
         build with frame pointers and end at libc's start code, which has none; those by tables have \
         the other build and go to the end. A *known walk* is compared with the last one word by word \
         instead of made again.\n\n\
         | walk | frames | ns | ns per frame | × `bpf_get_stack` |\n|---|---:|---:|---:|---:|\n",
    );
    for depth in depths {
        let kernel = depth.cost(0);
        for (place, (_, name)) in WAYS.iter().enumerate() {
            let (frames, cost) = (depth.ways[place].0, depth.cost(place));
            let ratio = cost.ratio(&kernel);
            let mut shown = ratio.shown(2);
            if frames == JUDGED && place == 2 {
                let is_met = ratio.median().is_some_and(|ratio| ratio <= MOST);
                let verdict = if is_met { "met" } else { "**missed**" };
                let _ = write!(shown, "; target at most {MOST}: {verdict}");
            }
            let each = cost.median().unwrap_or_default() / frames.max(1) as f64;
            let _ =
                writeln!(text, "| {name} | {frames} | {} | {each:.0} | {shown} |", cost.shown(0));
        }
    }
    text
}

impl Depth {
    /// What the walk itself costs in this way.
    fn cost(&self, place: usize) -> Sample {
        self.ways[place].1.less(&self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, render};

    const SAID: &str = "27 nothing 0 1000 1100\n27 kernel 29 3000 3100\n27 fp 29 1500 1600\n\
                        27 tables 31 2500 2600\n27 cached 31 1700 1800\n";

    #[test]
    fn the_floor_is_taken_off() {
        let text = render(&parse(SAID).unwrap());
        assert!(
            text.contains("| `bpf_get_stack` | 29 | 2000 (2000–2000) | 69 | 1.00 (1.00–1.00) |")
        );
        assert!(text.contains(
            "| 31 | 1500 (1500–1500) | 48 | 0.75 (0.75–0.75); target at most 1.8: met |"
        ));
    }

    #[test]
    fn other_words_are_no_figures() {
        for said in ["27 kernel 29 3000", "nothing", "27 nothing 0 x", "27 nothing 0 1"] {
            assert_eq!(parse(said), None, "{said}");
        }
    }
}
