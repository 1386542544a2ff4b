//! Naming places in files: time, and the memory that stays.

use super::{Options, release};
use crate::command::read;
use anyhow::Result;
use std::process::Command;

/// The section. The example picks the files and writes the table.
pub(super) fn section(options: &Options) -> Result<String> {
    let program = release("--example", "symbolize_bench")?;
    let rounds = options.rounds.to_string();
    let table = read(Command::new(program).args(["--rounds", &rounds]))?;
    Ok(format!(
        "## Names\n\n\
         From a new symbolizer's thread to the names of 10,000 places all over a file's code, which the \
         page cache holds: functions, lines and inlined functions, as far as the file or an installed \
         debug file has them. Resident memory of the process before the first round, at most, and \
         after the first with what is kept for the next report.\n\n{table}"
    ))
}
