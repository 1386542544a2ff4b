//! The records that cross the ring buffer, byte for byte.
//!
//! Every record is a [`Header`], then the body of its kind, then `header.frames` frames of 8 bytes.
//! All fields are in the machine's byte order, all sizes are multiples of 8, there is no padding.
//! Process and thread numbers are those of the PID namespace that memtrace runs in; times are
//! `CLOCK_MONOTONIC` nanoseconds (`bpf_ktime_get_ns`).

use crate::unwind::Registers;

/// Version of these layouts, checked between object and daemon and stored in recordings.
pub const VERSION: u16 = 7;

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A new block: [`Allocation`], perhaps with frames.
    Allocation = 1,
    /// A block given back: [`Free`].
    Free = 2,
    /// A call of realloc that has returned: [`Reallocation`], perhaps with frames.
    Reallocation = 3,
    /// `mmap` has returned: [`Map`], perhaps with frames.
    Map = 4,
    /// `munmap` has returned: [`Unmap`].
    Unmap = 5,
    /// `mremap` has returned: [`Remap`], perhaps with frames.
    Remap = 6,
    /// `brk` has returned: [`Break`], perhaps with frames.
    Break = 7,
    /// A task was created by a traced process: [`Fork`].
    Fork = 8,
    /// A traced process has executed a new program. No body; `thread` is the caller's number before
    /// it became the main thread's.
    Exec = 9,
    /// The last thread of a traced process has gone: [`Exit`].
    Exit = 10,
    /// The stack of the allocation or mapping whose record comes next in the same thread: [`StackCopy`]. It leads
    /// through code of which the kernel side knows nothing yet, so user space walks it.
    StackCopy = 11,
    /// A process may have become one that is looked for, or, by a move to another control group, one that is not any
    /// more: [`Candidate`].
    Candidate = 12,
    /// A process has executed a program and is one that is looked for: it is traced from its first
    /// instruction on. [`crate::admission::Admitted`].
    Admitted = 13,
    /// A block that the program itself sampled: [`Weighted`], perhaps with frames.
    Weighted = 14,
    /// A page of a traced process is about to be brought in or copied: [`Fault`], perhaps with frames.
    Fault = 15,
    /// `madvise` has given pages back: [`Discard`].
    Discard = 16,
    /// A block that the program itself sampled is given back: [`Free`].
    WeightedFree = 17,
}

impl Kind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Allocation,
            2 => Self::Free,
            3 => Self::Reallocation,
            4 => Self::Map,
            5 => Self::Unmap,
            6 => Self::Remap,
            7 => Self::Break,
            8 => Self::Fork,
            9 => Self::Exec,
            10 => Self::Exit,
            11 => Self::StackCopy,
            12 => Self::Candidate,
            13 => Self::Admitted,
            14 => Self::Weighted,
            15 => Self::Fault,
            16 => Self::Discard,
            17 => Self::WeightedFree,
            _ => return None,
        })
    }
}

/// The first 24 bytes of every record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// Bytes of the whole record, frames included.
    pub length: u16,
    /// A [`Kind`].
    pub kind: u8,
    /// A [`crate::function::FunctionId`], or 0.
    pub function: u8,
    /// Bits of [`flags`].
    pub flags: u8,
    /// A [`StackEnd`]; meaningful where frames follow.
    pub stack_end: u8,
    /// Frames that follow the body. 0 with a non-zero stack id means: sent before.
    pub frames: u8,
    /// Of an allocation or a reallocation: what the block was to be aligned to
    /// ([`crate::classes::Alignment::power`]); else 0.
    pub alignment: u8,
    /// Thread-group id (what users call the pid).
    pub process: u32,
    /// Thread id.
    pub thread: u32,
    /// When the record was made, ns.
    pub time: u64,
}

/// Bits of [`Header::flags`].
pub mod flags {
    /// The call came from inside the allocator itself, such as glibc emptying a dead thread's cache
    /// through `free`.
    pub const INSIDE_ALLOCATOR: u8 = 1;

    /// Of a free or a reallocation: the block that is given back may be one that was not taken.
    pub const PERHAPS_NOT_TAKEN: u8 = 1 << 7;

    /// Of an allocation or a reallocation: the number of the block's size classes begins at this bit.
    pub const CLASSES_SHIFT: u32 = 1;

    /// The bits for these size classes.
    #[must_use]
    #[inline(always)]
    pub const fn of_classes(classes: crate::classes::SizeClasses) -> u8 {
        classes.number() << CLASSES_SHIFT
    }

    /// The size classes in these bits.
    #[must_use]
    #[inline(always)]
    pub const fn classes(flags: u8) -> crate::classes::SizeClasses {
        crate::classes::SizeClasses::from_bits(flags >> CLASSES_SHIFT)
    }
}

/// Body of [`Kind::Allocation`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Allocation {
    /// The block; 0 if the call failed.
    pub address: u64,
    /// Bytes asked for.
    pub size: u64,
    /// Mean sampling interval in bytes that was in force, from which the weight follows; 0: every
    /// allocation is taken and stands for itself.
    pub sample_interval: u64,
    /// The call stack's id, 0 if there is none.
    pub stack: u64,
}

/// Body of [`Kind::Weighted`]: as a static probe of the program tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Weighted {
    /// The block.
    pub address: u64,
    /// Its size, bytes.
    pub size: u64,
    /// What it stands for, bytes.
    pub weighted: u64,
    /// As in [`Allocation`].
    pub stack: u64,
}

/// Body of [`Kind::Free`] and of [`Kind::WeightedFree`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Free {
    /// The block.
    pub address: u64,
}

/// Body of [`Kind::Reallocation`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Reallocation {
    /// The block before; may be 0.
    pub old_address: u64,
    /// The block after; 0 if the call failed or freed.
    pub address: u64,
    /// Bytes asked for.
    pub size: u64,
    /// As in [`Allocation`].
    pub sample_interval: u64,
    /// As in [`Allocation`].
    pub stack: u64,
    /// When the call was entered, ns: a block at `old_address` born later belongs to somebody else.
    pub entered: u64,
}

/// Body of [`Kind::Map`]. Failed calls are not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Map {
    /// First byte.
    pub address: u64,
    /// Bytes asked for (the kernel rounds up to pages).
    pub length: u64,
    /// `PROT_*`.
    pub protection: u32,
    /// `MAP_*`.
    pub flags: u32,
    /// Offset in the file, where it is a file's mapping.
    pub file_offset: u64,
    /// The call stack's id, 0 if there is none.
    pub stack: u64,
}

/// Body of [`Kind::Unmap`]. Failed calls are not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Unmap {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub length: u64,
    /// When the call was entered, ns: a mapping born later is another one.
    pub entered: u64,
}

/// Body of [`Kind::Remap`]. Failed calls are not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Remap {
    /// First byte before.
    pub old_address: u64,
    /// Bytes before.
    pub old_length: u64,
    /// First byte after.
    pub address: u64,
    /// Bytes after.
    pub length: u64,
    /// As in [`Unmap`].
    pub entered: u64,
    /// As in [`Map`]; 0 where nothing was added.
    pub stack: u64,
}

/// Body of [`Kind::Break`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Break {
    /// The end of the heap segment after the call.
    pub end: u64,
    /// As in [`Map`]; 0 where the call did not ask for more.
    pub stack: u64,
}

/// Body of [`Kind::Fault`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Fault {
    /// The address that was touched.
    pub address: u64,
    /// As the processor gives it ([`fault`]); from bit [`fault::LEVEL_SHIFT`] on the level at which the page was taken,
    /// and from [`fault::RANK_SHIFT`] on the highest at which it is ([`crate::touches`]; 0 where each fault is looked at),
    /// a byte each.
    pub error: u64,
    /// As in [`Map`].
    pub stack: u64,
}

/// Bits of [`Fault::error`] (`arch/x86/include/asm/trap_pf.h`).
pub mod fault {
    /// The page was there, but not for this: mostly for reading alone.
    pub const PROTECTION: u64 = 1;
    /// It was to be written.
    pub const WRITE: u64 = 2;
    /// By the program itself; else by the kernel, on its behalf.
    pub const USER: u64 = 4;
    /// The processor's bits are below.
    pub const LEVEL_SHIFT: u32 = 32;
    /// The level is below.
    pub const RANK_SHIFT: u32 = 40;
}

/// Body of [`Kind::Discard`]. Failed calls are not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Discard {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub length: u64,
    /// `MADV_*`.
    pub advice: u64,
}

/// Values of [`Discard::advice`] (`asm-generic/mman-common.h`).
pub mod advice {
    /// The pages go at once.
    pub const DONT_NEED: u64 = 4;
    /// They go when the kernel wants memory, unless they were written again: when, nobody tells.
    pub const FREE: u64 = 8;
    /// They go, and from a shared mapping for all.
    pub const REMOVE: u64 = 9;
    /// As [`DONT_NEED`], locked pages too (Linux 5.18).
    pub const DONT_NEED_LOCKED: u64 = 24;
}

/// Body of [`Kind::Fork`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Fork {
    /// The new task's thread-group id; equal to the parent's for a thread.
    pub child_process: u32,
    /// The new task's thread id.
    pub child_thread: u32,
    /// `CLONE_*` flags.
    pub clone_flags: u64,
    /// When the new task started, ns after boot (`CLOCK_BOOTTIME`).
    pub started: u64,
    /// 1: the new task is a process that is traced from here on, with what its parent holds; else 0.
    pub followed: u64,
}

/// Body of [`Kind::Exec`]: the program's file (of a script: the interpreter's), as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Exec {
    /// Device, as the kernel itself has it: the minor number in the low 20 bits, the major one above.
    pub device: u64,
    /// Inode; 0: not known.
    pub inode: u64,
}

/// Body of [`Kind::Exit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Exit {
    /// As `wait(2)` gives it: exit code << 8 | signal.
    pub status: u32,
    /// 0.
    pub reserved: u32,
}

/// Body of [`Kind::Candidate`]. The header's process is the one that did it to the candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Candidate {
    /// Who.
    pub process: u32,
    /// 0.
    pub reserved: u32,
}

/// Most bytes of a stack that are copied. (33 frames of python3 take some 6 KiB, 60 of node some 10.)
pub const STACK_COPY_BYTES: usize = 16 << 10;

/// Bytes of a stack that are copied at a time: a read that reaches over the end of the stack brings
/// nothing, so that pieces must not reach over the end of a page.
pub const STACK_PIECE_BYTES: usize = 1024;

/// What precedes the copy in the body of [`Kind::StackCopy`], which has [`STACK_COPY_BYTES`] more, used
/// or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct StackCopy {
    /// The id that the stack has in the allocation's record.
    pub stack: u64,
    /// The registers after the return from the allocator function: the instruction pointer is a return
    /// address.
    pub registers: Registers,
    /// The version of the process's code ([`crate::unwind::Space::epoch`]).
    pub epoch: u64,
    /// How often code of the process had been taken away: an older or newer look at its mappings is about
    /// the same code only if this number is the same.
    pub removed: u64,
    /// Bytes that were copied; what follows them means nothing.
    pub bytes: u64,
}

impl StackCopy {
    /// Where the copy begins: the piece that the stack pointer points into.
    #[must_use]
    pub const fn start(registers: &Registers) -> u64 {
        registers.stack & !(STACK_PIECE_BYTES as u64 - 1)
    }
}

/// How a call stack ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StackEnd {
    /// Not known, or there is no stack.
    #[default]
    Unknown = 0,
    /// At the program's or thread's first function.
    Complete = 1,
    /// Cut at the deepest level that we follow.
    Depth = 2,
    /// The next return address lies in no file's mapping.
    NoMapping = 3,
    /// The target's stack could not be read.
    Unreadable = 4,
    /// The frame pointer cannot be one: the caller was built without frame pointers.
    NoFramePointer = 5,
    /// The code at this place has no unwinding information.
    NoTable = 6,
    /// The code at this place was new: what is known of it had not reached the kernel side yet. Never on
    /// the wire; user space says so where the kernel side only saw that it knows nothing.
    NoTableYet = 7,
}

impl StackEnd {
    /// The end with this number; [`StackEnd::Unknown`] for a number that we do not know.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Complete,
            2 => Self::Depth,
            3 => Self::NoMapping,
            4 => Self::Unreadable,
            5 => Self::NoFramePointer,
            6 => Self::NoTable,
            _ => Self::Unknown,
        }
    }
}

/// A frame on the wire: an absolute user address, or a place in a file.
///
/// User addresses have a zero top byte (also with five-level page tables), so a file's frames carry
/// file number + 2¹⁶ in the top 24 bits and the file offset in the low 40.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct WireFrame(pub u64);

/// What a [`WireFrame`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A virtual address of the process.
    Address(u64),
    /// An offset in the file with this number.
    File(u32, u64),
}

impl WireFrame {
    /// Bytes of one frame.
    pub const SIZE: usize = 8;
    const OFFSET_BITS: u32 = 40;
    const FIRST_FILE: u64 = 1 << 16;

    /// A frame for `offset` in file `file`.
    #[must_use]
    pub const fn in_file(file: u32, offset: u64) -> Self {
        Self(
            (file as u64 + Self::FIRST_FILE) << Self::OFFSET_BITS
                | offset & ((1 << Self::OFFSET_BITS) - 1),
        )
    }

    /// What the frame says.
    #[must_use]
    pub const fn place(self) -> Place {
        let file = self.0 >> Self::OFFSET_BITS;
        if file < Self::FIRST_FILE {
            Place::Address(self.0)
        } else {
            Place::File((file - Self::FIRST_FILE) as u32, self.0 & ((1 << Self::OFFSET_BITS) - 1))
        }
    }
}

/// Why something was not sent. Indexes of the kernel side's loss counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Loss {
    /// No room in the ring for an allocation.
    RingAllocation = 0,
    /// No room in the ring for a free.
    RingFree = 1,
    /// No room in the ring for a reallocation.
    RingReallocation = 2,
    /// No room in the ring for a mapping event.
    RingMapping = 3,
    /// No room in the ring for a process event.
    RingProcess = 4,
    /// A call was entered, but its return could not be paired with it.
    Unpaired = 5,
    /// Too many threads inside nesting functions at once.
    PendingFull = 6,
    /// One thread nested deeper than we follow.
    NestingDepth = 7,
    /// No scratch buffer was free: the event was sent without a stack.
    NoScratch = 8,
    /// `posix_memalign`'s result could not be read from the target.
    ResultUnreadable = 9,
    /// A process that is looked for executed a program while as many as can be were traced.
    TargetsFull = 10,
    /// Too many sampled blocks alive: this one was not taken.
    SampledFull = 11,
    /// No room in the ring for a page that was touched.
    RingFault = 12,
    /// No room in the ring for what a static probe told.
    RingWeighted = 13,
    /// An argument of a static probe could not be read from the target.
    ArgumentUnreadable = 14,
}

impl Loss {
    /// All causes, in order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::RingAllocation,
        Self::RingFree,
        Self::RingReallocation,
        Self::RingMapping,
        Self::RingProcess,
        Self::Unpaired,
        Self::PendingFull,
        Self::NestingDepth,
        Self::NoScratch,
        Self::ResultUnreadable,
        Self::TargetsFull,
        Self::SampledFull,
        Self::RingFault,
        Self::RingWeighted,
        Self::ArgumentUnreadable,
    ];

    /// The cause's name in reports and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RingAllocation => "ring_full_allocation",
            Self::RingFree => "ring_full_free",
            Self::RingReallocation => "ring_full_reallocation",
            Self::RingMapping => "ring_full_mapping",
            Self::RingProcess => "ring_full_process",
            Self::Unpaired => "unpaired_return",
            Self::PendingFull => "pending_table_full",
            Self::NestingDepth => "nesting_too_deep",
            Self::NoScratch => "no_scratch_buffer",
            Self::ResultUnreadable => "result_unreadable",
            Self::TargetsFull => "target_table_full",
            Self::SampledFull => "sampled_table_full",
            Self::RingFault => "ring_full_fault",
            Self::RingWeighted => "ring_full_static_probe",
            Self::ArgumentUnreadable => "static_probe_unreadable",
        }
    }

    /// Whether a block may live on for user space whose free was lost.
    #[must_use]
    pub const fn may_hide_free(self) -> bool {
        matches!(self, Self::RingFree | Self::RingReallocation)
    }

    /// Whether an event was lost (as opposed to only its stack).
    #[must_use]
    pub const fn loses_event(self) -> bool {
        !matches!(self, Self::NoScratch)
    }
}

/// Indexes of the kernel side's activity counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Counter {
    /// Entry probes that ran for a traced process.
    Entries = 0,
    /// Return probes that ran for a traced process.
    Returns = 1,
    /// Runs at returns whose duration was measured (one in [`TIMED_ONE_IN`]).
    TimedRuns = 2,
    /// Sum of the measured durations, ns.
    TimedNanoseconds = 3,
    /// Walks by tables that were made, and not known from an earlier one.
    WalksMade = 4,
    /// Walks that were known, and made all the same to check that.
    WalksChecked = 5,
    /// Those among them that came out otherwise than was known.
    WalksDiffered = 6,
    /// Stacks that were copied for user space to walk.
    StacksCopied = 7,
    /// Runs at entries alone whose duration was measured.
    TimedEntries = 8,
    /// Sum of their durations, ns.
    TimedEntryNanoseconds = 9,
    /// Calls that were taken: all of them unless allocations are sampled.
    Taken = 10,
    /// Frees that may have been lost, of processes for which there was no room to count them apart.
    LostFreesOfAny = 11,
    /// Page faults of traced processes.
    Faults = 12,
    /// Those that were looked at.
    FaultsTaken = 13,
    /// What the program on page faults took for all of them, ns: of those that were not looked at one in
    /// [`TIMED_ONE_IN`] was measured and stands for so many.
    FaultNanoseconds = 14,
}

impl Counter {
    /// How many there are.
    pub const COUNT: u32 = 15;
}

/// One program run in this many is timed.
pub const TIMED_ONE_IN: u64 = 64;

const _: () = {
    assert!(size_of::<Header>() == 24);
    assert!(crate::limits::MAX_FRAMES <= u8::MAX as usize);
    assert!(size_of::<Allocation>() == 32);
    assert!(size_of::<Free>() == 8);
    assert!(size_of::<Weighted>() == 32);
    assert!(size_of::<Reallocation>() == 48);
    assert!(size_of::<Map>() == 40);
    assert!(size_of::<Unmap>() == 24);
    assert!(size_of::<Remap>() == 48);
    assert!(size_of::<Break>() == 16);
    assert!(size_of::<Fault>() == 24);
    assert!(size_of::<Discard>() == 24);
    assert!(size_of::<Fork>() == 32);
    assert!(size_of::<Exec>() == 16);
    assert!(size_of::<Exit>() == 8);
    assert!(size_of::<Candidate>() == 8);
    assert!(size_of::<StackCopy>() == 56);
    assert!(size_of::<Header>() + size_of::<StackCopy>() + STACK_COPY_BYTES <= u16::MAX as usize);
};

#[cfg(test)]
mod tests {
    use super::{Kind, Loss, Place, StackEnd, WireFrame};

    #[test]
    fn addresses_and_file_places_never_mix() {
        assert_eq!(WireFrame(0x7fff_ffff_f000).place(), Place::Address(0x7fff_ffff_f000));
        assert_eq!(WireFrame((1 << 56) - 1).place(), Place::Address((1 << 56) - 1));
        for file in [0, 1, 0xfe_ffff] {
            assert_eq!(WireFrame::in_file(file, 0x12_3456).place(), Place::File(file, 0x12_3456));
        }
    }

    #[test]
    fn numbers_read_back() {
        for number in 1..=17 {
            assert_eq!(Kind::from_number(number).map(|kind| kind as u8), Some(number));
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(18), None);
        assert_eq!(StackEnd::from_number(5), StackEnd::NoFramePointer);
        assert_eq!(StackEnd::from_number(99), StackEnd::Unknown);
    }

    #[test]
    fn causes_are_numbered_in_order() {
        for (number, cause) in Loss::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, number);
        }
    }
}
