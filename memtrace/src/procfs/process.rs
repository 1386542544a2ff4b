//! A process, as `/proc` shows it.

use super::cgroup::{self, Cgroup, GroupReadings};
use super::clocks::ClockOffsets;
use super::error::ProcfsError;
use super::maps::{self, Mapping};
use crate::model::ids::{Nanos, Pid, ProcessKey, SECOND};
use crate::model::process::{ProcessInfo, Usage};
use crate::selection::Container;
use procfs_core::FromRead;
use procfs_core::process::Stat;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most bytes read of one file; `maps` of a process with a million mappings has some 100 MB.
const MAX_FILE: u64 = 256 << 20;
/// Most bytes of arguments that are kept.
const MAX_ARGUMENTS: u64 = 64 << 10;
/// `PF_KTHREAD` of `linux/sched.h`.
pub(super) const KERNEL_THREAD: u32 = 0x0020_0000;

/// The `Seccomp:` line of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seccomp {
    /// No restriction.
    Off,
    /// Strict mode: four system calls.
    Strict,
    /// A filter program decides.
    Filter,
}

/// A process that can be traced.
#[derive(Clone, Debug)]
pub struct Process {
    pid: Pid,
    key: ProcessKey,
    /// The thread that was named, where it was not the process itself.
    named_thread: Option<u32>,
    /// `/proc/PID/cgroup`, as it was when the next three were found.
    groups: String,
    cgroup: Option<Cgroup>,
    container: Option<Container>,
    pod_uid: Option<String>,
}

impl Process {
    /// Looks at the process with this number, or of the thread with this number.
    ///
    /// # Errors
    /// When there is none, or it is of a kind that cannot be traced, or we may not look.
    pub fn open(number: u32) -> Result<Self, ProcfsError> {
        let status = lossy(Path::new(&format!("/proc/{number}/status")))
            .map_err(|_| ProcfsError::NoSuchProcess(number))?;
        let pid = field(&status, "Tgid:")
            .and_then(|text| text.parse().ok())
            .ok_or(ProcfsError::NoSuchProcess(number))?;
        if pid == std::process::id() {
            return Err(ProcfsError::Ourselves(pid));
        }
        let stat = stat(pid)?;
        if stat.flags & KERNEL_THREAD != 0 {
            return Err(ProcfsError::KernelThread(pid));
        }
        let mut process = Self {
            pid,
            key: ProcessKey { pid, start_time: stat.starttime },
            named_thread: (pid != number).then_some(number),
            groups: String::new(),
            cgroup: None,
            container: None,
            pod_uid: None,
        };
        process.check_code()?;
        process.find_cgroup();
        Ok(process)
    }

    /// The child with this number of a process that is known, which may have gone already. `started` is
    /// when, ns after boot.
    #[must_use]
    pub fn child(parent: &Self, pid: Pid, started: Nanos) -> Self {
        let key = ProcessKey { pid, start_time: start_time(started) };
        Self { pid, key, named_thread: None, ..parent.clone() }
    }

    /// A process of which nothing but this is known, as it has gone already. `started` is when, ns after
    /// boot.
    #[must_use]
    pub fn gone(pid: Pid, started: Nanos) -> Self {
        let key = ProcessKey { pid, start_time: start_time(started) };
        let groups = String::new();
        Self { pid, key, named_thread: None, groups, cgroup: None, container: None, pod_uid: None }
    }

    /// When it started, on the clock of [`Nanos`].
    #[must_use]
    pub fn started(&self) -> Option<Nanos> {
        started(self.key.start_time)
    }

    /// Its number.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Its identity.
    #[must_use]
    pub const fn key(&self) -> ProcessKey {
        self.key
    }

    /// The thread that was named instead of the process.
    #[must_use]
    pub const fn named_thread(&self) -> Option<u32> {
        self.named_thread
    }

    /// Looks at which control groups it is in, and so in which container and pod: a runtime moves a process there after
    /// it was forked. Of one that has gone what was known stays.
    pub fn find_cgroup(&mut self) {
        let Ok(groups) = lossy(Path::new(&format!("/proc/{}/cgroup", self.pid))) else { return };
        if groups == self.groups {
            return;
        }
        let places = cgroup::memberships(&groups);
        self.container = cgroup::container(&places);
        self.pod_uid = cgroup::pod_uid(&places);
        let mountinfo = lossy(Path::new("/proc/self/mountinfo")).unwrap_or_default();
        self.cgroup = Cgroup::find(&places, &mountinfo);
        self.groups = groups;
    }

    /// The main thread has ended while others live on; the kernel then shows an empty process.
    #[must_use]
    pub fn leader_exited(&self) -> bool {
        stat(self.pid).is_ok_and(|stat| has_exited(&stat))
    }

    /// The main thread has ended and another one lives.
    #[must_use]
    pub fn outlives_leader(&self) -> bool {
        self.leader_exited() && self.directory().is_ok()
    }

    /// The directory of a thread that lives: the process's own, or another thread's.
    fn directory(&self) -> Result<PathBuf, ProcfsError> {
        let own = PathBuf::from(format!("/proc/{}", self.pid));
        if !self.leader_exited() {
            return Ok(own);
        }
        self.threads()
            .into_iter()
            .filter(|thread| *thread != self.pid)
            .map(|thread| own.join("task").join(thread.to_string()))
            .find(|directory| {
                let stat = File::open(directory.join("stat"))
                    .ok()
                    .and_then(|file| Stat::from_read(file).ok());
                stat.is_some_and(|stat| !has_exited(&stat))
            })
            .ok_or(ProcfsError::Zombie(self.pid))
    }

    /// All its threads, dead ones that nobody waited for included.
    #[must_use]
    pub fn threads(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return Vec::new();
        };
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// Refuses what is not 64-bit x86 code. The first bytes of an ELF file tell.
    fn check_code(&self) -> Result<(), ProcfsError> {
        let exe = self.directory()?.join("exe");
        let mut header = [0; 20];
        File::open(&exe)
            .and_then(|mut file| file.read_exact(&mut header))
            .map_err(|error| ProcfsError::reading(self.pid, "exe", error))?;
        let foreign = |what| Err(ProcfsError::Foreign { pid: self.pid, what });
        match (&header[..4], header[4], u16::from_le_bytes([header[18], header[19]])) {
            (b"\x7fELF", 2, 62) => Ok(()),
            (b"\x7fELF", 1, _) => foreign("a 32-bit program"),
            (b"\x7fELF", 2, 183) => foreign("a 64-bit ARM program"),
            _ => foreign("a program of another architecture"),
        }
    }

    /// Who it is. `allocators` stays empty.
    ///
    /// # Errors
    /// When it has ended.
    pub fn info(&self, with_arguments: bool) -> Result<ProcessInfo, ProcfsError> {
        let directory = self.directory()?;
        let comm = fs::read(format!("/proc/{}/comm", self.pid))
            .map_err(|error| ProcfsError::reading(self.pid, "comm", error))?;
        let status = self.status()?;
        let uid =
            field(&status, "Uid:").and_then(|ids| ids.split_whitespace().next()?.parse().ok());
        Ok(ProcessInfo {
            key: self.key,
            comm: String::from_utf8_lossy(comm.trim_ascii_end()).into_owned(),
            exe: fs::read_link(directory.join("exe")).ok(),
            cmdline: with_arguments.then(|| arguments(&directory)),
            uid,
            cgroup: self.cgroup.as_ref().map(|cgroup| cgroup.path.clone()),
            container: self.container.as_ref().map(|container| container.id.clone()),
            pod_uid: self.pod_uid.clone(),
            pod: None,
            cgroup_limit: self.cgroup.as_ref().and_then(Cgroup::limit),
            started: started(self.key.start_time),
            allocators: Vec::new(),
        })
    }

    fn status(&self) -> Result<String, ProcfsError> {
        lossy(Path::new(&format!("/proc/{}/status", self.pid)))
            .map_err(|error| ProcfsError::reading(self.pid, "status", error))
    }

    /// Memory and CPU now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage, ProcfsError> {
        self.usage_in(&mut GroupReadings::default())
    }

    /// The same as [`Process::usage`], for one of many that are looked at at one moment.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage_in(&self, groups: &mut GroupReadings) -> Result<Usage, ProcfsError> {
        let mut status = self.status()?;
        let stat = self.stat()?;
        if has_exited(&stat) {
            status = lossy(&self.directory()?.join("status"))
                .map_err(|error| ProcfsError::reading(self.pid, "status", error))?;
        }
        let bytes = |name| kibibytes(&status, name).unwrap_or(0);
        let group = self.cgroup.as_ref().map(|cgroup| groups.of(cgroup)).unwrap_or_default();
        Ok(Usage {
            resident: bytes("VmRSS:"),
            resident_anonymous: bytes("RssAnon:"),
            resident_file: bytes("RssFile:") + bytes("RssShmem:"),
            swap: bytes("VmSwap:"),
            locked: bytes("VmLck:"),
            pinned: bytes("VmPin:"),
            cgroup: group.current,
            oom_kills: group.oom_kills,
            cpu: cpu_time(&stat),
        })
    }

    /// User and system CPU time used by all threads so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu_time(&self) -> Result<Nanos, ProcfsError> {
        self.stat().map(|stat| cpu_time(&stat))
    }

    /// Of this process, not of one that was given its number since.
    fn stat(&self) -> Result<Stat, ProcfsError> {
        let stat = stat(self.pid)?;
        if stat.starttime == self.key.start_time {
            Ok(stat)
        } else {
            Err(ProcfsError::Ended(self.pid))
        }
    }

    /// All its mappings, in order of address.
    ///
    /// # Errors
    /// When it has ended, or we may not look.
    pub fn mappings(&self) -> Result<Vec<Mapping>, ProcfsError> {
        let mut text = Vec::new();
        File::open(self.directory()?.join("maps"))
            .and_then(|file| file.take(MAX_FILE).read_to_end(&mut text))
            .map_err(|error| ProcfsError::reading(self.pid, "maps", error))?;
        Ok(maps::parse(&text))
    }

    /// The directory of a live thread, for opening files as the process sees them.
    ///
    /// # Errors
    /// When it has ended.
    pub fn live_directory(&self) -> Result<PathBuf, ProcfsError> {
        self.directory()
    }

    /// Whether system calls are filtered: the strictest mode of any thread, as each has its own.
    #[must_use]
    pub fn seccomp(&self) -> Option<Seccomp> {
        let modes = self.threads().into_iter().filter_map(|thread| {
            let path = format!("/proc/{}/task/{thread}/status", self.pid);
            match field(&lossy(Path::new(&path)).ok()?, "Seccomp:")? {
                "0" => Some(Seccomp::Off),
                "1" => Some(Seccomp::Strict),
                "2" => Some(Seccomp::Filter),
                _ => None,
            }
        });
        modes.max_by_key(|mode| *mode as u8)
    }

    /// Whether the process has gone: nobody has its number, or somebody else, or it is a zombie.
    /// When that cannot be found out it has not.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match stat(self.pid) {
            Ok(stat) if stat.starttime != self.key.start_time => true,
            Ok(stat) => {
                has_exited(&stat) && matches!(self.directory(), Err(ProcfsError::Zombie(_)))
            }
            Err(error) => matches!(error, ProcfsError::Ended(_)),
        }
    }
}

/// A whole file as text. Names in it are whatever the target made them.
pub(super) fn lossy(path: &Path) -> io::Result<String> {
    whole(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A whole file of `/proc`, in one read as a rule: such files say that they are empty, and where room is made as it is
/// needed that is half a dozen reads for a kilobyte.
fn whole(path: &Path) -> io::Result<Vec<u8>> {
    const USUAL_BYTES: usize = 4096;
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn stat(pid: Pid) -> Result<Stat, ProcfsError> {
    let bytes = whole(Path::new(&format!("/proc/{pid}/stat")))
        .map_err(|error| ProcfsError::reading(pid, "stat", error))?;
    Stat::from_read(&bytes[..]).map_err(|_| ProcfsError::Ended(pid))
}

/// Nothing of it runs any more; what is left waits for its parent to ask.
pub(super) const fn has_exited(stat: &Stat) -> bool {
    matches!(stat.state, 'Z' | 'X')
}

fn cpu_time(stat: &Stat) -> Nanos {
    ticks(stat.utime.saturating_add(stat.stime))
}

/// The value behind `name` in a `status` file.
pub(super) fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    field(status, name)?.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn arguments(directory: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = File::open(directory.join("cmdline"))
        .and_then(|file| file.take(MAX_ARGUMENTS).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    text.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Clock ticks (`sysconf(_SC_CLK_TCK)`) as nanoseconds.
pub(super) fn ticks(count: u64) -> Nanos {
    // SAFETY: no preconditions.
    let per_second =
        u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100).max(1);
    count.saturating_mul(SECOND / per_second)
}

/// The start of a process that the kernel side told of, ns after boot, as `/proc` shows it to us
/// (`nsec_to_clock_t`, `do_task_stat`).
fn start_time(started: Nanos) -> u64 {
    ClockOffsets::own().own_start(started) / ticks(1).max(1)
}

/// When a process started, on the kernel side's `CLOCK_MONOTONIC`. The kernel tells it on `CLOCK_BOOTTIME`.
fn started(boot_ticks: u64) -> Option<Nanos> {
    let (boot, monotonic) = (clock(libc::CLOCK_BOOTTIME)?, clock(libc::CLOCK_MONOTONIC)?);
    Some(ClockOffsets::own().kernel_start(ticks(boot_ticks), boot, monotonic))
}

pub(super) fn clock(which: libc::clockid_t) -> Option<Nanos> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec`.
    if unsafe { libc::clock_gettime(which, &raw mut time) } != 0 {
        return None;
    }
    Some(u64::try_from(time.tv_sec).ok()? * SECOND + u64::try_from(time.tv_nsec).ok()?)
}

#[cfg(test)]
mod tests {
    use super::{Process, ProcfsError, field, kibibytes, started};
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_can_be_looked_at() {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It answers only when it runs the program with all its code mapped.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let process = Process::open(child.id()).unwrap();
        let info = process.info(true).unwrap();
        assert_eq!(info.key.pid, child.id());
        assert!(info.uid.is_some() && info.exe.is_some() && info.started.is_some());
        assert!(process.usage().unwrap().resident > 0);
        assert!(process.mappings().unwrap().iter().any(|mapping| mapping.execute));
        assert!(!process.has_ended() && !process.leader_exited());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.has_ended());
        assert!(matches!(process.usage(), Err(ProcfsError::Ended(_))));
    }

    #[test]
    fn what_cannot_be_traced_is_refused() {
        assert!(matches!(Process::open(u32::MAX), Err(ProcfsError::NoSuchProcess(_))));
        assert!(matches!(Process::open(std::process::id()), Err(ProcfsError::Ourselves(_))));
    }

    #[test]
    fn status_lines_are_found() {
        let status = "Name:\tx\nVmRSS:\t  12 kB\nSeccomp:\t2\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(12 * 1024));
        assert_eq!(field(status, "Seccomp:"), Some("2"));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
        assert!(started(0).is_some());
    }
}
