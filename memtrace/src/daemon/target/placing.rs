//! Finding what a target's files hold, and placing probes there.

use super::Targets;
use super::scope::key;
use crate::daemon::error::DaemonError;
use crate::model::ids::Pid;
use crate::probe::allocator::{Discovery, FoundAllocator, MappedFile};
use crate::probe::live::kernel_side::KernelSide;

impl Targets {
    /// Places the probes that a process needs.
    ///
    /// # Errors
    /// When it has no allocator that we know, or a probe cannot be placed.
    pub(in crate::daemon) fn attach(
        &mut self,
        kernel: &mut KernelSide,
        pid: Pid,
    ) -> Result<(), DaemonError> {
        let Some(target) = self.targets.get_mut(&pid) else { return Ok(()) };
        if !self.heap {
            target.runtimes = self.detector.detect(&target.files(&self.modules));
            return Ok(());
        }
        target.check_seccomp(kernel)?;
        let mut files = target.files(&self.modules);
        let foreseen: Vec<MappedFile> = self.foreseen.iter().map(|it| (&it.file).into()).collect();
        match self.search.find(&foreseen) {
            // What the process maps now is memtrace's, and goes.
            Ok(_) => files = foreseen,
            Err(error) if !foreseen.is_empty() => target.troubles.push(error.to_string()),
            Err(_) => {}
        }
        let found = self.search.find(&files);
        let known = found.as_ref().map_or(&[][..], |discovery| &discovery.allocators);
        let pools = self.user.find(&files, known);
        let discovery = match found {
            Ok(discovery) => discovery,
            Err(source) if pools.is_empty() => {
                // It was for these that the process is to be traced.
                self.user.check()?;
                return Err(DaemonError::NoAllocator { pid, comm: target.comm.clone(), source });
            }
            Err(source) => {
                target.troubles.push(source.to_string());
                Discovery::default()
            }
        };
        for left in &discovery.not_probed {
            target.troubles.push(format!("{} is not probed: {}", left.name, left.reason));
        }
        target.runtimes = self.detector.detect(&files);
        target.examined.extend(files.iter().map(key));
        for allocator in discovery.allocators.into_iter().chain(pools) {
            target.probe(kernel, allocator, &mut self.scopes)?;
        }
        Ok(())
    }

    /// Places the probes that a process needs that has come to match. One that was just executed may not
    /// have mapped its allocator yet, and one whose allocator is not known may map another.
    ///
    /// # Errors
    /// When a probe cannot be placed.
    pub(in crate::daemon) fn attach_arrival(
        &mut self,
        kernel: &mut KernelSide,
        pid: Pid,
    ) -> Result<(), DaemonError> {
        let Some(target) = self.targets.get(&pid).filter(|_| self.heap) else { return Ok(()) };
        target.check_seccomp(kernel)?;
        self.probe_new(kernel, pid).into_iter().try_for_each(|(_, placed)| placed.map(drop))
    }

    /// Places probes for allocators that came later (by exec or dlopen).
    pub(in crate::daemon) fn attach_new(&mut self, kernel: &mut KernelSide, pid: Pid) {
        let placed = self.probe_new(kernel, pid);
        let Some(target) = self.targets.get_mut(&pid) else { return };
        for (name, placed) in placed {
            match placed {
                // Its first calls were seen by the links for all.
                Ok(false) => {}
                Ok(true) => {
                    let trouble = format!(
                        "{name} was mapped while tracing: its first calls, before it was probed, \
                         were not seen"
                    );
                    tracing::info!("pid {pid}: {trouble}");
                    target.troubles.push(trouble);
                }
                Err(error) => target.troubles.push(format!("{name} is not probed: {error}")),
            }
        }
    }

    /// Places probes for allocators in files at which nobody has looked for this process. Each is looked at
    /// once. Gives their names, and whether links were made.
    fn probe_new(
        &mut self,
        kernel: &mut KernelSide,
        pid: Pid,
    ) -> Vec<(String, Result<bool, DaemonError>)> {
        let target = self.targets.get_mut(&pid).filter(|_| self.heap);
        let Some(target) = target else { return Vec::new() };
        let mut fresh = target.files(&self.modules);
        fresh.retain(|file| target.examined.insert(key(file)));
        // Most new code brings no allocator: not an error here.
        let discovery = self.search.find(&fresh).unwrap_or_default();
        let pools = self.user.find(&fresh, &discovery.allocators);
        for left in &discovery.not_probed {
            target.troubles.push(format!("{} is not probed: {}", left.name, left.reason));
        }
        let probe = |allocator: FoundAllocator| {
            let name = allocator.name.clone();
            (name, target.probe(kernel, allocator, &mut self.scopes))
        };
        discovery.allocators.into_iter().chain(pools).map(probe).collect()
    }
}
