//! What memtrace says, and does not do, when it is asked for what cannot be done: one line that names
//! the thing and the remedy, nothing half-written, and a target that goes on unharmed.

mod programs;
mod support;

use programs::{Memtrace, Talker, Target, run};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::kernel::kernel;
use support::program::{compiled, copy_libc};
use support::{may_trace, patience, wait_until};
use tempfile::TempDir;

/// A program that answers bytes.
fn talker(name: &str, arguments: &[&str]) -> Talker {
    Talker::start(Command::new(compiled(name)).args(arguments))
}

/// A program that does nothing, and is past the dynamic linker.
fn idler() -> Talker {
    let mut idler = talker("plain/echo", &[]);
    assert_eq!(idler.ask_byte(), b'\n');
    idler
}

/// A program that allocates and frees as fast as it can.
fn busy() -> Target {
    Target::start(&mut Command::new(compiled("plain/busy")))
}

fn traced(pid: u32, arguments: &[&str]) -> programs::Ended {
    run([&["--pid", &pid.to_string()], arguments].concat())
}

#[test]
fn no_such_process() {
    if !may_trace() {
        return;
    }
    // The kernel's largest number is one less (Documentation/admin-guide/sysctl/kernel.rst, pid_max).
    traced(4_194_304, &[]).assert_refused(1, &["4194304", "pgrep"]);
    traced(4_194_304, &["--duration", "1s"]).assert_refused(1, &["4194304"]);
}

#[test]
fn kernel_threads() {
    if !may_trace() {
        return;
    }
    let name = fs::read_to_string("/proc/2/comm").expect("there is a second process");
    assert_eq!(name.trim(), "kthreadd", "this test needs to see the kernel's threads");
    traced(2, &[]).assert_refused(1, &["pid 2 ", "kernel thread"]);
}

#[test]
fn memtrace_itself() {
    if !may_trace() {
        return;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" --pid $$", env!("CARGO_BIN_EXE_memtrace")]);
    Memtrace::start(&mut shell).end().assert_refused(1, &["memtrace itself", "another process"]);
}

/// How long memtrace takes here until it traces.
fn time_to_attach() -> Duration {
    let idler = idler();
    let begun = Instant::now();
    let memtrace = Memtrace::attach(idler.pid(), &["--interval", "0"]);
    let time = begun.elapsed();
    assert_eq!(memtrace.stop().code(), 0);
    time
}

/// Short lives end at every stage of attaching, and soon after it.
#[test]
fn processes_that_end_meanwhile() {
    if !may_trace() {
        return;
    }
    // Eight fall into the time that attaching took just now; on a busy machine it may take longer,
    // so they grow until three were long enough.
    const MOST: u32 = 60;
    const ENOUGH: u32 = 3;
    let step = time_to_attach() / 8;
    let (mut refused, mut traced_to_their_end) = (0, 0);
    for index in 0..MOST {
        let life = (step * index).as_millis().to_string();
        let mut target = Target::start(Command::new(compiled("plain/short_life")).arg(life));
        let ended = traced(target.pid(), &["--interval", "0", "--format", "json"]);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        if ended.code() == 0 {
            assert_eq!(ended.report(0)["processes"][0]["state"], "exited");
            traced_to_their_end += 1;
        } else {
            refused += 1;
            ended.assert_refused(1, &[&target.pid().to_string()]);
        }
        assert_eq!(target.wait().code(), Some(0), "the target's own end");
        if traced_to_their_end == ENOUGH {
            break;
        }
    }
    assert!(refused > 0, "none was too short");
    assert_eq!(traced_to_their_end, ENOUGH, "{refused} were too short");
}

/// memtrace as a user whom nobody has given anything.
fn unprivileged(folder: &Path) -> Command {
    // Where cargo puts it, others may not look.
    let copy = folder.join("memtrace");
    fs::copy(env!("CARGO_BIN_EXE_memtrace"), &copy).expect("a copy");
    for path in [folder, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    let mut command = Command::new(copy);
    // Root's capabilities go with its number (capabilities(7), "Effect of user ID changes"), and its
    // groups, too: std drops them where root becomes somebody else.
    command.uid(65534).gid(65534);
    command
}

#[test]
fn without_privileges() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut target = idler();
    let mut command = unprivileged(folder.path());
    let command = command.args(["--pid", &target.pid().to_string()]);
    Memtrace::start(command).end().assert_refused(
        1,
        &[
            "sudo",
            "CAP_BPF",
            "CAP_PERFMON",
            "CAP_SYS_PTRACE",
            "CAP_DAC_READ_SEARCH",
            "CAP_CHECKPOINT_RESTORE",
        ],
    );
    target.assert_unharmed();
}

/// An ELF executable for i386 that waits: `mov $29, %eax; int $0x80` (pause), again and again.
fn program_of_32_bits(folder: &Path) -> std::path::PathBuf {
    const BASE: u32 = 0x0804_8000;
    const CODE: [u8; 9] = [0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7];
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut put = |words: &[(u32, usize)]| {
        for (value, size) in words {
            file.extend(&value.to_le_bytes()[..*size]);
        }
    };
    // ET_EXEC, EM_386, version, entry, offsets of the headers, flags, sizes and numbers of headers.
    put(&[(2, 2), (3, 2), (1, 4), (BASE + 84, 4), (52, 4), (0, 4), (0, 4)]);
    put(&[(52, 2), (32, 2), (1, 2), (0, 2), (0, 2), (0, 2)]);
    // PT_LOAD of the whole file, readable and executable.
    put(&[(1, 4), (0, 4), (BASE, 4), (BASE, 4), (93, 4), (93, 4), (5, 4), (0x1000, 4)]);
    file.extend(CODE);
    let path = folder.join("waits32");
    fs::write(&path, file).expect("it is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

#[test]
fn programs_of_32_bits() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut target = Target::start(&mut Command::new(program_of_32_bits(folder.path())));
    traced(target.pid(), &[]).assert_refused(1, &[&target.pid().to_string(), "32-bit", "64-bit"]);
    target.assert_unharmed();
}

#[test]
fn no_allocator() {
    if !may_trace() {
        return;
    }
    let mut target = Target::start(&mut Command::new(compiled("plain/bare")));
    traced(target.pid(), &["--duration", "1s"])
        .assert_refused(1, &["bare", "no allocator", "glibc", "jemalloc", "musl", "stripped"]);
    target.assert_unharmed();
}

/// Two libraries of the same kind in one process: both are traced, and no block is counted twice.
#[test]
fn two_libcs() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("libc-copy.so.6");
    copy_libc(&copy);
    for (library, announced) in [("libc.so.6", 1), (copy.to_str().unwrap(), 2)] {
        let mut command = Command::new(compiled("plain/two_libcs"));
        // A second C library wants the dynamic linker by name. /lib64 has it wherever programs of
        // this machine run at all (System V ABI, AMD64, "Program interpreter"); the folders that are
        // searched unasked need not.
        let mut target = Talker::start(command.arg(library).env("LD_LIBRARY_PATH", "/lib64"));
        // It has both.
        assert_eq!(target.ask_byte(), b'\n');
        let options = ["--interval", "0", "--duration", "1s", "--min-age", "0", "--format", "json"];
        let ended = traced(target.pid(), &options);
        assert_eq!(ended.stderr.matches("functions").count(), announced, "{}", ended.stderr);
        let report = ended.report(0);
        target.assert_unharmed();
        let stacks = report["processes"][0]["stacks"].as_array().unwrap();
        assert_eq!(stacks.len(), 2, "{report}");
        for stack in stacks {
            let (bytes, blocks) = (&stack["live_bytes"], stack["live_blocks"].as_u64().unwrap());
            assert!(*bytes == 100 * blocks || *bytes == 200 * blocks, "{stack}");
            assert_eq!(stack["frames"][0]["function"], "main", "{stack}");
        }
        let numbers: Vec<u64> =
            stacks.iter().map(|stack| stack["live_blocks"].as_u64().unwrap()).collect();
        assert!(numbers[0].abs_diff(numbers[1]) <= 1, "{numbers:?}");
    }
}

/// A process whose main thread has ended is traced by links that see all users of a library: so it
/// gets a C library of its own here.
#[test]
fn leader_exited() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    copy_libc(&folder.path().join("libc.so.6"));
    let mut command = Command::new(compiled("plain/leaderless"));
    let mut target = Target::start(command.env("LD_LIBRARY_PATH", folder.path()));
    let status = format!("/proc/{}/stat", target.pid());
    wait_until("the end of the main thread", || {
        fs::read_to_string(&status).is_ok_and(|text| text.contains(") Z ")).then_some(())
    });
    let options = ["--interval", "0", "--duration", "1s", "--min-age", "0", "--format", "json"];
    let ended = traced(target.pid(), &options);
    let report = ended.report(0);
    assert!(ended.stderr.contains("main thread"), "{}", ended.stderr);
    let heap = &report["processes"][0]["heap"];
    let blocks = heap["live_blocks"].as_u64().unwrap();
    assert!(blocks > 100 && heap["live_bytes"] == 100 * blocks, "{heap}");
    assert_eq!(report["processes"][0]["state"], "running");
    assert!(target.is_running());
}

#[test]
fn places_that_cannot_be_written() {
    if !may_trace() {
        return;
    }
    let mut target = idler();
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing/leaks.json");
    let missing = missing.to_str().unwrap();
    traced(target.pid(), &["--output", missing, "--duration", "1s"])
        .assert_refused(1, &[missing, "create its directory"]);
    let directory = folder.path().to_str().unwrap();
    traced(target.pid(), &["--output", directory]).assert_refused(1, &[directory, "file"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    target.assert_unharmed();
}

#[test]
fn contradictions() {
    if !may_trace() {
        return;
    }
    let mut target = idler();
    for (arguments, words) in [
        (&["--exact", "--overhead-budget", "5"] as &[&str], ["--exact", "--overhead-budget"]),
        (&["--min-size", "10K", "--max-size", "1K"], ["--min-size", "--max-size"]),
        (&["--interval", "5s", "6"], ["--interval", "INTERVAL"]),
        (&["--interval", "0", "--count", "5"], ["--count", "--interval"]),
        (&["-q", "-v"], ["-q", "-v"]),
        (&["--ring-size", "5000"], ["--ring-size", "power of two"]),
        (&["--max-memory", "1"], ["--max-memory", "32MiB"]),
        (&["--output", "r-{nonsense}"], ["--output", "{nonsense}"]),
    ] {
        traced(target.pid(), arguments).assert_refused(2, &words);
    }
    run(["--interval", "5s"]).assert_refused(2, &["--pid"]);
    run(["--pid", "abc"]).assert_refused(2, &["abc", "--pid"]);
    target.assert_unharmed();
}

#[test]
fn debug_information_from_nowhere() {
    if !may_trace() {
        return;
    }
    let mut target = idler();
    let mut command = Memtrace::command();
    command.args(["--debuginfod", "--pid", &target.pid().to_string()]);
    for (urls, words) in [
        ("", ["DEBUGINFOD_URLS", "sudo --preserve-env"]),
        ("gopher://old", ["DEBUGINFOD_URLS", "gopher://old"]),
    ] {
        let ended = Memtrace::start(command.env("DEBUGINFOD_URLS", urls)).end();
        ended.assert_refused(1, &words);
    }
    target.assert_unharmed();
}

/// A disk of 16 KiB, in a mount namespace of its own, that fills while reports are written.
#[test]
fn a_disk_that_fills() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut target = idler();
    for (name, is_per_report) in [("leaks.json", false), ("leaks-{seq}.json", true)] {
        let mut script = String::from("set -e\nmount -t tmpfs -o size=16k none \"$1\"\n");
        let _ = writeln!(
            script,
            "status=0; \"$2\" --pid \"$3\" --interval 0.2s --count 20 \
            --format json --output \"$1/{name}\" || status=$?\nls -A \"$1\" >&2; cat \"$1\"/*\nexit $status"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
        command.arg(folder.path()).arg(env!("CARGO_BIN_EXE_memtrace"));
        let ended = Memtrace::start(command.arg(target.pid().to_string())).end();
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("free some space"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert!(!ended.stderr.contains(".memtrace-"), "a leftover: {}", ended.stderr);
        assert_eq!(ended.stderr.contains("leaks-2.json"), is_per_report, "{}", ended.stderr);
        // What is there is whole.
        assert!(ended.stdout.lines().count() >= 2, "{}", ended.stdout);
        for line in ended.stdout.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("a whole report");
        }
        target.assert_unharmed();
    }
}

#[test]
fn a_full_device() {
    if !may_trace() {
        return;
    }
    let mut target = idler();
    let options = ["--interval", "0", "--duration", "0.2s", "--min-age", "0", "--output"];
    let ended = traced(target.pid(), &[options.as_slice(), &["/dev/full"]].concat());
    assert_eq!(ended.code(), 1);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ended.stderr);
    assert!(lines[1].starts_with("memtrace: error: cannot write"), "{}", lines[1]);
    assert!(lines[1].contains("/dev/full") && lines[1].contains("free some space"));
    target.assert_unharmed();
}

/// As `memtrace … | head -1`: the reader has seen enough, which is no failure.
#[test]
fn a_reader_that_leaves() {
    if !may_trace() {
        return;
    }
    let mut target = idler();
    let mut command = Memtrace::command();
    command.args(["--pid", &target.pid().to_string(), "--interval", "0.2s"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("memtrace starts");
    let mut line = String::new();
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    assert!(line.starts_with("memtrace "), "{line}");
    drop(reader);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    // A slow machine makes fewer reports, and says so.
    let other = stderr.lines().filter(|line| !line.ends_with("are left out")).count();
    assert_eq!(other, 1, "{stderr}");
    target.assert_unharmed();
}

/// From Linux 6.11 on a return probe is a system call, which a filter must not answer by killing
/// (`SECCOMP_MODE_STRICT` does to all but read, write, exit and sigreturn).
#[test]
fn filtered_system_calls() {
    if may_trace() {
        filtered(&[]);
    }
}

/// … as does a filter that lists what it allows (`SECCOMP_MODE_FILTER`).
#[test]
fn system_calls_filtered_by_a_list() {
    if may_trace() {
        filtered(&["list"]);
    }
}

/// The program is traced, or refused where the kernel would kill it; either way it is not harmed.
#[track_caller]
fn filtered(arguments: &[&str]) {
    let mut talker = talker("plain/filtered", arguments);
    // It answers the line break of each request, too.
    assert_eq!(talker.ask("a"), "a\n");
    let mut command = Memtrace::command();
    command.args([
        "--pid",
        &talker.pid().to_string(),
        "--exact",
        "--interval",
        "0",
        "--format",
        "json",
    ]);
    let mut memtrace = Memtrace::start(&mut command);
    // From 6.11 on it may be either way, as the exemption came later and was backported.
    let may_kill = kernel() >= (6, 11) && kernel() < (6, 14);
    let is_tracing = memtrace.is_tracing();
    assert!(is_tracing || may_kill, "refused without need");
    if is_tracing {
        assert_eq!(talker.ask("b"), "b\n");
        let heap = memtrace.stop().report(0)["processes"][0]["heap"].clone();
        assert_eq!(heap["allocated_blocks"], 2000, "{heap}");
        assert_eq!(heap["freed_blocks"], 2000, "{heap}");
    } else {
        memtrace.end().assert_refused(1, &["seccomp"]);
    }
    talker.assert_unharmed();
    assert_eq!(talker.ask("c"), "c\n");
    assert_eq!(talker.finish().1.code(), Some(7));
}

/// What a ring of one page cannot hold is missing, and said to be in the very next report.
#[test]
fn a_ring_that_overflows() {
    if !may_trace() {
        return;
    }
    let mut target = busy();
    let options = ["--ring-size", "4096", "--interval", "1s", "--count", "2", "--format", "json"];
    // The shortest of walks, so that the target outruns the reader.
    let ended = traced(target.pid(), &[options.as_slice(), &["--unwind", "fp"]].concat());
    let last = ended.report(3);
    let first: serde_json::Value =
        serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    let lost = |report: &serde_json::Value| report["loss"]["events"].as_u64().unwrap();
    assert!(lost(&first) > 0 && lost(&last) > lost(&first), "{first}");
    let causes = last["loss"]["by_cause"].as_object().unwrap();
    let sum: u64 = causes.values().map(|number| number.as_u64().unwrap()).sum();
    assert_eq!(sum, lost(&last), "{causes:?}");
    assert_eq!(last["processes"][0]["verdict"], "degraded");
    target.assert_unharmed();
}

#[test]
fn a_budget_that_is_exceeded() {
    if !may_trace() {
        return;
    }
    let mut target = busy();
    let options = ["--interval", "0", "--overhead-budget", "0.1", "--format", "json"];
    let ended = traced(target.pid(), &options);
    let report = ended.report(3);
    assert!(ended.stderr.contains("budget of 0.1 %"), "{}", ended.stderr);
    assert!(report["tracer"]["degraded"][0].as_str().unwrap().contains("budget"), "{report}");
    assert_eq!(report["processes"][0]["state"], "running");
    target.assert_unharmed();
}

#[test]
fn more_blocks_than_fit() {
    if !may_trace() {
        return;
    }
    let mut talker = talker("plain/many", &[]);
    let options = [
        "--exact",
        "--interval",
        "0",
        "--max-memory",
        "32MiB",
        "--min-age",
        "0",
        "--format",
        "json",
    ];
    // A ring that holds them all: this is about the tables.
    let memtrace = Memtrace::attach(talker.pid(), &options);
    assert_eq!(talker.ask_byte(), b'\n');
    let report = memtrace.stop().report(3);
    talker.assert_unharmed();
    let heap = &report["processes"][0]["heap"];
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let evicted = number(&report["loss"]["evicted_blocks"]);
    assert!(evicted > 0, "{report}");
    let known = number(&heap["allocated_blocks"]) + number(&report["loss"]["events"]);
    assert!(known >= 1_500_000, "{report}");
    assert_eq!(number(&heap["allocated_blocks"]), number(&heap["live_blocks"]) + evicted, "{heap}");
    assert_eq!(report["processes"][0]["verdict"], "degraded");
}

#[test]
fn signals_end_it_with_a_report() {
    if !may_trace() {
        return;
    }
    let mut target = idler();
    let options = ["--interval", "0", "--format", "json"];
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let memtrace = Memtrace::attach(target.pid(), &options);
        memtrace.signal(signal);
        assert_eq!(memtrace.end().report(0)["sequence"], 1);
        target.assert_unharmed();
    }
    let memtrace = Memtrace::attach(target.pid(), &options);
    memtrace.signal(libc::SIGUSR1);
    std::thread::sleep(patience(Duration::from_millis(500)));
    assert_eq!(memtrace.stop().report(0)["sequence"], 2);
    target.assert_unharmed();
}

/// The first Ctrl-C waits for the report, here for ever: nobody reads the pipe. The second does not.
#[test]
fn a_second_ctrl_c_leaves_at_once() {
    if !may_trace() {
        return;
    }
    let mut target = idler();
    let (_reader, writer) = std::io::pipe().unwrap();
    let filler = writer.try_clone().unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&filler);
    // SAFETY: F_SETPIPE_SZ takes a number; the descriptor is open.
    let size = unsafe { libc::fcntl(descriptor, libc::F_SETPIPE_SZ, 4096) };
    assert_eq!(size, 4096);
    std::io::Write::write_all(&mut &filler, &[b'x'; 4096]).unwrap();
    let mut command = Memtrace::command();
    command.args(["--pid", &target.pid().to_string(), "--interval", "0"]).process_group(0);
    let mut memtrace = Memtrace::start_into(&mut command, writer.into());
    memtrace.wait_until_tracing();
    memtrace.signal(libc::SIGINT);
    std::thread::sleep(patience(Duration::from_millis(700)));
    target.assert_unharmed();
    memtrace.signal(libc::SIGINT);
    let ended = memtrace.end();
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.lines().last().unwrap().contains("left before the final report"));
    target.assert_unharmed();
}
