//! The processes being traced: what `/proc` and their files say, and the probes placed for them.

mod blind;
mod children;
mod choice;
mod code;
mod links;
mod looking;
mod membership;
mod notes;
mod one;
mod payers;
mod placing;
mod scope;
mod telling;
mod user;
mod windows;

use super::cost::Sites;
use super::error::DaemonError;
use super::left_out::LeftOut;
use super::pod_names::PodNames;
use super::progress::Progress;
use super::reporter::Reporter;
use super::settings::{LinkFor, Settings, StaticProbeWish};
use super::unseen::device_numbers;
use crate::model::event::{Exec, What};
use crate::model::ids::{ModuleId, Nanos, Pid};
use crate::model::process::Usage;
use crate::probe::allocator::{FoundAllocator, Search};
use crate::probe::runtime::Detector;
use crate::probe::usdt::StaticSearch;
use crate::procfs::{Foreseen, GroupReadings, ModuleTable, Process, heap_segment};
use blind::BlindWindows;
use children::Children;
use memtrace_common::config::LinkKind;
use one::Target;
use payers::Payers;
use scope::{Reason, Scopes};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use user::UserFunctions;
pub(super) use windows::Opening;

/// Targets that have ended and are remembered; the ones that ended first are forgotten.
pub(super) const MOST_ENDED: usize = 256;

/// All of them.
pub(super) struct Targets {
    targets: BTreeMap<Pid, Target>,
    modules: ModuleTable,
    with_arguments: bool,
    /// For whom probes are.
    scopes: Scopes,
    /// Who pays for those that are for all.
    payers: Payers,
    children: Children,
    blind_windows: BlindWindows,
    written_over: BTreeSet<Pid>,
    /// Of these, other allocators may be known than was told.
    described_less: BTreeSet<Pid>,
    /// CPU time that they have used while they were traced.
    cpu: Nanos,
    /// Those that have ended, in the order in which they did.
    ended: VecDeque<Pid>,
    /// Were not there at the last look, though no exit event has come.
    missing: BTreeSet<Pid>,
    /// They were looked for: one that cannot be traced is left out.
    by_search: bool,
    left_out: LeftOut,
    /// How many can be traced at once.
    room: usize,
    /// Files that a command will map which has not begun yet.
    foreseen: Vec<Foreseen>,
    /// What files hold, which many processes map.
    search: Search,
    detector: Detector,
    /// Where static probes are used.
    static_search: Option<StaticSearch>,
    user: UserFunctions,
    /// How often was looked again at what the user describes and a process had not bound.
    looks_for_bound: u32,
    /// Processes that come to match begin closed.
    newcomers_closed: bool,
    /// Heaps are traced in looks alone: processes begin closed, and nobody searches their files before the first.
    by_looks: bool,
    /// Functions of allocators are traced.
    heap: bool,
    /// Pages that are touched are accounted for.
    faults: bool,
    pods: PodNames,
    /// Files whose allocators' code was told of, and those of whose beginning was told.
    told_code: BTreeSet<ModuleId>,
    told_entries: BTreeSet<ModuleId>,
}

impl Targets {
    /// Looks at the processes with these numbers (or of the threads with these numbers).
    ///
    /// # Errors
    /// When one of them cannot be traced: nothing is traced then. Of those that were looked for, when
    /// none can be.
    pub(super) fn open(settings: &Settings) -> Result<Self, DaemonError> {
        let mut left_out = LeftOut::default();
        let room = settings.room_for_targets() as usize;
        let mut targets = open_all(settings, room, &mut left_out)?;
        if targets.is_empty() {
            return Err(DaemonError::AllLeftOut(left_out.describe()));
        }
        if settings.zoom.is_some() {
            targets.values_mut().for_each(|target| target.window.closed = 1);
        }
        let leader_gone = || targets.values().any(|target: &Target| target.process.leader_exited());
        // A look is at one process: nobody else is to pay for it, other targets least of all.
        let link_for = if settings.zoom.is_some() { LinkFor::Each } else { settings.link_for };
        let for_all = match &settings.selection {
            _ if settings.zoom.is_some() => None,
            Some(selection) if selection.all && settings.link_for != LinkFor::Each => {
                Some(Reason::Everybody)
            }
            _ => leader_gone().then_some(Reason::LeaderGone),
        };
        let scopes =
            Scopes::new(targets.keys().copied().collect(), for_all, link_for, settings.follow);
        Ok(Self {
            targets,
            modules: ModuleTable::default(),
            with_arguments: settings.cmdline,
            scopes,
            payers: Payers::new(),
            children: Children::new(Instant::now()),
            blind_windows: BlindWindows::default(),
            written_over: BTreeSet::new(),
            described_less: BTreeSet::new(),
            cpu: 0,
            ended: VecDeque::new(),
            missing: BTreeSet::new(),
            by_search: settings.selection.is_some(),
            left_out,
            room,
            foreseen: settings.foreseen.iter().filter_map(|path| Foreseen::at(path)).collect(),
            search: Search::default(),
            detector: Detector::default(),
            static_search: static_search(settings.static_probes()),
            user: UserFunctions::new(&settings.user_functions, settings.started_here),
            looks_for_bound: 0,
            newcomers_closed: settings.zoom.is_some(),
            by_looks: settings.zoom.is_some(),
            heap: settings.heap,
            faults: settings.faults,
            pods: PodNames::default(),
            told_code: BTreeSet::new(),
            told_entries: BTreeSet::new(),
        })
    }

    /// Whether some process tells by static probes of blocks that it samples.
    pub(super) fn uses_static_probes(&self) -> bool {
        self.targets.values().any(|target| target.running && !target.told_by.is_empty())
    }

    /// Of processes that come later none will be used.
    pub(super) fn use_no_static_probes(&mut self) {
        self.static_search = None;
    }

    pub(super) fn knows(&self, pid: Pid) -> bool {
        self.targets.contains_key(&pid)
    }

    pub(super) fn running(&self) -> Vec<Pid> {
        self.targets.iter().filter(|(_, target)| target.running).map(|(pid, _)| *pid).collect()
    }

    /// Those that run, to be looked at elsewhere.
    pub(super) fn processes(&self) -> Vec<Process> {
        let running = self.targets.values().filter(|target| target.running);
        running.map(|target| target.process.clone()).collect()
    }

    pub(super) fn is_running(&self, pid: Pid) -> bool {
        self.targets.get(&pid).is_some_and(|target| target.running)
    }

    /// Whether a target has gone, also if its end has not been told yet.
    pub(super) fn has_ended(&self, pid: Pid) -> bool {
        self.targets.get(&pid).is_some_and(|target| target.process.has_ended())
    }

    pub(super) fn any_running(&self) -> bool {
        self.targets.values().any(|target| target.running)
    }

    /// CPU time that targets have used while they were traced, as far as was looked at: it never falls.
    pub(super) const fn cpu(&self) -> Nanos {
        self.cpu
    }

    /// All that `/proc` says of a process, as events: for its first sight, and after exec.
    pub(super) fn describe(
        &mut self,
        pid: Pid,
        reporter: &Reporter,
    ) -> Result<Vec<What<'static>>, DaemonError> {
        let Some(target) = self.targets.get_mut(&pid) else { return Ok(Vec::new()) };
        let mappings = target.process.mappings()?;
        if !mappings.is_empty() {
            // One that has ended is in the root's.
            target.process.find_cgroup();
        }
        let mut info = target.process.info(self.with_arguments)?;
        self.pods.complete(&mut info);
        target.comm.clone_from(&info.comm);
        let code = target.scan(&mut self.modules, reporter)?;
        info.allocators = FoundAllocator::names(&target.allocators);
        target.info.clone_from(&info);
        let mut events = vec![What::ProcessSeen(Arc::new(info))];
        events.extend(code);
        if let Some((start, end)) = heap_segment(&mappings) {
            events.push(What::BreakSeen { start, end });
        }
        let files = mappings.iter().filter(|mapping| mapping.inode != 0);
        events.push(What::FilesSeen(files.map(|mapping| (mapping.start, mapping.end)).collect()));
        Ok(events)
    }

    /// The modules that all processes map, or will, for work that takes long and can begin before the
    /// processes are described. What cannot be read is left out: describing them will say so.
    pub(super) fn preview(&mut self) -> Vec<ModuleId> {
        let Self { targets, modules, foreseen, .. } = self;
        let will_map: Vec<ModuleId> =
            foreseen.iter().filter_map(|it| modules.foresee(it)).collect();
        let look = |target: &Target| {
            let mappings = target.process.mappings().ok()?;
            modules.look(&target.process, &mappings).ok()
        };
        let map = targets.values().filter_map(look).flatten().map(|mapping| mapping.module);
        map.chain(will_map).collect()
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

    /// Whether each function that the user describes was found in some process.
    ///
    /// # Errors
    /// The first that was not, and why.
    pub(super) fn check_user_functions(&self) -> Result<(), DaemonError> {
        Ok(self.user.check()?)
    }

    /// Names of the functions that the user describes, by number.
    pub(super) fn user_functions(&self) -> &[String] {
        self.user.names.all()
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
        self.children.executed(pid, Instant::now());
        let Some(target) = self.targets.get_mut(&pid) else { return };
        target.runtimes.clear();
        if !by_main_thread || (self.by_looks && target.window.closed != 0) {
            target.examined.clear();
            target.allocators.clear();
            target.told_by.clear();
            target.unbound.clear();
            target.undecided.clear();
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

    /// Memory and CPU of those that run and are `wanted`. One that has vanished without an exit event is ended.
    pub(super) fn read_usage(&mut self, wanted: impl Fn(Pid) -> bool) -> Vec<(Pid, Usage)> {
        let mut usages = Vec::new();
        let mut groups = GroupReadings::default();
        let running =
            self.targets.iter_mut().filter(|(pid, target)| target.running && wanted(**pid));
        for (pid, target) in running {
            let usage = target.process.usage_in(&mut groups);
            // Nothing is mapped any more by one that has ended, and that nobody has waited for.
            target.may_have_ended = usage.as_ref().map_or(true, |usage| usage.resident == 0);
            if let Ok(usage) = usage {
                let before = target.cpu.replace(usage.cpu).unwrap_or(usage.cpu);
                self.cpu += usage.cpu.saturating_sub(before);
                usages.push((*pid, usage));
            }
        }
        usages
    }

    /// Processes that have vanished without an exit event, as of the last look at their memory: not there now, nor at the last look (the
    /// event may still have been on its way through the ring then).
    pub(super) fn vanished(&mut self) -> Vec<Pid> {
        let gone: BTreeSet<Pid> = self
            .targets
            .iter()
            .filter(|(_, target)| target.running && target.may_have_ended)
            .filter(|(_, target)| target.process.has_ended())
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
        let Self { targets, scopes, .. } = self;
        for target in targets.values_mut().filter(|t| t.running && !t.blind) {
            let is_filtered = target.is_filtered(scopes);
            target.blind = is_filtered && target.process.outlives_leader();
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

    /// How often an allocator was used, perhaps, before it was probed.
    pub(super) const fn blind_windows(&self) -> u64 {
        self.blind_windows.count()
    }

    /// What the reader of a report must know of the targets.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = notes::told_once(self.targets.values().flat_map(Target::notes));
        notes.extend(self.left_out.note());
        notes.extend(self.left_out.note_of_room());
        notes.extend(self.scopes.note());
        notes.extend(self.modules.note());
        notes.extend(self.children.note());
        notes.extend(self.blind_windows.note());
        notes.extend(self.user.notes());
        notes.extend(self.static_search.iter().flat_map(|search| search.left().iter().cloned()));
        notes
    }
}

fn static_search(wish: StaticProbeWish) -> Option<StaticSearch> {
    let semaphores = wish == StaticProbeWish::Semaphores;
    (wish != StaticProbeWish::No).then(|| StaticSearch::new(semaphores))
}

/// Looks at the processes that `settings` name. Of those that were looked for, one that cannot be traced
/// is left out, and so are those for which there is no room.
fn open_all(
    settings: &Settings,
    room: usize,
    left_out: &mut LeftOut,
) -> Result<BTreeMap<Pid, Target>, DaemonError> {
    let mut targets = BTreeMap::new();
    let filtered = settings.selection.as_ref().is_some_and(|selection| !selection.all)
        && settings.zoom.is_none();
    left_out.add_beyond(settings.beyond + settings.pids.len().saturating_sub(room), room);
    let mut progress = Progress::new("looking at processes", settings.pids.len().min(room));
    for number in settings.pids.iter().take(room) {
        progress.step();
        let process = match Process::open(*number) {
            Ok(process) if !(filtered && process.leader_exited()) => process,
            // The kernel's filter would not work, and everybody on the machine would pay.
            Ok(_) => {
                left_out.add(format!("the main thread of pid {number} has ended"));
                continue;
            }
            Err(error) if settings.selection.is_some() => {
                left_out.add(error.to_string());
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(thread) = process.named_thread() {
            tracing::info!("{thread} is a thread of pid {}: tracing that process", process.pid());
        }
        targets.entry(process.pid()).or_insert_with(|| Target::new(process));
    }
    Ok(targets)
}
