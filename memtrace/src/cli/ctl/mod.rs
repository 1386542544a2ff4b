//! `memtrace ctl`: tells a running tracer something.

use super::exit::{Exit, UsageError, printable};
use super::output::write_stdout;
use super::values;
use crate::control::{Answer, Request, Status, ask, find, own_folder};
use crate::model::mark::MarkName;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `memtrace ctl`.
#[derive(Debug, Args)]
pub struct CtlArgs {
    /// The memtrace that is meant, where several run
    #[arg(short, long, value_name = "TRACER", value_parser = values::pid, allow_negative_numbers = true)]
    pub pid: Option<u32>,
    /// Its socket, where it was given one with --control
    #[arg(long, value_name = "PATH", conflicts_with = "pid")]
    pub control: Option<PathBuf>,
    /// What it is told.
    #[command(subcommand)]
    pub what: What,
}

/// What a tracer can be told.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Give this moment a name, which reports tell
    Mark {
        /// At most 128 bytes, without control characters
        name: String,
    },
    /// Make a report now
    Report,
    /// Say how it stands
    Status,
}

/// Tells it.
///
/// # Errors
/// When there is no tracer to be told, or it cannot do that.
pub fn run(args: &CtlArgs) -> anyhow::Result<Exit> {
    let request = match &args.what {
        What::Mark { name } => {
            let name = MarkName::new(name).map_err(|error| UsageError(error.to_string()))?;
            Request::Mark { name }
        }
        What::Report => Request::Report,
        What::Status => Request::Status,
    };
    let socket = match &args.control {
        Some(path) => path.clone(),
        None => find(&own_folder()?, args.pid)?,
    };
    let told = words(&ask(&socket, &request)?);
    write_stdout(told.as_bytes())?;
    Ok(Exit::Success)
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Marked { name, since_start_s } => {
            format!("marked {since_start_s:.3} s after the start: {}\n", printable(name.as_str()))
        }
        Answer::Reporting => "a report is being made\n".to_owned(),
        Answer::Status(status) => of_status(status),
        // Asking has made an error of it.
        Answer::Error { message } => format!("{}\n", printable(message)),
    }
}

fn of_status(status: &Status) -> String {
    let Status { pid, version, began, uptime_s, .. } = status;
    let Status { processes, records, reports, marks, is_recorded, .. } = status;
    let version = printable(version);
    let recorded = if *is_recorded { "yes" } else { "no" };
    format!(
        "tracer     pid {pid}, memtrace {version}\nbegan      {began}, {uptime_s:.1} s ago\n\
         processes  {processes}\nevents     {records}\nreports    {reports}\nmarks      {marks}\n\
         recorded   {recorded}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{CtlArgs, words};
    use crate::cli::args::{Cli, Command};
    use crate::cli::exit::UsageError;
    use crate::control::{Answer, Status};
    use clap::Parser as _;

    fn typed(words: &[&str]) -> CtlArgs {
        let words = ["memtrace", "ctl"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().command {
            Some(Command::Ctl(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_before_anybody_is_asked() {
        let long = "x".repeat(129);
        for name in ["", "a\nb", "\x1b[2J", &long] {
            let error = super::run(&typed(&["mark", name])).unwrap_err();
            assert!(error.is::<UsageError>(), "{error}");
        }
    }

    #[test]
    fn where_nobody_listens_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        let error = super::run(&typed(&["--control", path.to_str().unwrap(), "status"]));
        assert!(error.unwrap_err().to_string().contains("cannot reach the tracer"));
    }

    #[test]
    fn what_a_tracer_says_is_harmless() {
        let status = Status {
            pid: 7,
            version: "1\x1b[2J".to_owned(),
            began: jiff::Timestamp::UNIX_EPOCH,
            uptime_s: 1.0,
            processes: 2,
            records: 3,
            reports: 4,
            marks: 5,
            is_recorded: true,
        };
        let text = words(&Answer::Status(Box::new(status)));
        assert!(text.starts_with("tracer     pid 7, memtrace 1\\u{1b}[2J\n"), "{text}");
        assert!(text.ends_with("marks      5\nrecorded   yes\n"), "{text}");
    }
}
