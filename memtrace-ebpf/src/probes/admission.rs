//! Decides whether a process that executes a program is one that is looked for, before its first
//! instruction: one that ends within a millisecond is gone before user space could look at it. Only what is
//! sure is decided here; the rest is told of as a candidate ([`super::candidates`]).

use crate::emit::{Task, send_now};
use crate::knobs::{
    HAS_CONTROL_GROUPS, OFFSET_CGROUP_NODE, OFFSET_CGROUP_SELF, OFFSET_CSS_CGROUP,
    OFFSET_CSS_PARENT, OFFSET_CSS_SET_GROUP, OFFSET_NODE_ID, OFFSET_TASK_CGROUPS,
    OFFSET_TASK_STARTED,
};
use crate::maps::{TARGETS, Target, lost};
use crate::memory::read_kernel;
use crate::unwind::changes::{begin_changes, forget_changes};
use crate::unwind::tables::{code_came, forget};
use crate::windows::{begin_window, forget_window};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_uid_gid, bpf_ktime_get_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use memtrace_common::admission::{
    Admission, Admitted, Criterion, MAX_CRITERIA, MAX_GROUP_DEPTH, satisfied,
};
use memtrace_common::sampling::address_space;
use memtrace_common::unwind::Space;
use memtrace_common::wire::{Exec, Kind, Loss};

/// What is looked for.
#[map]
static ADMISSION: Array<Admission> = Array::with_max_entries(1, 0);

/// What facts satisfy.
#[map]
static CRITERIA: HashMap<Criterion, u64> = HashMap::with_max_entries(MAX_CRITERIA, 0);

/// Makes the current process a target if it is meant, and tells user space. `structure` is its `task_struct`,
/// `program` what it has just begun to execute.
#[inline(always)]
pub(super) fn admit(task: Task, structure: u64, program: Exec) -> bool {
    let Some(admission) = ADMISSION.get(0) else { return false };
    if admission.required == 0 {
        return false;
    }
    // `begin_new_exec` has set the name before the tracepoint (`fs/exec.c`).
    let comm = bpf_get_current_comm().unwrap_or_default();
    let admitted = Admitted {
        started: read_kernel(structure + OFFSET_TASK_STARTED.load()).unwrap_or(0),
        device: program.device,
        inode: program.inode,
        comm,
        user: bpf_get_current_uid_gid() as u32,
        reserved: 0,
    };
    if !satisfied::is_meant(satisfied_by(admission, task, &admitted, structure), admission.required)
    {
        return false;
    }
    begin(task, &admitted)
}

/// What the process satisfies.
#[inline(always)]
fn satisfied_by(admission: &Admission, task: Task, it: &Admitted, structure: u64) -> u64 {
    let mut sum = worth(Criterion::process(task.process));
    sum |= worth(Criterion::user(it.user));
    if it.inode != 0 {
        sum |= worth(Criterion::file(it.device, it.inode));
    }
    sum |= satisfied::COMM * admission.wanted.matches(&it.comm) as u64;
    sum |= satisfied::EXCLUDED * admission.excluded.matches(&it.comm) as u64;
    let of_groups = satisfied::CGROUP | satisfied::CONTAINER | satisfied::POD;
    if admission.required & of_groups != 0 && HAS_CONTROL_GROUPS.load() != 0 {
        sum |= by_groups(structure);
    }
    sum
}

#[inline(always)]
fn worth(criterion: Criterion) -> u64 {
    // SAFETY: a value is one aligned word.
    unsafe { CRITERIA.get(&criterion) }.copied().unwrap_or(0)
}

/// What the control groups of version 2 satisfy that the task is in. (`bpf_get_current_ancestor_cgroup_id`
/// is open to tracing programs from Linux 5.15 on only.)
#[inline(always)]
fn by_groups(structure: u64) -> u64 {
    let mut sum = 0;
    let mut group = step(step(structure, OFFSET_TASK_CGROUPS.load()), OFFSET_CSS_SET_GROUP.load());
    for _ in 0..MAX_GROUP_DEPTH {
        let id = step(step(group, OFFSET_CGROUP_NODE.load()), OFFSET_NODE_ID.load());
        if id == 0 {
            break;
        }
        sum |= worth(Criterion::group(id));
        let parent = step(group, OFFSET_CGROUP_SELF.load() + OFFSET_CSS_PARENT.load());
        group = step(parent, OFFSET_CSS_CGROUP.load());
    }
    sum
}

/// The word at an offset in a structure; 0 if there is none.
#[inline(always)]
fn step(structure: u64, offset: u64) -> u64 {
    if structure == 0 {
        return 0;
    }
    read_kernel(structure.wrapping_add(offset)).unwrap_or(0)
}

/// Lets the events of the process through, unless there are too many targets or user space cannot be told.
#[inline(always)]
fn begin(task: Task, admitted: &Admitted) -> bool {
    // What may be left of an earlier process with this number.
    forget(task.process);
    begin_changes(task.process);
    begin_window(task.process);
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let target =
        Target { epoch: Space::first_program(now), space: address_space(now, task.process) };
    if TARGETS.insert(&task.process, &target, 0).is_err() {
        lost(Loss::TargetsFull);
        forget_changes(task.process);
        forget_window(task.process);
        return false;
    }
    code_came(task.process);
    let header = task.header(Kind::Admitted, size_of::<Admitted>());
    if send_now(header, *admitted, Loss::RingProcess) {
        return true;
    }
    // Nobody would know whose events they are.
    let _ = TARGETS.remove(&task.process);
    forget_changes(task.process);
    forget_window(task.process);
    false
}
