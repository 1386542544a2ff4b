//! `cargo xtask bench`: what tracing costs, measured side by side in one run.

pub(crate) mod budget;
pub(crate) mod crowds;
pub(crate) mod machine;
mod overhead;
mod pages;
pub(crate) mod peers;
mod recording_cost;
pub(crate) mod recordings;
mod sample;
pub(crate) mod sampling;
mod sections;
mod table;
pub(crate) mod totals;
mod tracer;
pub(crate) mod unwind;
mod workload;

pub(crate) use sample::Thousands;
pub(crate) use tracer::Tracer;

use crate::command::root;
use crate::{elevate, setup};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

/// How much is measured.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Seconds that each measurement of the loop lasts
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// Rounds; each measures every way of tracing once
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Seconds of the runs that look for lost events
    #[arg(long, default_value_t = 30.0)]
    pub(crate) loss_seconds: f64,
    /// Also keep the table, as docs/benchmarks/overhead.md
    #[arg(long)]
    pub(crate) write: bool,
}

/// `cargo xtask bench overhead`.
pub(crate) fn overhead(no_install: bool, options: Options) -> Result<()> {
    if !elevate::is_root() {
        bail!("the benchmark traces and signals processes: run it as root, or through sudo");
    }
    setup::ensure(setup::Purpose::Build, no_install)?;
    // Before anything of ours loads the machine.
    let machine = machine::describe()?;
    let programs = tracer::Programs::build()?;
    let table = table::render(&machine, options, &overhead::measure(&programs, options)?);
    println!("{table}");
    if options.write {
        keep("overhead.md", &table)?;
    }
    Ok(())
}

/// Keeps a table in `docs/benchmarks`, under this name.
pub(crate) fn keep(name: &str, table: &str) -> Result<()> {
    let folder = root().join("docs/benchmarks");
    let file = folder.join(name);
    let failed = || format!("cannot write {}", file.display());
    fs::create_dir_all(&folder).and_then(|()| fs::write(&file, table)).with_context(failed)?;
    // Through sudo we are root, but the working tree is the user's.
    let owner = fs::metadata(root()).with_context(failed)?;
    for path in [&folder, &file] {
        chown(path, Some(owner.uid()), Some(owner.gid())).with_context(failed)?;
    }
    eprintln!("xtask: wrote {}", file.display());
    Ok(())
}
