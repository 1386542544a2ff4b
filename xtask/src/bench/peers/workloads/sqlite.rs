//! Insertions into a database in memory.

use super::super::shop::Shop;
use super::super::watch::Figures;
use super::super::{Options, Peer, Workload};
use super::repeated::repeated;
use super::talk::talk;
use crate::bench::workload::statements;
use anyhow::Result;

/// Fewer than where only memtrace is measured: a row has some fifty blocks, and peers take long for each.
const ROWS: u32 = 20_000;

pub(in super::super) const WORKLOAD: Workload = Workload {
    title: "sqlite3",
    about: "20,000 rows, one insertion per statement, into a table with an index, in memory; several times, until as much CPU \
            time has gone by as the loop takes.",
    unit: "row",
    time: ("µs", 1e3),
    run,
};

fn run(shop: &Shop, peer: &Peer, options: &Options) -> Result<Figures> {
    repeated(options, f64::from(ROWS), || once(shop, peer))
}

fn once(shop: &Shop, peer: &Peer) -> Result<Figures> {
    let program =
        shop.program(&["/usr/bin/sqlite3", "-batch", "-cmd", ".print ready now", ":memory:"])?;
    let talked = talk(shop, peer, program, &format!("{}.print done\n", statements(ROWS)))?;
    let figures = talked.watch.end(f64::from(ROWS))?;
    talked.running.stop()?;
    Ok(figures)
}
