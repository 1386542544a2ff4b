//! Sizes that both sides must agree on.

/// Most frames that one call stack may have. The issue of whole stacks asks for at least 127; one
/// more makes the arrays a power of two, which lets the verifier bound an index with a mask.
pub const MAX_FRAMES: usize = 128;

/// Ring buffers that the records of different processes are shared out to, at most.
pub const MAX_RINGS: u32 = 64;

/// Unwinding rules that tables can refer to by 16 bits.
pub const MAX_UNWIND_RULES: u32 = 1 << 16;

/// Pairs of rows of unwinding tables, 8 bytes each, all files together: 8 MiB, which is room for seven
/// programs as large as node (277,000 rows) or ninety libraries as large as libc (23,000).
pub const MAX_UNWIND_ROW_PAIRS: u32 = 1 << 20;

/// Pages of a kibibyte of text, 8 bytes each, all files together: 2 MiB for a quarter of a gigabyte of
/// text, which is about what the rows suffice for.
pub const MAX_UNWIND_PAGES: u32 = 1 << 18;

/// Walks that are kept in case that the same one is to be made again, 2.6 KB each.
pub const MAX_CACHED_WALKS: u32 = 2048;

/// Words of the stack that a walk may read to be kept: most frames have one or two.
pub const MAX_WALK_WORDS: usize = 256;

/// Mappings of code for which there is room as a rule, all processes together; where there is room for more
/// than [`USUAL_TARGETS`], there is for more of these in proportion.
pub const USUAL_CODE_MAPPINGS: u32 = 1 << 16;

/// Processes with new code that user space is told of at once, before it looks into the ring. If there
/// are more at a time, it learns of them from the ring.
pub const CODE_NEWS: u32 = 63;

/// Steps of a search among a process's mappings of code: it finds one of 4,096.
pub const MAPPING_SEARCH_STEPS: u32 = 12;

/// Processes for which there is room as a rule: the kernel side's tables of them take some 350 bytes each,
/// used or not, and of their code 640.
pub const USUAL_TARGETS: u32 = 4096;

/// Processes that can be traced at once, where so many match and memory suffices. The tables are made as
/// large as is needed when the kernel side is loaded.
pub const MAX_TARGETS: u32 = 65_536;

/// Ways in which static probes have their arguments: compilers keep to a few, and sites that have them in the
/// same places share one.
pub const MAX_STATIC_PROBES: u32 = 1024;

/// Probe sites whose hits are counted apart before anything is traced. What comes after the last one
/// is counted as the last one.
pub const MAX_COUNTED_SITES: u32 = 128;

/// Threads that can be inside a *nesting* allocator function (`realloc`, `memalign`, …) or inside
/// `munmap`/`mremap` at the same moment, machine-wide.
pub const MAX_PENDING_THREADS: u32 = 16_384;

/// Nested calls that one thread may have pending (a signal handler interrupting `realloc` and
/// calling `realloc` makes two).
pub const MAX_NESTING: usize = 4;

/// Call stacks that the kernel side remembers as already sent (least recently used go first).
pub const MAX_SENT_STACKS: u32 = 65_536;

/// What `task_struct.pagefault_disabled` reads as while page faults are handled: reading it is itself done
/// with faults disabled (`copy_from_kernel_nofault` of `mm/maccess.c`, Linux 5.8).
pub const REASONS_WHILE_READING: u32 = 1;

/// Scratch buffers per CPU: uprobe programs may be preempted by other uprobe programs on the same
/// CPU, so each running program takes one of these.
pub const SCRATCH_SLOTS: u32 = 8;

/// A call so far above a pending one in memory is on another stack (`sigaltstack`, `makecontext`);
/// nearer, the pending one was left by `longjmp`. Main stacks are limited to 8 MiB as a rule.
pub const OTHER_STACK_BYTES: u64 = 64 << 20;

/// An allocator function called *from inside* another one finds the outer call at most this many
/// bytes up the stack. A signal frame is larger (on x86-64 at least 1,400 bytes: red zone, siginfo,
/// ucontext and FPU state), so a handler that interrupts `realloc` is not mistaken for it.
pub const NESTING_SPAN_BYTES: u64 = 1024;
