//! `memtrace live`, as typed.

use super::super::args::TraceArgs;
use super::super::help;
use super::super::who::SelectArgs;
use clap::Args;
use std::path::PathBuf;

/// Options without effect on a recording that is shown: it is as it was recorded.
const OF_TRACING: [&str; 47] = [
    "interval",
    "duration",
    "count",
    "sort",
    "full",
    "show_blocks",
    "tier",
    "watch_growth",
    "watch_pace",
    "ledger",
    "debuginfod",
    "cmdline",
    "record",
    "record_every",
    "record_files",
    "record_limit",
    "verbose",
    "quiet",
    "alloc_fn",
    "free_fn",
    "realloc_fn",
    "allocators",
    "alert_live",
    "alert_rss",
    "alert_growth",
    "alert_total_live",
    "alert_total_rss",
    "alert_total_growth",
    "alert_command",
    "alert_limit",
    "sample_interval",
    "exact",
    "overhead_budget",
    "window",
    "no_windows",
    "max_memory",
    "unwind",
    "no_walk_cache",
    "link",
    "link_for",
    "no_usdt",
    "usdt_semaphores",
    "ring_size",
    "rings",
    "control",
    "no_control",
    "bpf_log",
];

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
        conflicts_with_all = OF_TRACING
    )]
    pub replay: Option<PathBuf>,
    /// How.
    #[command(flatten)]
    pub trace: TraceArgs,
}

#[cfg(test)]
mod tests {
    use crate::cli::args::Cli;
    use clap::CommandFactory as _;

    /// Those that a recording on the screen heeds, and those that are refused on every screen or told apart
    /// elsewhere.
    const OTHERS: [&str; 12] = [
        "replay",
        "top",
        "min_age",
        "min_size",
        "max_size",
        "full_names",
        "show_internals",
        "color",
        "format",
        "output",
        "help",
        "version",
    ];

    #[test]
    fn every_option_without_effect_on_a_replay_is_refused() {
        let cli = Cli::command();
        let live = cli.find_subcommand("live").unwrap();
        let replay = live.get_arguments().find(|arg| arg.get_id() == "replay").unwrap();
        let refused = live.get_arg_conflicts_with(replay);
        let headings = [crate::cli::help::TARGET, crate::cli::help::VIEWS].map(Some);
        for option in live.get_arguments() {
            let id = option.get_id().as_str();
            let is_elsewhere =
                headings.contains(&option.get_help_heading()) || OTHERS.contains(&id);
            let is_refused = refused.iter().any(|other| other.get_id() == id);
            assert!(is_refused != is_elsewhere, "--{id}");
        }
    }
}
