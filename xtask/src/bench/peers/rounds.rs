//! Interleaved rounds: in each, every way runs the workload once, so that noise meets all alike.

use super::peer::{How, Peer, Way};
use super::shop::Shop;
use super::targets::is_close;
use super::watch::{Figures, PATIENCE};
use super::{Options, Workload};
use crate::bench::sample::Sample;
use crate::command::root;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// So many times as many rounds have the ways whose promise is [`is_close`].
const CLOSER: u32 = 5;

/// One way's figures from all rounds.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) figures: Vec<Figures>,
    /// Why there are no (more) figures.
    pub(super) failed: Option<String>,
}

impl Row {
    pub(super) fn sample(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Sample {
        self.figures.iter().filter_map(figure).collect()
    }
}

/// Measures one workload. What fails once is not tried again.
pub(super) fn measure(
    shop: &Shop,
    name: &str,
    workload: Workload,
    ways: &[Way],
    options: &Options,
) -> Vec<Row> {
    let mut rows: Vec<Row> = ways.iter().map(|way| empty(name, way)).collect();
    // A single round is to see whether it works.
    let most = if options.rounds > 1 { options.rounds * CLOSER } else { 1 };
    for round in 1..=most {
        let is_due = |(way, row): &(&Way, &mut Row)| {
            row.failed.is_none() && (round <= options.rounds || is_close(name, way.peer.name))
        };
        for (way, row) in ways.iter().zip(&mut rows).filter(is_due) {
            eprintln!("xtask: {name}, round {round}: {}", way.peer.name);
            let began = Instant::now();
            match run(shop, workload, &way.peer, options) {
                Ok(figures) => row.figures.push(figures),
                Err(error) => row.failed = Some(reason(shop, &error, began.elapsed())),
            }
        }
    }
    rows
}

/// Runs it once. A peer that left nothing has traced nothing.
fn run(shop: &Shop, workload: Workload, peer: &Peer, options: &Options) -> Result<Figures> {
    let figures = (workload.run)(shop, peer, options)?;
    if let How::Launched(launched) = &peer.how {
        ensure!(shop.take(launched.output)?, "it left no profile");
    }
    Ok(figures)
}

fn empty(workload: &str, way: &Way) -> Row {
    let unfit = way.peer.only.filter(|&only| only != workload);
    let failed = match (unfit, &way.version) {
        (Some(only), _) => Some(format!("is for {only} only")),
        (None, Err(reason)) => Some(plain(reason, &root().to_string_lossy())),
        (None, Ok(_)) => None,
    };
    Row { name: way.peer.name, figures: Vec::new(), failed }
}

/// An error with what the program said last, on one line.
fn reason(shop: &Shop, error: &anyhow::Error, took: Duration) -> String {
    let late = if took >= PATIENCE { "took too long, and was ended: " } else { "" };
    let said = shop.last_error().map(|line| format!(" ({line})")).unwrap_or_default();
    plain(&format!("{late}{error:#}{said}"), &root().to_string_lossy())
}

/// A reason for a table: on one line, without the places of this machine.
fn plain(text: &str, root: &str) -> String {
    // How a tracer was started is in the head of the document.
    let said = text.split_once("ended before it traced: ").map_or(text, |(_, said)| said);
    let said = said.replace(root, "…").replace('|', "/");
    let mut words: Vec<&str> = said.split_whitespace().collect();
    // bpftrace says each second that it traces.
    words.dedup();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_reason_fits_into_a_table() {
        let text = "sh -c x ended before it traced: no\n  headers in /home/me/src/a | b";
        assert_eq!(plain(text, "/home/me/src"), "no headers in …/a / b");
    }
}
