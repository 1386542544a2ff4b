//! Interleaved rounds: in each, every way runs the workload once, so that noise meets all alike.

use super::peer::Way;
use super::shop::Shop;
use super::watch::Figures;
use super::{Options, Workload};
use crate::bench::sample::Sample;

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
    for round in 1..=options.rounds {
        for (way, row) in ways.iter().zip(&mut rows).filter(|(_, row)| row.failed.is_none()) {
            eprintln!("xtask: {name}, round {round} of {}: {}", options.rounds, way.peer.name);
            match (workload.run)(shop, &way.peer, options) {
                Ok(figures) => row.figures.push(figures),
                Err(error) => row.failed = Some(reason(shop, &error)),
            }
        }
    }
    rows
}

fn empty(workload: &str, way: &Way) -> Row {
    let unfit = way.peer.only.filter(|&only| only != workload);
    let failed = match (unfit, &way.version) {
        (Some(only), _) => Some(format!("is for {only} only")),
        (None, Err(reason)) => Some(reason.clone()),
        (None, Ok(_)) => None,
    };
    Row { name: way.peer.name, figures: Vec::new(), failed }
}

/// An error with what the program said last, on one line.
fn reason(shop: &Shop, error: &anyhow::Error) -> String {
    let said = shop.last_error().map(|line| format!(" ({line})")).unwrap_or_default();
    let text = format!("{error:#}{said}");
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/")
}
