//! Insertions into a database in memory.

use super::super::shop::Shop;
use super::super::watch::Figures;
use super::super::{Options, Peer, Workload};
use super::talk::talk;
use crate::bench::workload::{ROWS, statements};
use anyhow::Result;

pub(in super::super) const WORKLOAD: Workload = Workload {
    title: "sqlite3",
    about: "40,000 rows, one insertion per statement, into a table with an index, in memory.",
    unit: "row",
    run,
};

fn run(shop: &Shop, peer: &Peer, _: &Options) -> Result<Figures> {
    let program =
        shop.program(&["/usr/bin/sqlite3", "-batch", "-cmd", ".print ready now", ":memory:"])?;
    let talked = talk(shop, peer, program, &format!("{}.print done\n", statements()))?;
    let figures = talked.watch.end(f64::from(ROWS))?;
    talked.running.stop()?;
    Ok(figures)
}
