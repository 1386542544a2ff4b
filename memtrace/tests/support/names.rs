//! Processes that are looked for, beside one that is not meant.

use super::program::{Program, compiled};
use super::report::Report;
use super::tracer::Tracer;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// One final report that shows everything.
pub const WHOLE: [&str; 9] =
    ["--exact", "--interval", "0", "--min-age", "0", "--top", "0", "--format", "json"];

/// Copies of the C program, under names that nothing else on this machine has.
pub struct Names(pub tempfile::TempDir);

impl Names {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // For users other than the one that made it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    /// `mt` and the number of this process keep names of several runs apart; a comm has 15 bytes.
    pub fn name(word: &str) -> String {
        format!("mt{}{word}", std::process::id())
    }

    pub fn file(&self, word: &str) -> PathBuf {
        self.copy(word, "two_sizes")
    }

    /// A copy of this program.
    pub fn copy(&self, word: &str, program: &str) -> PathBuf {
        let file = self.0.path().join(Self::name(word));
        if !file.exists() {
            fs::copy(compiled(program), &file).unwrap();
        }
        file
    }

    pub fn start(&self, word: &str) -> Program {
        Program::start_file(&self.file(word), &[])
    }

    pub fn start_as(&self, word: &str, uid: u32) -> Program {
        Program::launch(word, Command::new(self.file(word)).uid(uid).gid(uid))
    }
}

/// Traces by these selectors through the work of both, and expects the first one alone in the report.
#[track_caller]
pub fn only(selectors: &[&str], meant: &mut Program, other: &mut Program) -> Report {
    let tracer = Tracer::typed(&[], &[WHOLE.as_slice(), selectors].concat());
    other.work();
    let accounts = meant.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let processes = report.0["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1, "{selectors:?}");
    report.process(meant.pid()).assert_exactly(&accounts);
    report
}
