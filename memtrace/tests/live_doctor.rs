//! `memtrace doctor --pid` on programs that run: needs root and eBPF, and is asked for by
//! `MEMTRACE_PRIVILEGED=1`.

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Seconds after which an examination counts as hung. It takes four or so; how long exactly is the
/// machine's affair.
const PATIENCE: &str = "60";

/// Whether to run. Says loudly if not.
fn privileged() -> bool {
    let asked = std::env::var_os("MEMTRACE_PRIVILEGED").is_some_and(|value| value == "1");
    if !asked {
        eprintln!("NOT RUN: needs root and eBPF; set MEMTRACE_PRIVILEGED=1");
    }
    asked
}

/// A program that is killed at the end, whatever happens.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it says a line, so that it is past the dynamic linker.
    fn wait_for_line(&mut self) {
        let mut byte = [0];
        let output = self.0.stdout.as_mut().expect("piped");
        while byte[0] != b'\n' {
            output.read_exact(&mut byte).expect("a line");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A C program that allocates all the time.
fn busy(folder: &Path) -> Running {
    let (source, program) = (folder.join("busy.c"), folder.join("busy"));
    let text = "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
                void *volatile kept;\n\
                int main(void) {\n\
                  puts(\"ready\"); fflush(stdout);\n\
                  for (;;) { kept = malloc(100); free(kept); kept = calloc(1, 5); free(kept);\n\
                    usleep(1000); }\n\
                }\n";
    std::fs::write(&source, text).expect("the source can be written");
    let built = Command::new("cc").arg("-o").arg(&program).arg(&source).status();
    assert!(built.expect("cc is there").success());
    let mut running = Running::start(&mut Command::new(&program));
    running.wait_for_line();
    running
}

fn doctor(pid: u32, more: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args([PATIENCE, env!("CARGO_BIN_EXE_memtrace"), "doctor", "--pid", &pid.to_string()]);
    command.args(more).output().expect("timeout starts")
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// The sections on this topic.
fn sections<'a>(doctor: &'a Value, topic: &str) -> Vec<&'a Value> {
    let all = doctor["sections"].as_array().expect("sections");
    all.iter().filter(|section| section["topic"] == topic).collect()
}

fn row<'a>(section: &'a Value, function: &str) -> &'a Value {
    let rows = section["table"].as_array().expect("a table");
    rows.iter().find(|row| row["function"] == function).expect("the function is there")
}

#[test]
fn a_stock_program_is_examined_and_goes_on() {
    if !privileged() {
        return;
    }
    let mut cat = Running::start(&mut Command::new("cat"));
    // An echo: it is past the dynamic linker.
    cat.0.stdin.as_mut().expect("piped").write_all(b"one\n").expect("cat reads");
    cat.wait_for_line();
    let text = text(&doctor(cat.pid(), &[]));
    for part in ["glibc ", "malloc ", "push ", " link ", "call+return", "free ", "no call in 1."] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    cat.0.stdin.as_mut().expect("piped").write_all(b"two\n").expect("cat lives");
    cat.wait_for_line();
    drop(cat.0.stdin.take());
    assert!(cat.0.wait().expect("cat ends").success());
}

#[test]
fn a_busy_program_gets_a_prediction() {
    if !privileged() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut busy = busy(folder.path());
    let json = text(&doctor(busy.pid(), &["--format", "json"]));
    let doctor: Value = serde_json::from_str(&json).expect("JSON");
    let [probes] = sections(&doctor, "probes")[..] else { panic!("{doctor}") };
    let used = |line: &Value| line["detail"].as_str().is_some_and(|it| it.contains("is used"));
    assert_eq!(probes["lines"].as_array().expect("lines").iter().filter(|it| used(it)).count(), 1);
    let [glibc] = sections(&doctor, "allocator")[..] else { panic!("{doctor}") };
    let hits = |function| row(glibc, function)["hits_per_s"].as_u64().expect("counted");
    // Each round of the program calls malloc and calloc once, and free twice. A second cuts one
    // round at either end, and rates are rounded.
    assert!(hits("malloc") > 0 && hits("calloc") > 0, "{glibc}");
    assert!(hits("free").abs_diff(hits("malloc") + hits("calloc")) <= 4, "{glibc}");
    assert_eq!(hits("realloc"), 0);
    assert_eq!(row(glibc, "free")["probe"], "entry");
    assert_eq!(row(glibc, "malloc")["probe"], "call+return");
    assert!(row(glibc, "malloc")["traced_ns"].as_u64().is_some_and(|price| price > 0));
    let [cost] = sections(&doctor, "cost")[..] else { panic!("{doctor}") };
    assert!(cost["table"][0]["tracing_cores"].as_f64().is_some_and(|cores| cores > 0.0), "{cost}");
    assert!(busy.0.try_wait().expect("ours").is_none(), "it has ended");
}

#[test]
fn what_malloc_does_not_show_is_named() {
    if !privileged() {
        return;
    }
    let mut python = Running::start(
        Command::new("python3")
            .args(["-c", "import sys, time; print('ready', flush=True); sys.stdin.read()"]),
    );
    python.wait_for_line();
    let text = text(&doctor(python.pid(), &[]));
    assert!(text.contains("CPython") && text.contains("pymalloc"), "{text}");
    assert!(text.contains("PYTHONMALLOC=malloc"), "{text}");
}

#[test]
fn a_thread_stands_for_its_process() {
    if !privileged() {
        return;
    }
    let mut python = Running::start(Command::new("python3").args([
        "-c",
        "import sys, threading; t = threading.Thread(target=sys.stdin.read); t.start(); \
         print(t.native_id, flush=True)",
    ]));
    let mut said = Vec::new();
    let mut byte = [0];
    while byte[0] != b'\n' {
        python.0.stdout.as_mut().expect("piped").read_exact(&mut byte).expect("a number");
        said.push(byte[0]);
    }
    let thread: u32 = String::from_utf8_lossy(&said).trim().parse().expect("a number");
    let text = text(&doctor(thread, &[]));
    assert!(text.contains(&format!("Process {}", python.pid())), "{text}");
    assert!(text.contains(&format!("thread {thread} belongs to pid")), "{text}");
}

#[test]
fn a_process_that_has_gone_is_an_error_in_one_line() {
    if !privileged() {
        return;
    }
    let mut gone = Command::new("true").spawn().expect("true starts");
    gone.wait().expect("true ends");
    let output = doctor(gone.id(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains(&format!("no process {}", gone.id())), "{error}");
}
