//! Read-only globals that user space sets before loading; the verifier prunes what they switch off.
//!
//! Each names its section, which is where it would be anyway: else LLVM may take one for any other constant with the same
//! value (its pass `ConstantMerge`), and what was a 0 elsewhere would become what user space sets.

use aya_ebpf::Global;

/// Version of the wire format this object speaks.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static WIRE_VERSION: Global<u64> = Global::new(memtrace_common::wire::VERSION as u64);

/// The reader is woken each time this many bytes more are waiting; a power of two.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static WAKE_BYTES: Global<u64> = Global::new(1 << 20);

/// One less than the number of rings, which is a power of two.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static RING_MASK: Global<u64> = Global::new(0);

/// 1: `bpf_get_attach_cookie` exists (Linux 5.15).
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static HAS_ATTACH_COOKIES: Global<u64> = Global::new(1);

/// 1: atomic operations that give the old value exist (Linux 5.12).
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static HAS_FETCH_ATOMICS: Global<u64> = Global::new(1);

/// 1: `bpf_task_pt_regs` and `bpf_get_current_task_btf` exist (Linux 5.15).
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static HAS_TASK_REGISTERS: Global<u64> = Global::new(1);

/// 1: where the kernel keeps the return addresses that it replaced is known.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static HAS_RETURN_INSTANCES: Global<u64> = Global::new(0);

/// 1: stacks are walked by unwinding tables where user space has told of the process's code.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static UNWIND_BY_TABLES: Global<u64> = Global::new(0);

/// 1: walks are kept, and not made again while what they read is as it was.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static CACHE_WALKS: Global<u64> = Global::new(0);

/// 1: where no table leads on, the walk ends; 0: the frame pointer is tried.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static UNWIND_STRICTLY: Global<u64> = Global::new(0);

/// 1: children of traced processes are traced.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static FOLLOW: Global<u64> = Global::new(0);

/// 1: user space looks for processes, and is told of those that may have become what it looks for.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static WATCH: Global<u64> = Global::new(0);

/// Where the kernel keeps memtrace's PID namespace; 0: it is the initial one, whose numbers are the kernel's
/// own.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static NAMESPACE: Global<u64> = Global::new(0);

/// How many namespaces that one is below the initial one.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static NAMESPACE_LEVEL: Global<u64> = Global::new(0);

/// 1: control groups of version 2 can be found in the kernel's structures.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static HAS_CONTROL_GROUPS: Global<u64> = Global::new(0);

/// 1: allocations may be sampled.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static SAMPLES: Global<u64> = Global::new(0);

/// 1: there may be times in which allocations and frees of a process are not told.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static MAY_CLOSE: Global<u64> = Global::new(0);

/// 1: what is mapped is told with the call stack.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static MAPPING_STACKS: Global<u64> = Global::new(0);

/// What looking at page faults may cost in a period of [`memtrace_common::touches`] on each CPU, ns; 0: anything.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static MOST_FOR_FAULTS: Global<u64> = Global::new(0);

/// Always 0. The compiler does not know.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata")]
pub(crate) static NEVER: Global<u64> = Global::new(0);

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* #[unsafe(no_mangle)] #[unsafe(link_section = ".rodata")] pub(crate) static $name: Global<u64> = Global::new(0);)*
    };
}

// Byte offsets in this kernel's structures, read from its BTF by user space.
offsets! {
    /// `task_struct.pid`: the thread's id.
    OFFSET_TASK_PID;
    /// `task_struct.tgid`.
    OFFSET_TASK_TGID;
    /// `task_struct.mm`.
    OFFSET_TASK_MEMORY;
    /// `mm_struct.start_code`.
    OFFSET_MEMORY_START_CODE;
    /// `task_struct.start_boottime`: when the task was created, ns after boot.
    OFFSET_TASK_STARTED;
    /// `task_struct.stack`: the lowest address of the kernel's stack for this task.
    OFFSET_TASK_STACK;
    /// `task_struct.pagefault_disabled`: how many reasons there are to leave page faults alone.
    OFFSET_TASK_FAULTS_OFF;
    /// `task_struct.exit_code`.
    OFFSET_TASK_EXIT_CODE;
    /// `task_struct.group_leader`.
    OFFSET_TASK_GROUP_LEADER;
    /// `task_struct.thread_pid`.
    OFFSET_TASK_THREAD_PID;
    /// `pid.level`: how many namespaces its own is below the initial one.
    OFFSET_PID_LEVEL;
    /// `pid.numbers[NAMESPACE_LEVEL].nr`.
    OFFSET_PID_NUMBER;
    /// `pid.numbers[NAMESPACE_LEVEL].ns`.
    OFFSET_PID_NAMESPACE;
    /// `task_struct.signal`.
    OFFSET_TASK_SIGNAL;
    /// `signal_struct.live`: threads that have not exited.
    OFFSET_SIGNAL_LIVE;
    /// `signal_struct.flags`.
    OFFSET_SIGNAL_FLAGS;
    /// `signal_struct.group_exit_code`.
    OFFSET_SIGNAL_GROUP_EXIT_CODE;
    /// `linux_binprm.file`: the program that is executed.
    OFFSET_BINPRM_FILE;
    /// `file.f_inode`.
    OFFSET_FILE_INODE;
    /// `inode.i_ino`.
    OFFSET_INODE_NUMBER;
    /// `inode.i_sb`.
    OFFSET_INODE_SUPER_BLOCK;
    /// `super_block.s_dev`.
    OFFSET_SUPER_BLOCK_DEVICE;
    /// `task_struct.cgroups`: its place in all trees of control groups.
    OFFSET_TASK_CGROUPS;
    /// `css_set.dfl_cgrp`: the group in the tree of version 2.
    OFFSET_CSS_SET_GROUP;
    /// `cgroup.kn`: the group's directory.
    OFFSET_CGROUP_NODE;
    /// `cgroup.self`.
    OFFSET_CGROUP_SELF;
    /// `kernfs_node.id`: the directory's inode.
    OFFSET_NODE_ID;
    /// `cgroup_subsys_state.parent`.
    OFFSET_CSS_PARENT;
    /// `cgroup_subsys_state.cgroup`.
    OFFSET_CSS_CGROUP;
    /// `task_struct.utask`.
    OFFSET_TASK_UTASK;
    /// `uprobe_task.return_instances`.
    OFFSET_UTASK_RETURN_INSTANCES;
    /// `return_instance.stack`: where the return address was.
    OFFSET_INSTANCE_STACK;
    /// `return_instance.orig_ret_vaddr`: what it was.
    OFFSET_INSTANCE_ORIGINAL;
    /// `return_instance.next`.
    OFFSET_INSTANCE_NEXT;
}
