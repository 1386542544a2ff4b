//! What this process may do, and what fails without each capability.

use anyhow::Context;
use std::fs;

/// A capability that tracing uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Its name, as `capabilities(7)` has it.
    pub name: &'static str,
    /// Its bit in `CapEff` of `/proc/self/status` (`linux/capability.h`).
    pub bit: u32,
    /// Whether `CAP_SYS_ADMIN` does as well.
    pub admin_covers: bool,
    /// Nothing can be traced without it.
    pub required: bool,
    /// Worth having only in cases that most machines never see.
    pub rare: bool,
    /// What fails without it.
    pub without: &'static str,
}

/// `CAP_SYS_ADMIN`.
pub const SYS_ADMIN: Capability = Capability {
    name: "CAP_SYS_ADMIN",
    bit: 21,
    without: "tracefs must be mounted already; else nothing fails where CAP_BPF, CAP_PERFMON and \
              CAP_CHECKPOINT_RESTORE are held, which it stands in for",
    rare: true,
    ..PLAIN
};

/// A capability without particulars.
const PLAIN: Capability =
    Capability { name: "", bit: 0, admin_covers: false, required: false, rare: false, without: "" };

/// What tracing uses, the most important first. Sources: `capabilities(7)`, `proc(5)`, and the
/// checks in Linux `kernel/bpf/syscall.c`, `kernel/events/core.c`, `fs/proc/base.c`.
pub const CAPABILITIES: [Capability; 7] = [
    Capability {
        name: "CAP_BPF",
        bit: 39,
        admin_covers: true,
        required: true,
        without: "nothing can be traced: no program can be loaded and no map made",
        ..PLAIN
    },
    Capability {
        name: "CAP_PERFMON",
        bit: 38,
        admin_covers: true,
        required: true,
        without: "nothing can be traced: no tracing program can be loaded and no probe placed",
        ..PLAIN
    },
    Capability {
        name: "CAP_SYS_PTRACE",
        bit: 19,
        without: "only your own processes can be traced: the mappings and files of others are hidden",
        ..PLAIN
    },
    Capability {
        name: "CAP_DAC_READ_SEARCH",
        bit: 2,
        without: "no events of mmap, munmap and brk (tracefs), no names from files closed to you",
        ..PLAIN
    },
    Capability {
        name: "CAP_CHECKPOINT_RESTORE",
        bit: 40,
        admin_covers: true,
        without: "files deleted or replaced while mapped, as by a package update, can be neither \
                  probed nor named (/proc/PID/map_files)",
        ..PLAIN
    },
    Capability {
        name: "CAP_SYS_RESOURCE",
        bit: 24,
        rare: true,
        without: "the memory lock limit cannot be raised, which counts before Linux 5.11 only",
        ..PLAIN
    },
    SYS_ADMIN,
];

/// The effective capabilities of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effective(pub u64);

impl Effective {
    /// Reads the line `CapEff` of a `/proc/PID/status`.
    #[must_use]
    pub fn from_status(status: &str) -> Option<Self> {
        u64::from_str_radix(status_field(status, "CapEff")?, 16).ok().map(Self)
    }

    /// Whether it has this capability itself.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 >> capability.bit & 1 == 1
    }

    /// Whether it may do what this capability is for.
    #[must_use]
    pub const fn can(self, capability: Capability) -> bool {
        self.has(capability) || (capability.admin_covers && self.has(SYS_ADMIN))
    }

    /// Names of what is missing, rare ones left out.
    #[must_use]
    pub fn missing(self) -> Vec<&'static str> {
        let wanted = CAPABILITIES.into_iter().filter(|capability| !capability.rare);
        wanted.filter(|&capability| !self.can(capability)).map(|it| it.name).collect()
    }

    /// Whether anything can be traced at all.
    #[must_use]
    pub fn suffices(self) -> bool {
        CAPABILITIES.into_iter().all(|capability| !capability.required || self.can(capability))
    }
}

/// The value of a line `NAME:  value` of a `/proc/PID/status`.
pub(super) fn status_field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// What is wrong where [`shows_our_numbers`] is not so, and what to do.
pub(super) const FOREIGN_PROC: &str = "/proc is that of another pid namespace than memtrace runs in, and \
                                       numbers of processes there mean something else here";
pub(super) const MOUNT_PROC: &str = "mount a new one (mount -t proc proc /proc), or start memtrace with \
                                     unshare --mount-proc, or on the host";

/// Whether numbers of processes are the same in `/proc` as in our system calls. `NSpid` has our number in
/// the pid namespace of that `/proc` and in each one below it down to our own (`proc_pid_status(5)`).
pub(super) fn shows_our_numbers(status: &str) -> bool {
    // A kernel without such namespaces has no such line.
    status_field(status, "NSpid").is_none_or(|numbers| numbers.split_whitespace().count() == 1)
}

/// How to get what is missing.
pub(super) fn remedy(missing: &[&str]) -> String {
    format!("run it with sudo, or give it {}", missing.join(", "))
}

/// Makes sure that tracing can begin. Missing capabilities that only some targets need are logged.
///
/// # Errors
/// One line that names what is missing.
pub fn check() -> anyhow::Result<()> {
    let path = "/proc/self/status";
    let status = fs::read_to_string(path)
        .with_context(|| format!("cannot read our own privileges from {path}; mount /proc"))?;
    let effective = Effective::from_status(&status)
        .with_context(|| format!("{path} has no capabilities (CapEff); mount the real /proc"))?;
    if !shows_our_numbers(&status) {
        anyhow::bail!("{FOREIGN_PROC}: {MOUNT_PROC}");
    }
    let missing = effective.missing();
    if !effective.suffices() {
        anyhow::bail!("not enough privileges to trace: {}", remedy(&missing));
    }
    if !missing.is_empty() {
        tracing::warn!("without {} some processes cannot be traced", missing.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{CAPABILITIES, Effective, SYS_ADMIN, remedy, shows_our_numbers, status_field};

    const STATUS: &str =
        "Name:\tCapEff: 0\nUid:\t0\t0\t0\t0\nCapEffX:\t1\nCapEff:\t000001fffeffffff\n";

    #[test]
    fn capabilities_are_read_from_their_own_line() {
        assert_eq!(Effective::from_status(STATUS), Some(Effective(0x1ff_feff_ffff)));
        assert_eq!(Effective::from_status("CapEff:\tzz\n"), None);
        assert_eq!(Effective::from_status(""), None);
        assert_eq!(status_field(STATUS, "Uid"), Some("0\t0\t0\t0"));
    }

    #[test]
    fn a_proc_of_another_namespace_is_told_by_our_numbers_in_it() {
        assert!(shows_our_numbers("NSpid:\t12\nNSpgid:\t1\t2\n"));
        assert!(!shows_our_numbers("NSpid:\t4711\t12\n"));
        assert!(shows_our_numbers("Name:\tx\n"));
    }

    #[test]
    fn nobody_misses_all_and_root_nothing() {
        let nobody = Effective(0);
        assert!(!nobody.suffices());
        assert_eq!(
            remedy(&nobody.missing()),
            "run it with sudo, or give it CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, \
             CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE"
        );
        let root = Effective(u64::MAX >> 23);
        assert!(root.suffices() && root.missing().is_empty());
    }

    #[test]
    fn the_old_administrator_stands_in_for_the_new_capabilities() {
        let admin = Effective(1 << SYS_ADMIN.bit);
        assert!(admin.suffices());
        assert_eq!(admin.missing(), ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"]);
        let exact = Effective(1 << 39 | 1 << 38);
        assert!(exact.suffices() && !exact.has(SYS_ADMIN));
        assert!(!Effective(1 << 39).suffices());
    }

    #[test]
    fn bits_are_distinct() {
        let bits: std::collections::HashSet<u32> = CAPABILITIES.map(|it| it.bit).into();
        assert_eq!(bits.len(), CAPABILITIES.len());
    }
}
