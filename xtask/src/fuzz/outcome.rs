//! What came of feeding a reader, read from what libFuzzer says.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// One reader's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    name: String,
    /// Inputs that were tried.
    runs: Option<u64>,
    per_second: Option<u64>,
    /// Places in the code that inputs led to.
    coverage: Option<u64>,
    /// Largest resident memory, MB.
    memory: Option<u64>,
    pub(super) finding: Option<Finding>,
}

impl Outcome {
    /// The heading of the lines.
    pub(super) const HEAD: &str = "reader              runs  runs/s  places  memory  finding";

    pub(super) fn new(name: &str, said: &str, finding: Option<Finding>) -> Self {
        Self {
            name: name.to_owned(),
            runs: statistic(said, "stat::number_of_executed_units:").or_else(|| last_run(said)),
            per_second: statistic(said, "stat::average_exec_per_sec:"),
            coverage: last_after(said, " cov: "),
            memory: statistic(said, "stat::peak_rss_mb:"),
            finding,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known =
            |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
        let (runs, per_second) = (known(self.runs), known(self.per_second));
        let (coverage, memory) = (known(self.coverage), known(self.memory) + " MB");
        let finding = self.finding.as_ref().map_or("none", |finding| finding.kind.as_str());
        let name = &self.name;
        write!(f, "{name:14}{runs:>10}{per_second:>8}{coverage:>8}{memory:>8}  {finding}")
    }
}

/// An input that did harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What it did, in a few words.
    kind: String,
    /// The input, unless the program ended before it could be kept.
    input: Option<PathBuf>,
    program: PathBuf,
    log: PathBuf,
}

impl Finding {
    pub(super) fn new(program: &Path, log: &Path, said: &str, status: ExitStatus) -> Self {
        let panic = said.lines().find(|line| line.contains("panicked at"));
        let reason = said.lines().find_map(|line| line.split_once("ERROR: libFuzzer: "));
        let kind = panic.or(reason.map(|(_, reason)| reason));
        let written = said.lines().find_map(|line| line.split_once("Test unit written to "));
        Self {
            kind: kind.map_or_else(|| status.to_string(), |line| line.trim().to_owned()),
            input: written.map(|(_, path)| PathBuf::from(path.trim())),
            program: program.to_owned(),
            log: log.to_owned(),
        }
    }
}

/// Longest input that is printed itself, bytes: where the machine is gone afterwards, the log is all there is.
const MOST_PRINTED: usize = 8 << 10;
/// Last lines of the fuzzer's log that are printed.
const LAST_LINES: usize = 30;

impl Finding {
    /// All that is needed to look into it elsewhere: the end of the log, and the input unless it is large.
    pub(super) fn in_full(&self) -> String {
        let said = fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().filter(|line| !is_statistic(line)).collect();
        let mut text = format!("{self}\n");
        for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
            let _ = writeln!(text, "  | {line}");
        }
        let _ = match self.input.as_ref().map(fs::read) {
            Some(Ok(input)) if input.len() <= MOST_PRINTED => {
                writeln!(text, "  input, base64: {:?}", BASE64_STANDARD.encode(input))
            }
            Some(Ok(input)) => writeln!(text, "  input: {} bytes, not shown", input.len()),
            Some(Err(error)) => writeln!(text, "  input: cannot be read: {error}"),
            None => Ok(()),
        };
        text
    }
}

fn is_statistic(line: &str) -> bool {
    line.starts_with("stat::")
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, log, program) = (&self.kind, self.log.display(), self.program.display());
        match &self.input {
            Some(input) => {
                let input = input.display();
                writeln!(f, "{kind}\n  input:   {input}\n  again:   {program} {input}")?;
                writeln!(f, "  smaller: {program} -minimize_crash=1 -max_total_time=60 {input}")?;
                write!(
                    f,
                    "  keep it: in memtrace/fuzz/regressions, once it does no harm\n  log: {log}"
                )
            }
            None => write!(f, "{kind}, before the input could be kept\n  log: {log}"),
        }
    }
}

/// The number at the end of the line that begins with `name`.
fn statistic(said: &str, name: &str) -> Option<u64> {
    said.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

/// The number behind the last `mark`.
fn last_after(said: &str, mark: &str) -> Option<u64> {
    let (_, rest) = said.rsplit_once(mark)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Of lines that begin with `#1234` and a tab.
fn last_run(said: &str) -> Option<u64> {
    let numbers = said.lines().filter_map(|line| line.strip_prefix('#')?.split('\t').next());
    numbers.filter_map(|number| number.parse().ok()).next_back()
}

#[cfg(test)]
mod tests {
    use super::{Finding, MOST_PRINTED, Outcome};
    use std::fs;
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::Path;
    use std::process::ExitStatus;

    const CLEAN: &str = "#2\tINITED cov: 21 ft: 22\n#99\tDONE   cov: 87 ft: 99 corp: 5/9b\n\
        stat::number_of_executed_units: 99\nstat::average_exec_per_sec:     49\n\
        stat::peak_rss_mb:              31\n";
    const PANIC: &str = "#7\tNEW    cov: 8 ft: 9\nthread '<unnamed>' panicked at src/x.rs:1:2:\n\
        oops\n==1== ERROR: libFuzzer: deadly signal\nartifact_prefix='f/'; Test unit written to f/crash-1\n";

    #[test]
    fn figures_are_read_from_the_log() {
        let outcome = Outcome::new("name", CLEAN, None).to_string();
        let words: Vec<&str> = outcome.split_whitespace().collect();
        assert_eq!(words, ["name", "99", "49", "87", "31", "MB", "none"]);
    }

    #[test]
    fn a_finding_names_its_input_and_how_to_replay_it() {
        let finding =
            Finding::new(Path::new("name"), Path::new("log"), PANIC, ExitStatus::from_raw(77 << 8));
        let shown = finding.to_string();
        assert!(
            shown.contains("panicked at src/x.rs:1:2") && shown.contains("name f/crash-1"),
            "{shown}"
        );
        let line = Outcome::new("name", PANIC, Some(finding)).to_string();
        assert!(line.contains(" 7 ") && line.contains("panicked"), "{line}");
    }

    #[test]
    fn a_finding_in_full_has_the_log_and_the_input() {
        let folder = tempfile::tempdir().unwrap();
        let (log, input) = (folder.path().join("log"), folder.path().join("crash-1"));
        let said = PANIC.replace("f/crash-1", &input.display().to_string());
        fs::write(&log, format!("{said}stat::peak_rss_mb: 31\n")).unwrap();
        fs::write(&input, "abc").unwrap();
        let finding =
            Finding::new(Path::new("name"), &log, &said, ExitStatus::from_raw(77 << 8)).in_full();
        assert!(finding.contains("\n  | oops\n") && !finding.contains("stat::"), "{finding}");
        assert!(finding.ends_with("base64: \"YWJj\"\n"), "{finding}");
        fs::write(&input, vec![0; MOST_PRINTED + 1]).unwrap();
        let finding =
            Finding::new(Path::new("name"), &log, &said, ExitStatus::from_raw(77 << 8)).in_full();
        assert!(finding.ends_with("8193 bytes, not shown\n"), "{finding}");
    }

    #[test]
    fn a_sudden_end_is_a_finding_without_input() {
        let finding =
            Finding::new(Path::new("name"), Path::new("log"), "", ExitStatus::from_raw(9));
        assert!(finding.to_string().contains("signal: 9"), "{finding}");
    }
}
