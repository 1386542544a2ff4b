//! Reports as JSON, and the accounts that the programs give of themselves.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A report.
#[derive(Clone, Debug)]
pub struct Report(pub Value);

/// One process of a report.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a>(pub &'a Value);

/// What was allocated and freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub allocated_blocks: u64,
    pub allocated_bytes: u64,
    pub freed_blocks: u64,
    pub freed_bytes: u64,
    pub live_blocks: u64,
    pub live_bytes: u64,
}

/// What a program says that a tracer must have counted.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// The whole process.
    pub all: Account,
    /// Failed allocations of the whole process.
    pub failed: u64,
    /// By the function that called the allocator; only those that allocated something.
    pub callers: BTreeMap<String, Account>,
    /// All that it said.
    pub lines: Vec<String>,
}

impl Accounts {
    /// Reads lines such as `expect NAME allocated_blocks=5 …`. A program that says none of "all"
    /// has none.
    pub fn read(lines: &[String]) -> Self {
        let mut accounts = Self {
            all: Account::default(),
            failed: 0,
            callers: BTreeMap::new(),
            lines: lines.to_vec(),
        };
        for line in lines.iter().filter_map(|line| line.strip_prefix("expect ")) {
            let (name, figures) = line.split_once(' ').unwrap();
            let account = Account::of(|key| figure(figures, key));
            if name == "all" {
                accounts.all = account;
                accounts.failed = figure(figures, "failed");
            } else if account != Account::default() {
                accounts.callers.insert(name.to_owned(), account);
            }
        }
        accounts
    }

    /// The figure `key=N` of the line that begins with `start`.
    #[track_caller]
    pub fn figure(&self, start: &str, key: &str) -> u64 {
        let line = self.lines.iter().find(|line| line.starts_with(start));
        figure(line.unwrap_or_else(|| panic!("no line {start} in {:#?}", self.lines)), key)
    }

    /// Without what a caller did.
    #[must_use]
    pub fn without(mut self, caller: &str) -> Self {
        self.callers.remove(caller).unwrap();
        self
    }
}

/// The figure after `key=` among words.
fn figure(words: &str, key: &str) -> u64 {
    let value = words.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {key} in {words}")).parse().unwrap()
}

impl Account {
    /// Asks for each figure by its name.
    pub fn of(figure: impl Fn(&str) -> u64) -> Self {
        Self {
            allocated_blocks: figure("allocated_blocks"),
            allocated_bytes: figure("allocated_bytes"),
            freed_blocks: figure("freed_blocks"),
            freed_bytes: figure("freed_bytes"),
            live_blocks: figure("live_blocks"),
            live_bytes: figure("live_bytes"),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            allocated_blocks: self.allocated_blocks + other.allocated_blocks,
            allocated_bytes: self.allocated_bytes + other.allocated_bytes,
            freed_blocks: self.freed_blocks + other.freed_blocks,
            freed_bytes: self.freed_bytes + other.freed_bytes,
            live_blocks: self.live_blocks + other.live_blocks,
            live_bytes: self.live_bytes + other.live_bytes,
        }
    }
}

/// A number of a report.
#[track_caller]
pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

impl Report {
    /// Reads a line of output.
    pub fn read(line: &str) -> Self {
        let report: Value = serde_json::from_str(line).unwrap_or_else(|error| {
            panic!("no JSON: {error} in {line}");
        });
        assert_eq!(report["schema"], "memtrace.report/1");
        Self(report)
    }

    /// The process with this number.
    #[track_caller]
    pub fn process(&self, pid: u32) -> Process<'_> {
        let [process] = self.processes(pid)[..] else { panic!("not one pid {pid}: {}", self.0) };
        process
    }

    /// All that have or had this number.
    pub fn processes(&self, pid: u32) -> Vec<Process<'_>> {
        let processes = self.0["processes"].as_array().unwrap();
        processes.iter().filter(|process| process["pid"] == pid).map(Process).collect()
    }

    /// Nothing was lost, of no kind.
    #[track_caller]
    pub fn assert_nothing_lost(&self) {
        let loss = &self.0["loss"];
        for key in ["events", "stacks", "evicted_blocks"] {
            assert_eq!(loss[key], 0, "{loss}\n{}", self.without_frames());
        }
        let causes = loss["by_cause"].as_object().unwrap();
        assert!(!causes.is_empty());
        assert!(causes.values().all(|count| *count == 0), "{loss}");
    }

    /// The stacks whose frames are not known, of all processes, a line each: for who looks for the reason.
    fn without_frames(&self) -> String {
        let processes = self.0["processes"].as_array().into_iter().flatten();
        let of = |process: &Value| {
            let stacks = process["stacks"].as_array().into_iter().flatten();
            let unknown =
                stacks.filter(|stack| stack["frames"].as_array().is_none_or(Vec::is_empty));
            let who = (&process["pid"], &process["comm"], &process["state"]);
            unknown.map(|stack| format!("{who:?}: {stack}\n")).collect::<String>()
        };
        processes.map(of).collect()
    }
}

impl<'a> Process<'a> {
    /// Its stacks.
    pub fn stacks(&self) -> &'a [Value] {
        self.0["stacks"].as_array().unwrap()
    }

    /// A figure of its heap.
    #[track_caller]
    pub fn heap(&self, key: &str) -> u64 {
        number(&self.0["heap"][key])
    }

    /// The report says of this process what the process says of itself, to the byte; no free is
    /// unexplained; the stacks add up to the heap; every direct caller is the right one.
    #[track_caller]
    pub fn assert_exactly(&self, accounts: &Accounts) {
        self.assert_totals(accounts);
        assert_eq!(self.heap("unknown_frees"), 0);
        assert_eq!(self.callers(), accounts.callers, "{} by direct caller", self.0["comm"]);
    }

    /// The totals are these, and the stacks add up to them.
    #[track_caller]
    pub fn assert_totals(&self, accounts: &Accounts) {
        let heap = Account::of(|key| self.heap(key));
        assert_eq!(heap, accounts.all, "the whole heap of {}: {}", self.0["comm"], self.0["heap"]);
        assert_eq!(self.heap("failed"), accounts.failed, "failed allocations");
        assert_eq!(self.heap("missed_frees"), 0);
        assert_eq!(self.heap("evicted_blocks"), 0);
        assert_eq!(sum(self.stacks()), heap, "the sum over all stacks");
    }

    /// Stacks in which `caller` called the allocator.
    pub fn stacks_of(&self, caller: &str) -> Vec<&'a Value> {
        self.stacks().iter().filter(|stack| caller_of(stack) == caller).collect()
    }

    /// Allocator functions that `caller` called, as the report names them.
    pub fn functions(&self, caller: &str) -> BTreeSet<String> {
        let stacks = self.stacks_of(caller);
        stacks.iter().map(|stack| stack["function"].as_str().unwrap().to_owned()).collect()
    }

    /// Its account by direct caller.
    #[track_caller]
    pub fn callers(&self) -> BTreeMap<String, Account> {
        let mut callers: BTreeMap<String, Account> = BTreeMap::new();
        for stack in self.stacks() {
            let account = callers.entry(caller_of(stack).to_owned()).or_default();
            *account = account.plus(sum([stack]));
        }
        callers
    }

    /// Numbers of its stacks.
    pub fn stack_ids(&self) -> BTreeSet<String> {
        self.stacks().iter().map(|stack| stack["id"].as_str().unwrap().to_owned()).collect()
    }

    /// A figure, summed over its stacks.
    pub fn sum(&self, key: &str) -> u64 {
        self.stacks().iter().map(|stack| number(&stack[key])).sum()
    }
}

fn sum<'a>(stacks: impl IntoIterator<Item = &'a Value>) -> Account {
    stacks
        .into_iter()
        .map(|stack| Account::of(|key| number(&stack[key])))
        .fold(Account::default(), Account::plus)
}

/// The name of the first frame, the allocator's caller. libc's own symbols have several names for
/// one function; which of them is found depends on its debug information.
#[track_caller]
fn caller_of(stack: &Value) -> &str {
    let name = stack["frames"][0]["function"].as_str();
    let name = name.unwrap_or_else(|| panic!("the caller has no name: {stack}"));
    name.trim_start_matches("__GI_").trim_start_matches("__")
}

/// Names of a stack's frames, the allocator's caller first.
pub fn path_of(stack: &Value) -> Vec<&str> {
    let frames = stack["frames"].as_array().unwrap();
    frames.iter().map(|frame| frame["function"].as_str().unwrap_or("?")).collect()
}
