//! Copies of stacks that lead through code of which user space has not told yet: it walks them itself.

use super::changes::count_removed;
use super::tables::space;
use crate::emit::{Task, wake_flags};
use crate::maps::{SCRATCH, count, ring, target};
use crate::memory::read_user_into;
use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use memtrace_common::stack_id::mix;
use memtrace_common::unwind::{FRESH_CODE, Registers, Space};
use memtrace_common::wire::{
    Counter, Header, Kind, STACK_COPY_BYTES, STACK_PIECE_BYTES, StackCopy,
};

const PIECE: usize = STACK_PIECE_BYTES;
const PIECES: usize = STACK_COPY_BYTES / PIECE;

/// What waits in the ring may fill one part in so many before stacks are no longer copied: events matter
/// more.
const SHARE: u64 = 4;

/// The record.
#[repr(C)]
struct Record {
    header: Header,
    body: StackCopy,
    pieces: [[u64; PIECE / 8]; PIECES],
}

/// Sends a copy of the stack whose walk was made in a taken buffer, if the walk met code of which user
/// space has not told. Gives the id that the stack goes by then, which no other has, or its own.
/// Verified on its own.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn copied_stack(slot: u32) -> u64 {
    let Some(buffer) = SCRATCH.get_ptr(slot) else { return 0 };
    // SAFETY: the pointer came from the map, and the slot is the caller's.
    let (id, untold, registers) =
        unsafe { ((*buffer).id, (*buffer).walk.untold, (*buffer).walk.start) };
    if untold == 0 {
        return id;
    }
    match copy(registers, id) {
        0 => id,
        copy => copy,
    }
}

/// The id in the copy; 0 if there is none.
#[inline(always)]
fn copy(registers: Registers, id: u64) -> u64 {
    let task = Task::current();
    let Some(target) = target(task.process) else { return 0 };
    let Some(removed) = count_removed(task.process) else { return 0 };
    if untold(space(task.process), target.epoch) > FRESH_CODE as u64 {
        return 0;
    }
    let Some(ring) = ring(task.process) else { return 0 };
    let (waiting, size) =
        (ring.query(BPF_RB_AVAIL_DATA.into()), ring.query(BPF_RB_RING_SIZE.into()));
    if waiting.saturating_add(size_of::<Record>() as u64) > size / SHARE {
        return 0;
    }
    let Some(mut entry) = ring.reserve::<Record>(0) else { return 0 };
    let record = entry.as_mut_ptr();
    let start = StackCopy::start(&registers);
    let mut copied = 0;
    for piece in 0..PIECES {
        // SAFETY: inside the reservation; any bits are a valid piece.
        let place = unsafe { &mut (*record).pieces[piece] };
        let address = start.wrapping_add((piece * PIECE) as u64);
        if !read_user_into(place, PIECE as u32, address) {
            break;
        }
        copied += PIECE as u64;
    }
    // SAFETY: no preconditions.
    let id = mix(id, unsafe { bpf_ktime_get_ns() }) | 1;
    let body = StackCopy { stack: id, registers, epoch: target.epoch, removed, bytes: copied };
    let header = task.header(Kind::StackCopy, size_of::<StackCopy>() + STACK_COPY_BYTES);
    // SAFETY: inside the reservation.
    unsafe {
        (&raw mut (*record).header).write(header);
        (&raw mut (*record).body).write(body);
    }
    count(Counter::StacksCopied, 1);
    entry.submit(wake_flags(ring, size_of::<Record>() as u64));
    id
}

/// Mappings of code that came since user space looked, of this program.
#[inline(always)]
const fn untold(space: Option<Space>, epoch: u64) -> u64 {
    match space {
        Some(space) if Space::is_same_program(space.epoch, epoch) => {
            epoch.wrapping_sub(space.epoch)
        }
        _ => epoch & 0xffff_ffff,
    }
}
