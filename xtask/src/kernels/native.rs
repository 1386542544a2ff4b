//! The same tests on the kernel that runs this machine.

use super::follow::follow;
use super::initramfs::{Job, group_name};
use super::list::NATIVE;
use super::results::{Group, Run};
use crate::command::{output, root};
use crate::test::programs::{self, Program};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How much longer we wait than `timeout` does.
const GRACE: Duration = Duration::from_secs(30);

/// Runs the groups as root.
pub(super) fn run(job: &Job<'_>) -> Result<Run> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("cannot read the kernel's release")?;
    let begin = Instant::now();
    let mut run = Run {
        kernel: NATIVE.to_owned(),
        release: Some(release.trim().to_owned()),
        wanted: job.groups.iter().map(|program| group_name(program).to_owned()).collect(),
        ..Run::default()
    };
    for program in job.groups {
        let group = run_group(program, job.filter, job.limit)?;
        println!("kernel {NATIVE}: {}: {group}", group.name);
        run.groups.push(group);
    }
    run.verdicts = verdicts(&job.built.memtrace)?;
    run.time = begin.elapsed();
    Ok(run)
}

fn run_group(program: &Program, filter: Option<&str>, limit: Duration) -> Result<Group> {
    let mut command = limited(limit)?;
    command.arg(&program.file).arg("--test-threads=1").args(filter);
    command.current_dir(root().join("memtrace"));
    let mut group = Group::new(group_name(program));
    let begin = Instant::now();
    let status = follow(command, limit + GRACE, |line| {
        group.line(line);
        Ok(())
    })?;
    group.code = status.and_then(|status| status.code());
    group.seconds = begin.elapsed().as_secs_f64();
    Ok(group)
}

/// What the tracer says of its programs; `None` if it does not.
fn verdicts(memtrace: &Path) -> Result<Option<serde_json::Value>> {
    let mut command = limited(Duration::from_secs(120))?;
    command.arg(memtrace).args(["doctor", "--programs", "--format", "json"]);
    let said = output(&mut command)?.stdout;
    Ok(serde_json::from_slice(&said).ok().filter(serde_json::Value::is_object))
}

/// The beginning of a command that root runs and ends: we may not kill what sudo has started.
fn limited(limit: Duration) -> Result<Command> {
    let mut command = programs::as_root(Path::new("timeout"))?;
    // In the foreground, so that Ctrl-C reaches the tests, too.
    command.args(["--foreground", "--signal=KILL"]).arg(limit.as_secs().to_string());
    Ok(command)
}
