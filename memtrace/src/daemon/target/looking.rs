//! Targets that are looked at more closely only now and then: until the first look nobody searches their files.

use super::Targets;
use crate::daemon::error::DaemonError;
use crate::model::ids::Pid;
use crate::probe::live::kernel_side::KernelSide;

impl Targets {
    /// Finds the functions that a look at the process would probe, in files that nobody has looked at. Places no
    /// probe: the process is closed.
    ///
    /// # Errors
    /// When it has no allocator that we know, or must not be probed.
    pub(in crate::daemon) fn prepare_look(
        &mut self,
        kernel: &mut KernelSide,
        pid: Pid,
    ) -> Result<(), DaemonError> {
        let Some(target) = self.targets.get_mut(&pid) else { return Ok(()) };
        if target.process.leader_exited() {
            // The kernel's filter follows the main thread: links for this process would see nothing.
            return Err(DaemonError::Refused(format!("the main thread of pid {pid} has ended")));
        }
        if target.allocators.is_empty() {
            target.examined.clear();
            return self.search_and_probe(kernel, pid);
        }
        target.check_seccomp(kernel)?;
        self.probe_new(kernel, pid).into_iter().try_for_each(|(_, placed)| placed.map(drop))
    }

    /// Whether heaps are traced in looks alone.
    pub(in crate::daemon) const fn are_by_looks(&self) -> bool {
        self.by_looks
    }

    /// Whether the process is none of those in which allocators are searched for now.
    pub(super) fn is_left_for_looks(&self, pid: Pid) -> bool {
        self.by_looks && !self.is_open(pid)
    }
}
