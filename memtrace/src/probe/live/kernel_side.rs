//! The loaded object with its links, targets and counters.

use super::abilities::{Abilities, is_locked_down};
use super::btf::KernelTypes;
use super::calibrate::can_link;
use super::code_tables::CodeTables;
use super::error::LiveError;
use super::faults;
use super::link::{Point, Programs, Purpose, close_all};
use super::memory_lock;
use super::namespace;
use super::object::{Relocated, map_data};
use super::release;
use super::rings;
use super::sampling::Sampling;
use super::tracepoints::{self, TracepointLink};
use super::windows::{Departing, Owner};
use crate::engine::hash::random_seed;
use aya::maps::{HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use aya::{Ebpf, EbpfLoader, Pod};
use memtrace_common::config::{LinkKind, UnwindMode};
use memtrace_common::limits::{USUAL_CODE_MAPPINGS, USUAL_TARGETS};
use memtrace_common::sampling::{Control, IS_COPY};
use memtrace_common::unwind::CodeChanges;
use memtrace_common::usdt::Arguments;
use memtrace_common::wire::{Counter, Loss};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// `BPF_NOEXIST` of `linux/bpf.h`: what is there is not replaced.
pub(super) const BPF_NOEXIST: u64 = 1;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/memtrace-ebpf"));

/// How the kernel side is to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// Rings; made a power of two.
    pub rings: u32,
    /// Bytes of all rings together; a power of two, a multiple of the page size.
    pub ring_bytes: u32,
    /// The reader is woken each time this many bytes more wait in a ring; a power of two.
    pub wake_bytes: u64,
    /// Level of the programs' own log, 0 (off) to 5 (trace).
    pub log_level: u8,
    /// Use this kind of link, or fail; `None`: the best that works.
    pub link: Option<LinkKind>,
    /// How stacks are walked.
    pub unwind: UnwindMode,
    /// Walks by tables are kept, and not made again while what they read is as it was. (Not on
    /// kernels before 5.12, where programs cannot keep others from writing to the same place.)
    pub cache_walks: bool,
    /// Children of targets become targets.
    pub follow: bool,
    /// Processes that may have become what is looked for are told of.
    pub watch: bool,
    /// What is mapped is told with the call stack.
    pub mapping_stacks: bool,
    /// Pages that are touched are told, and those that `madvise` gives back.
    pub faults: bool,
    /// What looking at page faults may cost in a period of [`memtrace_common::touches`] on each CPU, ns: where it would
    /// be more, some pages stand for others. 0: each fault is looked at.
    pub most_for_faults: u64,
    /// Room for so many processes.
    pub targets: u32,
    /// Allocations may be sampled.
    pub sampling: Option<Sampling>,
    /// Static probes may be used.
    pub static_probes: bool,
    /// There may be times in which allocations and frees of a process are not told
    /// ([`KernelSide::set_window`]).
    pub may_close: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            rings: 1,
            ring_bytes: 16 << 20,
            wake_bytes: 1 << 20,
            log_level: 0,
            link: None,
            unwind: UnwindMode::FramePointers,
            cache_walks: true,
            follow: false,
            watch: false,
            mapping_stacks: true,
            faults: false,
            most_for_faults: 0,
            targets: USUAL_TARGETS,
            sampling: None,
            static_probes: false,
            may_close: false,
        }
    }
}

/// A process in the kernel's table of targets (`memtrace-ebpf/src/maps.rs`).
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Target {
    epoch: u64,
    pub(super) space: u64,
}

// SAFETY: plain integers without padding.
unsafe impl Pod for Target {}

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy, Default)]
struct Changes(CodeChanges);

// SAFETY: plain integers without padding.
unsafe impl Pod for Changes {}

/// Which version of a process's code something is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeVersion {
    /// As in [`memtrace_common::unwind::Space::epoch`].
    pub epoch: u64,
    /// How often code was taken away until then; `None` if it was just then.
    pub removed: Option<u64>,
}

impl CodeVersion {
    /// The version of what was seen between `before` and `after`.
    #[must_use]
    pub fn between(before: Self, after: Self) -> Self {
        let removed = before.removed.filter(|_| before.removed == after.removed);
        Self { epoch: before.epoch, removed }
    }
}

/// Kernel structures and members whose offsets the programs want, with the globals they go to.
const OFFSETS: [(&str, &str, &str); 18] = [
    ("OFFSET_TASK_PID", "task_struct", "pid"),
    ("OFFSET_TASK_TGID", "task_struct", "tgid"),
    ("OFFSET_TASK_MEMORY", "task_struct", "mm"),
    ("OFFSET_MEMORY_START_CODE", "mm_struct", "start_code"),
    ("OFFSET_TASK_STARTED", "task_struct", "start_boottime"),
    ("OFFSET_TASK_STACK", "task_struct", "stack"),
    ("OFFSET_TASK_FAULTS_OFF", "task_struct", "pagefault_disabled"),
    ("OFFSET_TASK_EXIT_CODE", "task_struct", "exit_code"),
    ("OFFSET_TASK_GROUP_LEADER", "task_struct", "group_leader"),
    ("OFFSET_TASK_SIGNAL", "task_struct", "signal"),
    ("OFFSET_SIGNAL_LIVE", "signal_struct", "live"),
    ("OFFSET_SIGNAL_FLAGS", "signal_struct", "flags"),
    ("OFFSET_SIGNAL_GROUP_EXIT_CODE", "signal_struct", "group_exit_code"),
    ("OFFSET_BINPRM_FILE", "linux_binprm", "file"),
    ("OFFSET_FILE_INODE", "file", "f_inode"),
    ("OFFSET_INODE_NUMBER", "inode", "i_ino"),
    ("OFFSET_INODE_SUPER_BLOCK", "inode", "i_sb"),
    ("OFFSET_SUPER_BLOCK_DEVICE", "super_block", "s_dev"),
];

/// Those that it can do without: with all of them `HAS_RETURN_INSTANCES` is switched on.
const OFFSETS_OF_RETURNS: [(&str, &str, &str); 5] = [
    ("OFFSET_TASK_UTASK", "task_struct", "utask"),
    ("OFFSET_UTASK_RETURN_INSTANCES", "uprobe_task", "return_instances"),
    ("OFFSET_INSTANCE_STACK", "return_instance", "stack"),
    ("OFFSET_INSTANCE_ORIGINAL", "return_instance", "orig_ret_vaddr"),
    ("OFFSET_INSTANCE_NEXT", "return_instance", "next"),
];

/// As above: with all of them `HAS_CONTROL_GROUPS` is switched on.
const OFFSETS_OF_GROUPS: [(&str, &str, &str); 7] = [
    ("OFFSET_TASK_CGROUPS", "task_struct", "cgroups"),
    ("OFFSET_CSS_SET_GROUP", "css_set", "dfl_cgrp"),
    ("OFFSET_CGROUP_NODE", "cgroup", "kn"),
    ("OFFSET_CGROUP_SELF", "cgroup", "self"),
    ("OFFSET_NODE_ID", "kernfs_node", "id"),
    ("OFFSET_CSS_PARENT", "cgroup_subsys_state", "parent"),
    ("OFFSET_CSS_CGROUP", "cgroup_subsys_state", "cgroup"),
];

/// The kernel side, loaded.
pub struct KernelSide {
    pub(super) loaded: Ebpf,
    object: Arc<Relocated>,
    programs: Programs,
    /// Links of the programs to functions of our own, which showed that they work. Closing them takes
    /// long, so it is left to those who measure.
    trial: Vec<OwnedFd>,
    /// By the process that they are for; `None`: for all.
    /// By process (`None`: all) and the caller's number for the file.
    links: BTreeMap<Owner, Vec<OwnedFd>>,
    /// Links that are being taken down.
    pub(super) departing: Vec<Departing>,
    tracepoints: Vec<TracepointLink>,
    faults: bool,
    code_tables: Option<CodeTables>,
    /// Rings beside the object's.
    further_rings: Vec<MapData>,
    /// Where static probes have their arguments, as in the kernel's table.
    pub(super) descriptions: Vec<Arguments>,
    /// Whether return probes are safe under a filter of system calls, once that was tried.
    pub(super) safe_returns: OnceLock<bool>,
}

impl KernelSide {
    /// Loads the programs and finds the best kind of link. Nothing is attached to a target yet.
    ///
    /// # Errors
    /// When the object is missing, the kernel refuses it, or no link works.
    pub fn load(options: LoadOptions) -> Result<Self, LiveError> {
        let (mut loaded, object) = load_object(options)?;
        let object = Arc::new(object);
        let mask = rings::mask(options.rings);
        let bytes = rings::bytes_of_each(options.ring_bytes, mask as u32 + 1);
        let further_rings = rings::make(&mut loaded, mask, bytes)?;
        let (programs, trial) = climb_down(&object, options.link)?;
        let by_tables = options.unwind != UnwindMode::FramePointers;
        let code_tables = by_tables
            .then(|| CodeTables::new(&loaded, code_mappings(options.targets)))
            .transpose()?;
        let (links, tracepoints, departing) = (BTreeMap::new(), Vec::new(), Vec::new());
        let faults = options.faults;
        let descriptions = Vec::new();
        let mut side = Self {
            loaded,
            object,
            programs,
            trial,
            links,
            departing,
            tracepoints,
            faults,
            code_tables,
            further_rings,
            descriptions,
            safe_returns: OnceLock::new(),
        };
        if let Some(Sampling { interval, .. }) = options.sampling {
            side.set_sampling(Control::new(interval))?;
        }
        Ok(side)
    }

    /// The kind of link in force.
    #[must_use]
    pub const fn link_kind(&self) -> LinkKind {
        self.programs.kind()
    }

    /// What the kernel can do for the programs.
    #[must_use]
    pub fn abilities(&self) -> Abilities {
        self.object.abilities()
    }

    /// What it knows of code; `None` where stacks are walked by frame pointers alone.
    pub const fn code_tables(&mut self) -> Option<&mut CodeTables> {
        self.code_tables.as_mut()
    }

    /// The loaded object, for the programs' log.
    pub const fn loaded(&mut self) -> &mut Ebpf {
        &mut self.loaded
    }

    /// Begins to watch mappings, task creation, exec and exit of targets.
    ///
    /// # Errors
    /// When a tracepoint cannot be attached.
    pub fn attach_tracepoints(&mut self) -> Result<(), LiveError> {
        self.tracepoints = tracepoints::attach(&mut self.loaded, &self.object)?;
        if self.faults {
            self.tracepoints.extend(tracepoints::attach_faults(&self.object)?);
        }
        Ok(())
    }

    /// Begins to be told of processes that are looked for ([`LoadOptions::watch`]).
    ///
    /// # Errors
    /// When a tracepoint cannot be attached; those of [`Self::attach_tracepoints`] stay.
    pub fn attach_candidates(&mut self) -> Result<(), LiveError> {
        self.tracepoints.extend(tracepoints::attach_candidates(&mut self.loaded)?);
        Ok(())
    }

    /// Probes `points` of the file at `path`, in one process or (`None`) in all that map it. `number` is the
    /// file's, for [`Self::detach_file`].
    ///
    /// # Errors
    /// When a link cannot be made; what was attached before stays.
    pub fn attach(
        &mut self,
        path: &Path,
        points: &[Point],
        process: Option<u32>,
        number: u32,
    ) -> Result<(), LiveError> {
        let links = self.programs.attach(path, points, process)?;
        self.links.entry((process, number)).or_default().extend(links);
        Ok(())
    }

    /// Links other programs than the tracer's to `points`, for measuring. Closed when dropped.
    ///
    /// # Errors
    /// When a program cannot be loaded or a link cannot be made.
    pub fn attach_for(
        &self,
        purpose: Purpose,
        path: &Path,
        points: &[Point],
        process: Option<u32>,
    ) -> Result<Vec<OwnedFd>, LiveError> {
        Programs::load(&self.object, self.link_kind(), purpose)?.attach(path, points, process)
    }

    /// What measuring needs, for another thread. To be taken once, before anybody measures.
    pub fn prober(&mut self) -> Prober {
        let trial = std::mem::take(&mut self.trial);
        Prober { object: Arc::clone(&self.object), kind: self.link_kind(), trial }
    }

    /// Takes every probe and tracepoint away. Maps and counters stay readable.
    pub fn detach(&mut self) {
        let links = std::mem::take(&mut self.links).into_values().flatten().collect();
        let tracepoints = std::mem::take(&mut self.tracepoints);
        std::thread::scope(|scope| {
            // Where no thread is to be had the closure is dropped, and the links with it.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || close_all(links));
            close_all(tracepoints);
        });
    }

    /// Takes the probes away that were for this process alone, on a thread of its own.
    pub fn detach_from(&mut self, process: u32) {
        self.detach_those(|owner, _| owner == Some(process));
    }

    /// Takes the probes away that were placed under this number, whoever they were for.
    pub fn detach_file(&mut self, number: u32) {
        self.detach_those(|_, of| of == number);
    }

    fn detach_those(&mut self, are_meant: impl Fn(Option<u32>, u32) -> bool) {
        let meant = self.links.extract_if(.., |(process, number), _| are_meant(*process, *number));
        let (owners, links): (Vec<Owner>, Vec<Vec<OwnedFd>>) = meant.unzip();
        let links: Vec<OwnedFd> = links.into_iter().flatten().collect();
        if links.is_empty() {
            return;
        }
        // Where no thread is to be had the closure is dropped, and the links with it.
        let detach = std::thread::Builder::new().name("detach".into());
        if let Ok(thread) = detach.spawn(move || close_all(links)) {
            self.departing.retain(|departing| !departing.thread.is_finished());
            self.departing.push(Departing { owners, thread });
        }
    }

    /// Lets events of a process through. The kernel side may have done so meanwhile; then it knows better
    /// which version of its code it runs.
    ///
    /// # Errors
    /// When the table of targets is full.
    pub fn add_target(&mut self, process: u32) -> Result<(), LiveError> {
        let changes = self.changes()?.insert(process, Changes::default(), BPF_NOEXIST);
        new(changes).map_err(map_error("CODE_CHANGES"))?;
        let space = random_seed() & !IS_COPY;
        let target = self.targets()?.insert(process, Target { epoch: 0, space }, BPF_NOEXIST);
        new(target).map_err(map_error("TARGETS"))
    }

    /// Whether the kernel side lets events of this process through.
    pub fn is_target(&mut self, process: u32) -> bool {
        self.targets().is_ok_and(|targets| targets.get(&process, 0).is_ok())
    }

    /// Which version of its code a process has now; the first one if it is no target yet.
    pub fn code_version(&mut self, process: u32) -> CodeVersion {
        let changes = self.changes().ok().and_then(|changes| changes.get(&process, 0).ok());
        let target = self.targets().ok().and_then(|targets| targets.get(&process, 0).ok());
        CodeVersion {
            epoch: target.map_or(0, |target| target.epoch),
            removed: Some(changes.map_or(0, |changes| changes.0.removed)),
        }
    }

    /// Stops events of a process. One that is not there is fine.
    pub fn remove_target(&mut self, process: u32) {
        if let Ok(mut targets) = self.targets() {
            // It may have gone already.
            let _ = targets.remove(&process);
        }
        if let Ok(mut changes) = self.changes() {
            let _ = changes.remove(&process);
        }
        self.forget_window(process);
    }

    fn targets(&mut self) -> Result<HashMap<&mut MapData, u32, Target>, LiveError> {
        let map = self.loaded.map_mut("TARGETS").ok_or_else(|| missing("TARGETS"))?;
        HashMap::try_from(map).map_err(map_error("TARGETS"))
    }

    fn changes(&mut self) -> Result<HashMap<&mut MapData, u32, Changes>, LiveError> {
        let map = self.loaded.map_mut("CODE_CHANGES").ok_or_else(|| missing("CODE_CHANGES"))?;
        HashMap::try_from(map).map_err(map_error("CODE_CHANGES"))
    }

    /// Makes the kernel send a stack's frames again when it is seen next.
    pub fn forget_stack(&mut self, id: u64) {
        if let Some(map) = self.loaded.map_mut("SENT_STACKS")
            && let Ok(mut sent) = HashMap::<_, u64, u64>::try_from(map)
        {
            // It may have been evicted already.
            let _ = sent.remove(&id);
        }
    }

    /// The rings. They can be taken once.
    ///
    /// # Errors
    /// When they were taken, or cannot be mapped.
    pub fn take_rings(&mut self) -> Result<Vec<RingBuf<MapData>>, LiveError> {
        rings::take(&mut self.loaded, std::mem::take(&mut self.further_rings))
    }

    /// What was lost since loading, by cause.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn losses(&self) -> Result<[u64; Loss::ALL.len()], LiveError> {
        let mut sums = [0; Loss::ALL.len()];
        for (index, sum) in (0..).zip(&mut sums) {
            *sum = self.sum("LOSSES", index)?;
        }
        Ok(sums)
    }

    /// An activity counter since loading.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn counter(&self, counter: Counter) -> Result<u64, LiveError> {
        self.sum("COUNTERS", counter as u32)
    }

    /// Hits since loading of the site that was linked for [`Purpose::Count`] with this cookie.
    ///
    /// # Errors
    /// When it cannot be read, or there is no such number.
    pub fn hits(&self, cookie: u32) -> Result<u64, LiveError> {
        self.sum("HITS", cookie)
    }

    fn sum(&self, name: &'static str, index: u32) -> Result<u64, LiveError> {
        let map = self.loaded.map(name).ok_or_else(|| missing(name))?;
        let counters = PerCpuArray::<_, u64>::try_from(map).map_err(map_error(name))?;
        let values = counters.get(&index, 0).map_err(map_error(name))?;
        Ok(values.iter().fold(0, |sum, value| sum.wrapping_add(*value)))
    }

    /// Memory that the kernel holds for the maps, bytes, as it accounts for it itself.
    #[must_use]
    pub fn map_bytes(&self) -> u64 {
        self.loaded.maps().filter_map(|(_, map)| charged_bytes(map)).sum()
    }
}

/// Links other programs than the tracer's, for measuring.
pub struct Prober {
    object: Arc<Relocated>,
    kind: LinkKind,
    trial: Vec<OwnedFd>,
}

impl Prober {
    /// Closes what was left from loading. Our own functions are free of probes then.
    #[must_use]
    pub(super) fn without_trial(mut self) -> Self {
        close_all(std::mem::take(&mut self.trial));
        self
    }

    /// As [`KernelSide::attach_for`].
    ///
    /// # Errors
    /// When a program cannot be loaded or a link cannot be made.
    pub(super) fn attach_for(
        &self,
        purpose: Purpose,
        path: &Path,
        points: &[Point],
        process: Option<u32>,
    ) -> Result<Vec<OwnedFd>, LiveError> {
        Programs::load(&self.object, self.kind, purpose)?.attach(path, points, process)
    }
}

impl Drop for KernelSide {
    fn drop(&mut self) {
        self.detach();
    }
}

/// What is there already may stay.
fn new(inserted: Result<(), MapError>) -> Result<(), MapError> {
    match inserted {
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::EEXIST) =>
        {
            Ok(())
        }
        other => other,
    }
}

pub(super) fn missing(name: &'static str) -> LiveError {
    LiveError::Map { name, reason: "not in the object, or taken already".into() }
}

pub(super) fn map_error<E: std::fmt::Display>(name: &'static str) -> impl Fn(E) -> LiveError {
    move |error| LiveError::Map { name, reason: error.to_string() }
}

fn charged_bytes(map: &Map) -> Option<u64> {
    let descriptor = map_data(map)?.fd().as_fd().as_raw_fd();
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok())
}

/// The maps, and the object that refers to them.
pub(super) fn load_object(options: LoadOptions) -> Result<(Ebpf, Relocated), LiveError> {
    let abilities = prepare()?;
    let types = KernelTypes::running()?;
    if options.faults {
        faults::check(&types)?;
    }
    let loaded = load_maps(options, abilities, &types)?;
    let object = Relocated::new(OBJECT, &loaded, abilities, &types)?;
    Ok((loaded, object))
}

/// Makes sure that loading can be tried at all, and finds out what the kernel can do.
fn prepare() -> Result<Abilities, LiveError> {
    if OBJECT.is_empty() {
        return Err(LiveError::NoObject);
    }
    release::check(&release::running())?;
    memory_lock::lift();
    if is_locked_down() {
        return Err(LiveError::LockedDown);
    }
    Ok(Abilities::of_this_kernel())
}

/// Creates the maps and sets the knobs.
fn load_maps(
    options: LoadOptions,
    abilities: Abilities,
    types: &KernelTypes,
) -> Result<Ebpf, LiveError> {
    let mut offsets = offsets(types, &OFFSETS)?;
    let of_returns = optional(types, &OFFSETS_OF_RETURNS, "replaced return addresses");
    let of_groups = optional(types, &OFFSETS_OF_GROUPS, "control groups");
    let has_return_instances = of_returns.is_some();
    let has_control_groups = of_groups.is_some();
    offsets.extend(of_returns.into_iter().chain(of_groups).flatten());
    offsets.extend(namespace::globals(types)?);
    let mut loader = EbpfLoader::new();
    for (global, offset) in &offsets {
        loader.override_global(global, offset, true);
    }
    let by_tables = options.unwind != UnwindMode::FramePointers;
    let cache_walks = by_tables && options.cache_walks && abilities.fetch_atomics;
    let switches = [
        ("UNWIND_BY_TABLES", u64::from(by_tables)),
        ("CACHE_WALKS", u64::from(cache_walks)),
        ("UNWIND_STRICTLY", u64::from(options.unwind == UnwindMode::Tables)),
        ("FOLLOW", u64::from(options.follow)),
        ("MAPPING_STACKS", u64::from(options.mapping_stacks)),
        ("WATCH", u64::from(options.watch)),
        ("SAMPLES", u64::from(options.sampling.is_some())),
        ("MAY_CLOSE", u64::from(options.may_close)),
        ("HAS_RETURN_INSTANCES", u64::from(has_return_instances)),
        ("HAS_CONTROL_GROUPS", u64::from(has_control_groups)),
        ("HAS_ATTACH_COOKIES", u64::from(abilities.attach_cookies)),
        ("HAS_FETCH_ATOMICS", u64::from(abilities.fetch_atomics)),
        ("HAS_TASK_REGISTERS", u64::from(abilities.task_registers)),
    ];
    for (global, switch) in &switches {
        loader.override_global(global, switch, true);
    }
    loader.override_global("WAKE_BYTES", &options.wake_bytes, true);
    loader.override_global("MOST_FOR_FAULTS", &options.most_for_faults, true);
    loader.override_global("AYA_LOG_LEVEL", &options.log_level, false);
    let ring_mask = rings::mask(options.rings);
    loader.override_global("RING_MASK", &ring_mask, true);
    size_maps(&mut loader, options, by_tables, cache_walks);
    loader.load(OBJECT).map_err(|error| LiveError::Object(describe(&error)))
}

/// Makes each map as large as it has to be.
fn size_maps(
    loader: &mut EbpfLoader<'_>,
    options: LoadOptions,
    by_tables: bool,
    cache_walks: bool,
) {
    let rings = rings::mask(options.rings) as u32 + 1;
    let ring_bytes = rings::bytes_of_each(options.ring_bytes, rings);
    loader.map_max_entries("EVENTS", ring_bytes);
    for table in ["TARGETS", "CODE_CHANGES", "SPACES", "LOST_FREES"] {
        loader.map_max_entries(table, options.targets);
    }
    loader.map_max_entries("WINDOWS", if options.may_close { options.targets } else { 1 });
    loader.map_max_entries("CODE_RANGES", code_mappings(options.targets));
    loader.map_max_entries("TAKEN", options.sampling.map_or(1, |sampling| sampling.room.max(1)));
    // Arrays take their memory at once, used or not.
    if !options.static_probes {
        loader.map_max_entries("STATIC_PROBES", 1);
    }
    let unused: &[&str] = match (by_tables, cache_walks) {
        (true, true) => &[],
        (true, false) => &["WALKS"],
        (false, _) => &["WALKS", "UNWIND_RULES", "UNWIND_ROWS", "UNWIND_PAGES", "CODE_RANGES"],
    };
    for array in unused {
        loader.map_max_entries(array, 1);
    }
}

/// Mappings of code for which there is room, all of so many processes together.
fn code_mappings(targets: u32) -> u32 {
    targets.saturating_mul(USUAL_CODE_MAPPINGS / USUAL_TARGETS).max(USUAL_CODE_MAPPINGS)
}

type Offsets = Vec<(&'static str, u64)>;

fn offsets(
    types: &KernelTypes,
    wanted: &[(&'static str, &str, &str)],
) -> Result<Offsets, LiveError> {
    let offset = |&(global, structure, member): &(_, &str, &str)| {
        Ok((global, types.offset(structure, member)?))
    };
    wanted.iter().map(offset).collect()
}

/// Without those of returns a stack ends where a return address was replaced; without those of groups user
/// space alone knows of them.
fn optional(
    types: &KernelTypes,
    wanted: &[(&'static str, &str, &str)],
    what: &str,
) -> Option<Offsets> {
    offsets(types, wanted)
        .inspect_err(|error| tracing::debug!("{what} stay unknown to the kernel side: {error}"))
        .ok()
}

/// An error with its causes on one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Some errors quote their cause.
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// The programs for the best kind of link that works here, tried on a function of our own: some
/// kernels load a program that they then refuse to link.
fn climb_down(
    object: &Arc<Relocated>,
    wanted: Option<LinkKind>,
) -> Result<(Programs, Vec<OwnedFd>), LiveError> {
    let ladder = [LinkKind::Session, LinkKind::Multi, LinkKind::Perf];
    let mut refusals = Vec::new();
    for kind in ladder.into_iter().filter(|kind| wanted.is_none_or(|wanted| wanted == *kind)) {
        if kind == LinkKind::Multi && !filters_by_process(object)? {
            refusals
                .push("multi: this kernel's filter by process sees the main thread only".into());
            continue;
        }
        let tried = Programs::load(object, kind, Purpose::Trace)
            .and_then(|programs| can_link(&programs).map(|trial| (programs, trial)));
        match tried {
            Ok(works) => return Ok(works),
            Err(error) => refusals.push(format!("{}: {error}", kind.name())),
        }
    }
    Err(LiveError::NoLink(refusals.join("; ")))
}

/// Whether a multi link's filter by process lets all threads through. Before Linux 6.10 (and stable
/// updates) it compared threads. The fix also made a negative number invalid, where older kernels
/// look for such a process: that tells them apart.
fn filters_by_process(object: &Relocated) -> Result<bool, LiveError> {
    super::link::multi_refuses_negative_pid(object)
}
