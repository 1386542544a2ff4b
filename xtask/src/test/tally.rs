//! Counts what test programs report, while it passes by.

use super::complaints;
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// Tests that passed and failed; a stage that is no test program counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl Tally {
    /// One check that went well.
    pub(crate) const ONE: Self = Self { passed: 1, failed: 0 };

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }

    /// Reads a line such as `test result: ok. 5 passed; 1 failed; 0 ignored; …`. An ignored test
    /// counts as failed: it asserts nothing.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |what: &str| {
            let entry = counts.split(';').find_map(|entry| entry.trim().strip_suffix(what))?;
            entry.trim().parse::<u32>().ok()
        };
        Some(Self { passed: count(" passed")?, failed: count(" failed")? + count(" ignored")? })
    }
}

/// Runs a command that runs Rust tests, shows its output as it comes, and counts.
///
/// # Errors
/// When it fails without a failed test to show for it: it did not compile, or it crashed.
pub(crate) fn run(command: &mut Command) -> Result<Tally> {
    let name = crate::command::shown(command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {name}"))?;
    let mut tally = Tally::default();
    // Of one test program at a time: a command may run several.
    let mut said: Vec<String> = Vec::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.with_context(|| format!("cannot read what {name} says"))?;
            println!("{line}");
            let counted = Tally::of_line(&line);
            said.push(line);
            if let Some(counted) = counted {
                tally = tally.plus(counted);
                complaints::note_tests(&name, said.iter().map(String::as_str));
                said.clear();
            }
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    if !status.success() && !said.is_empty() {
        // Of the last program that came to no result; cargo's own words go elsewhere.
        let how = format!("{status}, before all had come to a result");
        complaints::note_crash(&name, &how, said.iter().map(String::as_str));
    }
    if !status.success() && tally.failed == 0 {
        bail!("{name}: {status}");
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::{Tally, run};
    use std::process::Command;

    #[test]
    fn results_are_read() {
        let line = "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 5, failed: 0 }));
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 5, failed: 3 }));
        assert_eq!(Tally::of_line("test a::b ... ok"), None);
        assert_eq!(Tally::of_line("test result: strange"), None);
    }

    #[test]
    fn programs_are_counted_together_and_a_crash_is_an_error() {
        let line = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'";
        let mut twice = Command::new("sh");
        twice.args(["-c", &format!("{line}; {line}")]);
        assert_eq!(run(&mut twice).unwrap(), Tally { passed: 4, failed: 0 });
        let mut crash = Command::new("sh");
        crash.args(["-c", &format!("{line}; exit 101")]);
        assert!(run(&mut crash).is_err());
    }
}
