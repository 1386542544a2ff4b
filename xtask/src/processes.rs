//! What processes are and use, as `/proc` says it (`proc_pid_stat(5)`).

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::collections::HashMap;
use std::{fs, io};

/// Length of a process's name, as the kernel keeps it.
const NAME: usize = 15;

/// CPU time of the threads that a process has, seconds; ended threads do not count.
pub(crate) fn cpu(pid: u32) -> Option<f64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let spent = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    Some(spent.sum::<f64>() / 1e9)
}

/// CPU time of a process and of the children that it has waited for, seconds in ticks of a hundredth. It
/// may have ended, as long as nobody has waited for it.
pub(crate) fn cpu_with_children(pid: u32) -> Option<f64> {
    // utime, stime, cutime, cstime.
    let ticks =
        after_name(pid)?.split(' ').skip(11).take(4).map(str::parse::<f64>).sum::<Result<f64, _>>();
    Some(ticks.ok()? / 100.0)
}

/// The most memory that a process had resident, MiB.
pub(crate) fn peak_resident(pid: u32) -> Option<f64> {
    memory(pid, "VmHWM:")
}

/// The memory that a process has resident, MiB.
pub(crate) fn resident(pid: u32) -> Option<f64> {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, name: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

/// Whether a process is stopped by a signal.
pub(crate) fn is_stopped(pid: u32) -> bool {
    after_name(pid).is_some_and(|rest| rest.starts_with('T'))
}

/// A process's name, cut as the kernel cuts it.
pub(crate) fn has_name(pid: u32, name: &str) -> bool {
    let cut = &name[..name.len().min(NAME)];
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|text| text.trim_end() == cut)
}

/// Until a child of ours has ended. It keeps its number and its figures until it is waited for.
pub(crate) fn await_end(pid: u32) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            ended => return Ok(ended.map(drop)?),
        }
    }
}

/// The children of a process, their children, and so on.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some(parent) = parent(process) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = children.remove(&pid).unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        found.extend(children.remove(&process).unwrap_or_default());
        next += 1;
    }
    found
}

fn parent(pid: u32) -> Option<u32> {
    after_name(pid)?.split(' ').nth(1)?.parse().ok()
}

/// `/proc/PID/stat` behind the name, which may hold anything: from the state on.
fn after_name(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{
        cpu, cpu_with_children, descendants, has_name, is_stopped, peak_resident, resident,
    };
    use std::process::Command;

    #[test]
    fn a_child_is_found_below_us() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(descendants(std::process::id()).contains(&child.id()));
        assert!(descendants(child.id()).is_empty());
        assert!(!is_stopped(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!has_name(child.id(), "sleep"));
    }

    #[test]
    fn we_use_time_and_memory() {
        let us = std::process::id();
        assert!(cpu(us).is_some_and(|seconds| seconds > 0.0));
        assert!(cpu_with_children(us).is_some());
        assert!(peak_resident(us).is_some_and(|mebibytes| mebibytes > 0.5));
        assert!(resident(us) <= peak_resident(us));
        assert_eq!(cpu(u32::MAX), None);
    }
}
