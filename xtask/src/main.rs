//! Chores of the repository: `cargo xtask --help`.

mod bench;
mod command;
mod demo;
mod dist;
mod elevate;
mod fixtures;
mod fuzz;
mod judges;
mod kernels;
mod processes;
mod run;
mod setup;
mod stacks;
mod test;
mod tidy;
mod watchdog;
mod workers;

use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;

/// Chores of memtrace's repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what the build needs: an eBPF-capable compiler, its sources, a linker
    Setup(Install),
    /// Set up, build, and trace a small leaking program: a leak report in half a minute
    Demo(Install),
    /// Set up, build, and run memtrace with these arguments, as root
    Run {
        #[command(flatten)]
        install: Install,
        /// Arguments of memtrace, such as `--pid 1234`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Set up and check everything: format, lints, tidy, documentation, all tests
    Test {
        #[command(flatten)]
        install: Install,
        /// Leave out the tests that trace processes, which need root
        #[arg(long)]
        unprivileged: bool,
        /// Leave out the tests on other kernels
        #[arg(long)]
        no_kernels: bool,
        /// Run only the tests whose names contain this, on this machine's kernel, and no other check
        #[arg(last = true)]
        filter: Option<String>,
    },
    /// Run the tests that trace processes on other kernels, in qemu, and print a table
    Kernels {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: kernels::Options,
    },
    /// Measure what tracing costs: without a subcommand memtrace and its neighbours under all workloads, in one
    /// table
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: bench::peers::overview::Options,
        #[command(subcommand)]
        what: Option<Bench>,
    },
    /// Trace stock programs through real work and print whether their call stacks are whole
    Stacks {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: stacks::Options,
    },
    /// Feed every reader of hostile bytes with what a fuzzer makes up, and say what did harm
    Fuzz {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: fuzz::Options,
    },
    /// Build the release and put all that a packager wants into target/dist: program, manual pages, completions,
    /// licences, an archive, check sums
    Dist {
        #[command(flatten)]
        install: Install,
        /// Only the pages and completions, made by the newest memtrace that is built
        #[arg(long)]
        no_build: bool,
    },
    /// Check the rules of the house that no compiler knows
    Tidy,
    /// Compile the C programs that the tests trace; with --check, hold them against valgrind
    Fixtures {
        /// Run each under valgrind and compare what both counted
        #[arg(long)]
        check: bool,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Untraced, empty probes and memtrace in turn: a malloc loop, sqlite3, losses, detaching
    Overhead {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: bench::Options,
    },
    /// Unwinding tables: what they cost to build and keep, and how long tracing takes to begin
    Unwind {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: bench::unwind::Options,
    },
    /// Many processes: how long tracing takes to begin, whether short-lived ones are lost, what idle ones cost
    Crowds {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: bench::crowds::Options,
    },
    /// memtrace beside bpftrace, memleak, heaptrack, massif, memray and allocators' own profilers
    Peers {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: bench::peers::Options,
    },
    /// Whether an overhead budget is held, by memtrace's account and by the program's work
    Budget {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: bench::budget::Options,
    },
    /// How often the truth lies in the intervals that reports of samples give: many runs of a known program
    Sampling {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: bench::sampling::Options,
    },
    /// Reports of a recording of a hundred million events, and how a later file of a recording begins
    Recordings {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: bench::recordings::Options,
    },
    /// The same process under memtrace and heaptrack or memray: whether they count the same blocks, and why not
    Totals {
        #[command(flatten)]
        install: Install,
        #[command(flatten)]
        options: bench::totals::Options,
    },
}

/// How far a chore may go.
#[derive(Args, Clone, Copy)]
struct Install {
    /// Install nothing: list what is missing and exit 1
    #[arg(long)]
    no_install: bool,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(chore: Chore) -> anyhow::Result<ExitCode> {
    match chore {
        Chore::Setup(install) => {
            setup::ensure(setup::Purpose::Build, install.no_install)?;
            eprintln!("xtask: this machine is set up");
        }
        Chore::Demo(install) => return demo::demo(install.no_install),
        Chore::Run { install, arguments } => return run::run(install.no_install, &arguments),
        Chore::Test { install, unprivileged, no_kernels, filter } => {
            return test::test(&test::Options {
                no_install: install.no_install,
                unprivileged,
                no_kernels,
                filter,
            });
        }
        Chore::Kernels { install, options } => {
            return kernels::kernels(install.no_install, &options);
        }
        Chore::Bench { what: Some(what), .. } => bench(&what)?,
        Chore::Bench { what: None, install, options } => {
            bench::peers::overview::overview(install.no_install, &options)?;
        }
        Chore::Stacks { install, options } => return stacks::stacks(install.no_install, &options),
        Chore::Fuzz { install, options } => return fuzz::fuzz(install.no_install, &options),
        Chore::Dist { install, no_build } => dist::dist(install.no_install, no_build)?,
        Chore::Tidy => return tidy::tidy(),
        Chore::Fixtures { check: false } => {
            for program in fixtures::compile_all()? {
                println!("{}", program.display());
            }
        }
        Chore::Fixtures { check: true } => fixtures::check_all()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn bench(what: &Bench) -> anyhow::Result<()> {
    match what {
        Bench::Overhead { install, options } => bench::overhead(install.no_install, *options),
        Bench::Unwind { install, options } => bench::unwind::unwind(install.no_install, options),
        Bench::Crowds { install, options } => bench::crowds::crowds(install.no_install, options),
        Bench::Peers { install, options } => bench::peers::peers(install.no_install, options),
        Bench::Budget { install, options } => bench::budget::budget(install.no_install, options),
        Bench::Sampling { install, options } => {
            bench::sampling::sampling(install.no_install, options)
        }
        Bench::Recordings { install, options } => {
            bench::recordings::recordings(install.no_install, options)
        }
        Bench::Totals { install, options } => bench::totals::totals(install.no_install, options),
    }
}
