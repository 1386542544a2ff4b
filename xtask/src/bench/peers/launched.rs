//! Peers that start the program themselves.

use super::attached::{package_version, said_version};
use super::peer::{How, Peer};
use super::shop::{Program, Shop, python_with_memray};
use crate::command::read;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::Command;

/// What is needed to start a program under a peer.
pub(super) struct Launched {
    pub(super) wrap: fn(&Shop, Program) -> Result<Program>,
    /// How the names of the files begin that it leaves.
    pub(super) output: &'static str,
}

const JEMALLOC_LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
const TCMALLOC_LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4";

pub(super) const HEAPTRACK: Peer = Peer {
    name: "heaptrack",
    version: |_| said_version("heaptrack", "heaptrack"),
    how: How::Launched(Launched {
        wrap: |shop, program| Ok(program.under(&["heaptrack", "-o", &shop.path("heaptrack")?])),
        output: "heaptrack",
    }),
    line: "heaptrack -o FILE PROGRAM",
    attaches: "with gdb, which calls functions in the program",
    stacks: "native, by unwinding tables",
    remark: "every allocation; runs in the program, without help from the kernel. Its own process may lag \
             behind: what it does after the program's work is not in its CPU",
    only: None,
};

pub(super) const MASSIF: Peer = Peer {
    name: "valgrind massif",
    version: |_| said_version("valgrind", "valgrind"),
    how: How::Launched(Launched {
        wrap: |shop, program| {
            let out = format!("--massif-out-file={}", shop.path("massif")?);
            Ok(program.under(&["valgrind", "--tool=massif", &out]))
        },
        output: "massif",
    }),
    line: "valgrind --tool=massif --massif-out-file=FILE PROGRAM",
    attaches: "no",
    stacks: "native, by unwinding tables, in snapshots",
    remark: "every allocation; runs the program on an emulated processor, one thread at a time",
    only: None,
};

pub(super) const MEMRAY: Peer = Peer {
    name: "memray",
    version: |_| memray_version(),
    how: How::Launched(Launched { wrap: memray, output: "memray" }),
    line: "python -m memray run --quiet --force --output FILE SCRIPT",
    attaches: "with a debugger, which runs code in the program",
    stacks: "Python's; native ones on request",
    remark: "every allocation; for Python only",
    only: Some("python"),
};

pub(super) const JEMALLOC: Peer = Peer {
    name: "jemalloc's profiler",
    version: |_| library_version(JEMALLOC_LIBRARY, "libjemalloc2"),
    how: How::Launched(Launched {
        wrap: |shop, program| {
            let configuration =
                format!("prof:true,prof_final:true,prof_prefix:{}", shop.path("jeprof")?);
            Ok(preloaded(program, JEMALLOC_LIBRARY).with("MALLOC_CONF", configuration))
        },
        output: "jeprof",
    }),
    line: "MALLOC_CONF=prof:true,prof_final:true LD_PRELOAD=libjemalloc.so.2 PROGRAM",
    attaches: "no",
    stacks: "native, by unwinding tables",
    remark: "a sample of one in 512 KiB, its default; replaces the program's allocator, which by itself \
             changes the cost",
    only: None,
};

pub(super) const TCMALLOC: Peer = Peer {
    name: "tcmalloc's profiler",
    version: |_| library_version(TCMALLOC_LIBRARY, "libgoogle-perftools4"),
    how: How::Launched(Launched {
        wrap: |shop, program| {
            Ok(preloaded(program, TCMALLOC_LIBRARY).with("HEAPPROFILE", shop.path("tcprof")?))
        },
        output: "tcprof",
    }),
    line: "HEAPPROFILE=FILE LD_PRELOAD=libtcmalloc.so.4 PROGRAM",
    attaches: "no",
    stacks: "native, by unwinding tables",
    remark: "every allocation; replaces the program's allocator, which by itself changes the cost",
    only: None,
};

fn preloaded(program: Program, library: &str) -> Program {
    program.with("LD_PRELOAD", library.to_owned())
}

fn library_version(library: &str, package: &str) -> Result<String> {
    ensure!(Path::new(library).exists(), "not installed: apt-get install {package}");
    package_version(package)
}

/// The interpreter runs memray, and that the script.
fn memray(shop: &Shop, mut program: Program) -> Result<Program> {
    let output = shop.path("memray")?;
    let words = ["-m", "memray", "run", "--quiet", "--force", "--output", &output];
    program.words.splice(1..1, words.map(str::to_owned));
    Ok(program)
}

fn memray_version() -> Result<String> {
    let python = python_with_memray()?;
    ensure!(python.exists(), "not installed: --install-peers does it");
    let version = read(Command::new(python).args(["-m", "memray", "--version"]));
    Ok(format!("memray {}", version.context("memray does not run")?.trim()))
}
