//! The `memtrace` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    memtrace::cli::run()
}
