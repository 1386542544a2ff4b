//! Marks: whoever names a moment of a running trace gets, at that moment and later from a recording, exactly what
//! was done before it. And nobody harms a tracer through its control socket.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use support::program::Program;
use support::report::Report;
use support::tracer::Tracer;
use support::{limit, may_trace, wait_until};

const MEMTRACE: &str = env!("CARGO_BIN_EXE_memtrace");

fn memtrace(words: &[&str]) -> Output {
    Command::new(MEMTRACE).args(words).stdin(Stdio::null()).output().unwrap()
}

/// `memtrace ctl` of the tracer at `socket`, which must succeed.
#[track_caller]
fn ctl(socket: &Path, words: &[&str]) -> String {
    let words = [&["ctl", "--control", socket.to_str().unwrap()], words].concat();
    let output = memtrace(&words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What a tracer answers to these bytes; nothing if it closes the connection.
fn say(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(limit())).unwrap();
    // It may have heard enough before all is said.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    text(&answer).to_owned()
}

/// A file as a word.
fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Traces `program` for one final report, with more options.
fn trace(program: &Program, options: &[&str]) -> Tracer {
    let usual = ["--exact", "-i", "0", "--min-age", "0", "--top", "0", "-f", "json"];
    Tracer::typed(&[program], &[&usual, options].concat())
}

/// Blocks that a stack of the fixture allocated and freed.
fn of_stack(report: &Report, pid: u32, function: &str) -> [u64; 2] {
    let stacks = report.process(pid).0["stacks"].as_array().unwrap();
    let is_it = |stack: &&Value| stack["frames"][0]["function"] == function;
    let Some(stack) = stacks.iter().find(is_it) else { return [0; 2] };
    ["allocated_blocks", "freed_blocks"].map(|name| stack[name].as_u64().unwrap())
}

/// What the phases of the fixture did until then, all of it.
#[track_caller]
fn assert_done(report: &Report, pid: u32, first: [u64; 2], second: [u64; 2], third: [u64; 2]) {
    report.assert_nothing_lost();
    let seen = ["first", "second", "third"].map(|function| of_stack(report, pid, function));
    assert_eq!(seen, [first, second, third]);
}

/// The report of a recording at a moment.
#[track_caller]
fn at(recording: &Path, moment: &str) -> Report {
    let output = memtrace(&["report", word(recording), "-f", "json", "--at", moment]);
    assert_eq!(output.status.code(), Some(0), "{moment}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    Report::read(text(&output.stdout).trim_end())
}

/// The names in a report.
fn names(report: &Report) -> Vec<&str> {
    let marks = report.0["marks"].as_array().unwrap();
    marks.iter().map(|mark| mark["name"].as_str().unwrap()).collect()
}

#[test]
fn a_moment_that_was_named_has_exactly_what_was_done_before() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (socket, recording) = (folder.path().join("control"), folder.path().join("run.mtrace"));
    let mut program = Program::start("phases", &[]);
    let pid = program.pid();
    let options = ["--control", word(&socket), "--record", word(&recording)];
    let mut tracer = trace(&program, &options);
    program.tell();
    program.wait_for("phase 1");
    let told = ctl(&socket, &["mark", "after größe 1"]);
    assert!(told.starts_with("marked ") && told.ends_with(": after größe 1\n"), "{told}");
    program.tell();
    program.wait_for("phase 2");
    tracer.signal(libc::SIGUSR2);
    wait_until("the mark of the signal", || {
        ctl(&socket, &["status"]).contains("marks      2\n").then_some(())
    });
    // Its time is told to the millisecond, below.
    thread::sleep(Duration::from_millis(5));
    program.tell();
    program.wait_for("done");
    ctl(&socket, &["mark", "end"]);
    ctl(&socket, &["report"]);
    let report = tracer.report();
    assert_eq!(names(&report), ["after größe 1", "mark 1", "end"]);
    let last = tracer.stop().only_report();
    assert!(!socket.exists(), "the socket is left");
    assert_done(&last, pid, [100, 60], [50, 5], [40, 1]);
    assert_eq!(names(&last), ["after größe 1", "mark 1", "end"]);

    let first = at(&recording, "after größe 1");
    assert_done(&first, pid, [100, 10], [0, 0], [0, 0]);
    assert_eq!(names(&first), ["after größe 1"]);
    let second = at(&recording, "mark 1");
    assert_done(&second, pid, [100, 40], [50, 0], [0, 0]);
    assert_done(&at(&recording, "end"), pid, [100, 60], [50, 5], [40, 1]);
    // The same moment by its time, as it is told.
    let since = second.0["marks"][1]["since_start_s"].as_f64().unwrap();
    let by_time = at(&recording, &format!("{:.3}s", since + 0.001));
    assert_done(&by_time, pid, [100, 40], [50, 0], [0, 0]);
    assert_eq!(names(&by_time), names(&second));
    // The first event is there, and no process is known yet.
    assert!(at(&recording, "0").processes(pid).is_empty());
    unknown_moments(&recording);
    info(&recording, since);
    assert!(program.end().success());
}

/// What is not there is told with what is.
fn unknown_moments(recording: &Path) {
    for (moment, words) in [
        ("start", "`after größe 1` ("),
        ("start", "), `mark 1` ("),
        ("9h", "it ends "),
        ("a\nb", "control character"),
    ] {
        let output = memtrace(&["report", word(recording), "--at", moment]);
        assert_eq!(output.status.code(), Some(1), "{moment}");
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr).lines().count(), 1);
    }
}

fn info(recording: &Path, since: f64) {
    let output = memtrace(&["report", word(recording), "--info"]);
    let told = text(&output.stdout);
    let mut lines = told.lines().skip_while(|line| *line != "marks      3").skip(1);
    assert!(lines.next().unwrap().ends_with("s  after größe 1"), "{told}");
    let (time, name) = lines.next().unwrap().trim().split_once("s  ").unwrap();
    assert_eq!(name, "mark 1", "{told}");
    let apart = time.parse::<f64>().unwrap() - since;
    assert!((0.0..0.0011).contains(&apart), "{told}, {since}");
}

/// Where the sockets of root's tracers are.
fn usual(tracer: u32) -> PathBuf {
    Path::new("/run/memtrace").join(format!("{tracer}.sock"))
}

#[test]
fn the_usual_socket_is_its_users_alone_and_goes_with_the_tracer() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("grows", &["7", "100"]);
    let tracer = trace(&program, &[]);
    let socket = usual(tracer.pid());
    let about = fs::symlink_metadata(&socket).unwrap();
    assert!(about.file_type().is_socket());
    assert_eq!((about.mode() & 0o777, about.uid()), (0o600, 0));
    let folder = fs::metadata(socket.parent().unwrap()).unwrap();
    assert_eq!((folder.permissions().mode() & 0o022, folder.uid()), (0, 0));
    let number = tracer.pid().to_string();
    let status = memtrace(&["ctl", "--pid", &number, "status"]);
    let told = text(&status.stdout);
    assert!(told.starts_with(&format!("tracer     pid {number}, memtrace ")), "{status:?}");
    assert!(told.contains("\nprocesses  1\n") && told.ends_with("recorded   no\n"), "{told}");

    let silent = Tracer::typed(&[&program], &["-i", "0", "-f", "json", "--no-control"]);
    let none = memtrace(&["ctl", "--pid", &silent.pid().to_string(), "status"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains(&format!("pid {number}")), "{none:?}");
    assert!(!usual(silent.pid()).exists());
    assert_eq!(silent.stop().status.code(), Some(0));

    // One that is killed leaves its socket; the next tracer takes it away.
    tracer.signal(libc::SIGKILL);
    drop(tracer);
    assert!(socket.exists());
    let next = trace(&program, &[]);
    assert!(!socket.exists(), "{socket:?} is left");
    program.work();
    assert_eq!(next.stop().status.code(), Some(0));
}

#[test]
fn a_socket_that_cannot_be_made_is_but_a_note() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let mut program = Program::start("grows", &["7", "100"]);
    for place in [file.clone(), folder.path().join("none/control"), "x".repeat(200).into()] {
        let tracer = trace(&program, &["--control", word(&place)]);
        let run = tracer.stop();
        assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
        let notes = run.messages.iter().filter(|line| line.contains("SIGUSR2 alone")).count();
        assert_eq!(notes, 1, "{:#?}", run.messages);
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert!(program.is_alive());
}

#[test]
fn a_report_that_cannot_follow_others_is_refused_and_the_last_one_is_whole() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (socket, picture) = (folder.path().join("control"), folder.path().join("picture"));
    let mut program = Program::start("grows", &["7", "100"]);
    let pid = program.pid().to_string();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" > \"$PICTURE\"", MEMTRACE]).env("PICTURE", &picture);
    command.args(["--pid", &pid, "--exact", "-i", "0", "-f", "svg", "--control", word(&socket)]);
    let tracer = Tracer::launch(command);
    let refused = memtrace(&["ctl", "--control", word(&socket), "report"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(text(&refused.stderr).contains("-o NAME-{seq}"), "{refused:?}");
    // What it does not need a report for it does.
    assert!(ctl(&socket, &["mark", "here"]).starts_with("marked "));
    program.work();
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let picture = fs::read_to_string(picture).unwrap();
    assert!(picture.starts_with("<svg ") && picture.matches("<svg ").count() == 1);
    assert!(picture.trim_end().ends_with("</svg>"));
}

#[test]
fn hostile_clients_are_refused_and_the_others_heard() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let mut program = Program::start("grows", &["7", "100"]);
    let tracer = trace(&program, &["--control", word(&socket)]);
    let long = format!("{{\"request\":\"mark\",\"name\":\"{}\"}}\n", "x".repeat(129));
    for (said, reason) in [
        (&b"\xff\xfe\n"[..], "not understood"),
        (b"{}\n", "not understood"),
        (b"{\"request\":\"mark\",\"name\":\"a\\u001b[2J\"}\n", "control character"),
        (b"{\"request\":\"mark\",\"name\":\"\"}\n", "needs a name"),
        (long.as_bytes(), "129 bytes"),
        (&[b'x'; 100_000], "at most 4096 bytes"),
    ] {
        let answer = say(&socket, said);
        // What was sent beyond it may have taken the answer along (`unix(7)`: a reset).
        assert!(answer.contains(reason) || (said.len() > 4096 && answer.is_empty()), "{answer}");
    }
    // More than are heard at once, who say nothing: each place is free again after five seconds.
    let mute: Vec<UnixStream> = (0..10).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let answer = say(&socket, b"{\"request\":\"mark\",\"name\":\"heard\"}\n");
    assert!(answer.contains("\"answer\":\"marked\",\"name\":\"heard\""), "{answer}");
    drop(mute);
    program.work();
    let report = tracer.stop().only_report();
    assert_eq!(names(&report), ["heard"]);
    report.assert_nothing_lost();
}
