//! What came of the tests on one kernel.

use crate::test::tally::Tally;
use std::fmt;
use std::time::Duration;

/// A group of tests: one program.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) tally: Tally,
    /// Names of the tests that failed.
    pub(super) failed: Vec<String>,
    /// Its exit code, if it ended.
    pub(super) code: Option<i32>,
    pub(super) seconds: f64,
    /// All it printed.
    pub(super) output: Vec<String>,
    /// Tests that the harness takes as passed, and that were not for this kernel, or not for this machine.
    inapplicable: u32,
    /// A test did nothing, because it was not told that it may trace.
    is_idle: bool,
    /// The harness has come to its end.
    is_complete: bool,
}

impl Group {
    /// One that is about to run.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Takes a line of what it prints.
    pub(super) fn line(&mut self, line: &str) {
        if let Some(tally) = Tally::of_line(line) {
            self.tally = self.tally.plus(tally);
            self.is_complete = true;
        }
        // The tests say so themselves; it may stand behind what the harness has begun to print.
        if let Some((_, reason)) = line.split_once("NOT RUN: ") {
            let is_idle = reason.contains("needs root");
            self.is_idle |= is_idle;
            self.inapplicable += u32::from(!is_idle);
        }
        // The harness lists those that failed once more at the end, each on a line of its own.
        let name = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"));
        self.failed.extend(name.map(str::to_owned));
        self.output.push(line.to_owned());
    }

    /// It ended, no test failed, and each did what it is for.
    pub(super) fn is_good(&self) -> bool {
        self.code == Some(0) && self.tally.failed == 0 && self.is_complete && !self.is_idle
    }

    /// For sums: a group that failed without a failed test to show for it counts as one.
    pub(super) fn counted(&self) -> Tally {
        let Tally { passed, failed } = self.tally;
        let passed = passed.saturating_sub(self.inapplicable);
        Tally { passed, failed: if self.is_good() { 0 } else { failed.max(1) } }
    }

    /// Why it is not good, beyond single tests.
    pub(super) fn trouble(&self) -> Option<String> {
        match self.code {
            _ if self.is_good() => None,
            None => Some("it did not end".to_owned()),
            // `timeout` itself, and a shell that saw it kill.
            Some(124 | 137) => Some(format!("it was stopped after {:.0} s", self.seconds)),
            _ if self.is_idle => Some("a test traced nothing".to_owned()),
            Some(0) if !self.is_complete => Some("it is no test program".to_owned()),
            Some(code) if self.tally.failed == 0 => Some(format!("exit code {code}")),
            Some(_) => None,
        }
    }
}

/// Short enough for a table: `3 ok, 1 FAILED, 2 n/a, 2.3 s`.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { passed, failed } = self.counted();
        write!(f, "{passed} ok, ")?;
        for (count, what) in [(failed, "FAILED"), (self.inapplicable, "n/a")] {
            if count > 0 {
                write!(f, "{count} {what}, ")?;
            }
        }
        write!(f, "{:.1} s", self.seconds)
    }
}

/// A kernel's results.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// As `--only` calls it.
    pub(super) kernel: String,
    /// What the kernel calls itself.
    pub(super) release: Option<String>,
    /// The groups that were to run.
    pub(super) wanted: Vec<String>,
    /// The groups that began, in order.
    pub(super) groups: Vec<Group>,
    /// What the verifier said of our programs, as `memtrace doctor` prints it.
    pub(super) verdicts: Option<serde_json::Value>,
    /// What went wrong with the whole of it.
    pub(super) trouble: Option<String>,
    /// From start to end, of all its guests together.
    pub(super) time: Duration,
}

impl Run {
    /// What came of a group.
    pub(super) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Whether a group was to run.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted == name)
    }

    /// Takes what another guest with the same kernel has to tell.
    pub(super) fn join(&mut self, other: Self) {
        self.release = self.release.take().or(other.release);
        self.wanted.extend(other.wanted);
        self.groups.extend(other.groups);
        self.verdicts = self.verdicts.take().or(other.verdicts);
        let troubles = self.trouble.take().into_iter().chain(other.trouble);
        self.trouble = troubles.reduce(|all, more| format!("{all}\n{more}"));
        self.time += other.time;
    }

    /// All of it went well, and it was all of it.
    pub(super) fn is_good(&self) -> bool {
        self.trouble.is_none()
            && self.wanted.iter().all(|name| self.group(name).is_some_and(Group::is_good))
    }

    /// All groups together; trouble with the whole counts as one failure, and so does a group that
    /// did not run.
    pub(super) fn counted(&self) -> Tally {
        let failure = Tally { passed: 0, failed: 1 };
        let groups =
            self.wanted.iter().map(|name| self.group(name).map_or(failure, Group::counted));
        let trouble = self.trouble.iter().map(|_| failure);
        groups.chain(trouble).fold(Tally::default(), Tally::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Run};
    use crate::test::tally::Tally;

    fn group(lines: &[&str], code: Option<i32>) -> Group {
        let mut group = Group::new("links");
        lines.iter().for_each(|line| group.line(line));
        group.code = code;
        group
    }

    #[test]
    fn tests_that_failed_are_named_and_counted() {
        let failed = group(
            &[
                "test a::b ... FAILED",
                "---- a::b stdout ----",
                "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured",
            ],
            Some(101),
        );
        assert!(!failed.is_good());
        assert_eq!(failed.failed, ["a::b"]);
        assert_eq!(failed.counted(), Tally { passed: 3, failed: 1 });
        assert_eq!(failed.trouble(), None);
    }

    #[test]
    fn what_did_not_end_or_did_nothing_is_a_failure() {
        let ok = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured";
        assert!(group(&[ok], Some(0)).is_good());
        assert_eq!(group(&[], None).counted(), Tally { passed: 0, failed: 1 });
        assert_eq!(group(&[], Some(137)).trouble().as_deref(), Some("it was stopped after 0 s"));
        assert_eq!(group(&[], Some(3)).trouble().as_deref(), Some("exit code 3"));
        let idle = group(&["NOT RUN: a traces real processes and needs root", ok], Some(0));
        assert!(!idle.is_good() && idle.counted().failed == 1);
        let other = group(&["hello"], Some(0));
        assert_eq!(other.trouble().as_deref(), Some("it is no test program"));
    }

    #[test]
    fn a_test_that_is_not_for_this_kernel_has_not_passed() {
        let lines = [
            "test multi_links_outlive ... NOT RUN: this kernel has no multi links",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured",
        ];
        let group = group(&lines, Some(0));
        assert!(group.is_good());
        assert_eq!(group.counted(), Tally { passed: 2, failed: 0 });
        assert_eq!(group.to_string(), "2 ok, 1 n/a, 0.0 s");
    }

    #[test]
    fn a_run_without_a_group_is_not_good() {
        let ok = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured";
        let run = |wanted: &[&str]| Run {
            wanted: wanted.iter().map(|name| (*name).to_owned()).collect(),
            groups: vec![group(&[ok], Some(0))],
            ..Run::default()
        };
        assert!(run(&["links"]).is_good() && !run(&["links", "loss"]).is_good());
        assert_eq!(run(&["links", "loss"]).counted(), Tally { passed: 3, failed: 1 });
        let run = Run { trouble: Some("it hung".to_owned()), ..run(&["links"]) };
        assert!(!run.is_good());
        assert_eq!(run.counted(), Tally { passed: 3, failed: 1 });
    }
}
