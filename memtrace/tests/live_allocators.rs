//! Every allocator that memtrace knows, traced in real processes: counts to the byte, callers by name.
//!
//! The libraries are Debian's, preloaded into the test's own programs.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod programs;
mod support;

use memtrace::engine::heap::usable::usable;
use memtrace_common::classes::SizeClasses;
use programs::require;
use std::path::Path;
use std::process::Command;
use support::may_trace;
use support::program::{Program, compiled};
use support::report::Report;
use support::tracer::{Tracer, exact};

const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

/// Name for people, library, package.
const PRELOADED: [(&str, &str, &str); 4] = [
    ("jemalloc 5.", "libjemalloc.so.2", "libjemalloc2"),
    ("tcmalloc 2.", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    ("tcmalloc 2.", "libtcmalloc.so.4", "libgoogle-perftools4"),
    ("mimalloc", "libmimalloc.so.2", "libmimalloc2.0"),
];

/// Links of every kind must tell the same.
const LINKS: [&str; 3] = ["session", "multi", "perf"];

fn preloaded(name: &str, library: &str, package: &str, arguments: &[&str]) -> Program {
    let library = format!("{LIBRARIES}/{library}");
    require(&library, package);
    let mut command = Command::new(compiled(name));
    Program::launch(name, command.args(arguments).env("LD_PRELOAD", &library))
}

#[track_caller]
fn assert_allocator(report: &Report, pid: u32, name: &str) {
    let allocators = report.process(pid).0["allocators"].as_array().unwrap();
    let is_its = |found: &serde_json::Value| found.as_str().unwrap().starts_with(name);
    assert!(allocators.iter().any(is_its), "{name} is not among {allocators:?}");
}

/// Kinds of links that this kernel has; the others were refused when tried.
fn links() -> impl Iterator<Item = &'static str> {
    LINKS.into_iter().filter(|link| {
        let mut program = Program::start("two_sizes", &[]);
        let works = programs::run([
            "--pid",
            &program.pid().to_string(),
            "--link",
            link,
            "--duration",
            "1ms",
            "-i",
            "0",
        ]);
        assert!(program.is_alive());
        works.code() == 0
    })
}

#[test]
fn c_functions_of_preloaded_allocators() {
    if !may_trace() {
        return;
    }
    for (name, library, package) in PRELOADED {
        let mut program = preloaded("allocators/c", library, package, &[]);
        let report = exact(&mut program, &[]);
        assert_allocator(&report, program.pid(), name);
        let process = report.process(program.pid());
        assert_eq!(process.functions("by_malloc"), ["malloc".to_owned()].into(), "{library}");
        assert_eq!(process.functions("by_realloc"), ["realloc".to_owned()].into(), "{library}");
        assert!(program.end().success());
    }
}

/// What an allocator says that its blocks take, as `usable.c` has it: size asked for, address, bytes.
fn told_by_allocator(library: Option<&str>) -> Vec<[u64; 3]> {
    let mut command = Command::new(compiled("allocators/usable"));
    if let Some(library) = library {
        command.env("LD_PRELOAD", format!("{LIBRARIES}/{library}"));
    }
    let output = command.output().unwrap();
    assert!(output.status.success());
    let number = |word: &str| match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => word.parse().unwrap(),
    };
    let line = |line: &str| -> [u64; 3] {
        line.split(' ').map(number).collect::<Vec<_>>().try_into().unwrap()
    };
    let told: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(line).collect();
    assert!(told.len() > 10_000);
    told
}

/// Size classes by our arithmetic are those of Debian's libraries, for new blocks and resized ones.
#[test]
fn size_classes_are_those_of_the_allocators() {
    if !may_trace() {
        return;
    }
    for (name, library, package) in PRELOADED {
        require(&format!("{LIBRARIES}/{library}"), package);
        let is_its = |classes: &&SizeClasses| name.starts_with(classes.name().unwrap());
        let classes = *SizeClasses::KNOWN.iter().find(is_its).unwrap();
        for [size, address, takes] in told_by_allocator(Some(library)) {
            match usable(classes, address, size) {
                Some(ours) => assert_eq!(ours, takes, "{size} bytes of {library}"),
                None => {
                    assert!(name == "mimalloc" && size > 128 << 10, "{size} bytes of {library}");
                }
            }
        }
    }
}

/// glibc's chunks take what we say, a rest of at most 16 bytes more, or, where a block in a mapping of its own
/// was made smaller than those usually are, up to a page.
#[test]
fn chunks_of_the_c_library_are_estimated() {
    if !may_trace() {
        return;
    }
    let mut sums = [0, 0];
    for [size, address, takes] in told_by_allocator(None) {
        let ours = usable(SizeClasses::GLIBC, address, size).unwrap();
        let is_mapped = address % 4096 == 16 && size >= 4096;
        let rest = if is_mapped { 4096 } else { 16 };
        assert!(
            (ours..=ours + rest).contains(&takes),
            "{size} at {address:#x}: {takes}, not {ours}"
        );
        sums = [sums[0] + ours, sums[1] + takes];
    }
    assert!(sums[0] > sums[1] / 100 * 99, "{sums:?}");
}

#[test]
fn c_plus_plus_operators_of_preloaded_allocators() {
    if !may_trace() {
        return;
    }
    for link in links() {
        for (name, library, package) in PRELOADED {
            // Built as C, it ends the program where it would have to throw.
            let arguments: &[&str] = if name == "mimalloc" { &["never-fails"] } else { &[] };
            let mut program = preloaded("allocators/operators", library, package, arguments);
            let report = exact(&mut program, &["--link", link]);
            assert_allocator(&report, program.pid(), name);
            let process = report.process(program.pid());
            let by_new = process.functions("by_new");
            assert_eq!(by_new, ["operator new".to_owned()].into(), "{library}, {link} link");
            assert!(program.end().success(), "{library}, {link} link");
        }
    }
}

/// libstdc++'s end in malloc, where they count. Its form that may not throw catches what the other one
/// throws: one more exception.
#[test]
fn c_plus_plus_operators_of_the_c_library() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("allocators/operators", &[]);
    let tracer = Tracer::of(&[&program]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let heap = |key: &str| report.process(program.pid()).heap(key);
    assert_eq!(heap("allocated_blocks"), accounts.all.allocated_blocks + 1);
    assert_eq!(heap("freed_blocks"), accounts.all.freed_blocks + 1);
    assert_eq!(heap("unknown_frees"), 0);
    assert!(program.end().success());
}

#[test]
fn programs_of_musl_and_without_shared_libraries() {
    if !may_trace() {
        return;
    }
    require("musl-gcc", "musl-tools");
    for (name, allocator) in [
        ("allocators/c_static", "glibc"),
        ("allocators/c_musl", "musl 1."),
        ("allocators/c_musl_static", "musl"),
    ] {
        let mut program = Program::start(name, &[]);
        let report = exact(&mut program, &[]);
        assert_allocator(&report, program.pid(), allocator);
        assert!(program.end().success());
    }
}

#[test]
fn a_static_program_without_symbols_is_refused_with_the_reason() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("allocators/c_stripped", &[]);
    let ended = programs::run(["--pid", &program.pid().to_string()]);
    ended.assert_refused(1, &["c_stripped (statically linked and stripped)", "not stripped"]);
    assert!(program.is_alive());
}

/// jemalloc under a prefix of its own, in the program's symbol table and nowhere else.
#[test]
fn a_rust_program_with_jemalloc_in_it() {
    if !may_trace() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust_jemalloc");
    let manifest =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/allocators/rust_jemalloc/Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir"]);
    assert!(cargo.arg(&folder).status().unwrap().success(), "cargo does not build {manifest}");
    let mut program = Program::start_file(&folder.join("debug/rust_jemalloc"), &[]);
    let tracer = Tracer::of(&[&program]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_allocator(&report, program.pid(), "jemalloc 5.");
    report.process(program.pid()).assert_totals(&accounts);
    assert!(program.end().success());
}
