//! Whose the memory of a real process is: what its allocator says of itself, and what memtrace says of it.
#![cfg(feature = "live")]

mod support;

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use support::lines::Lines;
use support::picture::{Judge, Picture, Slack, slack};
use support::program::compiled;
use support::report::{Accounts, Report, number};
use support::{may_trace, send, wait_for_end, wait_until};

const PAGE: u64 = 4096;
/// Of `slack.c`.
const SIZE: u64 = 1016;
/// What glibc puts before each block.
const HEADER: u64 = 8;

#[test]
fn slack_is_what_the_allocator_says_it_is() {
    if !may_trace() {
        return;
    }
    let Slack { report, pid, accounts, before, after } = slack(&[], None);
    let seen = Picture::of(report.process(pid).0);
    seen.assert_adds_up();
    seen.assert_all_known();
    // All that the allocator has got meanwhile, and nothing else.
    let grown = after.system - before.system;
    assert_eq!(seen.owner("allocator_mapped_bytes"), grown);
    assert_eq!(seen.owner("allocator_writable_bytes"), grown);
    assert_eq!(seen.exact("program_mapped"), accounts.figure("bytes ", "touched"));
    // The size is one that the allocator need not round.
    let live = accounts.figure("bytes ", "live");
    assert_eq!((number(&seen.picture["touched_least_bytes"]), seen.exact("rounding")), (live, 0));
    // What the segment had before is not all known; both together are what is in no block.
    assert!(seen.exact("older_or_slack") <= before.system);
    let slack = seen.exact("allocator_slack") + seen.exact("older_or_slack");
    let untouched = after.system - seen.resident("heap_segment");
    assert_eq!(slack, after.system - untouched - live);
    // The allocator counts headers as of blocks, and as used what it keeps for the next ones (`tcache`).
    let free = slack + untouched - live / SIZE * HEADER;
    assert!(free >= after.free && free - after.free < 4 * PAGE, "{free} {}", after.free);
    assert_eq!(seen.exact("older"), seen.resident("anonymous") - seen.exact("program_mapped"));
}

#[test]
fn arenas_are_the_allocators() {
    if !may_trace() {
        return;
    }
    let Slack { report, pid, accounts, before, after } = slack(&["3"], None);
    let seen = Picture::of(report.process(pid).0);
    seen.assert_adds_up();
    seen.assert_all_known();
    let grown = after.system - before.system;
    assert_eq!(seen.owner("allocator_writable_bytes"), grown);
    // Address space is taken in pieces of 64 MiB.
    assert!(seen.owner("allocator_mapped_bytes").is_multiple_of(64 << 20));
    assert!(seen.owner("allocator_mapped_bytes") >= grown);
    assert_eq!(seen.exact("program_mapped"), accounts.figure("bytes ", "touched"));
    let live = accounts.figure("bytes ", "live");
    let resident = seen.exact("allocator_resident");
    assert_eq!(seen.exact("allocator_slack"), resident - live);
    let free = seen.exact("allocator_slack") + grown - resident - live / SIZE * HEADER;
    let judge = after.free - before.free;
    assert!(free >= judge && free - judge < 3 * 4 * PAGE, "{free} {judge}");
}

/// It is killed when dropped; what it started ends with its input.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or nothing else can be done about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Of a command that memtrace starts nothing is older.
#[test]
fn of_a_command_all_is_known() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(["run", "--interval", "0", "--min-age", "0", "--top", "0", "-f", "json", "-o"]);
    command.arg(&file).arg("--").arg(compiled("slack"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().unwrap());
    let child = &mut running.0;
    let mut input = child.stdin.take().unwrap();
    let mut output = Lines::of("slack", child.stdout.take().unwrap());
    input.write_all(b"go\n").unwrap();
    let accounts = Accounts::read(&output.until("done", String::new));
    send(child, libc::SIGUSR1);
    let first = wait_until("a report", || {
        let text = std::fs::read_to_string(&file).ok()?;
        Some(text.lines().next()?.to_owned()).filter(|_| text.ends_with('\n'))
    });
    input.write_all(b"go\n").unwrap();
    assert!(wait_for_end("memtrace", child).success());
    let report = Report::read(&first);
    report.assert_nothing_lost();
    let process = &report.0["processes"][0];
    let seen = Picture::of(process);
    seen.assert_adds_up();
    let after = Judge::new(&accounts, "after");
    assert_eq!((seen.exact("older"), seen.exact("older_or_slack")), (0, 0));
    assert_eq!(seen.owner("allocator_mapped_bytes"), after.system);
    assert_eq!(seen.owner("allocator_writable_bytes"), after.system);
    assert_eq!(seen.exact("allocator_resident"), seen.resident("heap_segment"));
    let live = number(&seen.picture["touched_least_bytes"]) + seen.exact("rounding");
    assert_eq!(seen.exact("allocator_slack"), seen.resident("heap_segment") - live);
    // On a busy machine the first calls may come before the tables that their stacks need.
    let others = seen.exact("program_mapped") + seen.exact("unknown");
    assert!(others >= accounts.figure("bytes ", "touched"));
}
