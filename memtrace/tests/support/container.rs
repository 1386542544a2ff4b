//! PID and mount namespaces with a `/proc` of their own, as a container has them.

use super::lines::Lines;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// The namespaces live as long as their first process, which ends with its input. All others in them end
/// with it.
pub struct Container {
    /// It is unshare(1) itself; the first process is its child.
    child: Child,
    /// The first process, as the test sees it.
    first: u32,
    /// How many namespaces the test's own is above this one.
    depth: usize,
}

impl Container {
    /// A container in the test's own namespaces.
    pub fn start() -> Self {
        Self::of(unshare().spawn().unwrap(), 1)
    }

    /// A container inside this one.
    pub fn inside(&self) -> Self {
        Self::of(self.spawn(&mut unshare()), self.depth + 1)
    }

    fn of(mut child: Child, depth: usize) -> Self {
        let mut said = Lines::of("a container", child.stdout.take().unwrap());
        said.until("ready", String::new);
        let first = super::program::only_child(child.id());
        Self { child, first, depth }
    }

    /// Starts `command` inside. The child's number is the one that the test sees.
    pub fn spawn(&self, command: &mut Command) -> Child {
        let space = |name: &str| File::open(format!("/proc/{}/ns/{name}", self.first)).unwrap();
        let (mounts, pids) = (space("mnt"), space("pid"));
        // SAFETY: between fork and exec it makes one system call with a descriptor that is open.
        unsafe { command.pre_exec(move || enter(&mounts, libc::CLONE_NEWNS)) };
        let own = File::open("/proc/thread-self/ns/pid").unwrap();
        // Of a thread it changes where its children begin, and meanwhile it cannot have threads.
        enter(&pids, libc::CLONE_NEWPID).unwrap();
        let child = command.spawn();
        enter(&own, libc::CLONE_NEWPID).unwrap();
        child.unwrap()
    }

    /// The number in this container of a process that the test sees as `pid`, and that is in it.
    pub fn number(&self, pid: u32) -> u32 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
        // The test's own namespace comes first (proc_pid_status(5)).
        line.split_whitespace().nth(self.depth).unwrap().parse().unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // With --kill-child the first process goes, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--mount", "--fork", "--mount-proc", "--kill-child"]);
    command.args(["sh", "-c", "echo ready; read line"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn enter(space: &File, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory is involved; the descriptor is open.
    match unsafe { libc::setns(space.as_raw_fd(), kind) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
