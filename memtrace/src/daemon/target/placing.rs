//! Finding what a target's files hold, and placing probes there.

use super::Targets;
use super::scope::content;
use super::telling::tell;
use crate::daemon::clock::now;
use crate::daemon::error::DaemonError;
use crate::model::ids::{Nanos, Pid};
use crate::model::process::ProcessInfo;
use crate::probe::allocator::{Chosen, Discovery, FoundAllocator, MappedFile};
use crate::probe::live::kernel_side::KernelSide;
use crate::probe::living::Living;

/// Looks at what is not bound yet that are made at each opportunity.
const FREQUENT_LOOKS: u32 = 600;
/// Later, at one in so many.
const RARE_LOOKS: u32 = 10;

/// What was to be probed, and whether links were made.
type Placed = (String, Result<bool, DaemonError>);

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
        let is_left = self.is_left_for_looks(pid);
        let Some(target) = self.targets.get_mut(&pid) else { return Ok(()) };
        if !self.heap || is_left {
            target.runtimes = self.detector.detect(&target.files(&self.modules));
            return Ok(());
        }
        self.search_and_probe(kernel, pid)
    }

    /// Looks for what is to be probed in all files of a process, and probes it.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub(super) fn search_and_probe(
        &mut self,
        kernel: &mut KernelSide,
        pid: Pid,
    ) -> Result<(), DaemonError> {
        let Some(target) = self.targets.get_mut(&pid) else { return Ok(()) };
        target.check_seccomp(kernel)?;
        let mut files = target.files(&self.modules);
        let foreseen: Vec<MappedFile> = self.foreseen.iter().map(|it| (&it.file).into()).collect();
        let has_begun = foreseen.is_empty();
        match self.search.find(&foreseen) {
            // What the process maps now is memtrace's, and goes.
            Ok(_) => files = foreseen,
            Err(error) if !has_begun => target.troubles.push(error.to_string()),
            Err(_) => {}
        }
        let found = self.search.find(&files);
        let known = found.as_ref().map_or(&[][..], |discovery| &discovery.allocators);
        let living = target.living(&self.modules);
        let living = has_begun.then_some(&living as &dyn Living);
        let (pools, unbound) = self.user.find(&files, known, living);
        target.wait_for(unbound);
        tell(target, kernel, &files, self.static_search.as_mut(), &mut self.scopes);
        let discovery = match found {
            Ok(discovery) => discovery,
            Err(source) if pools.is_empty() && target.told_by.is_empty() => {
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
        target.examined.extend(files.iter().map(content));
        for allocator in discovery.allocators.into_iter().chain(pools) {
            target.decide_later(&allocator);
            target.probe(kernel, allocator, &mut self.scopes)?;
        }
        self.described_less.insert(pid);
        if has_begun {
            self.probe_chosen(kernel, pid)
                .into_iter()
                .try_for_each(|(_, placed)| placed.map(drop))?;
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
        let is_wanted = self.heap && !self.is_left_for_looks(pid);
        let Some(target) = self.targets.get(&pid).filter(|_| is_wanted) else { return Ok(()) };
        target.check_seccomp(kernel)?;
        self.described_less.insert(pid);
        self.probe_new(kernel, pid).into_iter().try_for_each(|(_, placed)| placed.map(drop))
    }

    /// Places probes for allocators that came later (by exec or dlopen), at that time.
    pub(in crate::daemon) fn attach_new(
        &mut self,
        kernel: &mut KernelSide,
        pid: Pid,
        since: Nanos,
    ) {
        if self.is_left_for_looks(pid) {
            return;
        }
        let placed = self.probe_new(kernel, pid);
        self.note_placed(pid, placed, "mapped", Some(since));
    }

    /// `how` is what the process did meanwhile, at `since`, where that is known.
    fn note_placed(&mut self, pid: Pid, placed: Vec<Placed>, how: &str, since: Option<Nanos>) {
        let Some(target) = self.targets.get_mut(&pid) else { return };
        if placed.iter().any(|(_, placed)| placed.is_ok()) {
            self.described_less.insert(pid);
        }
        for (name, placed) in placed {
            match placed {
                // Its first calls were seen by the links for all.
                Ok(false) => {}
                Ok(true) => {
                    let trouble = format!(
                        "{name} was {how} while tracing: its first calls, before it was probed, \
                         were not seen"
                    );
                    tracing::info!("pid {pid}: {trouble}");
                    target.troubles.push(trouble);
                    self.blind_windows.add(since.map(|since| now().saturating_sub(since)));
                }
                Err(error) => target.troubles.push(format!("{name} is not probed: {error}")),
            }
        }
    }

    /// What is known of those whose allocators have become more since they were described.
    pub(in crate::daemon) fn described_anew(&mut self) -> Vec<(Pid, ProcessInfo)> {
        let pids = std::mem::take(&mut self.described_less);
        let anew = |pid| {
            let target = self.targets.get_mut(&pid)?;
            let names = FoundAllocator::names(&target.allocators);
            let is_news = target.info.allocators != names;
            target.info.allocators = names;
            is_news.then(|| (pid, target.info.clone()))
        };
        pids.into_iter().filter_map(anew).collect()
    }

    /// Places probes for allocators in files at which nobody has looked for this process. Each is looked at
    /// once. Gives their names, and whether links were made.
    pub(super) fn probe_new(&mut self, kernel: &mut KernelSide, pid: Pid) -> Vec<Placed> {
        // What is new may be a file that was written over: both contents probed would count its calls twice.
        self.unlink_changed(kernel);
        let target = self.targets.get_mut(&pid).filter(|_| self.heap);
        let Some(target) = target else { return Vec::new() };
        let mut fresh = target.files(&self.modules);
        fresh.retain(|file| target.examined.insert(content(file)));
        // Most new code brings no allocator: not an error here.
        let discovery = self.search.find(&fresh).unwrap_or_default();
        let living = target.living(&self.modules);
        let (pools, unbound) = self.user.find(&fresh, &discovery.allocators, Some(&living));
        for left in &discovery.not_probed {
            target.troubles.push(format!("{} is not probed: {}", left.name, left.reason));
        }
        tell(target, kernel, &fresh, self.static_search.as_mut(), &mut self.scopes);
        let probe = |allocator: FoundAllocator| {
            let name = allocator.name.clone();
            target.decide_later(&allocator);
            (name, target.probe(kernel, allocator, &mut self.scopes))
        };
        let mut placed: Vec<_> = discovery.allocators.into_iter().chain(pools).map(probe).collect();
        // New code may have slots for what was not bound before.
        placed.extend(self.probe_bound(kernel, pid));
        placed.extend(self.probe_chosen(kernel, pid));
        if let Some(target) = self.targets.get_mut(&pid) {
            target.wait_for(unbound);
        }
        placed
    }

    /// Places probes for IFUNCs that the process has bound since.
    fn probe_bound(&mut self, kernel: &mut KernelSide, pid: Pid) -> Vec<Placed> {
        let Some(target) = self.targets.get_mut(&pid) else { return Vec::new() };
        let mut placed = Vec::new();
        for unbound in std::mem::take(&mut target.unbound) {
            let living = target.living(&self.modules);
            match self.user.find_bound(&unbound, &target.allocators, &living) {
                None => target.unbound.push(unbound),
                Some(pools) => {
                    let probe = |pool: FoundAllocator| {
                        (pool.name.clone(), target.probe(kernel, pool, &mut self.scopes))
                    };
                    placed.extend(pools.into_iter().map(probe));
                }
            }
        }
        placed
    }

    /// Places probes for what an allocator's IFUNCs stand for in the process, as far as it has bound them.
    fn probe_chosen(&mut self, kernel: &mut KernelSide, pid: Pid) -> Vec<Placed> {
        let Some(target) = self.targets.get_mut(&pid) else { return Vec::new() };
        let mut placed = Vec::new();
        for (found, _) in std::mem::take(&mut target.undecided) {
            let living = target.living(&self.modules);
            let Chosen { allocator, unbound } = self.search.chosen(&found, Some(&living));
            target.undecided.extend(unbound);
            if let Some(chosen) = allocator {
                let name = chosen.name.clone();
                placed.push((name, target.probe(kernel, chosen, &mut self.scopes)));
            }
        }
        placed
    }

    /// Looks again, of those that run, at IFUNCs that were not bound before: at each of the first looks, one a
    /// second, and at one in ten later.
    pub(in crate::daemon) fn attach_bound(&mut self, kernel: &mut KernelSide) {
        self.looks_for_bound = self.looks_for_bound.saturating_add(1);
        if self.looks_for_bound > FREQUENT_LOOKS && !self.looks_for_bound.is_multiple_of(RARE_LOOKS)
        {
            return;
        }
        let waiting = self.targets.iter().filter(|(_, it)| it.running && it.may_bind());
        let waiting: Vec<Pid> = waiting.map(|(pid, _)| *pid).collect();
        for pid in waiting {
            let mut placed = self.probe_bound(kernel, pid);
            placed.extend(self.probe_chosen(kernel, pid));
            self.note_placed(pid, placed, "bound", None);
        }
    }
}
