//! Who is a target: how processes come to be among them, and how they leave.

use super::one::Target;
use super::{MOST_ENDED, Targets};
use crate::daemon::error::DaemonError;
use crate::daemon::unseen::device_numbers;
use crate::engine::decode::Arrived;
use crate::model::event::{Exec, Fork};
use crate::model::ids::Pid;
use crate::model::process::ProcessInfo;
use crate::procfs::{Process, ProcfsError};
use std::path::PathBuf;
use std::time::Instant;

impl Targets {
    /// Leaves a process out that cannot be traced, if it was not named.
    ///
    /// # Errors
    /// The reason, if it was named; or if nobody is left.
    pub(in crate::daemon) fn leave_out(
        &mut self,
        pid: Pid,
        reason: DaemonError,
    ) -> Result<(), DaemonError> {
        if !self.by_search {
            return Err(reason);
        }
        self.targets.remove(&pid);
        self.scopes.targets.remove(&pid);
        self.left_out.add(reason.to_string());
        if self.targets.is_empty() {
            return Err(DaemonError::AllLeftOut(self.left_out.describe()));
        }
        Ok(())
    }

    /// Whether there is no room for another one.
    pub(in crate::daemon) fn are_full(&self) -> bool {
        self.scopes.targets.len() >= self.room
    }

    /// Counts processes that have come to match, and for which there is no room.
    pub(in crate::daemon) fn note_no_room(&mut self, count: usize) {
        self.left_out.add_beyond(count, self.room);
    }

    /// Takes in a process that has come to match.
    ///
    /// # Errors
    /// When it cannot be traced; nothing is kept of it then.
    pub(in crate::daemon) fn take_in(&mut self, pid: Pid) -> Result<(), DaemonError> {
        let process = Process::open(pid)?;
        if process.leader_exited() && !self.scopes.are_for_all() && !self.by_looks {
            let reason = format!("the main thread of pid {pid} has ended");
            return Err(DaemonError::Refused(reason));
        }
        self.ended.retain(|ended| *ended != pid);
        let window = self.first_window();
        self.targets.insert(pid, Target { window, ..Target::new(process) });
        self.scopes.targets.insert(pid);
        Ok(())
    }

    /// Takes in a process that the kernel side has let in. Gives what is known of it, which is little if it
    /// has gone already.
    ///
    /// # Errors
    /// When it is of a kind that cannot be traced; nothing is kept of it then.
    pub(in crate::daemon) fn let_in(
        &mut self,
        arrived: &Arrived,
    ) -> Result<ProcessInfo, DaemonError> {
        let pid = arrived.pid;
        let gone = Process::gone(pid, arrived.started);
        let process = match Process::open(pid) {
            Ok(process) if process.key() == gone.key() => process,
            Err(error @ ProcfsError::Foreign { .. }) => return Err(error.into()),
            _ => gone,
        };
        let info = ProcessInfo {
            key: process.key(),
            comm: String::from_utf8_lossy(&arrived.comm).into_owned(),
            uid: Some(arrived.uid),
            started: process.started(),
            exe: self.path_of(arrived.program),
            ..ProcessInfo::default()
        };
        self.ended.retain(|ended| *ended != pid);
        let comm = info.comm.clone();
        let window = self.first_window();
        // What it used before, perhaps under another program, is not the price of what is traced.
        let cpu = process.cpu_time().ok();
        let target = Target { info: info.clone(), comm, window, cpu, ..Target::new(process) };
        self.targets.insert(pid, target);
        self.scopes.targets.insert(pid);
        Ok(info)
    }

    /// Whether this is the process that we know by its number.
    pub(in crate::daemon) fn is_same(&self, arrived: &Arrived) -> bool {
        let key = Process::gone(arrived.pid, arrived.started).key();
        self.targets.get(&arrived.pid).is_some_and(|target| target.process.key() == key)
    }

    /// The path of a program that other processes have mapped.
    pub(in crate::daemon) fn path_of(&self, program: Exec) -> Option<PathBuf> {
        let file = self.modules.find(device_numbers(program.device), program.inode);
        file.map(|file| file.path.clone())
    }

    /// Forgets a process that came, and for which no probes could be placed. One that has just ended is no
    /// news.
    pub(in crate::daemon) fn turn_away(&mut self, pid: Pid, reason: &DaemonError) {
        let ended = self.targets.remove(&pid).is_some_and(|target| target.process.has_ended());
        self.scopes.targets.remove(&pid);
        if !ended {
            self.left_out.add(reason.to_string());
        }
    }

    /// Forgets a process that runs on.
    pub(in crate::daemon) fn let_go(&mut self, pid: Pid) {
        self.targets.remove(&pid);
        self.scopes.targets.remove(&pid);
        self.children.forget(pid);
    }

    /// A process has gone. `true` if it was running until now.
    pub(in crate::daemon) fn ended(&mut self, pid: Pid) -> bool {
        self.children.ended(pid);
        self.scopes.targets.remove(&pid);
        let was_running =
            self.targets.get_mut(&pid).is_some_and(|target| std::mem::take(&mut target.running));
        if was_running {
            self.ended.push_back(pid);
        }
        was_running
    }

    /// Takes in the child of a target, which is traced already. Gives what is known of it, and which
    /// earlier process with its number was not heard to end.
    pub(in crate::daemon) fn adopt(&mut self, parent: Pid, fork: &Fork) -> Option<ProcessInfo> {
        let late = self.sees_children_late(parent);
        let parent = self.targets.get(&parent)?;
        let child = parent.child(fork.child_process, fork.started);
        let info = parent.info_of_child(&child);
        // A look is at one process: its children are watched from outside, as all are.
        let window = if self.by_looks { self.first_window() } else { child.window };
        let child = Target { info: info.clone(), window, ..child };
        let pid = fork.child_process;
        self.ended.retain(|ended| *ended != pid);
        self.targets.insert(pid, child);
        self.scopes.targets.insert(pid);
        if late {
            self.children.add(pid, fork.shares_memory(), Instant::now());
        }
        Some(info)
    }

    /// Forgets those that ended first, if there are many. Gives them.
    pub(in crate::daemon) fn forget_ended(&mut self) -> Vec<Pid> {
        let surplus = self.ended.len().saturating_sub(MOST_ENDED);
        let forgotten: Vec<Pid> = self.ended.drain(..surplus).collect();
        forgotten.iter().for_each(|pid| drop(self.targets.remove(pid)));
        forgotten
    }
}
