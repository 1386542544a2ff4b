//! memtrace on stock programs that are already running: what they print stays the same, they live on
//! after detaching and after `kill -9`, and the reports agree with what the programs, or valgrind,
//! say themselves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod programs;
mod support;

use programs::{Memtrace, Talker, require};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};
use support::may_trace;
use support::program::{Program, compiled};
use support::stacks::{assert_path, assert_whole, stack_of};
use support::tracer::exact;
use tempfile::TempDir;

/// Requests of one part of a conversation.
const PART: usize = 200;
/// Every block, every stack.
const ALL: [&str; 9] =
    ["--exact", "--interval", "0", "--min-age", "0", "--top", "0", "--format", "json"];

/// The conversation that every program has: before attaching, traced, traced and then left alone by
/// `kill -9`, and afterwards. Gives what it said, and the report.
fn conversation(
    talker: &mut Talker,
    request: &dyn Fn(usize) -> String,
    traced: bool,
) -> (String, Value) {
    let mut said = String::new();
    let mut part = |talker: &mut Talker, number: usize| {
        for index in number * PART..(number + 1) * PART {
            said.push_str(&talker.ask(&request(index)));
        }
    };
    let attach = |talker: &Talker| traced.then(|| Memtrace::attach(talker.pid(), &ALL));
    part(talker, 0);
    let memtrace = attach(talker);
    part(talker, 1);
    let report = memtrace.map_or(Value::Null, |memtrace| memtrace.stop().report(0));
    talker.assert_unharmed();
    part(talker, 2);
    let memtrace = attach(talker);
    part(talker, 3);
    if let Some(memtrace) = memtrace {
        memtrace.kill();
    }
    part(talker, 4);
    talker.assert_unharmed();
    // Nothing that was left behind is in the way of the next one.
    let memtrace = attach(talker);
    part(talker, 5);
    if let Some(memtrace) = memtrace {
        memtrace.stop().report(0);
    }
    talker.assert_unharmed();
    (said, report)
}

/// Has the conversation with two such programs, one of them traced, and compares. Gives the report.
fn undisturbed(command: &dyn Fn() -> Command, request: &dyn Fn(usize) -> String) -> Value {
    let mut ends = Vec::new();
    let mut report = Value::Null;
    for traced in [false, true] {
        let mut talker = Talker::start(&mut command());
        let (mut said, told) = conversation(&mut talker, request, traced);
        let (rest, status) = talker.finish();
        said.push_str(&rest);
        ends.push((said, status));
        report = told;
    }
    assert_eq!(ends[0], ends[1]);
    plausible(&report);
    report
}

/// What holds for the report of any program.
fn plausible(report: &Value) {
    let process = &report["processes"][0];
    let heap = &process["heap"];
    let number = |name: &str| heap[name].as_u64().unwrap_or_else(|| panic!("{name}: {heap}"));
    assert_eq!(report["loss"]["events"], 0, "{}", report["loss"]);
    assert_eq!(number("failed"), 0);
    assert_eq!(number("missed_frees"), 0);
    assert_eq!(number("allocated_blocks") - number("freed_blocks"), number("live_blocks"));
    assert_eq!(number("allocated_bytes") - number("freed_bytes"), number("live_bytes"));
    assert!(number("peak_bytes") >= number("live_bytes"));
    let stacks = process["stacks"].as_array().expect("an array");
    let sum = |name: &str| {
        stacks.iter().map(|stack| stack[name].as_u64().expect("a number")).sum::<u64>()
    };
    assert_eq!(number("live_bytes"), sum("live_bytes"));
    assert_eq!(number("live_blocks"), sum("live_blocks"));
    for stack in stacks {
        let caller = &stack["frames"][0];
        assert!(caller["module"].is_string() && caller["offset"].is_u64(), "{stack}");
    }
}

/// The stack that holds most blocks.
fn largest(report: &Value) -> &Value {
    let stacks = report["processes"][0]["stacks"].as_array().expect("an array");
    stacks.iter().max_by_key(|stack| stack["live_blocks"].as_u64()).expect("a stack")
}

/// Names of the modules of a stack's frames.
fn modules(stack: &Value) -> Vec<&str> {
    let frames = stack["frames"].as_array().expect("an array");
    frames.iter().filter_map(|frame| frame["module"].as_str()).collect()
}

fn python(program: &str) -> Value {
    // 1,000 bytes are too many for pymalloc, which gives out up to 512, and go to malloc.
    let script = "import sys\nkeep = []\nfor line in sys.stdin:\n    keep.append(bytes(1000))\n    \
                  print(len(keep), sum(map(len, keep)), line.strip(), flush=True)\n";
    let command = || {
        let mut command = Command::new(program);
        command.args(["-c", script]);
        command
    };
    undisturbed(&command, &|index| format!("line {index}"))
}

/// The leak of [`python`] is one stack with exactly its blocks.
fn assert_python_leak(report: &Value, modules_hold: &str) {
    let leak = largest(report);
    assert_eq!(leak["live_blocks"], PART, "{leak}");
    // An object's header is 33 bytes: reference count, type, length, hash, and a zero at its end.
    assert_eq!(leak["live_bytes"], PART * 1033, "{leak}");
    // It asks for zeroes.
    assert_eq!(leak["function"], "calloc");
    assert!(modules(leak)[0].contains(modules_hold), "{leak}");
    // Debian strips the name of the static function that calls calloc, and no other is made up.
    assert_eq!(leak["frames"][0]["missing"], "no symbol covers it", "{leak}");
}

#[test]
fn debian_python() {
    if may_trace() {
        require("/usr/bin/python3", "python3");
        assert_python_leak(&python("/usr/bin/python3"), "python3");
    }
}

/// Doctor names what malloc does not show, and what would show it.
#[test]
fn doctor_knows_pymalloc() {
    if !may_trace() {
        return;
    }
    require("python3", "python3");
    let script = "import sys\nfor line in sys.stdin:\n    print(line, end='', flush=True)\n";
    let mut talker = Talker::start(Command::new("python3").args(["-c", script]));
    // It is past the dynamic linker.
    talker.ask("hello");
    let ended = programs::run(["doctor", "--pid", &talker.pid().to_string()]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    for part in ["CPython", "pymalloc", "PYTHONMALLOC=malloc"] {
        assert!(ended.stdout.contains(part), "no {part:?} in {}", ended.stdout);
    }
    talker.assert_unharmed();
}

#[test]
fn perl() {
    if !may_trace() {
        return;
    }
    require("/usr/bin/perl", "perl");
    let script = "$| = 1; while (<STDIN>) { push @keep, 'x' x 2000 . $_; \
                  print scalar(@keep), ' ', length($keep[-1]), \"\\n\" }";
    let command = || {
        let mut command = Command::new("/usr/bin/perl");
        command.args(["-e", script]);
        command
    };
    let report = undisturbed(&command, &|index| format!("line {index}"));
    let leak = largest(&report);
    let blocks = leak["live_blocks"].as_u64().unwrap();
    // A string each, and now and then an arena for the scalars.
    assert!((PART as u64..PART as u64 + 5).contains(&blocks), "{leak}");
    let held = report["processes"][0]["heap"]["live_bytes"].as_u64().unwrap();
    assert!((2000 * PART as u64..2400 * PART as u64).contains(&held), "{held} bytes");
    assert!(
        leak["frames"][0]["function"].as_str().is_some_and(|name| name.starts_with("Perl_")),
        "{leak}"
    );
}

/// A row that the shell keeps in memory, and what it knows afterwards.
fn row(index: usize) -> String {
    // .once opens standard output anew and closes it, so that the answer is not kept in a buffer.
    format!(
        "insert into t values ({index}, printf('%.*c', 400, 'x'));\n.once /dev/stdout\n\
         select count(*), sum(a), sum(length(b)) from t;"
    )
}

fn sqlite() -> Command {
    let mut command = Command::new("sqlite3");
    command.args(["-batch", "-init", "/dev/null", "-cmd", "create table t (a, b)", ":memory:"]);
    command
}

#[test]
fn sqlite_shell() {
    if !may_trace() {
        return;
    }
    require("sqlite3", "sqlite3");
    let report = undisturbed(&sqlite, &row);
    // The pages that the rows are kept in.
    let held = report["processes"][0]["heap"]["live_bytes"].as_u64().unwrap();
    assert!((400 * PART as u64..800 * PART as u64).contains(&held), "{held} bytes");
    assert!(modules(largest(&report))[0].contains("libsqlite3"), "{}", largest(&report));
}

/// Allocations and bytes that valgrind counts in a sqlite shell which inserts `rows` rows.
fn valgrind(rows: usize) -> (u64, u64) {
    use std::process::Stdio;
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new("valgrind");
    command.arg(format!("--log-file={}", log.display())).arg("--run-libc-freeres=no");
    let shell = sqlite();
    command.arg(shell.get_program()).args(shell.get_args());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("valgrind starts");
    let script: String = (0..rows).map(|index| row(index) + "\n").collect();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), rows);
    let text = std::fs::read_to_string(&log).unwrap();
    // "total heap usage: 1,234 allocs, 1,200 frees, 56,789 bytes allocated"
    let (_, usage) = text.split_once("total heap usage: ").unwrap_or_else(|| panic!("{text}"));
    let numbers: Vec<u64> = usage
        .lines()
        .next()
        .unwrap()
        .split(' ')
        .filter_map(|word| word.replace(',', "").parse().ok())
        .collect();
    (numbers[0], numbers[2])
}

#[test]
fn sqlite_allocates_what_valgrind_counts() {
    if !may_trace() {
        return;
    }
    require("sqlite3", "sqlite3");
    require("valgrind", "valgrind");
    let (before, after) = (valgrind(PART), valgrind(2 * PART));
    let mut talker = Talker::start(&mut sqlite());
    for index in 0..PART {
        talker.ask(&row(index));
    }
    let memtrace = Memtrace::attach(talker.pid(), &ALL);
    for index in PART..2 * PART {
        talker.ask(&row(index));
    }
    let report = memtrace.stop().report(0);
    let heap = &report["processes"][0]["heap"];
    let counted =
        (heap["allocated_blocks"].as_u64().unwrap(), heap["allocated_bytes"].as_u64().unwrap());
    assert_eq!(counted, (after.0 - before.0, after.1 - before.1));
}

/// sqlite counts its own allocations, and the bytes that it asked for.
#[test]
fn sqlite_counts_as_we_do() {
    if !may_trace() {
        return;
    }
    require("/usr/lib/x86_64-linux-gnu/libsqlite3.so.0", "libsqlite3-0");
    let mut talker = Talker::start(&mut Command::new(compiled("allocators/sqlite")));
    assert_eq!(talker.ask("sqlite has not begun"), "0 0\n");
    let memtrace = Memtrace::attach(talker.pid(), &ALL);
    let mut answer = String::new();
    for _ in 0..PART {
        answer = talker.ask("one more row");
    }
    let report = memtrace.stop().report(0);
    talker.assert_unharmed();
    plausible(&report);
    let numbers: Vec<u64> = answer.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let heap = &report["processes"][0]["heap"];
    assert_eq!(heap["live_blocks"].as_u64(), Some(numbers[0]), "{heap}");
    assert_eq!(heap["unknown_frees"], 0);
    // Where it does not use `malloc_usable_size` it keeps each size in a word before the block (mem1.c).
    assert_eq!(heap["live_bytes"].as_u64(), Some(numbers[1] + 8 * numbers[0]), "{heap}");
}

/// The heap takes what the program says, within 1 %, by the size classes of this allocator.
#[track_caller]
fn assert_takes(heap: &Value, told: u64, allocator: &str) {
    let takes = heap["usable_bytes"].as_u64().unwrap();
    assert!(
        takes.abs_diff(told) * 100 <= told,
        "takes {takes}, and the program says {told}: {heap}"
    );
    assert_eq!(heap["usable_classes"], serde_json::json!([allocator]), "{heap}");
    assert_eq!(
        (&heap["usable_unknown_blocks"], &heap["usable_missing"]),
        (&0.into(), &Value::Null)
    );
}

/// A server with a socket of its own, and a client.
struct Redis {
    server: programs::Target,
    client: BufReader<UnixStream>,
    _folder: TempDir,
}

impl Redis {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("redis");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no"]);
        // Its own thread that frees in the background would make the figures move.
        command.args(["--activedefrag", "no", "--dir"]).arg(folder.path());
        command.args(["--enable-debug-command", "yes"]);
        command.arg("--unixsocket").arg(&socket);
        let server = programs::Target::start(&mut command);
        let begun = Instant::now();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(begun.elapsed() < programs::limit(), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        Self { server, client: BufReader::new(stream), _folder: folder }
    }

    fn ask(&mut self, request: &str) -> String {
        self.client.get_mut().write_all(format!("{request}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.client.read_line(&mut answer).unwrap();
        answer
    }

    /// What it says that its own allocations hold, bytes.
    fn used_memory(&mut self) -> u64 {
        let length: usize = self.ask("INFO memory")[1..].trim().parse().unwrap();
        let mut text = vec![0; length + 2];
        std::io::Read::read_exact(&mut self.client, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        line.parse().unwrap()
    }

    /// Remembers values of 1,000 bytes.
    fn fill(&mut self, keys: std::ops::Range<usize>) -> String {
        let value = "x".repeat(1000);
        keys.map(|key| self.ask(&format!("SET key:{key} {value}"))).collect()
    }
}

/// Redis counts what jemalloc gives it, and so do we: values of all sizes, made longer and deleted.
#[test]
fn redis_counts_as_we_do() {
    if !may_trace() {
        return;
    }
    require("redis-server", "redis-server");
    let mut redis = Redis::start();
    assert_eq!(redis.fill(0..100), "+OK\r\n".repeat(100));
    redis.used_memory();
    let memtrace = Memtrace::attach(redis.server.pid(), &ALL);
    let before = redis.used_memory();
    let value = "x".repeat(4000);
    for key in 0..5000 {
        let length = key * 7919 % 4000 + 1;
        assert_eq!(redis.ask(&format!("SET other:{key} {}", &value[..length])), "+OK\r\n");
        if key % 4 == 0 {
            let longer = redis.ask(&format!("APPEND other:{key} {}", &value[..length / 3 + 1]));
            assert_eq!(longer, format!(":{}\r\n", length + length / 3 + 1));
        }
        if key % 3 == 2 {
            assert_eq!(redis.ask(&format!("DEL other:{}", key - 1)), ":1\r\n");
        }
    }
    let after = redis.used_memory();
    let report = memtrace.stop().report(0);
    redis.server.assert_unharmed();
    plausible(&report);
    let heap = &report["processes"][0]["heap"];
    assert_takes(heap, after - before, "jemalloc");
    assert_eq!(heap["usable_exact"], true, "{heap}");
}

/// As many keys as redis itself makes up.
#[test]
fn redis_counts_what_it_makes_up_as_we_do() {
    if !may_trace() {
        return;
    }
    require("redis-server", "redis-server");
    let mut redis = Redis::start();
    redis.used_memory();
    let memtrace = Memtrace::attach(redis.server.pid(), &ALL);
    let before = redis.used_memory();
    assert_eq!(redis.ask("DEBUG POPULATE 100000"), "+OK\r\n");
    let after = redis.used_memory();
    let report = memtrace.stop().report(0);
    redis.server.assert_unharmed();
    plausible(&report);
    assert_takes(&report["processes"][0]["heap"], after - before, "jemalloc");
}

#[test]
fn redis_with_jemalloc() {
    if !may_trace() {
        return;
    }
    require("redis-server", "redis-server");
    let mut redis = Redis::start();
    assert_eq!(redis.fill(0..100), "+OK\r\n".repeat(100));
    let memtrace = Memtrace::attach(redis.server.pid(), &ALL);
    let before = redis.used_memory();
    assert_eq!(redis.fill(100..5100), "+OK\r\n".repeat(5000));
    let after = redis.used_memory();
    let report = memtrace.stop().report(0);
    redis.server.assert_unharmed();
    plausible(&report);

    // Redis counts what jemalloc rounds up to, which is up to a fifth of the rounded size in
    // classes four to a doubling (jemalloc(3), "IMPLEMENTATION NOTES"), and a half in the smallest.
    let heap = &report["processes"][0]["heap"];
    let held = heap["live_bytes"].as_u64().unwrap() as f64;
    let told = (after - before) as f64;
    assert!((0.75 * told..1.02 * told).contains(&held), "seen {held}, redis says {told}");
    assert_takes(heap, after - before, "jemalloc");
    let leak = largest(&report);
    assert!(leak["live_blocks"].as_u64().unwrap() >= 5000, "{leak}");
    assert!(modules(leak)[0].contains("redis"), "{leak}");

    let memtrace = Memtrace::attach(redis.server.pid(), &ALL);
    assert_eq!(redis.fill(0..500), "+OK\r\n".repeat(500));
    memtrace.kill();
    assert_eq!(redis.fill(0..500), "+OK\r\n".repeat(500));
    redis.server.assert_unharmed();
    assert_eq!(redis.ask("DBSIZE"), ":5100\r\n");
    assert_eq!(redis.ask("STRLEN key:77"), ":1000\r\n");
}

/// What the kernel says is resident is what the picture is made of, part by part, in a server with threads and an
/// allocator of its own.
#[test]
fn the_memory_of_redis_adds_up() {
    if !may_trace() {
        return;
    }
    require("redis-server", "redis-server");
    let mut redis = Redis::start();
    assert_eq!(redis.fill(0..1000), "+OK\r\n".repeat(1000));
    let memtrace = Memtrace::attach(redis.server.pid(), &ALL);
    assert_eq!(redis.fill(1000..6000), "+OK\r\n".repeat(5000));
    let report = memtrace.stop().report(0);
    let rollup = resident(redis.server.pid());
    redis.server.assert_unharmed();
    plausible(&report);
    let picture = &report["processes"][0]["picture"];
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number: {picture:#}"));
    let all = number(&picture["resident_bytes"]);
    // Ten times a second the server looks after itself, which may touch some pages.
    assert!(all.abs_diff(rollup) <= 64 << 10, "{all} of {rollup}");
    assert_eq!(picture["whole"], true);
    let kinds = picture["kinds"].as_array().unwrap();
    let of = |kinds: &[&str]| -> u64 {
        let picked = picture["kinds"].as_array().unwrap().iter();
        let picked = picked.filter(|row| kinds.iter().any(|kind| row["kind"] == **kind));
        picked.map(|row| number(&row["resident_bytes"])).sum()
    };
    assert_eq!(kinds.iter().map(|row| number(&row["resident_bytes"])).sum::<u64>(), all);
    assert!(of(&["main_stack"]) > 0 && of(&["thread_stack"]) > 0 && of(&["program_code"]) > 0);
    // What is no file and no stack: blocks, what the allocator has besides, and mappings.
    let anonymous = of(&["heap_segment", "malloc_arena", "anonymous"]);
    let parts =
        ["rounding", "allocator_slack", "older_or_slack", "program_mapped", "older", "unknown"];
    let bound = |end: &str| {
        let part = |name: &&str| number(&picture["owners"][format!("{name}_{end}_bytes")]);
        number(&picture[format!("touched_{end}_bytes")]) + parts.iter().map(part).sum::<u64>()
    };
    let undecided = number(&picture["owners"]["undecided_bytes"]);
    assert!(bound("least") <= anonymous + undecided, "{picture:#}");
    assert!(anonymous <= bound("most") + undecided, "{picture:#}");
    // The values alone are 5,000,000 bytes.
    assert!(number(&picture["touched_least_bytes"]) > 5_000_000, "{picture:#}");
}

/// `Rss:` of all mappings together (`proc_pid_smaps_rollup(5)`), bytes.
fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// musl's own functions have no unwinding information: a stack through them ends there and says so. What
/// begins programs and threads in it is known all the same, and so is where signal handlers return to.
#[test]
fn a_c_library_without_unwinding_information() {
    if !may_trace() {
        return;
    }
    require("musl-gcc", "musl-tools");
    let mut program = Program::start("musl/stacks", &[]);
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    assert_whole(stack_of(&process, 1001), &["take", "recurse", "main"]);
    assert_whole(stack_of(&process, 1003), &["take", "in_aligned_frame", "main"]);
    assert_whole(stack_of(&process, 1008), &["take", "in_thread"]);
    // Called back by qsort.
    let called_back = stack_of(&process, 1005);
    assert_eq!(called_back["end"], "no_table", "{called_back}");
    assert_path(called_back, &["take", "compare"]);
    // Behind the handler its return, which Debian's musl has no name for, and what was interrupted.
    let handled = stack_of(&process, 1006);
    assert_eq!(handled["end"], "no_table", "{handled}");
    assert_path(handled, &["take", "handle"]);
    assert_eq!(handled["frames"].as_array().unwrap().len(), 4, "{handled}");
    assert!(program.end().success());
}
