//! A loop that only allocates and frees.

use super::super::shop::Shop;
use super::super::watch::Figures;
use super::super::{Options, Peer, Workload};
use super::talk::talk;
use crate::bench::workload::{Churn, pairs, steady_cost};
use crate::fixtures;
use anyhow::{Context as _, Result};

pub(in super::super) const WORKLOAD: Workload = Workload {
    title: "A pair of malloc(64) and free",
    about: "A loop on one thread, from a stack of 12 functions; of each run the first quarter is left out.",
    unit: "pair",
    time: ("ns", 1.0),
    run,
};

fn run(shop: &Shop, peer: &Peer, options: &Options) -> Result<Figures> {
    let program = fixtures::compile("churn")?;
    let program = program.to_str().context("the program's path is not UTF-8")?;
    let mut program = shop.program(&[program])?;
    program.words.extend(Churn::new(f64::from(options.seconds)).arguments());
    let talked = talk(shop, peer, program, "go\n")?;
    let cost = steady_cost(&talked.said).context("the program said nothing of its chunks")?;
    let pairs = pairs(&talked.said).context("the program did not say what it did")?;
    let figures = talked.watch.end_with(cost.cpu)?;
    talked.running.stop()?;
    Ok(Figures { allocations: Some(pairs as f64), ..figures })
}
