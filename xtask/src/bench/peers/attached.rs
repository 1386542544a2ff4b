//! Peers that take a program that runs.

use super::headers;
use super::peer::{How, Peer};
use super::shop::Shop;
use crate::bench::tracer::{Ended, SAMPLED, SIGN};
use crate::command::{find, read};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What is needed to attach a peer and to understand it.
pub(super) struct Attached {
    pub(super) command: fn(&Shop, u32) -> Result<Command>,
    /// How the line begins in which it says that it traces, or is about to.
    pub(super) signs: &'static [&'static str],
    /// How long it may take from there.
    pub(super) settles: Duration,
    /// What it says in the end of what it saw.
    pub(super) counts: fn(&Ended) -> Counts,
}

/// What a peer says that it saw.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    /// Allocations.
    pub(super) seen: Option<f64>,
    /// Events that it lost, by its own account.
    pub(super) lost: Option<f64>,
    /// Part of the allocations whose stack reaches the program's or thread's first function.
    pub(super) complete: Option<f64>,
}

/// Its name in tables.
pub(super) const FLOOR_NAME: &str = "empty probes";

/// No tracer, but what no tracer with these probes can be under.
pub(super) const FLOOR: Peer = Peer {
    name: FLOOR_NAME,
    version: |_| Ok(String::new()),
    how: How::Attached(Attached {
        command: |shop, pid| Ok(shop.programs.floor(pid)),
        signs: &[SIGN],
        settles: Duration::ZERO,
        counts: |_| Counts::default(),
    }),
    line: "an example of memtrace's sources, `floor session PID`",
    attaches: "yes",
    stacks: "–",
    remark: "probes that do nothing where memtrace places its own: what the kernel takes for the traps",
    only: None,
};

pub(super) const MEMTRACE: Peer = Peer {
    name: "memtrace",
    version: |shop| Ok(read(shop.programs.memtrace(1).arg("--version"))?.trim().to_owned()),
    how: How::Attached(Attached {
        command: |shop, pid| Ok(shop.programs.memtrace(pid)),
        signs: &[SIGN],
        settles: Duration::ZERO,
        counts: |ended| ended.report.as_ref().map(counted).unwrap_or_default(),
    }),
    line: "memtrace --pid PID --exact --interval 0 --format json --top 3",
    attaches: "yes",
    stacks: "native, by unwinding tables",
    remark: "every allocation, with its stack",
    only: None,
};

pub(super) const MEMTRACE_SAMPLES: Peer = Peer {
    name: "memtrace, samples",
    how: How::Attached(Attached {
        command: |shop, pid| Ok(shop.programs.sampling(&[pid], SAMPLED)),
        signs: &[SIGN],
        settles: Duration::ZERO,
        counts: |ended| ended.report.as_ref().map(counted).unwrap_or_default(),
    }),
    line: "memtrace --pid PID --sample-interval 512KiB --interval 0 --format json --top 3",
    remark: "an allocation for each 512 KiB; what was seen is an estimate",
    ..MEMTRACE
};

pub(super) const MEMTRACE_PAGES: Peer = Peer {
    name: "memtrace, pages",
    how: How::Attached(Attached {
        command: |shop, pid| Ok(shop.programs.pages(pid)),
        signs: &[SIGN],
        settles: Duration::ZERO,
        counts: |ended| ended.report.as_ref().map(lost).unwrap_or_default(),
    }),
    line: "memtrace --pid PID --tier pages --interval 0 --format json --top 3",
    remark: "which stack touched which pages first, and who maps memory; no blocks",
    ..MEMTRACE
};

pub(super) const BPFTRACE: Peer = Peer {
    name: "bpftrace",
    version: |_| said_version("bpftrace", "bpftrace"),
    how: How::Attached(Attached {
        command: bpftrace,
        signs: &[SIGN],
        settles: Duration::ZERO,
        counts: bpftrace_counts,
    }),
    line: "bpftrace -B line SCRIPT PID",
    attaches: "yes",
    stacks: "native, by frame pointers, at most 12 frames",
    remark: "a script that keeps size and stack of every live block: malloc, calloc, realloc, \
             posix_memalign, free. 262,144 blocks at once (BPFTRACE_MAP_KEYS_MAX); it says nothing when there \
             are more",
    only: None,
};

pub(super) const MEMLEAK: Peer = Peer {
    name: "bcc memleak",
    version: |_| memleak().map(|(_, version)| version),
    how: How::Attached(Attached {
        command: run_memleak,
        // That of libbpf-tools says so once it has attached, that of bpfcc-tools before.
        signs: &["Tracing outstanding", "Attaching to pid"],
        settles: Duration::from_secs(2),
        counts: |_| Counts::default(),
    }),
    line: "memleak-bpfcc -p PID -O LIBRARY 3600",
    attaches: "yes",
    stacks: "native, by frame pointers",
    remark: "the one of `libbpf-tools` if that has it, else that of `bpfcc-tools`, which needs the headers \
             of a kernel: those of Debian's do where the running one has none. It says nothing when its tables are full",
    only: None,
};

/// Of a report without blocks.
fn lost(report: &Value) -> Counts {
    let lost = report.pointer("/loss/events").and_then(Value::as_f64);
    Counts { lost, ..Counts::default() }
}

/// Sums over the processes that memtrace reports.
fn counted(report: &Value) -> Counts {
    let processes = report.pointer("/processes").and_then(Value::as_array);
    let sum = |place: &str| -> f64 {
        let figures = processes.into_iter().flatten();
        figures.filter_map(|process| process.pointer(place)?.as_f64()).sum()
    };
    let seen = sum("/heap/allocated_blocks");
    let complete = (seen > 0.0).then(|| 1.0 - sum("/incomplete_blocks") / seen);
    Counts { seen: Some(seen), complete, ..lost(report) }
}

/// The script is all on one library, because a process has one allocator.
fn bpftrace(shop: &Shop, pid: u32) -> Result<Command> {
    let text = include_str!("live_blocks.bt").replace("LIBRARY", &allocator(pid)?);
    let script = shop.file("live_blocks.bt", &text)?;
    let mut command = into_errors();
    command.args(["bpftrace", "-B", "line", &script, &pid.to_string()]);
    // Blocks that may live at once; by default it is 4,096.
    command.env("BPFTRACE_MAP_KEYS_MAX", "262144");
    Ok(command)
}

fn bpftrace_counts(ended: &Ended) -> Counts {
    let seen =
        ended.errors.lines().find_map(|line| line.strip_prefix("@allocations: ")?.parse().ok());
    Counts { seen, ..Counts::default() }
}

/// The tool and its version: that of libbpf-tools first, which needs no headers.
fn memleak() -> Result<(&'static str, String)> {
    if find("memleak").is_some() {
        return Ok(("memleak", said_version("memleak", "libbpf-tools")?));
    }
    find("memleak-bpfcc").context("not installed: apt-get install bpfcc-tools")?;
    Ok(("memleak-bpfcc", package_version("bpfcc-tools")?))
}

fn run_memleak(_: &Shop, pid: u32) -> Result<Command> {
    let (tool, _) = memleak()?;
    let mut command = into_errors();
    // Its lines shall come at once, although nobody sees them on a terminal.
    // Python leaves SIGINT alone where it is ignored, as in what a shell runs in the background.
    let env = ["env", "--default-signal=INT", "PYTHONUNBUFFERED=1", "stdbuf", "-oL", tool];
    command.args(env);
    if let Some(folder) = headers::of_another_kernel()? {
        command.env("BCC_KERNEL_SOURCE", folder);
    }
    command.args(["-p", &pid.to_string(), "-O", &allocator(pid)?, "3600"]);
    Ok(command)
}

/// A program whose output joins its errors: there we wait for its sign that it traces.
fn into_errors() -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"exec "$@" >&2"#, "sh"]);
    command
}

/// The file with the allocator of a process: the C library, unless another one is loaded.
fn allocator(pid: u32) -> Result<String> {
    let path = format!("/proc/{pid}/maps");
    let maps = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let files: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| Some(PathBuf::from(format!("/{}", line.split_once('/')?.1))))
        .collect();
    let named = |name: &str| files.iter().find(|file| file.ends_with(name));
    let file = named("libjemalloc.so.2").or_else(|| named("libc.so.6"));
    let file = file.and_then(|file| file.to_str());
    Ok(file.context("the program has no allocator that is known here")?.to_owned())
}

/// What a program says of its version; `package` has it.
pub(super) fn said_version(program: &str, package: &str) -> Result<String> {
    find(program).with_context(|| format!("not installed: apt-get install {package}"))?;
    let said = read(Command::new(program).arg("--version"))?;
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

/// The version of a Debian package.
pub(super) fn package_version(package: &str) -> Result<String> {
    let query = ["-W", "-f", "${Package} ${Version}", package];
    read(Command::new("dpkg-query").args(query))
        .with_context(|| format!("not installed: apt-get install {package}"))
}

#[cfg(test)]
mod tests {
    use super::{allocator, counted};
    use serde_json::json;

    #[test]
    fn processes_are_added_up() {
        let process = json!({"heap": {"allocated_blocks": 50}, "incomplete_blocks": 1});
        let counts = counted(&json!({"processes": [process, process], "loss": {"events": 3}}));
        assert_eq!((counts.seen, counts.lost), (Some(100.0), Some(3.0)));
        assert_eq!(counts.complete, Some(0.98));
        assert_eq!(counted(&json!({})).complete, None);
    }

    #[test]
    fn this_program_has_the_c_library() {
        assert!(allocator(std::process::id()).unwrap().ends_with("libc.so.6"));
    }
}
