//! `cargo xtask bench` and `bench peers`: memtrace beside its neighbours. Each workload is a module with a function that
//! runs it once in one way, and a line in [`WORKLOADS`]; each peer is a line in `peer::ALL`.

mod attached;
mod headers;
pub(super) mod install;
mod launched;
pub(crate) mod overview;
mod peer;
mod rounds;
pub(super) mod shop;
mod table;
mod targets;
mod watch;
pub(super) mod workloads;

use self::peer::{Peer, Way};
use self::rounds::Row;
use self::shop::Shop;
use self::watch::Figures;
use super::sections::chosen;
use super::tracer::Programs;
use super::{keep, machine};
use crate::{elevate, setup};
use anyhow::{Result, bail};

/// How much is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Rounds; each runs every workload in every way once (where few percent decide: five times)
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds that the loop, and the load on nginx, last each time
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Measure only these workloads: loop, sqlite, compiler, python, redis, steady-redis, nginx
    #[arg(long, value_delimiter = ',', conflicts_with = "write")]
    only: Vec<String>,
    /// Install what is missing of the peers and the programs that they trace, with apt and pip; redis and
    /// nginx come as services, which may begin to listen
    #[arg(long)]
    install_peers: bool,
    /// Also keep the document, as docs/benchmarks/peers.md
    #[arg(long)]
    write: bool,
}

/// What the peers are compared with.
#[derive(Clone, Copy)]
struct Workload {
    title: &'static str,
    /// What it does, for the document.
    about: &'static str,
    /// What costs are given for.
    unit: &'static str,
    /// In what they are given: its name, and how many nanoseconds it has.
    time: (&'static str, f64),
    /// Runs it once.
    run: fn(&Shop, &Peer, &Options) -> Result<Figures>,
}

/// The document's sections, in order, by the names that `--only` takes.
const WORKLOADS: [(&str, Workload); 7] = [
    ("loop", workloads::churn::WORKLOAD),
    ("sqlite", workloads::sqlite::WORKLOAD),
    ("compiler", workloads::compiler::WORKLOAD),
    ("python", workloads::python::WORKLOAD),
    ("redis", workloads::redis::WORKLOAD),
    ("steady-redis", workloads::steady_redis::WORKLOAD),
    ("nginx", workloads::nginx::WORKLOAD),
];

/// What was measured of all workloads that are wanted.
struct Results {
    machine: Vec<String>,
    ways: Vec<Way>,
    workloads: Vec<(&'static str, Workload, Vec<Row>)>,
}

/// Measures.
fn measure(no_install: bool, options: &Options) -> Result<Results> {
    if !elevate::is_root() {
        bail!("the benchmark traces processes: run it as root, or through sudo");
    }
    let workloads = chosen(&WORKLOADS, &options.only)?;
    setup::ensure(setup::Purpose::Build, no_install)?;
    if options.install_peers {
        install::install(no_install)?;
    }
    // Before anything of ours loads the machine.
    let machine = machine::describe()?;
    let shop = Shop::open(Programs::build()?)?;
    let ways = peer::look(&shop);
    let mut results = Results { machine, ways, workloads: Vec::new() };
    for (name, workload) in workloads {
        eprintln!("xtask: measuring {name}");
        let rows = rounds::measure(&shop, name, workload, &results.ways, options);
        results.workloads.push((name, workload, rows));
    }
    Ok(results)
}

/// `cargo xtask bench peers`.
pub(crate) fn peers(no_install: bool, options: &Options) -> Result<()> {
    let results = measure(no_install, options)?;
    let mut document = table::head(&results.machine, options, &results.ways);
    for (_, workload, rows) in &results.workloads {
        document.push('\n');
        document.push_str(&table::section(*workload, rows));
    }
    println!("{document}");
    if options.write {
        keep("peers.md", &document)?;
    }
    Ok(())
}

/// For tests of what is written.
#[cfg(test)]
const NOT_RUN: Workload = Workload {
    title: "A loop",
    about: "Loops.",
    unit: "turn",
    time: ("ns", 1.0),
    run: |_, _, _| anyhow::bail!("it is not run here"),
};
