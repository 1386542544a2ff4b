//! Python reads and writes JSON.

use super::super::shop::{Shop, python};
use super::super::watch::Figures;
use super::super::{Options, Peer, Workload};
use super::talk::talk;
use anyhow::Result;

/// Documents.
const DOCUMENTS: u32 = 200;

pub(in super::super) const WORKLOAD: Workload = Workload {
    title: "Python and JSON",
    about: "200 documents of 500 objects are read, and their texts written in capitals. Most objects are from \
            Python's own allocator, which asks the C library for whole arenas.",
    unit: "document",
    time: ("µs", 1e3),
    run,
};

fn run(shop: &Shop, peer: &Peer, _: &Options) -> Result<Figures> {
    let script = shop.file("documents.py", include_str!("documents.py"))?;
    let program = shop.program(&[&python()?, &script, &DOCUMENTS.to_string()])?;
    let talked = talk(shop, peer, program, "go\n")?;
    let figures = talked.watch.end(f64::from(DOCUMENTS))?;
    talked.running.stop()?;
    Ok(figures)
}
