//! Reads a guest's console while it comes: kernel messages, what the tests print, and the marks that
//! init puts between them.

use super::results::Group;
use serde_json::Value;
use std::collections::VecDeque;

/// How much of the end is shown.
const TAIL: usize = 40;

/// How much is shown from the first trouble on, where the kernel says which of its functions it was
/// in: its registers, their processes' too, and the call stack.
const TROUBLE: usize = 80;

/// What init's lines for us begin with.
const MARK: &str = "@@memtrace ";

/// What a kernel message begins with that says that the kernel is broken. A process that crashes is
/// told of in other words (`traps: name[1] general protection fault …`, `name[1]: segfault …`).
const TROUBLES: [&str; 9] = [
    "Kernel panic",
    "BUG: ",
    "watchdog: BUG: ",
    "kernel BUG at ",
    "Oops: ",
    "general protection fault",
    "invalid opcode: ",
    "double fault: ",
    "Unable to handle kernel ",
];

/// What was understood so far.
#[derive(Debug, Default)]
pub(super) struct Console {
    /// What the guest's kernel calls itself.
    pub(super) release: Option<String>,
    /// The groups that began.
    pub(super) groups: Vec<Group>,
    /// The first kernel message that says that the kernel is broken.
    pub(super) oops: Option<String>,
    /// The exit code of the worst group: init has come to its end.
    pub(super) sentinel: Option<i32>,
    /// The last object that the tracer printed of its programs.
    pub(super) verdicts: Option<Value>,
    part: Part,
    last: VecDeque<String>,
}

/// What the lines are of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Part {
    /// The kernel, or init.
    #[default]
    System,
    /// The last of the groups, which began at this uptime, in seconds.
    Group(f64),
    /// The verifier's verdicts.
    Verdicts,
}

impl Console {
    /// Takes a line, without its end. Returns whether a group has ended with it.
    pub(super) fn line(&mut self, line: &str) -> bool {
        let is_trouble = |message: &&str| TROUBLES.iter().any(|start| message.starts_with(start));
        if self.oops.is_none() {
            self.oops = kernel_message(line).filter(is_trouble).map(str::to_owned);
        }
        self.keep(line);
        // Not at the beginning if the kernel spoke at the same time.
        if let Some((_, mark)) = line.split_once(MARK) {
            return self.mark(mark).unwrap_or(false);
        }
        self.content(line);
        false
    }

    /// Keeps a line for those that want to know what went wrong: the last ones, or those from the
    /// first trouble on.
    fn keep(&mut self, line: &str) {
        match &self.oops {
            Some(_) if self.last.len() >= TAIL + TROUBLE => return,
            None if self.last.len() == TAIL => drop(self.last.pop_front()),
            _ => {}
        }
        self.last.push_back(line.to_owned());
    }

    /// The end of the console, or what stands around the first trouble.
    pub(super) fn tail(&self) -> String {
        let lines = self.last.iter().map(|line| format!("  | {line}\n"));
        lines.collect()
    }

    /// Says why the guest is not to be trusted, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        match (&self.oops, self.sentinel) {
            (Some(oops), _) if oops.starts_with("Kernel panic") => {
                Some(format!("the kernel panicked: {oops}"))
            }
            (Some(oops), _) => Some(format!("the kernel reported a fault of its own: {oops}")),
            (None, None) => Some("it ended before all tests had run".to_owned()),
            (None, Some(_)) => None,
        }
    }

    /// Takes a mark; none of ours if it has other fields.
    fn mark(&mut self, mark: &str) -> Option<bool> {
        let mut words = mark.split_whitespace();
        let kind = words.next()?;
        match kind {
            "release" => self.release = Some(words.next()?.to_owned()),
            "begin" => {
                self.groups.push(Group::new(words.next()?));
                self.part = Part::Group(words.next()?.parse().ok()?);
            }
            "end" => {
                let name = words.next()?;
                let Part::Group(begun) = self.part else { return None };
                let group = self.groups.last_mut().filter(|group| group.name == name)?;
                group.code = Some(words.next()?.parse().ok()?);
                group.seconds = words.next()?.parse::<f64>().ok()? - begun;
                self.part = Part::System;
                return Some(true);
            }
            "doctor-begin" => self.part = Part::Verdicts,
            "doctor-end" => self.part = Part::System,
            "sentinel" => self.sentinel = Some(words.next()?.parse().ok()?),
            _ => {}
        }
        Some(false)
    }

    fn content(&mut self, line: &str) {
        match self.part {
            Part::System => {}
            Part::Group(_) => {
                if let Some(group) = self.groups.last_mut() {
                    group.line(line);
                }
            }
            Part::Verdicts => {
                let value = serde_json::from_str(line).ok();
                self.verdicts = value.filter(Value::is_object).or(self.verdicts.take());
            }
        }
    }
}

/// A kernel message's text: what follows `[   12.345678] `, or `[   12.345678][    T1] `, which may
/// stand behind what a test had begun to print.
fn kernel_message(line: &str) -> Option<&str> {
    line.match_indices('[').find_map(|(start, _)| {
        let (time, rest) = line[start + 1..].split_once(']')?;
        let (seconds, fraction) = time.trim_start().split_once('.')?;
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(seconds) || !is_number(fraction) || fraction.len() != 6 {
            return None;
        }
        let caller = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        caller.map_or(rest, |(_, rest)| rest).strip_prefix(' ')
    })
}

#[cfg(test)]
mod tests {
    use super::{Console, kernel_message};
    use crate::test::tally::Tally;

    fn read(text: &str) -> Console {
        let mut console = Console::default();
        text.lines().for_each(|line| {
            console.line(line);
        });
        console
    }

    const GOOD: &str = "\
[    0.000000] Linux version 6.1.0
@@memtrace release 6.1.0-50-cloud-amd64
@@memtrace begin links 3.10
running 2 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured
@@memtrace end links 0 5.60
@@memtrace doctor-begin
{\"programs\":[]}
@@memtrace doctor-end 0
@@memtrace sentinel 0
[    6.000000] reboot: Power down
";

    #[test]
    fn a_run_is_understood() {
        let console = read(GOOD);
        assert_eq!(console.trouble(), None);
        assert_eq!(console.release.as_deref(), Some("6.1.0-50-cloud-amd64"));
        let [group] = console.groups.as_slice() else { panic!("{:?}", console.groups) };
        assert!(group.is_good() && group.name == "links");
        assert_eq!(group.tally, Tally { passed: 2, failed: 0 });
        assert!((group.seconds - 2.5).abs() < 1e-9);
        assert_eq!(group.output.len(), 3);
        assert!(console.verdicts.is_some_and(|verdicts| verdicts["programs"].is_array()));
    }

    #[test]
    fn an_end_without_the_sentinel_is_trouble() {
        let console = read(GOOD.split_once("@@memtrace doctor").unwrap().0);
        assert!(console.trouble().unwrap().contains("before all tests had run"));
        assert!(read("").trouble().is_some());
        assert!(read("@@memtrace sentinel\n@@memtrace sentinel x\n").trouble().is_some());
    }

    #[test]
    fn kernel_faults_are_trouble_also_in_the_middle_of_a_line() {
        for message in [
            "[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs",
            "test a ... [   12.000001] BUG: kernel NULL pointer dereference, address: 0",
            "[   12.000001][  T123] general protection fault, probably for non-canonical address",
            "[ 1234.000001] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!",
            "[    1.000000] Oops: 0000 [#1] SMP",
        ] {
            let console = read(&format!("{message}\n{GOOD}"));
            assert!(console.trouble().is_some(), "{message}");
        }
        assert!(
            read("[    1.234567] Kernel panic - not syncing")
                .trouble()
                .unwrap()
                .contains("panicked")
        );
    }

    #[test]
    fn the_same_words_from_tests_and_about_processes_are_none() {
        for line in [
            "Kernel panic - not syncing",
            "BUG: this test is wrong",
            "assertion failed: [1.5] BUG: x",
            "[    1.234567] traps: fork[77] general protection fault ip:1 sp:2 error:0 in libc",
            "[    1.234567] exec[7]: segfault at 0 ip 0 sp 0 error 4",
        ] {
            let console = read(&format!("{line}\n{GOOD}"));
            assert_eq!(console.trouble(), None, "{line}");
        }
    }

    #[test]
    fn a_message_is_what_follows_the_time() {
        assert_eq!(kernel_message("[    0.000000] text"), Some("text"));
        assert_eq!(kernel_message("[é] [    0.000000] text"), Some("text"));
        for other in ["[0.0] text", "[    0.000000]text", "[    0.000000", "", "[[[", "[.000000] a"]
        {
            assert_eq!(kernel_message(other), None, "{other}");
        }
    }

    #[test]
    fn a_group_that_did_not_end_is_there_without_a_code() {
        let console = read("@@memtrace begin links 3.10\ntest a ... \n@@memtrace end loss 0 4\n");
        assert_eq!(console.groups[0].code, None);
        assert!(!console.groups[0].is_good());
    }

    #[test]
    fn verdicts_that_are_damaged_are_not_known() {
        for text in ["{\"programs\":[", "error: unexpected argument", "[]", "7"] {
            let console =
                read(&format!("@@memtrace doctor-begin\n{text}\n@@memtrace doctor-end 2\n"));
            assert_eq!(console.verdicts, None, "{text}");
        }
    }

    #[test]
    fn the_tail_is_bounded() {
        let text: String = (0..100).map(|number| format!("line {number}\n")).collect();
        let tail = read(&text).tail();
        assert_eq!(tail.lines().count(), 40);
        assert!(tail.ends_with("line 99\n") && tail.starts_with("  | line 60\n"));
    }

    #[test]
    fn what_the_kernel_says_of_its_trouble_is_not_pushed_out_by_the_rest() {
        let lines = |from: u32| -> String {
            (from..from + 300).map(|number| format!("line {number}\n")).collect()
        };
        let trouble = "[    1.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 123s!\n";
        let tail = read(&format!("{}{trouble}{}", lines(0), lines(300))).tail();
        assert_eq!(tail.lines().count(), 120);
        assert!(tail.starts_with("  | line 260\n") && tail.contains("stuck for 123s"), "{tail}");
        assert!(tail.ends_with("line 378\n"), "{tail}");
    }
}
