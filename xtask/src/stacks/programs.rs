//! The programs whose stacks are looked at, and what each is given to do.

use super::workshop::Workshop;
use crate::command::read;
use crate::elevate;
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::Command;

/// A program.
pub(super) struct Program {
    pub(super) name: &'static str,
    /// Files that must be there, and the packages that bring them.
    pub(super) needs: &'static [(&'static str, &'static str)],
    /// What the table says of its version.
    pub(super) version: fn() -> Result<String>,
    /// What it does, for the table.
    pub(super) work: &'static str,
    pub(super) start: fn(&Workshop) -> Result<Start>,
}

/// How it is started, and how it is told to begin once it is traced.
pub(super) struct Start {
    pub(super) command: Command,
    pub(super) signal: Signal,
}

/// What lets a program begin.
pub(super) enum Signal {
    /// It says `ready`, reads this, says `done`, and ends with its input.
    Input(String),
    /// It is stopped before it is executed, continued, and works until it ends.
    Execution,
    /// It listens on this socket, and is kept busy by a client.
    Client(PathBuf, Command),
}

fn talk(command: Command, input: &str) -> Result<Start> {
    Ok(Start { command, signal: Signal::Input(input.to_owned()) })
}

/// A program with its arguments, started by the person who builds.
fn user(words: &[&str]) -> Result<Command> {
    let [program, arguments @ ..] = words else { anyhow::bail!("a command without a program") };
    let mut command = elevate::as_user(program)?;
    command.args(arguments);
    Ok(command)
}

/// An interpreter with a script of ours, which begins when it reads a line.
fn script(workshop: &Workshop, words: &[&str], name: &str, text: &str) -> Result<Start> {
    let script = workshop.file(name, text)?;
    let mut command = user(words)?;
    // node leaves a log behind where it runs.
    command.arg(script).current_dir(workshop.path(""));
    talk(command, "go\n")
}

/// The version of a Debian package, or of what is installed in its stead.
fn package_version(package: &str, program: &str) -> Result<String> {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${Version}", package]);
    if let Ok(version) = read(&mut query) {
        return Ok(version);
    }
    said_version(program, &["--version"])
}

/// What a program says of its version, asked in this way.
fn said_version(program: &str, arguments: &[&str]) -> Result<String> {
    let said = read(elevate::as_user(program)?.args(arguments))?;
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

/// In the table's order.
pub(super) const PROGRAMS: &[Program] = &[
    Program {
        name: "sqlite3",
        needs: &[("/usr/bin/sqlite3", "sqlite3")],
        version: || package_version("sqlite3", "/usr/bin/sqlite3"),
        work: "tables, indexes, full text, triggers, JSON, all in memory",
        start: |_| {
            let words = ["/usr/bin/sqlite3", "-batch", "-cmd", ".print ready", ":memory:"];
            talk(user(&words)?, include_str!("workloads/sqlite.sql"))
        },
    },
    Program {
        name: "perl",
        needs: &[("/usr/bin/perl", "perl")],
        version: || package_version("perl", "/usr/bin/perl"),
        work: "regular expressions, hashes, sorting, modules loaded on the way, errors",
        start: |shop| {
            script(shop, &["/usr/bin/perl"], "work.pl", include_str!("workloads/work.pl"))
        },
    },
    Program {
        name: "python3",
        needs: &[("/usr/bin/python3", "python3")],
        version: || package_version("python3", "/usr/bin/python3"),
        work: "imports, extension modules loaded on the way, text, numbers, threads, errors",
        start: |shop| {
            script(shop, &["/usr/bin/python3"], "work.py", include_str!("workloads/work.py"))
        },
    },
    Program {
        name: "node",
        needs: &[("/usr/bin/node", "nodejs")],
        version: || package_version("nodejs", "/usr/bin/node"),
        work: "code compiled on the way, promises, worker threads, compression, errors",
        start: |shop| {
            let words = ["/usr/bin/node", "--perf-basic-prof"];
            script(shop, &words, "work.js", include_str!("workloads/work.js"))
        },
    },
    Program {
        name: "redis-server",
        needs: &[
            ("/usr/bin/redis-server", "redis-server"),
            ("/usr/bin/redis-benchmark", "redis-tools"),
        ],
        version: || package_version("redis-server", "/usr/bin/redis-server"),
        work: "redis-benchmark: strings, lists, sets, hashes, sorted sets",
        start: redis,
    },
    Program {
        name: "ruby",
        needs: &[("/usr/bin/ruby", "ruby")],
        version: || said_version("/usr/bin/ruby", &["-e", "print RUBY_VERSION"]),
        work: "strings, blocks, libraries loaded on the way, threads, fibers, errors",
        start: |shop| {
            script(shop, &["/usr/bin/ruby"], "work.rb", include_str!("workloads/work.rb"))
        },
    },
    Program {
        name: "php",
        needs: &[("/usr/bin/php", "php-cli")],
        version: || said_version("/usr/bin/php", &["-r", "echo PHP_VERSION;"]),
        work: "arrays, regular expressions, dates, streams, errors, with the C library's allocator \
               instead of PHP's own (USE_ZEND_ALLOC=0)",
        start: |shop| {
            let text = include_str!("workloads/work.php");
            let mut start = script(shop, &["/usr/bin/php"], "work.php", text)?;
            start.command.env("USE_ZEND_ALLOC", "0");
            Ok(start)
        },
    },
    Program {
        name: "git",
        needs: &[("/usr/bin/git", "git")],
        version: || package_version("git", "/usr/bin/git"),
        work: "git log -p over 300 commits, from its execution on",
        start: |shop| executed(&["/usr/bin/git", "-C", &shop.repository()?, "log", "-p"]),
    },
    Program {
        name: "cc1",
        needs: &[("/usr/bin/gcc", "gcc")],
        version: || said_version("gcc", &["-dumpfullversion"]).map(|it| format!("gcc {it}")),
        work: "compiling 200 functions with -O2, from its execution on",
        start: |shop| {
            let compiler = read(elevate::as_user("/usr/bin/gcc")?.arg("-print-prog-name=cc1"))?;
            let source = shop.source()?;
            executed(&[compiler.trim(), "-quiet", "-O2", "-g", &source, "-o", "/dev/null"])
        },
    },
    Program {
        name: "Go with cgo",
        needs: &[("/usr/bin/go", "golang-go"), ("/usr/bin/gcc", "gcc")],
        version: || said_version("/usr/bin/go", &["version"]),
        work: "goroutines that call C, which calls Go back",
        start: |shop| {
            let text = include_str!("workloads/work.go");
            talk(
                elevate::as_user(shop.compiled("work.go", text, &["/usr/bin/go", "build"])?)?,
                "go\n",
            )
        },
    },
    Program {
        name: "Rust",
        needs: &[],
        version: || said_version("rustc", &["--version"]),
        work: "collections, text, threads, panics that are caught; optimised",
        start: |shop| {
            let text = include_str!("workloads/work.rs");
            talk(
                elevate::as_user(shop.compiled(
                    "work.rs",
                    text,
                    &["rustc", "-O", "--edition=2024"],
                )?)?,
                "go\n",
            )
        },
    },
    Program {
        name: "C++",
        needs: &[("/usr/bin/g++", "g++")],
        version: || said_version("g++", &["-dumpfullversion"]).map(|it| format!("g++ {it}")),
        work: "exceptions in flight, thrown anew, nested, kept for other threads; optimised",
        start: |shop| {
            let text = include_str!("workloads/work.cpp");
            let program = shop.compiled("work.cpp", text, &["g++", "-O2", "-pthread"])?;
            talk(elevate::as_user(program)?, "go\n")
        },
    },
    Program {
        name: "gdb",
        needs: &[("/usr/bin/gdb", "gdb")],
        version: || package_version("gdb", "/usr/bin/gdb"),
        work: "reading its own symbols, disassembling, Python",
        start: |_| {
            let words = ["/usr/bin/gdb", "-nx", "-q", "-ex", r"echo ready\n"];
            talk(user(&words)?, include_str!("workloads/work.gdb"))
        },
    },
];

/// A program that is stopped until it is traced, and then executed.
fn executed(words: &[&str]) -> Result<Start> {
    let mut command = user(&["/bin/sh", "-c", r#"kill -STOP $$; exec "$@""#, "sh"])?;
    command.args(words);
    Ok(Start { command, signal: Signal::Execution })
}

fn redis(workshop: &Workshop) -> Result<Start> {
    let socket = workshop.path("redis.socket");
    let named = socket.to_str().context("the folder's path is not UTF-8")?;
    let mut server = user(&["/usr/bin/redis-server", "--port", "0", "--save", ""])?;
    server.args(["--daemonize", "no", "--unixsocket", named, "--dir"]).arg(workshop.path(""));
    let tests = "set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset";
    let client = user(&["/usr/bin/redis-benchmark", "-q", "-s", named, "-n", "5000", "-t", tests])?;
    Ok(Start { command: server, signal: Signal::Client(socket, client) })
}
