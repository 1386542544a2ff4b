//! The screen on a terminal, driven by keys, while a program is traced; and the terminal afterwards.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
mod terminal;

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use support::program::Program;
use support::tracer::Tracer;
use support::{may_trace, wait_until};
use terminal::PseudoTerminal;

const MEMTRACE: &str = env!("CARGO_BIN_EXE_memtrace");
const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";
const CONTROL_C: &str = "\x03";
const CONTROL_U: &str = "\x15";

/// The screen of a program that is about to allocate 5 blocks of 100,000 bytes, all probes in place.
fn watching(program: &Program) -> PseudoTerminal {
    let pid = program.pid().to_string();
    let arguments = ["live", "--pid", &pid, "--exact", "--interval", "300ms", "--no-control"];
    let mut screen = PseudoTerminal::start(MEMTRACE, &arguments);
    screen.wait_for(&["1 process", "grows", "LOST events 0", "q quit"]);
    assert!(screen.is_taken());
    screen
}

fn growing() -> Program {
    Program::start("grows", &["5", "100000"])
}

fn number(report: &Value, path: &str) -> u64 {
    report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path}"))
}

#[test]
fn keys_lead_from_a_process_to_its_frames_and_to_a_file() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shown.json");
    let mut program = growing();
    let mut screen = watching(&program);
    program.work();
    // 500,000 bytes.
    screen.wait_for(&["488 KiB", "in 5 blocks"]);
    screen.press(ENTER);
    screen.wait_for(&["call stacks of grows", "kept < main"]);
    screen.press(ENTER);
    screen.wait_for(&["frames of stack", "grows.c:", "FUNCTION"]);
    screen.press(ESCAPE);
    screen.wait_for(&["call stacks of grows"]);
    screen.press(ESCAPE);
    screen.wait_for(&["processes (1)", "by growth"]);
    screen.press("s");
    screen.wait_for(&["by rate"]);
    screen.press("/nothing");
    screen.wait_for(&["processes (0)", "nothing matches"]);
    screen.press(ESCAPE);
    screen.wait_for(&["processes (1)"]);
    screen.press("p");
    screen.wait_for(&["PAUSED"]);
    for told in ["written to", "exists already"] {
        screen.press("w");
        screen.wait_for(&["write to: memtrace-"]);
        screen.press(CONTROL_U);
        screen.press(file.to_str().unwrap());
        screen.press(ENTER);
        screen.wait_for(&[told]);
    }
    assert_written(&file);
    screen.press("?");
    screen.wait_for(&["this help"]);
    screen.press("x");
    screen.press("q");
    assert_eq!(screen.wait(), 0);
    assert!(program.is_alive());
    assert!(program.end().success());
}

/// What was shown, exactly.
fn assert_written(file: &Path) {
    let report: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let heap = |name: &str| number(&report, &format!("/processes/0/heap/{name}"));
    assert_eq!((heap("live_bytes"), heap("live_blocks")), (500_000, 5));
    assert_eq!(heap("allocated_blocks"), 5);
}

#[test]
fn what_ends_stays_on_the_screen_until_the_user_leaves() {
    if !may_trace() {
        return;
    }
    let mut program = growing();
    let mut screen = watching(&program);
    program.work();
    screen.wait_for(&["488 KiB"]);
    assert!(program.end().success());
    screen.wait_for(&["exit 0", "0 processes + 1 ended", "ENDED: nothing is traced any more"]);
    screen.press(ENTER);
    screen.wait_for(&["call stacks of grows"]);
    screen.press(CONTROL_C);
    assert_eq!(screen.wait(), 0);
}

#[test]
fn signals_give_the_terminal_back() {
    if !may_trace() {
        return;
    }
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut program = growing();
        let screen = watching(&program);
        screen.signal(signal);
        assert_eq!(screen.wait(), 0, "signal {signal}");
        program.work();
        assert!(program.end().success());
    }
}

#[test]
fn a_terminal_that_is_closed_ends_tracing() {
    if !may_trace() {
        return;
    }
    let mut program = growing();
    let screen = watching(&program);
    screen.hang_up();
    program.work();
    assert!(program.end().success());
}

#[test]
fn the_screen_follows_the_size_of_the_terminal() {
    if !may_trace() {
        return;
    }
    let mut program = growing();
    let mut screen = watching(&program);
    for (rows, cols) in [(40, 120), (10, 40), (2, 5), (24, 80)] {
        screen.resize(rows, cols);
        if (rows, cols) == (2, 5) {
            screen.wait_for(&["too s"]);
            continue;
        }
        screen.wait_for_line(usize::from(rows) - 1, "Esc back");
        screen.wait_for_line(0, "memtrace live");
        screen.wait_for(&["grows", "LOST"]);
    }
    screen.press("q");
    assert_eq!(screen.wait(), 0);
    assert!(program.is_alive());
}

#[test]
fn a_recording_is_shown_without_tracing() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("run.mtrace");
    let mut program = growing();
    let tracer = Tracer::with(&[&program], &["--record", recording.to_str().unwrap()]);
    program.work();
    assert_eq!(tracer.stop().status.code(), Some(0));
    assert!(program.end().success());
    let mut screen =
        PseudoTerminal::start(MEMTRACE, &["live", "--replay", recording.to_str().unwrap()]);
    screen.wait_for(&["488 KiB", "in 5 blocks", "ENDED: the recording is over"]);
    screen.press(ENTER);
    screen.wait_for(&["kept < main"]);
    screen.press("q");
    assert_eq!(screen.wait(), 0);
    // A part of it is shown as far as it goes.
    let bytes = fs::read(&recording).unwrap();
    fs::write(&recording, &bytes[..bytes.len() - 20]).unwrap();
    let mut screen =
        PseudoTerminal::start(MEMTRACE, &["live", "--replay", recording.to_str().unwrap()]);
    screen.wait_for(&["ENDED"]);
    screen.press("q");
    assert_ne!(screen.wait(), 2);
}

#[test]
fn what_cannot_be_traced_is_told_on_the_terminal_as_it_is() {
    if !may_trace() {
        return;
    }
    let mut screen = PseudoTerminal::start(MEMTRACE, &["live", "--pid", "4194304"]);
    screen.wait_for(&["memtrace: error:", "4194304"]);
    assert_eq!(screen.wait(), 1);
    let mut screen = PseudoTerminal::start(MEMTRACE, &["live", "--replay", "/nonexistent"]);
    screen.wait_for(&["memtrace: error: cannot open \"/nonexistent\""]);
    assert_eq!(screen.wait(), 1);
}

/// A terminal multiplexer, which is a terminal to what it runs and keeps what that shows. It ends when dropped.
struct Multiplexer(tempfile::TempDir);

impl Multiplexer {
    /// 80 columns by 24 lines, in which a shell runs `words` and waits then.
    fn running(words: &[&str]) -> Self {
        let it = Self(tempfile::tempdir().unwrap());
        let shell = ["sh", "-c", "\"$@\"; echo status $?; sleep 60", "sh"];
        let new = ["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24"];
        it.ask(&[&new[..], &shell, words].concat());
        it
    }

    fn ask(&self, words: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.0.path().join("socket")).args(words);
        let output = tmux.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it shows, once all of `words` are there.
    fn shows(&self, words: &[&str]) -> String {
        wait_until(&format!("{words:?} on the terminal"), || {
            let shown = self.ask(&["capture-pane", "-p"]);
            words.iter().all(|word| shown.contains(word)).then_some(shown)
        })
    }

    fn press(&self, key: &str) {
        self.ask(&["send-keys", key]);
    }
}

impl Drop for Multiplexer {
    fn drop(&mut self) {
        let socket = self.0.path().join("socket");
        let _ = Command::new("tmux").arg("-S").arg(socket).arg("kill-server").status();
    }
}

/// As people leave it running on servers.
#[test]
fn it_is_usable_in_tmux_at_the_usual_size() {
    if !may_trace() {
        return;
    }
    let mut program = growing();
    let pid = program.pid().to_string();
    let terminal = Multiplexer::running(&[
        MEMTRACE,
        "live",
        "--pid",
        &pid,
        "--exact",
        "--interval",
        "300ms",
        "--no-control",
    ]);
    terminal.shows(&["1 process", "grows", "q quit"]);
    program.work();
    let shown = terminal.shows(&["488 KiB", "in 5 blocks", "PID NAME"]);
    assert!(shown.lines().count() <= 24, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    terminal.press("Enter");
    terminal.shows(&["call stacks of grows", "kept < main"]);
    terminal.press("Enter");
    terminal.shows(&["frames of stack", "grows.c:"]);
    terminal.press("?");
    terminal.shows(&["any key leaves it"]);
    terminal.press("Escape");
    terminal.ask(&["resize-window", "-x", "60", "-y", "12"]);
    let shown = terminal.shows(&["frames of stack", "LOST events 0"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
    terminal.press("q");
    let left = terminal.shows(&["status 0"]);
    assert!(!left.contains("frames of stack"), "the terminal is what it was before: {left}");
    assert!(program.end().success());
}
