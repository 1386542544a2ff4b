//! Stages that go on beside others: they have build directories of their own, and cargo leaves a processor idle for a
//! fifth of the time. Each runs in a process of its own, so that what it prints can be shown in one piece.

use super::stages::{self, Stage};
use super::summary::{Line, Verdict};
use super::tally::Tally;
use crate::command::target;
use crate::elevate;
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

/// This program, whatever is built in its place meanwhile (`proc_pid_exe(5)`).
const OURSELVES: &str = "/proc/self/exe";

/// Stages that run one after the other while others do.
#[must_use]
pub(super) struct Beside {
    names: Vec<&'static str>,
    work: JoinHandle<Vec<Ended>>,
}

/// How one of them ended.
struct Ended {
    line: Line,
    said: String,
}

impl Beside {
    pub(super) fn start(stages: Vec<Stage>) -> Self {
        let names = stages.iter().map(|stage| stage.name).collect();
        Self { names, work: std::thread::spawn(move || stages.iter().map(perform).collect()) }
    }

    /// Waits for their end, and prints what they said.
    pub(super) fn finish(self) -> Vec<Line> {
        let Ok(ended) = self.work.join() else {
            return self.names.into_iter().map(|name| Line::new(name, Verdict::Broken)).collect();
        };
        let show = |ended: Ended| {
            println!("\n── {}, beside others ──\n{}", ended.line.stage, ended.said.trim_end());
            ended.line
        };
        ended.into_iter().map(show).collect()
    }
}

fn perform(stage: &Stage) -> Ended {
    let begin = Instant::now();
    let (verdict, said) = match run(stage) {
        Ok(said) => {
            let tally = said.lines().rev().find_map(Tally::of_line);
            (tally.map_or(Verdict::Broken, Verdict::Ran), said)
        }
        Err(error) => (Verdict::Broken, format!("{} failed: {error:#}", stage.name)),
    };
    Ended {
        line: Line { stage: stage.name, verdict, seconds: begin.elapsed().as_secs_f64() },
        said,
    }
}

/// Gives what it said.
fn run(stage: &Stage) -> Result<String> {
    let path = log(stage);
    let folder = path.parent().context("the log has no folder")?;
    elevate::make_folder(folder)?;
    // Another user's of an earlier run could not be written to.
    let _ = fs::remove_file(&path);
    let failed = || format!("cannot keep a log in {}", path.display());
    let file = File::create(&path).with_context(failed)?;
    let errors = file.try_clone().with_context(failed)?;
    let mut command = Command::new(OURSELVES);
    command.args(["stage", stage.name]).stdin(Stdio::null()).stdout(file).stderr(errors);
    command.status().context("cannot run this program again")?;
    let said = fs::read(&path).with_context(failed)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

fn log(stage: &Stage) -> PathBuf {
    target().join("tmp").join(format!("{}.log", stage.name.replace(' ', "-")))
}

/// `cargo xtask stage NAME`: one stage, in this process. Its last line is what came of it.
pub(crate) fn stage(name: &str) -> Result<ExitCode> {
    let Some(stage) = stages::all(None).into_iter().find(|stage| stage.name == name) else {
        bail!("there is no stage {name:?}");
    };
    let tally = match (stage.work)(None) {
        Ok(tally) => tally,
        Err(error) => {
            println!("{name} failed: {error:#}");
            Tally { passed: 0, failed: 1 }
        }
    };
    println!("{}", result_line(tally));
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// As test programs say it, so that it is read as their words are.
fn result_line(tally: Tally) -> String {
    format!("test result: so. {} passed; {} failed; 0 ignored", tally.passed, tally.failed)
}

#[cfg(test)]
mod tests {
    use super::{Tally, result_line, stage};

    #[test]
    fn what_came_of_a_stage_is_read_back() {
        let tally = Tally { passed: 7, failed: 2 };
        assert_eq!(Tally::of_line(&result_line(tally)), Some(tally));
        assert!(stage("no such stage").is_err());
    }
}
