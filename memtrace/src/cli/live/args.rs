//! `memtrace live`, as typed.

use super::super::args::TraceArgs;
use super::super::help;
use super::super::who::SelectArgs;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `memtrace live`.
#[derive(Debug, Args)]
pub struct LiveArgs {
    /// Who is traced.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Show the reports of a recording instead of tracing, one after the other; needs no privileges
    #[arg(
        long,
        value_name = "FILE",
        help_heading = help::TARGET,
        conflicts_with_all = [
            "interval", "duration", "count", "tier", "ledger", "record", "sample_interval", "exact",
            "overhead_budget", "window", "debuginfod", "cmdline",
        ]
    )]
    pub replay: Option<PathBuf>,
    /// How.
    #[command(flatten)]
    pub trace: TraceArgs,
}
