//! Everything the tracer learns, from the kernel or from `/proc`, is an [`Event`].

use super::frame::Frame;
use super::ids::{ModuleId, Nanos, Pid};
use super::mark::MarkName;
use super::module::Module;
use super::picture::{Area, Picture};
use super::process::{ProcessInfo, Usage};
use memtrace_common::classes::Sizing;
use memtrace_common::function::FunctionId;
use memtrace_common::touches::MOST_LEVEL;
use memtrace_common::wire::{Loss, StackEnd, fault};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// When.
    pub time: Nanos,
    /// In which process; 0 for the machine or the tracer.
    pub process: Pid,
    /// In which thread; 0 where that has no meaning.
    pub thread: u32,
    /// What.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What<'a> {
    /// An allocation returned.
    Allocation(Allocation<'a>),
    /// A block was given back.
    Free(Free),
    /// A reallocation returned.
    Reallocation(Reallocation<'a>),
    /// The program tells of a block that it sampled itself, and who allocated it.
    Weighted(Weighted, StackRef<'a>),
    /// The program tells that such a block was given back.
    WeightedFree {
        /// The block.
        address: u64,
    },
    /// `mmap` succeeded; who called, where that is wanted.
    Map(Map, StackRef<'a>),
    /// `munmap` succeeded.
    Unmap(Unmap),
    /// `mremap` succeeded; who called, where that is wanted and the mapping grew.
    Remap(Remap, StackRef<'a>),
    /// `brk` returned: the heap segment now ends here.
    Break {
        /// First byte after the segment.
        end: u64,
        /// Who called, where that is wanted and more was asked for.
        stack: StackRef<'a>,
    },
    /// A page was touched that was not there, or not for this; by whom.
    Fault(Fault, StackRef<'a>),
    /// `madvise` gave pages back.
    Discard(Discard),
    /// A task was created.
    Fork(Fork),
    /// The process runs a new program: its address space is another one.
    Exec(Exec),
    /// The process has gone.
    Exit {
        /// As `wait(2)` gives it; `None` if that was lost.
        status: Option<u32>,
    },
    /// From here on the process is traced (read from `/proc`; also again after exec).
    ProcessSeen(Arc<ProcessInfo>),
    /// A process is watched from the first instruction of its program on: nothing was there before, and
    /// nothing came from a parent.
    ProcessBegan(Arc<ProcessInfo>),
    /// The heap segment as it was when the process was seen.
    BreakSeen {
        /// First byte.
        start: u64,
        /// First byte after it.
        end: u64,
    },
    /// Where files are mapped when the process is seen: first address and first after it, in order, without
    /// overlap. Touching those pages is no growth of its own memory.
    FilesSeen(Arc<[(u64, u64)]>),
    /// A file was seen for the first time.
    ModuleSeen(Arc<Module>),
    /// All executable mappings of the process, in order of address; replaces what was known.
    Mappings(Arc<[CodeMapping]>),
    /// Whether a file's unwinding table is on its way to the kernel side. Until it is there, stacks may
    /// end at the file's code.
    TableAwaited {
        /// Which file.
        module: ModuleId,
        /// On its way; else it is there, or never will be.
        awaited: bool,
    },
    /// Where in a file the code of an allocator lies that is traced: offsets, first and first after it.
    AllocatorCode {
        /// Which file.
        module: ModuleId,
        /// In no particular order.
        spans: Arc<[(u64, u64)]>,
    },
    /// Where in a file the first instruction is, of a program or of the dynamic linker.
    EntryPoint {
        /// Which file.
        module: ModuleId,
        /// Where.
        offset: u64,
    },
    /// Allocations and frees of the process are not told any more. Mappings are, and what becomes of it.
    WindowClosed,
    /// They are told again.
    WindowOpened,
    /// Memory and CPU of the process.
    Usage(Usage),
    /// What its resident memory is, with the mappings that may hold blocks: in order of address, without
    /// overlap.
    Picture(Box<Picture>, Arc<[Area]>),
    /// Something was lost since the last such event.
    Lost {
        /// Why.
        cause: Loss,
        /// How many.
        count: u64,
    },
    /// Calls that give blocks back were not told since the last such event of this process, or of some process
    /// where that is 0.
    FreesLost {
        /// How many at most.
        count: u64,
    },
    /// What became of the wish to look at a process more closely (`crate::engine::zoom`).
    Look(Look),
    /// All that was told of the process until now is older than the recording: it is what the process holds when that
    /// begins. Of nobody: that was all of it.
    CarriedOver,
    /// An interval has ended: every process's growth series gets a point.
    Mark,
    /// The user gives this moment a name.
    Named(MarkName),
}

/// See [`What::Look`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Look {
    /// From here on its heap is traced.
    Began {
        /// Mean sampling interval in bytes; 0: every allocation.
        interval: u64,
    },
    /// It cannot be traced, for this reason.
    Refused(Arc<str>),
    /// It is about to be traced no more.
    Ended(LookCost),
}

/// What a look cost the process, by the count of its probes' hits and their measured prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookCost {
    /// Calls of probed functions.
    pub hits: u64,
    /// CPU time; `None` where the prices are not known yet.
    pub cpu: Option<Nanos>,
    /// Other processes were looked at meanwhile, whose part in it is not known.
    pub shared: bool,
}

/// A call stack on its way into the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StackRef<'a> {
    /// The kernel side's id within the process; 0: there is no stack.
    pub id: u64,
    /// How it ended, where frames are given.
    pub end: StackEnd,
    /// Frames from the allocator's caller outwards, 8 bytes each in the machine's byte order
    /// ([`memtrace_common::wire::WireFrame`]). Empty: sent before under the same id.
    pub frames: &'a [u8],
}

/// See [`What::Allocation`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allocation<'a> {
    /// Which function was called.
    pub function: FunctionId,
    /// What size the block has.
    pub sizing: Sizing,
    /// The block; 0: the call failed.
    pub address: u64,
    /// Bytes asked for.
    pub size: u64,
    /// Mean sampling interval in bytes; 0: every allocation.
    pub sample_interval: u64,
    /// Who called.
    pub stack: StackRef<'a>,
}

/// See [`What::Free`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Which function was called.
    pub function: FunctionId,
    /// The block.
    pub address: u64,
    /// Called from inside the allocator itself.
    pub inside_allocator: bool,
    /// The block may be one that was not taken: told where all frees are told while allocations are sampled.
    pub perhaps_not_taken: bool,
}

/// See [`What::Reallocation`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reallocation<'a> {
    /// The block before; 0: an allocation.
    pub old_address: u64,
    /// When the call was entered.
    pub entered: Nanos,
    /// As in [`Free`], of the block before.
    pub perhaps_not_taken: bool,
    /// The block after, size, stack and function. Address 0: failed, or freed if the size is 0.
    pub new: Allocation<'a>,
}

/// See [`What::Weighted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// The block.
    pub address: u64,
    /// Its size, bytes.
    pub size: u64,
    /// What it stands for, bytes.
    pub weighted: u64,
}

/// See [`What::Map`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// First byte.
    pub address: u64,
    /// Bytes, as asked.
    pub length: u64,
    /// `PROT_*`.
    pub protection: u32,
    /// `MAP_*`.
    pub flags: u32,
    /// Offset in the file, where it is one's mapping.
    pub file_offset: u64,
}

/// See [`What::Unmap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmap {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub length: u64,
    /// When the call was entered.
    pub entered: Nanos,
}

/// See [`What::Remap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remap {
    /// First byte before.
    pub old_address: u64,
    /// Bytes before.
    pub old_length: u64,
    /// First byte after.
    pub address: u64,
    /// Bytes after.
    pub length: u64,
    /// When the call was entered.
    pub entered: Nanos,
}

/// See [`What::Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The address.
    pub address: u64,
    /// Bits of [`memtrace_common::wire::fault`], those of the level among them.
    pub error: u64,
}

impl Fault {
    /// The level at which the page was taken: it stands for 2 to the power of it ([`memtrace_common::touches`]).
    #[must_use]
    pub const fn level(self) -> u8 {
        Self::at_most(self.error >> fault::LEVEL_SHIFT)
    }

    /// The highest level at which it is taken, where not each is; at least [`Self::level`].
    #[must_use]
    pub const fn rank(self) -> u8 {
        let (rank, level) = (Self::at_most(self.error >> fault::RANK_SHIFT), self.level());
        if rank > level { rank } else { level }
    }

    const fn at_most(bits: u64) -> u8 {
        let level = bits & 0xff;
        if level < MOST_LEVEL { level as u8 } else { MOST_LEVEL as u8 }
    }
}

/// See [`What::Discard`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discard {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub length: u64,
    /// One of [`memtrace_common::wire::advice`].
    pub advice: u64,
}

/// See [`What::Exec`]: the program's file (of a script: the interpreter's).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// Device: the minor number in the low 20 bits, the major one above.
    pub device: u64,
    /// Inode; 0: not known.
    pub inode: u64,
}

/// See [`What::Fork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Thread-group id of the new task; the parent's own for a thread.
    pub child_process: Pid,
    /// Thread id of the new task.
    pub child_thread: u32,
    /// `CLONE_*`.
    pub clone_flags: u64,
    /// When the new task started, ns after boot.
    pub started: u64,
    /// The new task is a process that is traced from its first instruction.
    pub followed: bool,
}

impl Fork {
    /// `CLONE_VM` of `sched.h`.
    const CLONE_VM: u64 = 0x100;

    /// The new task lives in the parent's address space (threads, `vfork`).
    #[must_use]
    pub const fn shares_memory(self) -> bool {
        self.clone_flags & Self::CLONE_VM != 0
    }
}

/// An executable mapping of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeMapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset in the file of `start`.
    pub file_offset: u64,
    /// Which file.
    pub module: ModuleId,
}

impl CodeMapping {
    /// The frame for an address inside this mapping.
    #[must_use]
    pub const fn frame(&self, address: u64) -> Frame {
        Frame::InFile {
            module: self.module,
            offset: address.wrapping_sub(self.start).wrapping_add(self.file_offset),
        }
    }
}
