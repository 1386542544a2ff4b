//! `cargo xtask stacks`: whether call stacks of stock programs are whole, measured on real work.

mod figures;
mod programs;
mod run;
mod table;
mod workshop;

use crate::bench::{keep, machine};
use crate::{elevate, run as memtrace, setup};
use anyhow::{Context as _, Result, bail};
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
    /// Rounds; of each program the one with the middle share of complete stacks counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Also keep the table, as docs/benchmarks/stacks.md
    #[arg(long)]
    write: bool,
}

/// A program that was traced through its work.
struct Measured {
    program: &'static Program,
    version: String,
    figures: Figures,
    /// The least and the greatest share of complete stacks, of allocations, in any round.
    range: (f64, f64),
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
        let rounds = (0..options.rounds).map(|_| run::trace(&memtrace, program, &workshop));
        let (figures, range) = middle(rounds.collect::<Result<_>>()?)?;
        all.push(Measured { program, version: (program.version)()?, figures, range });
    }
    let table = table::render(&machine, &all);
    println!("{table}");
    if options.write {
        keep("stacks.md", &table)?;
    }
    let are_whole = all.iter().all(|measured| measured.figures.is_whole());
    Ok(if are_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The round with the middle share of complete stacks (the lower of two), and the range of all. How many
/// are complete depends on how soon a library's table is there, so on what else the CPUs do.
fn middle(mut rounds: Vec<Figures>) -> Result<(Figures, (f64, f64))> {
    let share = |figures: &Figures| figures.shares().0;
    rounds.sort_by(|one, other| share(one).total_cmp(&share(other)));
    let range = rounds.first().map(share).zip(rounds.last().map(share));
    let lost: u64 = rounds.iter().map(|figures| figures.lost).sum();
    let place = rounds.len().saturating_sub(1) / 2;
    let middle = rounds.into_iter().nth(place);
    let (mut figures, range) = middle.zip(range).context("no rounds")?;
    // What any round lost is not hidden.
    figures.lost = lost;
    Ok((figures, range))
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
