//! The links of all targets: made for children, taken away with a file's last user, and told of.

use super::Targets;
use super::one::Target;
use super::scope::{Scopes, key, place};
use super::telling;
use crate::daemon::inspect::mapped_files;
use crate::model::ids::{ModuleId, Pid};
use crate::probe::live::kernel_side::KernelSide;
use crate::procfs::{FileNumber, maps_file};
use crate::report::LinkFacts;
use memtrace_common::config::LinkKind;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Processes, or names of processes, in the line that says that they are traced.
const MOST_ANNOUNCED: usize = 4;

impl Targets {
    /// Probes children whose time has come, where links are filtered by process.
    pub(in crate::daemon) fn attach_children(&mut self, kernel: &mut KernelSide) {
        for pid in self.children.due(Instant::now()) {
            // One that is closed gets its links when it is opened.
            let target = self.targets.get_mut(&pid).filter(|target| target.is_open());
            let Some(target) = target else { continue };
            match target.probe_as_child(kernel, &self.scopes) {
                Ok(true) => self.children.count(true),
                // The file's links have gone meanwhile.
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!("pid {pid}: {error}");
                    self.children.count(false);
                    if !target.process.has_ended() {
                        target.troubles.push(format!("pid {pid} is not probed: {error}"));
                    }
                }
            }
        }
    }

    /// Once a second: takes links away whose files no target has mapped for some seconds, and looks at who
    /// pays for those that are for all.
    pub(in crate::daemon) fn tend_links(&mut self, kernel: &mut KernelSide) {
        if let Some(mappers) = self.payers.step(|| self.scopes.shared_files(), &self.scopes.targets)
        {
            self.scopes.note_mappers(&mappers);
        }
        self.unlink_changed(kernel);
        let mapped = self.mapped();
        for file in self.scopes.unused(&mapped) {
            // What we know may be incomplete: records of mappings may be lost.
            if maps_file(file, |pid| self.scopes.targets.contains(&pid)) {
                self.scopes.keep(file);
            } else {
                self.unlink(kernel, file);
            }
        }
    }

    /// Those whose files were written over since this was asked last.
    pub(in crate::daemon) fn written_over(&mut self) -> BTreeSet<Pid> {
        std::mem::take(&mut self.written_over)
    }

    /// Takes links away to files that were written over since: who maps one again maps other code, and a probe at an
    /// old place in it would be one in the middle of an instruction.
    pub(super) fn unlink_changed(&mut self, kernel: &mut KernelSide) {
        let modules = &self.modules;
        let now = |file: FileNumber| modules.state((file.0, file.1), file.2);
        for (gone, number) in self.scopes.forget_changed(now) {
            kernel.detach_file(number);
            for target in
                self.targets.values_mut().filter(|target| target.places().any(|it| it == gone))
            {
                // Its new content is to be looked at, even if that is the old one after all.
                target.examined.retain(|it| it.0 != gone.0);
                target.undecided.retain(|(found, _)| place(found) != gone);
                target.allocators.retain(|found| place(found) != gone);
                target.told_by.retain(|found| telling::place(found) != gone);
                if target.running {
                    let pid = target.process.pid();
                    let name = &gone.1;
                    target.troubles.push(format!(
                        "the file of {name} was written over while pid {pid} maps it: its probes were taken away, and \
                         what it holds is looked at anew; frees until then were not seen"
                    ));
                    self.written_over.insert(pid);
                }
            }
        }
    }

    /// The files with code that targets map, as far as we have been told.
    fn mapped(&self) -> BTreeSet<FileNumber> {
        let running = self.targets.values().filter(|target| target.running);
        let modules: BTreeSet<ModuleId> =
            running.flat_map(|target| &target.modules).copied().collect();
        let modules: Vec<ModuleId> = modules.into_iter().collect();
        mapped_files(&self.modules, &modules).iter().map(key).collect()
    }

    /// Takes a file's links away, and forgets that anybody has looked at it: who maps it again is probed
    /// again.
    fn unlink(&mut self, kernel: &mut KernelSide, file: FileNumber) {
        for number in self.scopes.forget(file) {
            kernel.detach_file(number);
        }
        for target in self.targets.values_mut() {
            target.examined.retain(|it| it.0 != file);
            if target.running {
                target.allocators.retain(|found| key(&found.file) != file);
                target.told_by.retain(|found| key(&found.file) != file);
            }
        }
        tracing::debug!("no target maps inode {} any more: its probes are taken away", file.2);
    }

    /// What a report says of the links.
    pub(in crate::daemon) fn links(&self) -> Vec<LinkFacts> {
        let running = self.targets.values().filter(|target| target.running);
        self.scopes.facts(&Scopes::count(running.flat_map(Target::places)))
    }

    /// Whether children of this process are seen late, as it is itself where it was not named.
    pub(in crate::daemon) fn sees_children_late(&self, pid: Pid) -> bool {
        let target = self.targets.get(&pid);
        target.is_some_and(|target| target.is_filtered(&self.scopes))
    }

    /// The line that scripts wait for.
    pub(in crate::daemon) fn announcement(&self, link: LinkKind) -> String {
        if self.by_looks {
            return format!(
                "tracing {}; touched pages and mappings, and the heap of what grows",
                self.who()
            );
        }
        if !self.heap {
            let what = if self.faults { "touched pages and mappings" } else { "mappings" };
            return format!("tracing {}; {what} alone", self.who());
        }
        let mut parts = vec![self.who()];
        let links: Vec<String> = self.links().iter().map(describe).collect();
        parts.extend((!links.is_empty()).then(|| links.join(", ")));
        parts.push(format!("{} link", link.name()));
        format!("tracing {}", parts.join("; "))
    }

    fn who(&self) -> String {
        let count = self.targets.len();
        if count <= MOST_ANNOUNCED {
            let targets: Vec<String> = self.targets.values().map(Target::describe).collect();
            return targets.join(", ");
        }
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for target in self.targets.values() {
            *names.entry(&target.comm).or_default() += 1;
        }
        let mut names: Vec<(&str, usize)> = names.into_iter().collect();
        names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let more = if names.len() > MOST_ANNOUNCED { ", …" } else { "" };
        let names = names.iter().take(MOST_ANNOUNCED);
        let names: Vec<String> = names.map(|(name, count)| format!("{name} {count}")).collect();
        format!("{count} processes ({}{more})", names.join(", "))
    }
}

fn describe(link: &LinkFacts) -> String {
    let LinkFacts { allocator, processes, others, .. } = link;
    match (link.for_all, *processes, *others) {
        (false, ..=1, _) => format!("{allocator} probed for it alone"),
        (false, count, _) => format!("{allocator} probed for each of {count}"),
        (true, _, 0) => format!("{allocator} probed for all that use it"),
        (true, _, 1) => format!("{allocator} probed for all that use it, 1 other pays"),
        (true, _, _) => format!("{allocator} probed for all that use it, {others} others pay"),
    }
}
