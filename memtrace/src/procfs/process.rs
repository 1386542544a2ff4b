//! One process, as `/proc` shows it.

use super::cgroup::Cgroup;
use super::error::ProcfsError;
use super::mappings::{self, Mapping};
use super::stat::Stat;
use super::status::Status;
use super::{clock, text, usage};
use crate::model::ids::{Pid, ProcessKey};
use crate::model::process::{ProcessInfo, Usage};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Threads whose seccomp mode is asked for.
const MAX_SECCOMP_THREADS: usize = 1024;

/// A process that can be traced.
#[derive(Clone, Debug)]
pub struct Process {
    proc: PathBuf,
    key: ProcessKey,
}

/// See [`Process::open`].
#[derive(Clone, Debug)]
pub struct Opened {
    /// The process.
    pub process: Process,
    /// The id given was that of this thread, not of the process.
    pub resolved_from_thread: Option<u32>,
}

/// What system calls a process may make (seccomp(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seccomp {
    /// All.
    Off,
    /// `read`, `write`, `_exit` and `sigreturn`.
    Strict,
    /// Those that its filters let through.
    Filter,
}

impl Process {
    /// Opens the process with this id, or the one that the thread with this id belongs to.
    ///
    /// # Errors
    /// When there is none, when it cannot be traced (kernel thread, zombie, 32-bit program), or when
    /// it may not be read.
    pub fn open(id: u32) -> Result<Opened, ProcfsError> {
        Self::open_in(Path::new("/proc"), id)
    }

    /// As [`Self::open`], with `/proc` at another place.
    pub(super) fn open_in(proc: &Path, id: u32) -> Result<Opened, ProcfsError> {
        let status = read_status(id, &proc.join(id.to_string()))?;
        let path = || proc.join(id.to_string()).join("status");
        let malformed = || ProcfsError::Malformed { path: path(), what: "Tgid" };
        let pid = status.process().ok_or_else(malformed)?;
        let stat = read_stat(pid, &proc.join(pid.to_string()))?;
        let key = ProcessKey { pid, start_time: stat.start_time };
        let process = Self { proc: proc.into(), key };
        process.check(&stat)?;
        Ok(Opened { process, resolved_from_thread: (pid != id).then_some(id) })
    }

    /// Refuses what cannot be traced.
    fn check(&self, stat: &Stat) -> Result<(), ProcfsError> {
        let pid = self.key.pid;
        if stat.is_kernel_thread() {
            return Err(ProcfsError::KernelThread { pid, comm: self.comm() });
        }
        if stat.has_exited() && self.living_thread().is_none() {
            return Err(ProcfsError::Zombie { pid, comm: self.comm() });
        }
        let path = self.living().join("exe");
        let mut head = [0; 5];
        File::open(&path)
            .and_then(|mut exe| exe.read_exact(&mut head))
            .map_err(|error| ProcfsError::reading(pid, &path, error))?;
        // Byte 4 of an ELF file is its class: 1 is 32-bit (elf(5)).
        if head == *b"\x7fELF\x01" {
            let exe = fs::read_link(&path).unwrap_or(path);
            return Err(ProcfsError::Bits32 { pid, exe });
        }
        Ok(())
    }

    /// Who it is, for ever.
    #[must_use]
    pub const fn key(&self) -> ProcessKey {
        self.key
    }

    /// Its id.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.key.pid
    }

    /// Whether it is still there: the same process, not another one with its id, and with a thread
    /// that runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        read_stat(self.key.pid, &self.directory()).is_ok_and(|stat| {
            stat.start_time == self.key.start_time
                && (!stat.has_exited() || self.living_thread().is_some())
        })
    }

    /// Whether the thread-group leader has exited while other threads live on. The process's own
    /// `/proc` directory is then nearly empty, and pid-filtered probes see nothing.
    #[must_use]
    pub fn leader_exited(&self) -> bool {
        read_stat(self.key.pid, &self.directory()).is_ok_and(|stat| stat.has_exited())
    }

    /// Who the process is. `with_cmdline` reads its arguments, which may hold secrets.
    ///
    /// # Errors
    /// When it has gone. What else cannot be read is `None`.
    pub fn info(&self, with_cmdline: bool) -> Result<ProcessInfo, ProcfsError> {
        let status = read_status(self.key.pid, &self.directory())?;
        let cgroup = self.cgroup();
        Ok(ProcessInfo {
            key: self.key,
            comm: self.comm(),
            exe: self.exe(),
            cmdline: if with_cmdline { self.cmdline() } else { None },
            uid: status.uid(),
            cgroup_limit: cgroup.as_ref().and_then(Cgroup::limit),
            cgroup: cgroup.map(|cgroup| cgroup.path),
            started: clock::boot_ticks_to_monotonic(self.key.start_time),
            allocators: Vec::new(),
        })
    }

    /// Memory and CPU time now. Cheap: five small files.
    ///
    /// # Errors
    /// When the process has gone.
    pub fn usage(&self) -> Result<Usage, ProcfsError> {
        let stat = read_stat(self.key.pid, &self.directory())?;
        let status = read_status(self.key.pid, &self.living_if(stat.has_exited()))?;
        Ok(usage::usage(&stat, &status, self.cgroup().as_ref()))
    }

    /// Ids of its threads, in order; those that have exited and wait among them.
    ///
    /// # Errors
    /// When the process has gone.
    pub fn threads(&self) -> Result<Vec<u32>, ProcfsError> {
        let path = self.directory().join("task");
        let error = |error| ProcfsError::reading(self.key.pid, &path, error);
        let mut threads: Vec<u32> = fs::read_dir(&path)
            .map_err(error)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        threads.sort_unstable();
        Ok(threads)
    }

    /// Its address space, in order; empty if it is just about to exit.
    ///
    /// # Errors
    /// When the process has gone, may not be read, or has more mappings than we read.
    pub fn mappings(&self) -> Result<Vec<Mapping>, ProcfsError> {
        let own = self.mappings_in(&self.directory());
        match own {
            Ok(found) if !found.is_empty() => Ok(found),
            // The leader has exited: its memory is shown by the threads that live on.
            own => match self.living_thread() {
                Some(thread) if thread != self.key.pid => {
                    self.mappings_in(&self.thread_directory(thread))
                }
                _ => own,
            },
        }
    }

    fn mappings_in(&self, directory: &Path) -> Result<Vec<Mapping>, ProcfsError> {
        let path = directory.join("maps");
        let text = text::read(&path, mappings::MAX_TEXT)
            .map_err(|error| ProcfsError::reading(self.key.pid, &path, error))?;
        let text = text.ok_or(ProcfsError::TooLarge { path, limit: mappings::MAX_TEXT })?;
        Ok(mappings::parse(&text))
    }

    /// The strictest mode of its threads, each of which may have its own; `None` where the kernel
    /// does not say.
    #[must_use]
    pub fn seccomp_mode(&self) -> Option<Seccomp> {
        let threads = self.threads().ok()?;
        let modes = threads.into_iter().take(MAX_SECCOMP_THREADS).filter_map(|thread| {
            let status = read_status(self.key.pid, &self.thread_directory(thread)).ok()?;
            match status.seccomp()? {
                0 => Some(Seccomp::Off),
                1 => Some(Seccomp::Strict),
                _ => Some(Seccomp::Filter),
            }
        });
        modes.max()
    }

    /// Whether the process numbers processes as we do: it is in our PID namespace. `None` where it
    /// may not be asked.
    #[must_use]
    pub fn in_our_pid_namespace(&self) -> Option<bool> {
        let ours = fs::read_link(self.proc.join("self/ns/pid")).ok()?;
        Some(fs::read_link(self.living().join("ns/pid")).ok()? == ours)
    }

    fn comm(&self) -> String {
        let name = text::small(&self.directory().join("comm")).unwrap_or_default();
        text::printable(name.strip_suffix('\n').unwrap_or(&name))
    }

    fn exe(&self) -> Option<PathBuf> {
        let path = fs::read_link(self.living().join("exe")).ok()?;
        let text = path.to_str().and_then(|text| text.strip_suffix(" (deleted)"));
        Some(text.map_or_else(|| path.clone(), PathBuf::from))
    }

    fn cmdline(&self) -> Option<Vec<String>> {
        let text = text::small(&self.living().join("cmdline")).ok()?;
        let arguments = text.strip_suffix('\0').unwrap_or(&text);
        Some(arguments.split('\0').map(text::printable).collect())
    }

    fn cgroup(&self) -> Option<Cgroup> {
        Cgroup::of(&self.proc, &self.living())
    }

    fn directory(&self) -> PathBuf {
        self.proc.join(self.key.pid.to_string())
    }

    fn thread_directory(&self, thread: u32) -> PathBuf {
        self.directory().join("task").join(thread.to_string())
    }

    /// The directory of the process, or of a thread that lives if the leader does not.
    pub(super) fn living(&self) -> PathBuf {
        self.living_if(self.leader_exited())
    }

    fn living_if(&self, leader_exited: bool) -> PathBuf {
        let thread = if leader_exited { self.living_thread() } else { None };
        thread.map_or_else(|| self.directory(), |thread| self.thread_directory(thread))
    }

    fn living_thread(&self) -> Option<u32> {
        self.threads().ok()?.into_iter().find(|&thread| {
            read_stat(self.key.pid, &self.thread_directory(thread))
                .is_ok_and(|stat| !stat.has_exited())
        })
    }

    /// The process with this id, unchecked: for those who know that it is one.
    pub(super) fn assumed(proc: &Path, pid: Pid) -> Self {
        Self { proc: proc.into(), key: ProcessKey { pid, start_time: 0 } }
    }
}

fn read_status(pid: Pid, directory: &Path) -> Result<Status, ProcfsError> {
    let path = directory.join("status");
    text::small(&path).map(Status::new).map_err(|error| ProcfsError::reading(pid, &path, error))
}

fn read_stat(pid: Pid, directory: &Path) -> Result<Stat, ProcfsError> {
    let path = directory.join("stat");
    let text = text::small(&path).map_err(|error| ProcfsError::reading(pid, &path, error))?;
    Stat::parse(&text).ok_or(ProcfsError::Malformed { path, what: "start time" })
}

#[cfg(test)]
mod tests;
