//! `cargo xtask bench unwind`: what unwinding by tables costs. Each section of the document is a module
//! with a function that measures and gives Markdown, and a line in [`SECTIONS`].

mod startup;
mod symbols;
mod tables;
mod walks;

use super::sections::chosen;
use super::{keep, machine};
use crate::command::{run, target};
use crate::{elevate, setup};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// How much is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Rounds; figures are their medians
    #[arg(long, default_value_t = 5)]
    pub(super) rounds: u32,
    /// Measure only these sections
    #[arg(long, value_delimiter = ',', conflicts_with = "write")]
    only: Vec<String>,
    /// Also keep the document, as docs/benchmarks/unwind.md
    #[arg(long)]
    write: bool,
}

/// Measures, and gives Markdown that begins with a heading of the second level.
type Section = fn(&Options) -> Result<String>;

/// The document's sections, in order, by the names that `--only` takes.
const SECTIONS: [(&str, Section); 4] = [
    ("walks", walks::section),
    ("tables", tables::section),
    ("startup", startup::section),
    ("names", symbols::section),
];

/// `cargo xtask bench unwind`.
pub(crate) fn unwind(no_install: bool, options: &Options) -> Result<()> {
    if !elevate::is_root() {
        bail!("the benchmark loads programs into the kernel: run it as root, or through sudo");
    }
    let sections = chosen(&SECTIONS, &options.only)?;
    setup::ensure(setup::Purpose::Build, no_install)?;
    // Before anything of ours loads the machine.
    let mut document = head(&machine::describe()?, options);
    for (name, section) in sections {
        eprintln!("xtask: measuring {name}");
        document.push('\n');
        document.push_str(&section(options)?);
    }
    println!("{document}");
    if options.write {
        keep("unwind.md", &document)?;
    }
    Ok(())
}

fn head(machine: &[String], options: &Options) -> String {
    let mut text = format!(
        "# What unwinding tables cost\n\n\
         Made by `cargo xtask bench unwind --write`; do not edit. Medians of {} rounds with their \
         extremes in brackets.\n\n",
        options.rounds
    );
    machine.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    text
}

/// Builds memtrace or (`--example NAME`) one of its examples, for release.
fn release(kind: &str, name: &str) -> Result<PathBuf> {
    eprintln!("xtask: building {name} (release)");
    run(elevate::cargo()?.args(["build", "--release", "--package", "memtrace", kind, name]))?;
    let folder = target().join("release");
    Ok(if kind == "--example" { folder.join("examples").join(name) } else { folder.join(name) })
}
