//! The processes being traced: what `/proc` and their files say, and the probes placed for them.

use super::error::DaemonError;
use super::inspect::{filters_system_calls, mapped_files};
use super::left_out::LeftOut;
use super::reporter::Reporter;
use super::settings::Settings;
use super::unseen::{Unseen, device_numbers};
use crate::model::event::{Exec, What};
use crate::model::ids::{ModuleId, Nanos, Pid};
use crate::model::process::Usage;
use crate::probe::allocator::{FoundAllocator, MappedFile, PlannedFunction, find};
use crate::probe::live::LiveError;
use crate::probe::live::kernel_side::KernelSide;
use crate::probe::live::link::Point;
use crate::probe::live::seccomp::return_probes_are_safe;
use crate::probe::runtime::{Runtime, detect};
use crate::procfs::{Foreseen, ModuleTable, Process, ProcfsError, heap_segment};
use memtrace_common::config::LinkKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cost::Sites;

/// A traced process.
struct Target {
    process: Process,
    /// Modules with code in it, as of the last look.
    modules: Vec<ModuleId>,
    /// Files in which allocators have been looked for.
    examined: BTreeSet<FileKey>,
    allocators: Vec<FoundAllocator>,
    runtimes: Vec<Runtime>,
    usage: Usage,
    running: bool,
    comm: String,
    /// Children that share its memory, and children with a copy of it.
    vforks: u64,
    forks: u64,
    /// Its links see nothing of it any more.
    blind: bool,
    troubles: Vec<String>,
    unseen: Unseen,
}

/// All of them.
pub(super) struct Targets {
    targets: BTreeMap<Pid, Target>,
    modules: ModuleTable,
    with_arguments: bool,
    /// Links see every process that maps the file, as the kernel's filter does not work for one of
    /// the targets. One link per file then serves them all, or calls would count twice.
    unfiltered: bool,
    /// Files that have such a link.
    probed_for_all: BTreeSet<FileKey>,
    /// Were not there at the last look, though no exit event has come.
    missing: BTreeSet<Pid>,
    /// They were looked for: one that cannot be traced is left out.
    by_search: bool,
    left_out: LeftOut,
    /// Files that a command will map which has not begun yet.
    foreseen: Vec<Foreseen>,
}

impl Targets {
    /// Looks at the processes with these numbers (or of the threads with these numbers).
    ///
    /// # Errors
    /// When one of them cannot be traced: nothing is traced then. Of those that were looked for, when
    /// none can be.
    pub(super) fn open(settings: &Settings) -> Result<Self, DaemonError> {
        let mut targets = BTreeMap::new();
        let mut left_out = LeftOut::default();
        for number in &settings.pids {
            let process = match Process::open(*number) {
                Ok(process) if !(settings.by_search && process.leader_exited()) => process,
                // The kernel's filter would not work, and everybody on the machine would pay.
                Ok(_) => {
                    left_out.add(format!("the main thread of pid {number} has ended"));
                    continue;
                }
                Err(error) if settings.by_search => {
                    left_out.add(error.to_string());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(thread) = process.named_thread() {
                tracing::info!(
                    "{thread} is a thread of pid {}: tracing that process",
                    process.pid()
                );
            }
            targets.entry(process.pid()).or_insert_with(|| Target::new(process));
        }
        if targets.is_empty() {
            return Err(DaemonError::AllLeftOut(left_out.describe()));
        }
        let unfiltered = targets.values().any(|target: &Target| target.process.leader_exited());
        Ok(Self {
            targets,
            modules: ModuleTable::default(),
            with_arguments: settings.cmdline,
            unfiltered,
            probed_for_all: BTreeSet::new(),
            missing: BTreeSet::new(),
            by_search: settings.by_search,
            left_out,
            foreseen: settings.foreseen.iter().filter_map(|path| Foreseen::at(path)).collect(),
        })
    }

    /// Leaves a process out that cannot be traced, if it was not named.
    ///
    /// # Errors
    /// The reason, if it was named; or if nobody is left.
    pub(super) fn leave_out(&mut self, pid: Pid, reason: DaemonError) -> Result<(), DaemonError> {
        if !self.by_search {
            return Err(reason);
        }
        self.targets.remove(&pid);
        self.left_out.add(reason.to_string());
        if self.targets.is_empty() {
            return Err(DaemonError::AllLeftOut(self.left_out.describe()));
        }
        Ok(())
    }

    pub(super) fn knows(&self, pid: Pid) -> bool {
        self.targets.contains_key(&pid)
    }

    pub(super) fn running(&self) -> Vec<Pid> {
        self.targets.iter().filter(|(_, target)| target.running).map(|(pid, _)| *pid).collect()
    }

    pub(super) fn any_running(&self) -> bool {
        self.targets.values().any(|target| target.running)
    }

    /// CPU time of all targets so far.
    pub(super) fn cpu(&self) -> Nanos {
        self.targets.values().map(|target| target.usage.cpu).sum()
    }

    /// All that `/proc` says of a process, as events: for its first sight, and after exec.
    pub(super) fn describe(
        &mut self,
        pid: Pid,
        reporter: &Reporter,
    ) -> Result<Vec<What<'static>>, DaemonError> {
        let Some(target) = self.targets.get_mut(&pid) else { return Ok(Vec::new()) };
        let mappings = target.process.mappings()?;
        let mut info = target.process.info(self.with_arguments)?;
        target.comm.clone_from(&info.comm);
        let code = target.scan(&mut self.modules, reporter)?;
        info.allocators = target.allocators.iter().map(|found| found.name.clone()).collect();
        let mut events = vec![What::ProcessSeen(Arc::new(info))];
        events.extend(code);
        if let Some((start, end)) = heap_segment(&mappings) {
            events.push(What::BreakSeen { start, end });
        }
        Ok(events)
    }

    /// The modules that all processes map, for work that takes long and can begin before the processes
    /// are described. What cannot be read is left out: describing them will say so.
    pub(super) fn preview(&mut self) -> Vec<ModuleId> {
        let Self { targets, modules, .. } = self;
        let look = |target: &Target| {
            let mappings = target.process.mappings().ok()?;
            modules.look(&target.process, &mappings).ok()
        };
        targets.values().filter_map(look).flatten().map(|mapping| mapping.module).collect()
    }

    /// Where a module's file can be opened.
    pub(super) fn open_path(&self, module: ModuleId) -> Option<std::path::PathBuf> {
        self.modules.open_path(module)
    }

    /// New code in a process, as events.
    pub(super) fn rescan(&mut self, pid: Pid, reporter: &Reporter) -> Vec<What<'static>> {
        let Some(target) = self.targets.get_mut(&pid) else { return Vec::new() };
        target.scan(&mut self.modules, reporter).unwrap_or_default()
    }

    /// Places the probes that a process needs.
    ///
    /// # Errors
    /// When it has no allocator that we know, or a probe cannot be placed.
    pub(super) fn attach(&mut self, kernel: &mut KernelSide, pid: Pid) -> Result<(), DaemonError> {
        let Some(target) = self.targets.get_mut(&pid) else { return Ok(()) };
        target.check_seccomp(kernel)?;
        let mut files = target.files(&self.modules);
        let foreseen: Vec<MappedFile> = self.foreseen.iter().map(|it| (&it.file).into()).collect();
        match find(&foreseen) {
            // What the process maps now is memtrace's, and goes.
            Ok(_) => files = foreseen,
            Err(error) if !foreseen.is_empty() => target.troubles.push(error.to_string()),
            Err(_) => {}
        }
        let discovery = find(&files).map_err(|source| DaemonError::NoAllocator {
            pid,
            comm: target.comm.clone(),
            source,
        })?;
        for left in &discovery.not_probed {
            target.troubles.push(format!("{} is not probed: {}", left.name, left.reason));
        }
        target.runtimes = detect(&files);
        target.examined.extend(files.iter().map(key));
        for allocator in discovery.allocators {
            let done = target.probe(kernel, allocator, &mut self.probed_for_all, self.unfiltered);
            done?;
        }
        Ok(())
    }

    /// Places probes for allocators that came later (by exec or dlopen). Each file is looked at once.
    pub(super) fn attach_new(&mut self, kernel: &mut KernelSide, pid: Pid) {
        let Some(target) = self.targets.get_mut(&pid) else { return };
        let fresh: Vec<MappedFile> = target
            .files(&self.modules)
            .into_iter()
            .filter(|file| target.examined.insert(key(file)))
            .collect();
        // Most new code brings no allocator: not an error here.
        let Ok(discovery) = find(&fresh) else { return };
        for left in &discovery.not_probed {
            target.troubles.push(format!("{} is not probed: {}", left.name, left.reason));
        }
        for allocator in discovery.allocators {
            let name = allocator.name.clone();
            match target.probe(kernel, allocator, &mut self.probed_for_all, self.unfiltered) {
                Ok(()) => {
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

    /// A process has gone. `true` if it was running until now.
    pub(super) fn ended(&mut self, pid: Pid) -> bool {
        self.targets.get_mut(&pid).is_some_and(|target| std::mem::take(&mut target.running))
    }

    pub(super) fn note_lost_end(&mut self, pid: Pid) {
        if let Some(target) = self.targets.get_mut(&pid) {
            target.troubles.push(format!("pid {pid} has ended, but how it ended was lost"));
        }
    }

    /// The process runs another program. Links that filter by process go on in it, unless another
    /// thread than the main one made the call: they follow the main thread that is gone then
    /// (`kernel/trace/bpf_trace.c`), so everything is probed anew.
    pub(super) fn note_exec(&mut self, pid: Pid, by_main_thread: bool) {
        let Some(target) = self.targets.get_mut(&pid) else { return };
        target.runtimes.clear();
        if !by_main_thread {
            target.examined.clear();
            target.allocators.clear();
        }
    }

    /// Takes note of a program that the process executed, and whose mappings could not be read now.
    /// They may have been, when it was new.
    pub(super) fn note_unseen(&mut self, pid: Pid, program: Exec) {
        let Some(target) = self.targets.get_mut(&pid) else { return };
        let file = self.modules.find(device_numbers(program.device), program.inode);
        if !file.is_some_and(|file| target.modules.contains(&file.id)) {
            target.unseen.add(program, file.map(|file| file.path.display().to_string()));
        }
    }

    /// Whether no code of the process is known.
    pub(super) fn is_bare(&self, pid: Pid) -> bool {
        self.targets.get(&pid).is_some_and(|target| target.modules.is_empty())
    }

    /// A child that is not traced. The first of each kind is told at once.
    pub(super) fn note_child(&mut self, pid: Pid, child: Pid, shares_memory: bool) {
        let Some(target) = self.targets.get_mut(&pid) else { return };
        let count = if shares_memory { &mut target.vforks } else { &mut target.forks };
        *count += 1;
        if *count == 1 && !shares_memory {
            tracing::info!("pid {pid} has forked pid {child}, which is not traced");
        }
    }

    /// Memory and CPU of those that run. One that has vanished without an exit event is ended.
    pub(super) fn read_usage(&mut self) -> Vec<(Pid, Usage)> {
        let mut usages = Vec::new();
        for (pid, target) in self.targets.iter_mut().filter(|(_, target)| target.running) {
            if let Ok(usage) = target.process.usage() {
                target.usage = usage;
                usages.push((*pid, usage));
            }
        }
        usages
    }

    /// Processes that have vanished without an exit event: not there now, nor at the last look (the
    /// event may still have been on its way through the ring then).
    pub(super) fn vanished(&mut self) -> Vec<Pid> {
        let gone: BTreeSet<Pid> = self
            .targets
            .iter()
            .filter(|(_, target)| target.running && target.process.has_ended())
            .map(|(pid, _)| *pid)
            .collect();
        let vanished = gone.intersection(&self.missing).copied().collect();
        self.missing = gone;
        vanished
    }

    /// A perf link filters by the memory of the process's first thread: when that has ended, it
    /// sees nothing of the others any more (measured on Linux 6.18; multi and session links do).
    pub(super) fn note_lost_leaders(&mut self, link: LinkKind) {
        if link != LinkKind::Perf {
            return;
        }
        for target in self.targets.values_mut().filter(|t| t.running && !t.blind) {
            target.blind = !self.unfiltered && target.process.outlives_leader();
            if target.blind {
                let trouble = format!(
                    "the main thread of pid {} has ended, and perf links see nothing of the others: \
                     what they did since is missing; attach again to see what they do from then on",
                    target.process.pid()
                );
                tracing::warn!("{trouble}");
                target.troubles.push(trouble);
            }
        }
    }

    /// Whether the probe sites are emulated ones.
    pub(super) fn sites(&self) -> Sites {
        let functions =
            || self.targets.values().flat_map(|t| &t.allocators).flat_map(|a| &a.functions);
        Sites {
            calls_emulated: functions().filter(|f| f.wants_return).all(|f| f.emulated),
            entries_emulated: functions().filter(|f| !f.wants_return).all(|f| f.emulated),
        }
    }

    /// The line that scripts wait for.
    pub(super) fn announcement(&self, link: LinkKind) -> String {
        let targets: Vec<String> = self.targets.values().map(Target::describe).collect();
        format!("tracing {}; {} link", targets.join(", "), link.name())
    }

    /// What the reader of a report must know of the targets.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.targets.values().flat_map(Target::notes).collect();
        notes.extend(self.left_out.note());
        if self.unfiltered {
            notes.push(
                "the main thread of a target has ended, so the kernel's filter by process does not \
                 work: every process that uses the same library pays for the probes"
                    .to_owned(),
            );
        }
        notes
    }
}

/// Device (major, minor) and inode.
type FileKey = (u32, u32, u64);

fn key(file: &MappedFile) -> FileKey {
    (file.device.0, file.device.1, file.inode)
}

fn point(function: &PlannedFunction) -> Point {
    Point {
        offset: function.file_offset,
        cookie: function.site.pack(),
        returns: function.wants_return,
    }
}

impl Target {
    fn new(process: Process) -> Self {
        Self {
            process,
            modules: Vec::new(),
            examined: BTreeSet::new(),
            allocators: Vec::new(),
            runtimes: Vec::new(),
            usage: Usage::default(),
            running: true,
            comm: String::new(),
            vforks: 0,
            forks: 0,
            blind: false,
            troubles: Vec::new(),
            unseen: Unseen::default(),
        }
    }

    /// Looks at the code it has mapped now.
    fn scan(
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
    fn files(&self, modules: &ModuleTable) -> Vec<MappedFile> {
        mapped_files(modules, &self.modules)
    }

    /// A return probe enters the kernel by a system call from Linux 6.11 on, which a filter that
    /// does not know it may answer by killing the process.
    fn check_seccomp(&self, kernel: &KernelSide) -> Result<(), DaemonError> {
        if filters_system_calls(&self.process) && !return_probes_are_safe(kernel)? {
            return Err(DaemonError::Seccomp(self.process.pid()));
        }
        Ok(())
    }

    fn probe(
        &mut self,
        kernel: &mut KernelSide,
        allocator: FoundAllocator,
        for_all: &mut BTreeSet<FileKey>,
        unfiltered: bool,
    ) -> Result<(), DaemonError> {
        let points: Vec<Point> = allocator.functions.iter().map(point).collect();
        let filter = (!unfiltered).then_some(self.process.pid());
        if filter.is_some() || for_all.insert(key(&allocator.file)) {
            let attached = kernel.attach(&allocator.file.open_path, &points, filter);
            attached.map_err(|error| self.ended_meanwhile(error))?;
        }
        for skipped in &allocator.skipped {
            tracing::debug!(
                "{}: {} is not probed: {}",
                allocator.name,
                skipped.name,
                skipped.reason
            );
        }
        let operators = allocator.skipped.iter().find(|skipped| skipped.name.starts_with("_Znw"));
        self.troubles.extend(operators.map(|operators| operators.reason.clone()));
        self.allocators.push(allocator);
        Ok(())
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

    fn describe(&self) -> String {
        let allocators: Vec<String> = self
            .allocators
            .iter()
            .map(|found| format!("{}, {} functions", found.name, found.functions.len()))
            .collect();
        format!("pid {} ({}: {})", self.process.pid(), self.comm, allocators.join("; "))
    }

    fn notes(&self) -> Vec<String> {
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
