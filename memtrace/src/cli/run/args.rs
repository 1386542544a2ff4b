//! `memtrace run`, as typed.

use super::super::args::TraceArgs;
use super::super::help;
use clap::Args;
use std::ffi::OsString;

/// Arguments of `memtrace run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// How it is traced.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Run the command as this user [default: who called sudo, else as memtrace runs]
    #[arg(long, value_name = "USER", help_heading = help::TARGET)]
    pub user: Option<String>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub words: Vec<OsString>,
}
