//! Functions that the user describes: a pool's blocks are counted exactly, and apart from the heap in which
//! they lie.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use memtrace::probe::elf::{Image, Table};
use std::collections::BTreeSet;
use support::kernel::has_link;
use support::program::{Program, compiled};
use support::report::{Account, Accounts, Process, Report, number, path_of};
use support::tracer::Tracer;
use support::{let_it_look, may_trace};

/// All functions of `library/pool.c`.
const ALL: [&str; 12] = [
    "--alloc-fn",
    "pool:pool_alloc(size=1)->ret",
    "--alloc-fn",
    "pool:pool_calloc(count=1,size=2)",
    "--alloc-fn",
    "pool:pool_get(size=1)->*2",
    "--alloc-fn",
    "pool:pool_direct(size=0)",
    "--realloc-fn",
    "pool:pool_resize(ptr=1,size=2)",
    "--free-fn",
    "pool:pool_*free(ptr=0)",
];

fn start() -> Program {
    let library = compiled("library/pool");
    Program::start("pools", &[library.to_str().unwrap()])
}

/// What was counted of the pool.
fn pools(process: Process<'_>) -> Account {
    Account::of(|key| number(&process.0["pools"]["totals"][key]))
}

/// Traces the program's work; the heap must be right to the byte, and so must the pool.
#[track_caller]
fn exact(options: &[&str]) -> (Report, u32) {
    let mut program = start();
    let pid = program.pid();
    let tracer = Tracer::with(&[&program], options);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let process = report.process(pid);
    assert_eq!(pools(process), accounts.callers["pools"], "{}", process.0["pools"]);
    assert_eq!(process.0["pools"]["totals"]["failed"], 1);
    assert_eq!(process.0["pools"]["totals"]["unknown_frees"], 0);
    process.assert_exactly(&accounts.without("pools"));
    assert!(program.end().success());
    (report, pid)
}

#[test]
fn a_pool_is_counted_apart_from_the_heap() {
    if !may_trace() {
        return;
    }
    let (report, pid) = exact(&ALL);
    let process = report.process(pid);
    let stacks = process.0["pools"]["stacks"].as_array().unwrap();
    for (caller, functions) in [
        ("by_alloc", &["pool_alloc"][..]),
        ("by_take", &["pool_alloc"]),
        ("by_calloc", &["pool_calloc"]),
        ("by_get", &["pool_get"]),
        ("by_resize", &["pool_alloc", "pool_resize"]),
        ("by_direct", &["pool_direct"]),
    ] {
        let its = stacks.iter().filter(|stack| path_of(stack)[..3] == [caller, "work", "main"]);
        let its: BTreeSet<&str> = its.map(|stack| stack["function"].as_str().unwrap()).collect();
        assert_eq!(its, functions.iter().copied().collect(), "{caller}");
    }
}

/// The same on other links, which pair calls in another way.
#[test]
fn multi_links_count_the_same() {
    if may_trace() && has_link("multi") {
        exact(&[ALL.as_slice(), &["--link", "multi"]].concat());
    }
}

#[test]
fn perf_links_count_the_same() {
    if may_trace() {
        exact(&[ALL.as_slice(), &["--link", "perf"]].concat());
    }
}

/// The same described in a file, with a pattern that means both names of one function, and by an offset.
#[test]
fn files_patterns_and_offsets_are_as_good() {
    if !may_trace() {
        return;
    }
    let library = compiled("library/pool");
    let text = format!(
        "# the pool\nalloc pool:pool_[at]*(size=1)\nalloc pool:+{:#x}(count=1,size=2)->ret\n\
         alloc {}:pool_get(size=1)->*2\nalloc pool:pool_direct(size=0) # jumps\n\
         realloc pool:pool_resize(ptr=1,size=2)\nfree pool:pool_*free(ptr=0)\n",
        offset_of(&library, "pool_calloc"),
        library.display(),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allocators");
    std::fs::write(&path, text).unwrap();
    let (report, pid) = exact(&["--allocators", path.to_str().unwrap()]);
    let functions = report.process(pid).0["pools"]["functions"].as_array().unwrap().clone();
    assert!(functions.iter().any(|name| name.as_str().unwrap().starts_with("pool+0x")));
}

fn offset_of(file: &std::path::Path, name: &str) -> u64 {
    let file = std::fs::File::open(file).unwrap();
    let image = Image::open(&file).unwrap();
    let mut found = None;
    image
        .each_symbol(Table::Dynamic, &mut |symbol| {
            if symbol.name == name.as_bytes() {
                found = Some(symbol.address);
            }
        })
        .unwrap();
    image.file_offset(found.unwrap()).unwrap()
}

/// A static program without symbols can be traced by offsets, and is refused with a hint at them.
#[test]
fn a_static_program_without_symbols_takes_offsets() {
    if !may_trace() {
        return;
    }
    let file = compiled("arena_stripped");
    let opened = std::fs::File::open(&file).unwrap();
    let image = Image::open(&opened).unwrap();
    let mut command = std::process::Command::new(&file);
    let (mut program, said) = Program::launch_and_hear("arena_stripped", &mut command);
    let said = Accounts::read(&said);
    let at = |name| image.file_offset(said.figure(name, "address")).unwrap();
    let pid = program.pid();
    let refused = refusal(pid, "arena_stripped:arena_alloc(size=0)");
    assert!(refused.contains("statically linked and stripped"), "{refused}");
    assert!(refused.contains("arena_stripped:+0x"), "{refused}");
    let alloc = format!("arena_stripped:+{:#x}(size=0)", at("alloc"));
    let free = format!("arena_stripped:+{:#x}(ptr=0)", at("free"));
    let tracer = Tracer::with(&[&program], &["--alloc-fn", &alloc, "--free-fn", &free]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_eq!(pools(report.process(pid)), accounts.callers["arena"]);
    assert_eq!(report.process(pid).heap("allocated_blocks"), 0);
    assert!(program.end().success());
}

/// What memtrace says when it refuses a signature.
#[track_caller]
fn refusal(pid: u32, signature: &str) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_memtrace"))
        .args(["--pid", &pid.to_string(), "--duration", "1", "--alloc-fn", signature])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{signature}: {said}");
    said
}

/// What is not there is told before anything is traced.
#[test]
fn what_is_not_there_is_told() {
    if !may_trace() {
        return;
    }
    let program = start();
    for (signature, words) in [
        ("pool:pool_aloc(size=1)", "pool has no such function; it has pool_alloc"),
        ("libpool.so:pool_alloc(size=1)", "no such file is mapped"),
        ("pool:+0x1(size=1)", "pool+0x1 cannot be probed"),
        ("libc.so.6:malloc(size=0)", "it belongs to glibc"),
    ] {
        let said = refusal(program.pid(), signature);
        assert!(said.contains(words), "{signature}: {said}");
    }
}

/// What a child does with the pool that it has from its parent is the child's.
#[test]
fn a_forked_child_has_the_pool_as_well() {
    if !may_trace() {
        return;
    }
    for link in ["session", "multi", "perf"].into_iter().filter(|link| has_link(link)) {
        let library = compiled("library/pool");
        // A libc of its own: where others use the same one, a child gets probes in it a little later.
        let folder = tempfile::tempdir().unwrap();
        let arguments = [library.to_str().unwrap(), "fork"];
        let mut program = Program::start_with_libc("pools", &arguments, folder.path());
        let pid = program.pid();
        let tracer = Tracer::with(&[&program], &[ALL.as_slice(), &["--link", link]].concat());
        let accounts = program.work();
        let report = tracer.stop().only_report();
        report.assert_nothing_lost();
        let child = u32::try_from(accounts.figure("child", "pid")).unwrap();
        let process = report.process(child);
        assert_eq!(pools(process), accounts.callers["pools"], "{link}: {}", process.0["pools"]);
        assert_eq!(process.0["pools"]["totals"]["unknown_frees"], 0);
        assert_eq!(process.heap("allocated_blocks"), accounts.all.allocated_blocks);
        assert_eq!(pools(report.process(pid)).allocated_blocks, 0);
        assert!(program.end().success());
    }
}

/// A process that loads the library while it is traced, beside one that has it already.
#[test]
fn a_pool_may_come_with_a_library_that_is_loaded_later() {
    if !may_trace() {
        return;
    }
    let library = compiled("library/pool");
    let first = start();
    let arguments = [library.to_str().unwrap(), "late", "pool_direct", "24"];
    let mut program = Program::start("loads", &arguments);
    let pid = program.pid();
    let tracer = Tracer::with(&[&first, &program], &ALL);
    program.tell();
    program.wait_for("loaded");
    let_it_look();
    program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let account = pools(report.process(pid));
    assert_eq!((account.allocated_blocks, account.live_bytes), (1, 24));
    assert!(program.end().success());
}

/// A child that has just been forked gets probes of its own a moment later, in what it inherited; and at once in what
/// it loads itself. It does so in that moment, and each of its calls is one.
#[test]
fn a_young_child_that_loads_a_pool_is_counted_once() {
    if !may_trace() {
        return;
    }
    for link in ["session", "multi", "perf"].into_iter().filter(|link| has_link(link)) {
        let library = compiled("library/pool");
        let calls = ["pool_direct", "24"].repeat(5);
        let arguments = [&[library.to_str().unwrap(), "child"], calls.as_slice()].concat();
        // What is not mapped when tracing begins is not probed.
        let first = start();
        let mut program = Program::start("loads", &arguments);
        let options = [ALL.as_slice(), &["--link", link, "--link-for", "each"]].concat();
        let tracer = Tracer::with(&[&first, &program], &options);
        let accounts = program.work();
        let report = tracer.stop().only_report();
        report.assert_nothing_lost();
        let child = u32::try_from(accounts.figure("child", "pid")).unwrap();
        let account = pools(report.process(child));
        assert_eq!((account.allocated_blocks, account.live_bytes), (5, 5 * 24), "{link}");
        assert!(program.end().success());
    }
}
