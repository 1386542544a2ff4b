//! Names that must be right though files change and processes end: a library that is replaced while it
//! is traced, and a program that ends before its report. The programs are built here and now, so this
//! is not for other kernels.

mod programs;
mod support;

use programs::{Memtrace, Talker};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use support::may_trace;
use tempfile::TempDir;

/// Leaks a block for each byte that it reads, and answers each.
const PROGRAM: &str = "#include <unistd.h>
void *leak(unsigned long size);
int main(void) {
    char byte;
    while (read(0, &byte, 1) == 1) {
        leak(1000);
        if (write(1, &byte, 1) != 1) return 1;
    }
    return 0;
}
";

/// The library: its inner function allocates in line 3, `leak` calls it in line 7.
const LIBRARY: &str = "#include <stdlib.h>
__attribute__((noinline)) static void *NAME(unsigned long size) {
    void *block = malloc(size);
    __asm__ volatile(\"\" : : \"r\"(block));
    return block; }
void *leak(unsigned long size) {
    void *block = NAME(size);
    __asm__ volatile(\"\" : : \"r\"(block));
    return block; }
";

/// Where the library's debug information is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Debug {
    Own,
    Separate,
}

/// A folder with the program and its library.
struct Built(TempDir);

impl Built {
    fn new(debug: Debug) -> Self {
        let built = Self(TempDir::new().expect("a folder"));
        fs::write(built.path("program.c"), PROGRAM).expect("it is written");
        fs::write(built.path("library.c"), LIBRARY).expect("it is written");
        built.library("libleak.so", "inner", debug);
        built.run("gcc -g -O1 -o program program.c -L. -lleak -Wl,-rpath,'$ORIGIN'");
        built
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, script: &str) {
        let status = Command::new("sh").args(["-ec", script]).current_dir(self.0.path()).status();
        assert!(status.expect("sh runs").success(), "{script}");
    }

    fn library(&self, name: &str, inner: &str, debug: Debug) {
        self.run(&format!(
            "gcc -g -O1 -fPIC -shared -Wl,--build-id -DNAME={inner} -o {name} library.c"
        ));
        if debug == Debug::Separate {
            self.run(&format!(
                "objcopy --only-keep-debug {name} {name}.debug; strip {name}; \
                 objcopy --add-gnu-debuglink={name}.debug {name}"
            ));
        }
    }

    fn start(&self) -> Talker {
        let mut talker = Talker::start(&mut Command::new(self.path("program")));
        // Past the dynamic linker.
        assert_eq!(talker.ask_byte(), b'\n');
        talker
    }
}

const OPTIONS: [&str; 7] = ["--exact", "--interval", "0", "--min-age", "0", "--format", "json"];

/// Function and line of the frames of the stack that `blocks` blocks of 1000 bytes came from.
fn frames(report: &Value, blocks: u64) -> Vec<(String, u64)> {
    let stacks = report["processes"][0]["stacks"].as_array().expect("stacks");
    let [stack] = stacks.as_slice() else { panic!("one stack, not {report}") };
    assert_eq!(
        (&stack["live_blocks"], &stack["live_bytes"]),
        (&blocks.into(), &(1000 * blocks).into())
    );
    let frames = stack["frames"].as_array().expect("frames").iter();
    let name = |frame: &Value| {
        let function = frame["function"].as_str().unwrap_or("(none)").to_owned();
        (function, frame["line"].as_u64().unwrap_or(0))
    };
    frames.map(name).take(3).collect()
}

fn expected() -> Vec<(String, u64)> {
    [("inner", 3), ("leak", 7), ("main", 6)].map(|(name, line)| (name.to_owned(), line)).into()
}

#[test]
fn a_program_that_ends_before_its_report_is_fully_named() {
    if !may_trace() {
        return;
    }
    for debug in [Debug::Own, Debug::Separate] {
        let built = Built::new(debug);
        let mut talker = built.start();
        let memtrace = Memtrace::attach(talker.pid(), &OPTIONS);
        for _ in 0..5 {
            assert_eq!(talker.ask_byte(), b'\n');
        }
        let (_, status) = talker.finish();
        assert_eq!(status.code(), Some(0));
        let report = memtrace.end().report(0);
        assert_eq!(report["processes"][0]["state"], "exited");
        assert_eq!(frames(&report, 5), expected(), "{debug:?}");
    }
}

#[test]
fn a_library_that_is_replaced_keeps_its_names() {
    if !may_trace() {
        return;
    }
    for debug in [Debug::Own, Debug::Separate] {
        let built = Built::new(debug);
        let mut talker = built.start();
        let memtrace = Memtrace::attach(talker.pid(), &OPTIONS);
        assert_eq!(talker.ask_byte(), b'\n');
        // As package managers do it: the new file takes the old one's name.
        built.library("new.so", "impostor", Debug::Own);
        built.run("mv new.so libleak.so");
        assert_eq!(talker.ask_byte(), b'\n');
        let report = memtrace.stop().report(0);
        assert_eq!(frames(&report, 2), expected(), "{debug:?}");
        talker.assert_unharmed();
    }
}

/// With the debug file of the new library in the old one's place only the library's own symbols are left.
#[test]
fn debug_information_of_another_build_names_nothing() {
    if !may_trace() {
        return;
    }
    let built = Built::new(Debug::Separate);
    let mut talker = built.start();
    let memtrace = Memtrace::attach(talker.pid(), &OPTIONS);
    assert_eq!(talker.ask_byte(), b'\n');
    built.library("new.so", "impostor", Debug::Separate);
    built.run("mv new.so libleak.so; mv new.so.debug libleak.so.debug");
    let report = memtrace.stop().report(0);
    let found = frames(&report, 1);
    assert!(found.iter().all(|(function, _)| function != "impostor"), "{found:?}");
    // The inner function is in no table of the stripped library.
    let main = ("main".to_owned(), 6);
    assert_eq!(found[1..], [("leak".to_owned(), 0), main], "{found:?}");
    talker.assert_unharmed();
}

/// Serves one file, whatever is asked for; gives the server's address.
fn serve(file: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let body = fs::read(&file).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            // Who asked for another file may be gone.
            let _ = (&stream).write_all(&[head.as_bytes(), &body].concat());
        }
    });
    address
}

#[test]
fn the_last_report_has_what_a_server_sent() {
    if !may_trace() {
        return;
    }
    let built = Built::new(Debug::Separate);
    built.run("mkdir elsewhere; mv libleak.so.debug elsewhere");
    let mut talker = built.start();
    let mut command = Memtrace::command();
    command.args(OPTIONS).args(["--debuginfod", "--pid", &talker.pid().to_string()]);
    command.env("DEBUGINFOD_URLS", serve(built.path("elsewhere/libleak.so.debug")));
    command.env("DEBUGINFOD_CACHE_PATH", built.path("cache"));
    let mut memtrace = Memtrace::start(&mut command);
    memtrace.wait_until_tracing();
    assert_eq!(talker.ask_byte(), b'\n');
    let report = memtrace.stop().report(0);
    assert_eq!(frames(&report, 1), expected());
    talker.assert_unharmed();
}
