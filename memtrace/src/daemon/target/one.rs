//! One traced process: what `/proc` says of it, and the probes placed for it.

use super::scope::{Content, Place, Scopes, Wanted, place};
use super::telling;
use crate::daemon::error::DaemonError;
use crate::daemon::inspect::{filters_system_calls, mapped_files};
use crate::daemon::living::LivingProcess;
use crate::daemon::reporter::Reporter;
use crate::daemon::unseen::Unseen;
use crate::model::event::What;
use crate::model::ids::{ModuleId, Nanos, Pid};
use crate::model::process::ProcessInfo;
use crate::probe::allocator::{FoundAllocator, MappedFile, Unbound};
use crate::probe::function_table::AllocatorKind;
use crate::probe::live::LiveError;
use crate::probe::live::kernel_side::KernelSide;
use crate::probe::live::link::Point;
use crate::probe::live::seccomp::return_probes_are_safe;
use crate::probe::runtime::Runtime;
use crate::probe::usdt::FoundProbes;
use crate::procfs::{ModuleTable, Process, ProcfsError};
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
    pub(super) examined: BTreeSet<Content>,
    pub(super) allocators: Vec<FoundAllocator>,
    /// Static probes by which it tells of blocks that it samples itself.
    pub(super) told_by: Vec<FoundProbes>,
    /// What the user describes and the process had not bound at the last look.
    pub(super) unbound: Vec<Unbound>,
    /// Allocators with IFUNCs that it had not bound at the last look, and what is to be said of them.
    pub(super) undecided: Vec<(FoundAllocator, String)>,
    pub(super) runtimes: Vec<Runtime>,
    /// CPU time that it had used when its use was looked at last; `None`: what it has used until the first look is not
    /// of the time in which it is traced.
    pub(super) cpu: Option<Nanos>,
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
    /// Numbers of the places for which it has links of its own.
    pub(super) own_links: BTreeSet<u32>,
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
            told_by: Vec::new(),
            unbound: Vec::new(),
            undecided: Vec::new(),
            runtimes: Vec::new(),
            cpu: None,
            running: true,
            may_have_ended: false,
            comm: String::new(),
            info: ProcessInfo::default(),
            vforks: 0,
            forks: 0,
            blind: false,
            window: HeapWindow::default(),
            own_links: BTreeSet::new(),
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

    /// Keeps in mind that an allocator has functions of which its process has to be asked.
    pub(super) fn decide_later(&mut self, found: &FoundAllocator) {
        if !found.indirect.is_empty() && self.undecided.len() < MOST_UNBOUND {
            let why = "which happens when the process begins".to_owned();
            self.undecided.push((found.clone(), why));
        }
    }

    /// Whether there is something that it may bind later.
    pub(super) const fn may_bind(&self) -> bool {
        !self.unbound.is_empty() || !self.undecided.is_empty()
    }

    /// A return probe enters the kernel by a system call from Linux 6.11 on, which a filter that
    /// does not know it may answer by killing the process.
    pub(super) fn check_seccomp(&self, kernel: &KernelSide) -> Result<(), DaemonError> {
        if filters_system_calls(&self.process) && !return_probes_are_safe(kernel)? {
            return Err(DaemonError::Seccomp(self.process.pid()));
        }
        Ok(())
    }

    /// What is to be linked where it is, or will be, `open`. Links for all are none where return probes may kill
    /// others that map the file, whose system calls may be filtered.
    ///
    /// # Errors
    /// When that cannot be tried; or there is no other way to see the process.
    pub(super) fn wanted_safely(
        &self,
        kernel: &KernelSide,
        place: &Place,
        scopes: &mut Scopes,
        open: bool,
    ) -> Result<Wanted, DaemonError> {
        let wanted = scopes.wanted(place, false, open);
        let is_blind = || self.process.leader_exited();
        if wanted == Wanted::Filtered && scopes.are_each_instead() && is_blind() {
            return Err(DaemonError::UnsafeForAll(self.process.pid()));
        }
        if wanted != Wanted::ForAll {
            return Ok(wanted);
        }
        let safe = return_probes_are_safe(kernel);
        if !matches!(safe, Ok(true)) {
            // Or who comes next would take them to be in place.
            scopes.take_down(place);
        }
        if safe? {
            return Ok(wanted);
        }
        if is_blind() {
            return Err(DaemonError::UnsafeForAll(self.process.pid()));
        }
        Ok(scopes.for_each_instead(place))
    }

    /// Gives whether links were made for it: if not, there were links for all, or it is closed.
    pub(super) fn probe(
        &mut self,
        kernel: &mut KernelSide,
        allocator: FoundAllocator,
        scopes: &mut Scopes,
    ) -> Result<bool, DaemonError> {
        let place = place(&allocator);
        let filter = match self.wanted_safely(kernel, &place, scopes, self.is_open())? {
            Wanted::Nothing => None,
            Wanted::ForAll => Some(None),
            Wanted::Filtered => Some(Some(self.process.pid())),
        };
        if let Some(filter) = filter.filter(|_| !allocator.functions.is_empty()) {
            let number = scopes.number(&place);
            let linked = self.link(kernel, &allocator, filter, number);
            if linked.is_err() && filter.is_none() {
                // The next one that brings it tries again.
                scopes.take_down(&place);
            }
            linked?;
            self.own_links.extend(filter.map(|_| number));
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

    /// Whoever makes a link for this process alone notes its number in `own_links`.
    ///
    /// # Errors
    /// When it cannot be made, or return probes may kill the process.
    pub(super) fn link(
        &self,
        kernel: &mut KernelSide,
        allocator: &FoundAllocator,
        filter: Option<Pid>,
        number: u32,
    ) -> Result<(), DaemonError> {
        self.check_seccomp(kernel)?;
        let points: Vec<Point> = allocator.functions.iter().flat_map(Point::of).collect();
        let attached = kernel.attach(&allocator.file.open_path, &points, filter, number);
        attached.map_err(|error| self.ended_meanwhile(error))
    }

    /// Probes in a child what its parent has probed, where links are filtered by process; not what it has brought
    /// itself meanwhile, which is linked already. Gives whether there was anything to be linked.
    ///
    /// # Errors
    /// When the child has ended, or a link cannot be made.
    pub(super) fn probe_as_child(
        &mut self,
        kernel: &mut KernelSide,
        scopes: &Scopes,
    ) -> Result<bool, DaemonError> {
        let pid = self.process.pid();
        let is_left = |place: &Place| {
            scopes.is_filtered(place) && !self.own_links.contains(&scopes.number(place))
        };
        let mut linked = Vec::new();
        for allocator in self.allocators.iter().filter(|it| is_left(&place(it))) {
            let number = scopes.number(&place(allocator));
            self.link(kernel, allocator, Some(pid), number)?;
            linked.push(number);
        }
        for found in self.told_by.iter().filter(|it| is_left(&telling::place(it))) {
            self.link_static_probes(kernel, found, Some(pid), scopes)?;
            linked.push(scopes.number(&telling::place(found)));
        }
        self.own_links.extend(linked);
        Ok(self.is_filtered(scopes))
    }

    /// What it has links to, or others have for it.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.allocators.iter().map(place).chain(self.told_by.iter().map(telling::place))
    }

    /// Whether it has links of its own.
    pub(super) fn is_filtered(&self, scopes: &Scopes) -> bool {
        self.places().any(|place| scopes.is_filtered(&place))
    }

    /// The child with this number, which has a copy of its parent's memory, or shares it.
    pub(super) fn child(&self, pid: Pid, started: Nanos) -> Self {
        Self {
            modules: self.modules.clone(),
            examined: self.examined.clone(),
            allocators: self.allocators.clone(),
            told_by: self.told_by.clone(),
            unbound: self.unbound.clone(),
            undecided: self.undecided.clone(),
            runtimes: self.runtimes.clone(),
            comm: self.comm.clone(),
            window: self.window,
            // All of it.
            cpu: Some(0),
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
    pub(super) fn ended_meanwhile(&self, error: LiveError) -> DaemonError {
        match error {
            LiveError::Link { source, .. } if source.raw_os_error() == Some(libc::ESRCH) => {
                ProcfsError::Ended(self.process.pid()).into()
            }
            other => other.into(),
        }
    }

    pub(super) fn describe(&self) -> String {
        let functions =
            |it: &FoundAllocator| format!("{}, {} functions", it.name, it.functions.len());
        let told_by = |it: &FoundProbes| format!("{}, {} static probes", it.name, it.probes.len());
        let allocators = self.allocators.iter().map(functions);
        let allocators: Vec<String> = allocators.chain(self.told_by.iter().map(told_by)).collect();
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
            .chain(self.undecided.iter().map(|(found, why)| not_probed(found, why)))
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

fn not_probed(found: &FoundAllocator, why: &str) -> String {
    format!("a function of {} is not probed: {why}", found.name)
}
