//! What was measured on what, for the head of a table.

use crate::command::{read, root};
use anyhow::Result;
use std::fs;
use std::process::Command;

/// Lines that describe this machine, the day and the commit.
pub(crate) fn describe() -> Result<Vec<String>> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut lines = vec![
        format!("Date: {}; commit {}.", today()?, commit()?),
        format!(
            "Machine: {}, {} CPUs, {} of memory, {}.",
            field(&cpuinfo, "model name").unwrap_or("unknown CPU"),
            std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            field(&memory, "MemTotal")
                .and_then(gibibytes)
                .unwrap_or_else(|| "unknown size".to_owned()),
            virtualisation(&cpuinfo),
        ),
        format!("Kernel: Linux {}.", kernel_file("/proc/sys/kernel/osrelease")),
    ];
    for name in ["spectre_v1", "spectre_v2"] {
        let path = format!("/sys/devices/system/cpu/vulnerabilities/{name}");
        lines.push(format!("{name}: {}.", kernel_file(&path)));
    }
    lines.push(format!("Load before the run: {}.", load()));
    Ok(lines)
}

/// The day, as 2026-01-31.
pub(super) fn today() -> Result<String> {
    Ok(read(Command::new("date").args(["-u", "+%F"]))?.trim().to_owned())
}

fn kernel_file(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The load averages over 1, 5 and 15 minutes.
fn load() -> String {
    kernel_file("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(", ")
}

fn commit() -> Result<String> {
    let git = |arguments: &[&str]| read(Command::new("git").current_dir(root()).args(arguments));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?.trim().to_owned();
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Ok(if changed { format!("{commit} with changes") } else { commit })
}

fn virtualisation(cpuinfo: &str) -> &'static str {
    let flags = field(cpuinfo, "flags").unwrap_or_default();
    if flags.split(' ').any(|flag| flag == "hypervisor") {
        "a virtual machine"
    } else {
        "bare metal"
    }
}

/// The first value in `name : value` lines.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// `8123456 kB` in GiB.
fn gibibytes(kilobytes: &str) -> Option<String> {
    let kilobytes: f64 = kilobytes.strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{:.1} GiB", kilobytes / f64::from(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::{field, gibibytes, virtualisation};

    #[test]
    fn fields_of_proc_files_are_found() {
        let text = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu hypervisor\n";
        assert_eq!(field(text, "model name"), Some("A CPU"));
        assert_eq!(field(text, "nothing"), None);
        assert_eq!(virtualisation(text), "a virtual machine");
        assert_eq!(virtualisation("flags : fpu\n"), "bare metal");
        assert_eq!(gibibytes("8388608 kB").as_deref(), Some("8.0 GiB"));
        assert_eq!(gibibytes("some"), None);
    }
}
