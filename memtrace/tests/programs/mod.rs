//! What the tests on real programs share: targets that are ended whatever happens, memtrace as a
//! user runs it, and conversations with programs that answer line by line.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a test fails by panicking; each test program uses some"
)]

use crate::support::patience;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Nothing here takes longer, also on a busy machine: whatever does hangs.
pub fn limit() -> Duration {
    patience(Duration::from_secs(90))
}

/// Fails the test if a program is missing: a test that did not run must not look like one that did.
pub fn require(program: &str, package: &str) {
    let found = if program.contains('/') {
        Path::new(program).exists()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).exists())
    };
    assert!(found, "{program} is missing: install the package {package} (apt install {package})");
}

/// Waits for a child, with a [`limit`].
fn wait(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return status;
        }
        assert!(begun.elapsed() < limit(), "pid {} does not end", child.id());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process that we have started and not yet waited for.
pub fn signal(pid: u32, number: i32) {
    let pid = i32::try_from(pid).expect("a pid");
    // SAFETY: kill(2) touches no memory.
    assert_eq!(unsafe { libc::kill(pid, number) }, 0, "signal {number} to {pid}");
}

/// A process to be traced. Killed at the end of the test.
pub struct Target(Child);

impl Target {
    /// Starts it with nothing to read and nobody to read from it.
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the target starts"))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// It has neither ended nor been stopped, and has no probes left.
    pub fn assert_unharmed(&mut self) {
        assert!(self.0.try_wait().expect("the child is ours").is_none(), "the target has ended");
        assert_running(self.pid());
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.0)
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("the child is ours").is_none()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process is not stopped by a debugger or a signal.
fn assert_running(pid: u32) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line[name.len().min(line.len())..].trim().to_owned()
    };
    assert!(!line("State:").to_lowercase().starts_with('t'), "stopped: {}", line("State:"));
    assert_eq!(line("TracerPid:"), "0");
}

/// memtrace, running. Killed if the test fails.
pub struct Memtrace {
    child: Child,
    stderr: Receiver<String>,
    stdout: std::thread::JoinHandle<String>,
    said: String,
}

/// How a run of memtrace ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Memtrace {
    /// A command that runs it.
    pub fn command() -> Command {
        Command::new(env!("CARGO_BIN_EXE_memtrace"))
    }

    /// Starts `command`, which runs memtrace in the end.
    pub fn start(command: &mut Command) -> Self {
        Self::start_into(command, Stdio::piped())
    }

    /// The same, with its reports going to `stdout`.
    pub fn start_into(command: &mut Command, stdout: Stdio) -> Self {
        let command = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().expect("memtrace starts");
        let stderr = lines(child.stderr.take().expect("it was piped"));
        let reports = child.stdout.take();
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            if let Some(mut reports) = reports {
                let _ = reports.read_to_string(&mut text);
            }
            text
        });
        Self { child, stderr, stdout, said: String::new() }
    }

    /// Starts it on `pid` and waits until it traces.
    pub fn attach(pid: u32, arguments: &[&str]) -> Self {
        let mut command = Self::command();
        let mut this = Self::start(command.args(["--pid", &pid.to_string()]).args(arguments));
        this.wait_until_tracing();
        this
    }

    /// Until the line that says that the probes are in place.
    pub fn wait_until_tracing(&mut self) {
        self.wait_for_line("tracing ");
    }

    /// Waits until it traces (`true`) or has said why it does not.
    pub fn is_tracing(&mut self) -> bool {
        let line = self.stderr.recv_timeout(limit()).expect("it says something");
        self.said.push_str(&line);
        self.said.push('\n');
        line.starts_with("tracing ")
    }

    /// Until a line on standard error begins so.
    pub fn wait_for_line(&mut self, beginning: &str) {
        loop {
            let Ok(line) = self.stderr.recv_timeout(limit()) else {
                panic!("no line {beginning:?}, but: {}", self.said);
            };
            self.said.push_str(&line);
            self.said.push('\n');
            if line.starts_with(beginning) {
                return;
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, number: i32) {
        signal(self.pid(), number);
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let status = wait(&mut self.child);
        for line in &self.stderr {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        let stdout = self.stdout.join().expect("the reader ends with its pipe");
        Ended { status, stdout, stderr: self.said }
    }

    /// Ctrl-C, and what came of it.
    pub fn stop(self) -> Ended {
        self.signal(libc::SIGINT);
        self.end()
    }

    /// Ends it as nothing can be caught.
    pub fn kill(self) {
        self.signal(libc::SIGKILL);
        assert_eq!(self.end().status.signal(), Some(libc::SIGKILL));
    }
}

/// Runs memtrace to its end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    run_to_end(Memtrace::command().args(arguments))
}

/// Runs a command to its end, memtrace or another one.
pub fn run_to_end(command: &mut Command) -> Ended {
    Memtrace::start(command).end()
}

impl Ended {
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// It exited with `code` and said one line that holds all of `words`; no report, no panic.
    pub fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), code, "{}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "one line, but: {}", self.stderr);
        assert!(self.stderr.starts_with("memtrace: error: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in: {}", self.stderr);
        }
        assert_eq!(self.stdout, "");
    }

    /// The last report, which was asked for in JSON, of a run that ended with `code`.
    pub fn report(&self, code: i32) -> Value {
        assert_eq!(self.code(), code, "{}", self.stderr);
        let last = self.stdout.lines().last().unwrap_or_else(|| panic!("no report: {self:?}"));
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"))
    }
}

/// The lines of a stream, read on a thread of its own so that its writer never waits.
fn lines(stream: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// A program that answers requests, one line each.
pub struct Talker {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Talker {
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it was piped"));
        Self { child, requests, answers }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends `request`, which may have several lines, and gives the line that answers it.
    pub fn ask(&mut self, request: &str) -> String {
        let requests = self.requests.as_mut().expect("not yet closed");
        writeln!(requests, "{request}").and_then(|()| requests.flush()).expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        assert!(answer.ends_with('\n'), "the program has ended: {answer:?}");
        answer
    }

    /// Sends a line break and waits for one byte.
    pub fn ask_byte(&mut self) -> u8 {
        let requests = self.requests.as_mut().expect("not yet closed");
        requests.write_all(b"\n").expect("it listens");
        let mut answer = [0];
        self.answers.read_exact(&mut answer).expect("it answers");
        answer[0]
    }

    pub fn assert_unharmed(&mut self) {
        assert!(self.child.try_wait().expect("the child is ours").is_none(), "it has ended");
        assert_running(self.pid());
    }

    /// Closes its input and gives what it still says, and how it ended.
    pub fn finish(mut self) -> (String, ExitStatus) {
        self.requests = None;
        let mut rest = String::new();
        self.answers.read_to_string(&mut rest).expect("it is text");
        (rest, wait(&mut self.child))
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
