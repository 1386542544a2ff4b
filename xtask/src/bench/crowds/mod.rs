//! `cargo xtask bench crowds`: many processes. Each section of the document is a module with a function
//! that measures and gives Markdown, and a line in [`SECTIONS`].

mod all;
mod begin;
mod execs;
mod idle;
mod program;
mod storm;

pub(super) use program::own_libc;

use super::sections::{chosen, ensure_met};
use super::{keep, machine};
use crate::command::{run, target};
use crate::{elevate, setup};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// How much is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Rounds of what takes no longer than a second; figures are their medians
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Processes that there are
    #[arg(long, default_value_t = 500)]
    processes: usize,
    /// Children per second
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Seconds that children are started for, and that idle processes are watched for
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Measure only these sections
    #[arg(long, value_delimiter = ',', conflicts_with = "write")]
    only: Vec<String>,
    /// Also keep the document, as docs/benchmarks/crowds.md
    #[arg(long)]
    write: bool,
}

/// Measures with this memtrace, and gives Markdown that begins with a heading of the second level.
type Section = fn(&Workshop, &Options) -> Result<String>;

/// The document's sections, in order, by the names that `--only` takes.
const SECTIONS: [(&str, Section); 5] = [
    ("begin", begin::section),
    ("storm", storm::section),
    ("execs", execs::section),
    ("idle", idle::section),
    ("all", all::section),
];

/// What all sections need.
struct Workshop {
    memtrace: PathBuf,
    crowd: program::Crowd,
}

impl Workshop {
    /// memtrace with these arguments, which sees each block and reports once, as JSON.
    fn tracer(&self, words: &[&str]) -> Command {
        self.usual(&[&["--exact"], words].concat())
    }

    /// memtrace with these arguments, which looks as closely as it does by itself.
    fn usual(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.memtrace);
        command.args(["--interval", "0", "--format", "json", "--top", "3"]).args(words);
        command
    }
}

/// `cargo xtask bench crowds`.
pub(crate) fn crowds(no_install: bool, options: &Options) -> Result<()> {
    if !elevate::is_root() {
        bail!("the benchmark traces processes: run it as root, or through sudo");
    }
    let sections = chosen(&SECTIONS, &options.only)?;
    setup::ensure(setup::Purpose::Build, no_install)?;
    // Before anything of ours loads the machine.
    let mut document = head(&machine::describe()?);
    eprintln!("xtask: building memtrace (release)");
    run(elevate::cargo()?.args(["build", "--release", "--package", "memtrace"]))?;
    let memtrace = target().join("release/memtrace");
    let workshop = Workshop { memtrace, crowd: program::Crowd::compile()? };
    for (name, section) in sections {
        eprintln!("xtask: measuring {name}");
        document.push('\n');
        document.push_str(&section(&workshop, options)?);
    }
    println!("{document}");
    if options.write {
        keep("crowds.md", &document)?;
    }
    ensure_met(&document)
}

fn head(machine: &[String]) -> String {
    let mut text = String::from(
        "# Many processes\n\nMade by `cargo xtask bench crowds --write`; do not edit. Medians, with their \
         extremes in brackets where there are several rounds.\n\n",
    );
    machine.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    text
}
