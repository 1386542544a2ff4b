//! One traced process: what `/proc` says of it, and the probes placed for it.

use super::scope::{Scopes, Wanted};
use crate::daemon::error::DaemonError;
use crate::daemon::inspect::{filters_system_calls, mapped_files};
use crate::daemon::living::LivingProcess;
use crate::daemon::reporter::Reporter;
use crate::daemon::unseen::Unseen;
use crate::model::event::What;
use crate::model::ids::{ModuleId, Nanos, Pid};
use crate::model::process::{ProcessInfo, Usage};
use crate::probe::allocator::{FoundAllocator, MappedFile, Unbound};
use crate::probe::function_table::AllocatorKind;
use crate::probe::live::LiveError;
use crate::probe::live::kernel_side::KernelSide;
use crate::probe::live::link::Point;
use crate::probe::live::seccomp::return_probes_are_safe;
use crate::probe::runtime::Runtime;
use crate::procfs::{FileNumber, ModuleTable, Process, ProcfsError};
use memtrace_common::windows::HeapWindow;
use std::collections::BTreeSet;

/// IFUNCs of a process that are looked at again.
const MOST_UNBOUND: usize = 256;

/// A traced process.
pub(super) struct Target {
    pub(super) process: Process,
    /// Modules with code in it, as of the last look.
    pub(super) modules: Vec<ModuleId>,
    /// Files in which allocators have been looked for.
    pub(super) examined: BTreeSet<FileNumber>,
    pub(super) allocators: Vec<FoundAllocator>,
    /// What the user describes and the process had not bound at the last look.
    pub(super) unbound: Vec<Unbound>,
    pub(super) runtimes: Vec<Runtime>,
    pub(super) usage: Usage,
    pub(super) running: bool,
    /// Its memory could not be read at the last look, or it had none.
    pub(super) may_have_ended: bool,
    pub(super) comm: String,
    /// As it was described last.
    pub(super) info: ProcessInfo,
    /// Children that share its memory, and children with a copy of it.
    pub(super) vforks: u64,
    pub(super) forks: u64,
    /// Its links see nothing of it any more.
    pub(super) blind: bool,
    /// Whether its allocations and frees are told.
    pub(super) window: HeapWindow,
    pub(super) troubles: Vec<String>,
    pub(super) unseen: Unseen,
}

impl Target {
    pub(super) fn new(process: Process) -> Self {
        Self {
            process,
            modules: Vec::new(),
            examined: BTreeSet::new(),
            allocators: Vec::new(),
            unbound: Vec::new(),
            runtimes: Vec::new(),
            usage: Usage::default(),
            running: true,
            may_have_ended: false,
            comm: String::new(),
            info: ProcessInfo::default(),
            vforks: 0,
            forks: 0,
            blind: false,
            window: HeapWindow::default(),
            troubles: Vec::new(),
            unseen: Unseen::default(),
        }
    }

    /// Looks at the code it has mapped now.
    pub(super) fn scan(
        &mut self,
        modules: &mut ModuleTable,
        reporter: &Reporter,
    ) -> Result<Vec<What<'static>>, DaemonError> {
        let mappings = self.process.mappings()?;
        let (new, code) = modules.scan(&self.process, &mappings)?;
        for module in &new {
            if let Some(path) = modules.open_path(module.id) {
                reporter.register(module.id, path);
            }
        }
        self.modules = code.iter().map(|mapping| mapping.module).collect();
        self.modules.dedup();
        let mut events: Vec<What<'static>> = new.into_iter().map(What::ModuleSeen).collect();
        events.push(What::Mappings(code.into()));
        Ok(events)
    }

    /// The files that it maps, for the search for allocators.
    pub(super) fn files(&self, modules: &ModuleTable) -> Vec<MappedFile> {
        mapped_files(modules, &self.modules)
    }

    /// It, for those who look into its memory.
    pub(super) fn living(&self, modules: &ModuleTable) -> LivingProcess<'_> {
        LivingProcess::new(&self.process, self.files(modules))
    }

    /// Keeps in mind what it may bind later.
    pub(super) fn wait_for(&mut self, unbound: Vec<Unbound>) {
        let room = MOST_UNBOUND.saturating_sub(self.unbound.len());
        self.unbound.extend(unbound.into_iter().take(room));
    }

    /// A return probe enters the kernel by a system call from Linux 6.11 on, which a filter that
    /// does not know it may answer by killing the process.
    pub(super) fn check_seccomp(&self, kernel: &KernelSide) -> Result<(), DaemonError> {
        if filters_system_calls(&self.process) && !return_probes_are_safe(kernel)? {
            return Err(DaemonError::Seccomp(self.process.pid()));
        }
        Ok(())
    }

    /// Gives whether links were made for it: if not, there were links for all, or it is closed.
    pub(super) fn probe(
        &mut self,
        kernel: &mut KernelSide,
        allocator: FoundAllocator,
        scopes: &mut Scopes,
    ) -> Result<bool, DaemonError> {
        let filter = match scopes.wanted(&allocator, self.is_open()) {
            Wanted::Nothing => None,
            Wanted::ForAll => Some(None),
            Wanted::Filtered => Some(Some(self.process.pid())),
        };
        if let Some(filter) = filter {
            self.link(kernel, &allocator, filter, scopes.number(&allocator))?;
        }
        for skipped in &allocator.skipped {
            tracing::debug!(
                "{}: {} is not probed: {}",
                allocator.name,
                skipped.name,
                skipped.reason
            );
            if allocator.kind == AllocatorKind::UserDefined {
                self.troubles.push(format!("{} is not probed: {}", skipped.name, skipped.reason));
            }
        }
        self.troubles.extend(allocator.operators_not_seen());
        self.allocators.push(allocator);
        Ok(filter.is_some())
    }

    pub(super) fn link(
        &self,
        kernel: &mut KernelSide,
        allocator: &FoundAllocator,
        filter: Option<Pid>,
        number: u32,
    ) -> Result<(), DaemonError> {
        let points: Vec<Point> = allocator.functions.iter().flat_map(Point::of).collect();
        let attached = kernel.attach(&allocator.file.open_path, &points, filter, number);
        attached.map_err(|error| self.ended_meanwhile(error))
    }

    /// Probes in a child what its parent has probed, where links are filtered by process. Gives whether
    /// there was anything to be linked.
    ///
    /// # Errors
    /// When the child has ended, or a link cannot be made.
    pub(super) fn probe_as_child(
        &self,
        kernel: &mut KernelSide,
        scopes: &Scopes,
    ) -> Result<bool, DaemonError> {
        let filtered = || self.allocators.iter().filter(|found| scopes.is_filtered(found));
        if filtered().next().is_some() {
            self.check_seccomp(kernel)?;
        }
        for allocator in filtered() {
            self.link(kernel, allocator, Some(self.process.pid()), scopes.number(allocator))?;
        }
        Ok(filtered().next().is_some())
    }

    /// The child with this number, which has a copy of its parent's memory, or shares it.
    pub(super) fn child(&self, pid: Pid, started: Nanos) -> Self {
        Self {
            modules: self.modules.clone(),
            examined: self.examined.clone(),
            allocators: self.allocators.clone(),
            unbound: self.unbound.clone(),
            runtimes: self.runtimes.clone(),
            comm: self.comm.clone(),
            window: self.window,
            ..Self::new(Process::child(&self.process, pid, started))
        }
    }

    /// What is said of the child before anything was read of it: as its parent, but with its identity.
    pub(super) fn info_of_child(&self, child: &Self) -> ProcessInfo {
        let mut info = self.info.clone();
        info.key = child.process.key();
        info.started = child.process.started();
        info
    }

    /// The kernel does not find a process that has ended since we looked.
    fn ended_meanwhile(&self, error: LiveError) -> DaemonError {
        match error {
            LiveError::Link { source, .. } if source.raw_os_error() == Some(libc::ESRCH) => {
                ProcfsError::Ended(self.process.pid()).into()
            }
            other => other.into(),
        }
    }

    pub(super) fn describe(&self) -> String {
        let allocators: Vec<String> = self
            .allocators
            .iter()
            .map(|found| format!("{}, {} functions", found.name, found.functions.len()))
            .collect();
        let (pid, comm) = (self.process.pid(), &self.comm);
        // Of mappings alone, or not mapped yet.
        if allocators.is_empty() {
            return format!("pid {pid} ({comm})");
        }
        format!("pid {pid} ({comm}: {})", allocators.join("; "))
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let pid = self.process.pid();
        let mut notes: Vec<String> = self
            .runtimes
            .iter()
            .map(|r| format!("{}: {}; {}", r.name, r.what_malloc_does_not_show, r.remedy))
            .chain(self.troubles.iter().cloned())
            .chain(self.unseen.note(pid))
            .collect();
        if self.vforks > 0 {
            notes.push(format!(
                "{} vfork children of pid {pid} used its memory until they executed or ended; what \
                 they allocated there was not seen",
                self.vforks
            ));
        }
        if self.forks > 0 {
            notes.push(format!(
                "{} forked children of pid {pid} are not traced; each pays for the probes until it \
                 executes",
                self.forks
            ));
        }
        notes
    }
}
