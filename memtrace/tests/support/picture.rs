//! Whose the memory of a process is, as a report says it and as the process's allocator does.

use super::program::{Program, compiled};
use super::report::{Accounts, Report, number};
use super::tracer::Tracer;
use serde_json::Value;
use std::process::Command;

/// What the report says of a process's memory.
pub struct Picture<'a> {
    pub process: &'a Value,
    pub picture: &'a Value,
}

impl<'a> Picture<'a> {
    pub fn of(process: &'a Value) -> Self {
        Self { process, picture: &process["picture"] }
    }

    pub fn owner(&self, key: &str) -> u64 {
        number(&self.picture["owners"][key])
    }

    /// A figure that must be exact.
    #[track_caller]
    pub fn exact(&self, name: &str) -> u64 {
        let [least, most] = ["least", "most"].map(|end| self.owner(&format!("{name}_{end}_bytes")));
        assert_eq!(least, most, "{name}: {}", self.picture["owners"]);
        least
    }

    pub fn resident(&self, kind: &str) -> u64 {
        let kinds = self.picture["kinds"].as_array().unwrap();
        kinds.iter().filter(|it| it["kind"] == kind).map(|it| number(&it["resident_bytes"])).sum()
    }

    /// Everything is exact, and the parts are the whole.
    #[track_caller]
    pub fn assert_adds_up(&self) {
        let touched = number(&self.picture["touched_least_bytes"]);
        assert_eq!(touched, number(&self.picture["touched_most_bytes"]));
        let parts =
            ["rounding", "allocator_slack", "older_or_slack", "program_mapped", "older", "unknown"];
        let parts: u64 = parts.into_iter().map(|name| self.exact(name)).sum();
        assert_eq!(self.owner("undecided_bytes"), 0);
        let kinds = ["heap_segment", "malloc_arena", "anonymous"];
        let all: u64 = kinds.into_iter().map(|kind| self.resident(kind)).sum();
        assert_eq!(touched + parts, all, "{}", self.picture);
    }

    /// Every mapping since tracing began is somebody's.
    #[track_caller]
    pub fn assert_all_known(&self) {
        assert_eq!(self.exact("unknown"), 0, "{:#}", self.process["mapped_stacks"]);
        let files = self.process["allocator_mappings"].as_array().unwrap();
        let mapped: u64 = files.iter().map(|it| number(&it["live_bytes"])).sum();
        assert_eq!(mapped, self.owner("allocator_mapped_bytes"));
    }
}

/// What the allocator says.
#[derive(Clone, Copy)]
pub struct Judge {
    /// Bytes that it has.
    pub system: u64,
    /// … of them in no block.
    pub free: u64,
}

impl Judge {
    pub fn new(said: &Accounts, when: &str) -> Self {
        let figure = |key| said.figure(&format!("judge {when} "), key);
        Self { system: figure("system"), free: figure("free") }
    }
}

/// `slack.c` after its work, traced from before it.
pub struct Slack {
    pub report: Report,
    pub pid: u32,
    pub accounts: Accounts,
    pub before: Judge,
    pub after: Judge,
}

/// Traces `slack.c` with these arguments, and with a library before its own.
#[track_caller]
pub fn slack(arguments: &[&str], preload: Option<&str>) -> Slack {
    let mut command = Command::new(compiled("slack"));
    command.args(arguments).envs(preload.map(|library| ("LD_PRELOAD", library)));
    let (mut program, said) = Program::launch_and_hear("slack", &mut command);
    let tracer = Tracer::of(&[&program]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let before = Judge::new(&Accounts::read(&said), "before");
    let after = Judge::new(&accounts, "after");
    let pid = program.pid();
    report.process(pid).assert_exactly(&accounts);
    assert!(program.end().success());
    Slack { report, pid, accounts, before, after }
}
