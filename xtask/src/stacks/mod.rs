//! `cargo xtask stacks`: whether call stacks of stock programs are whole, measured on real work.

mod figures;
mod programs;
mod run;
mod table;
mod workshop;

use crate::bench::{keep, machine};
use crate::{elevate, run as memtrace, setup};
use anyhow::{Result, bail};
use figures::Figures;
use programs::{PROGRAMS, Program};
use std::process::ExitCode;
use workshop::Workshop;

/// Which programs, and what becomes of the table.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Only these programs, such as `python3,node`
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Also keep the table, as docs/benchmarks/stacks.md
    #[arg(long)]
    write: bool,
}

/// A program that was traced through its work.
struct Measured {
    program: &'static Program,
    version: String,
    figures: Figures,
}

/// Traces each program through its work and prints a table. Fails if a program's stacks are not whole
/// enough.
pub(crate) fn stacks(no_install: bool, options: &Options) -> Result<ExitCode> {
    if !elevate::is_root() {
        bail!("this traces processes: run it as root, or through sudo");
    }
    let chosen = chosen(&options.only)?;
    if options.write && chosen.len() < PROGRAMS.len() {
        bail!("--write keeps the table of all programs: leave out --only");
    }
    setup::ensure(setup::Purpose::Build, no_install)?;
    setup::ensure_packages(&packages(&chosen), no_install)?;
    let machine = machine::describe()?;
    let memtrace = memtrace::build()?;
    let workshop = Workshop::new()?;
    let mut all = Vec::new();
    for program in chosen {
        eprintln!("xtask: {}", program.name);
        let figures = run::trace(&memtrace, program, &workshop)?;
        all.push(Measured { program, version: (program.version)()?, figures });
    }
    let table = table::render(&machine, &all);
    println!("{table}");
    if options.write {
        keep("stacks.md", &table)?;
    }
    let are_whole = all.iter().all(|measured| measured.figures.is_whole());
    Ok(if are_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(only: &[String]) -> Result<Vec<&'static Program>> {
    let names: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("there is no program {unknown} here; there are {}", names.join(", "));
    }
    let is_wanted = |name| only.is_empty() || only.iter().any(|wanted| wanted == name);
    Ok(PROGRAMS.iter().filter(|program| is_wanted(program.name)).collect())
}

/// The packages of programs that are not where packages put them.
fn packages(programs: &[&Program]) -> Vec<&'static str> {
    let needed = programs.iter().flat_map(|program| program.needs);
    needed.filter(|(file, _)| !std::path::Path::new(file).exists()).map(|(_, it)| *it).collect()
}

#[cfg(test)]
mod tests {
    use super::{PROGRAMS, chosen};

    #[test]
    fn programs_are_chosen_by_name() {
        assert_eq!(chosen(&[]).unwrap().len(), PROGRAMS.len());
        let some: Vec<_> = chosen(&["node".into(), "perl".into()]).unwrap();
        assert_eq!(some.iter().map(|program| program.name).collect::<Vec<_>>(), ["perl", "node"]);
        assert!(chosen(&["nodes".into()]).is_err_and(|error| error.to_string().contains("node,")));
    }
}
