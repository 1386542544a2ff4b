//! The table at the end of `cargo xtask test`.

use super::tally::Tally;
use std::fmt;

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It ran; its tests may still have failed.
    Ran(Tally),
    /// It could not do its work, or what it checks is not so.
    Broken,
    /// It was not run, and that was accepted beforehand.
    NotRun,
}

/// A stage's line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) stage: &'static str,
    pub(super) verdict: Verdict,
    pub(super) seconds: f64,
}

impl Line {
    /// A stage that took no time.
    pub(super) fn new(stage: &'static str, verdict: Verdict) -> Self {
        Self { stage, verdict, seconds: 0.0 }
    }

    fn tally(&self) -> Tally {
        match self.verdict {
            Verdict::Ran(tally) => tally,
            Verdict::Broken => Tally { passed: 0, failed: 1 },
            Verdict::NotRun => Tally::default(),
        }
    }
}

/// All stages, in the order in which they ran.
#[derive(Debug, Default)]
pub(super) struct Summary {
    lines: Vec<Line>,
}

impl Summary {
    pub(super) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Nothing failed, and something passed.
    pub(super) fn is_good(&self) -> bool {
        let tally = self.tally();
        tally.failed == 0 && tally.passed > 0
    }

    fn tally(&self) -> Tally {
        self.lines.iter().fold(Tally::default(), |sum, line| sum.plus(line.tally()))
    }
}

/// The last line is `N passed, N failed`: tests one by one, any other stage as one.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            let tally = line.tally();
            let verdict = match line.verdict {
                Verdict::Ran(_) if tally.failed == 0 => "ok",
                Verdict::Ran(_) | Verdict::Broken => "FAILED",
                Verdict::NotRun => "NOT RUN",
            };
            let (stage, seconds) = (line.stage, line.seconds);
            write!(f, "{stage:<36} {verdict:<8} {seconds:>6.1} s")?;
            writeln!(f, "  {} passed, {} failed", tally.passed, tally.failed)?;
        }
        let tally = self.tally();
        writeln!(f, "{} passed, {} failed", tally.passed, tally.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Summary, Verdict};
    use crate::test::tally::Tally;

    fn summary(verdicts: &[Verdict]) -> Summary {
        Summary { lines: verdicts.iter().map(|verdict| Line::new("stage", *verdict)).collect() }
    }

    #[test]
    fn the_last_line_counts_everything() {
        let tally = Tally { passed: 7, failed: 1 };
        let text = summary(&[Verdict::Ran(tally), Verdict::Broken, Verdict::NotRun]).to_string();
        assert_eq!(text.lines().last(), Some("7 passed, 2 failed"));
        assert_eq!(text.matches("FAILED").count(), 2);
        assert_eq!(text.matches("NOT RUN").count(), 1);
    }

    #[test]
    fn only_passing_something_and_failing_nothing_is_good() {
        assert!(summary(&[Verdict::Ran(Tally::ONE), Verdict::NotRun]).is_good());
        assert!(!summary(&[Verdict::Ran(Tally::ONE), Verdict::Broken]).is_good());
        assert!(!summary(&[Verdict::Ran(Tally::default())]).is_good());
        assert!(!summary(&[]).is_good());
    }
}
