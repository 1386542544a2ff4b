//! A run of a C++ compiler, from its execution to its end.

use super::super::peer::How;
use super::super::shop::Shop;
use super::super::watch::{Figures, PATIENCE, Watch};
use super::super::{Options, Peer, Workload};
use super::repeated::repeated;
use crate::command::{read, run as run_program};
use crate::watchdog::{Watchdog, kill_all};
use crate::{elevate, processes};
use anyhow::{Context as _, Result, bail, ensure};
use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Functions of the source.
const FUNCTIONS: usize = 5;

pub(in super::super) const WORKLOAD: Workload = Workload {
    title: "cc1plus",
    about: "Five functions with templates of the standard library, already preprocessed, with -O1. It runs from \
            its execution to its end; the CPU of a peer that starts the program is the whole tree's, its own \
            processes and start-up included. Several times, until as much CPU time has gone by as the loop takes.",
    unit: "run",
    time: ("ms", 1e6),
    run,
};

/// Stops before it becomes the program, so that it can be traced from its execution on.
const HELD: [&str; 4] = ["/bin/sh", "-c", r#"kill -STOP $$; exec "$@""#, "sh"];

fn run(shop: &Shop, peer: &Peer, options: &Options) -> Result<Figures> {
    repeated(options, 1.0, || once(shop, peer))
}

fn once(shop: &Shop, peer: &Peer) -> Result<Figures> {
    let compiler = read(elevate::as_user("/usr/bin/g++")?.arg("-print-prog-name=cc1plus"))?;
    let source = preprocessed(shop)?;
    let words = [compiler.trim(), "-quiet", "-fpreprocessed", "-O1", &source, "-o", "/dev/null"];
    let program = shop.program(&words)?;
    let is_held = !matches!(peer.how, How::Launched(_));
    let program = if is_held { program.under(&HELD) } else { peer.wrap(shop, program)? };
    let mut command = program.command(shop)?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut whole = Whole::new(child.context("cannot start the compiler")?);
    if !is_held {
        return whole.end().map(|cpu| Figures { cpu, ..Figures::default() });
    }
    whole.until_held()?;
    let watch = Watch::begin(shop, peer, whole.pid(), "cc1plus")?;
    run_program(Command::new("kill").args(["-CONT", &whole.pid().to_string()]))?;
    processes::await_end(whole.pid()).context("cannot wait for the compiler")?;
    let figures = watch.end_with(0.0)?;
    Ok(Figures { cpu: whole.end()?, program_memory: None, ..figures })
}

/// The source, made once.
fn preprocessed(shop: &Shop) -> Result<String> {
    let output = shop.path("functions.ii")?;
    if !std::path::Path::new(&output).exists() {
        let source = shop.file("functions.cpp", &functions())?;
        run_program(elevate::as_user("/usr/bin/g++")?.args(["-E", "-P", "-o", &output, &source]))?;
    }
    Ok(output)
}

fn functions() -> String {
    let mut text = String::from(
        "#include <algorithm>\n#include <map>\n#include <string>\n#include <vector>\n",
    );
    for number in 0..FUNCTIONS {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "struct item{number} {{ std::string name; std::vector<int> weights; }};\n\
             int visit{number}(const std::vector<item{number}> &items) {{\n\
             \x20   std::map<std::string, item{number}> sorted;\n\
             \x20   for (const auto &item : items) sorted[item.name] = item;\n\
             \x20   int sum = {number};\n\
             \x20   for (auto &[name, item] : sorted) {{\n\
             \x20       std::sort(item.weights.begin(), item.weights.end());\n\
             \x20       for (int weight : item.weights) sum += weight * (int)name.size();\n\
             \x20   }}\n\
             \x20   return sum;\n}}"
        );
    }
    text
}

/// A process that works from its beginning to its end; killed if it is dropped before.
struct Whole {
    child: Child,
    watchdog: Option<Watchdog>,
}

impl Whole {
    fn new(child: Child) -> Self {
        let watchdog = Some(Watchdog::over(child.id(), PATIENCE));
        Self { child, watchdog }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Until it has stopped.
    fn until_held(&self) -> Result<()> {
        let began = Instant::now();
        while !processes::is_stopped(self.pid()) {
            ensure!(began.elapsed() < PATIENCE, "the compiler does not wait to be traced");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Waits for its end, and gives the CPU time of all that it did, ns.
    fn end(&mut self) -> Result<f64> {
        processes::await_end(self.pid()).context("cannot wait for the compiler")?;
        let cpu = processes::cpu_with_children(self.pid()).context("the compiler is not there");
        self.watchdog = None;
        let status = self.child.wait().context("cannot wait for the compiler")?;
        if !status.success() {
            bail!("the compiler failed: {status}");
        }
        Ok(cpu? * 1e9)
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.watchdog = None;
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_all(self.child.id());
            let _ = self.child.wait();
        }
    }
}
