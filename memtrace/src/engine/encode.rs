//! Events → records: for the synthetic source, for tests, and for recordings.

use super::decode::body_length;
use crate::model::event::{Allocation, Event, Reallocation, StackRef, What};
use memtrace_common::classes::Alignment;
use memtrace_common::limits::MAX_FRAMES;
use memtrace_common::wire::{Header, Kind, StackEnd, WireFrame, flags};

/// Appends the record of `event` to `out` and says whether there is one: what the daemon reads from
/// `/proc` has no record, and appends nothing.
///
/// Of the frames only the first [`MAX_FRAMES`] are written, as a longer stack has no record either.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) -> bool {
    let Some(kind) = kind_of(&event.what) else { return false };
    let (function, flags) = function_and_flags(&event.what);
    let stack = stack_of(&event.what);
    let frames = stack.frames.len().min(MAX_FRAMES * WireFrame::SIZE) / WireFrame::SIZE;
    let length = size_of::<Header>() + body_length(kind) + frames * WireFrame::SIZE;
    out.reserve(length);
    // At most 24 + 48 + 1024 bytes, and 128 frames: both fit.
    out.extend_from_slice(&(length as u16).to_ne_bytes());
    out.extend_from_slice(&[kind as u8, function, flags, stack.end as u8]);
    out.extend_from_slice(&[frames as u8, alignment_of(&event.what).power()]);
    shorts(out, [event.process, event.thread]);
    longs(out, [event.time]);
    body(&event.what, out);
    out.extend_from_slice(&stack.frames[..frames * WireFrame::SIZE]);
    true
}

const fn kind_of(what: &What<'_>) -> Option<Kind> {
    Some(match what {
        What::Allocation(_) => Kind::Allocation,
        What::Free(_) => Kind::Free,
        What::Reallocation(_) => Kind::Reallocation,
        What::Weighted(..) => Kind::Weighted,
        What::WeightedFree { .. } => Kind::WeightedFree,
        What::Map(..) => Kind::Map,
        What::Unmap(_) => Kind::Unmap,
        What::Remap(..) => Kind::Remap,
        What::Break { .. } => Kind::Break,
        What::Fault(..) => Kind::Fault,
        What::Discard(_) => Kind::Discard,
        What::Fork(_) => Kind::Fork,
        What::Exec(_) => Kind::Exec,
        What::Exit { .. } => Kind::Exit,
        What::ProcessSeen(_)
        | What::ProcessBegan(_)
        | What::BreakSeen { .. }
        | What::FilesSeen(_)
        | What::ModuleSeen(_)
        | What::Mappings(_)
        | What::TableAwaited { .. }
        | What::AllocatorCode { .. }
        | What::EntryPoint { .. }
        | What::WindowClosed
        | What::WindowOpened
        | What::Usage(_)
        | What::Picture(..)
        | What::Lost { .. }
        | What::FreesLost { .. }
        | What::Look(_)
        | What::Mark
        | What::CarriedOver
        | What::Named(_) => return None,
    })
}

const fn function_and_flags(what: &What<'_>) -> (u8, u8) {
    match what {
        What::Allocation(allocation) => {
            (allocation.function.0, flags::of_classes(allocation.sizing.classes))
        }
        What::Reallocation(Reallocation { new, perhaps_not_taken, .. }) => {
            (new.function.0, flags::of_classes(new.sizing.classes) | not_taken(*perhaps_not_taken))
        }
        What::Free(free) => {
            let inside = if free.inside_allocator { flags::INSIDE_ALLOCATOR } else { 0 };
            (free.function.0, inside | not_taken(free.perhaps_not_taken))
        }
        _ => (0, 0),
    }
}

const fn alignment_of(what: &What<'_>) -> Alignment {
    match what {
        What::Allocation(Allocation { sizing, .. })
        | What::Reallocation(Reallocation { new: Allocation { sizing, .. }, .. }) => {
            sizing.alignment
        }
        _ => Alignment::NONE,
    }
}

const fn not_taken(perhaps: bool) -> u8 {
    if perhaps { flags::PERHAPS_NOT_TAKEN } else { 0 }
}

const fn stack_of<'a>(what: &What<'a>) -> StackRef<'a> {
    match what {
        What::Allocation(allocation) => allocation.stack,
        What::Reallocation(reallocation) => reallocation.new.stack,
        What::Weighted(_, stack)
        | What::Map(_, stack)
        | What::Remap(_, stack)
        | What::Break { stack, .. }
        | What::Fault(_, stack) => *stack,
        _ => StackRef { id: 0, end: StackEnd::Unknown, frames: &[] },
    }
}

fn body(what: &What<'_>, out: &mut Vec<u8>) {
    match what {
        What::Allocation(allocation) => longs(out, allocation_words(allocation)),
        What::Free(free) => longs(out, [free.address]),
        What::Reallocation(reallocation) => {
            longs(out, [reallocation.old_address]);
            longs(out, allocation_words(&reallocation.new));
            longs(out, [reallocation.entered]);
        }
        What::Weighted(block, stack) => {
            longs(out, [block.address, block.size, block.weighted, stack.id]);
        }
        What::WeightedFree { address } => longs(out, [*address]),
        What::Map(map, stack) => {
            longs(out, [map.address, map.length]);
            shorts(out, [map.protection, map.flags]);
            longs(out, [map.file_offset, stack.id]);
        }
        What::Unmap(unmap) => longs(out, [unmap.address, unmap.length, unmap.entered]),
        What::Remap(remap, stack) => {
            longs(out, [remap.old_address, remap.old_length, remap.address, remap.length]);
            longs(out, [remap.entered, stack.id]);
        }
        What::Break { end, stack } => longs(out, [*end, stack.id]),
        What::Fault(fault, stack) => longs(out, [fault.address, fault.error, stack.id]),
        What::Discard(discard) => {
            longs(out, [discard.address, discard.length, discard.advice]);
        }
        What::Fork(fork) => {
            shorts(out, [fork.child_process, fork.child_thread]);
            longs(out, [fork.clone_flags, fork.started, u64::from(fork.followed)]);
        }
        What::Exec(program) => longs(out, [program.device, program.inode]),
        What::Exit { status } => shorts(out, [status.unwrap_or(0), 0]),
        _ => {}
    }
}

const fn allocation_words(allocation: &Allocation<'_>) -> [u64; 4] {
    [allocation.address, allocation.size, allocation.sample_interval, allocation.stack.id]
}

fn longs<const N: usize>(out: &mut Vec<u8>, values: [u64; N]) {
    for value in values {
        out.extend_from_slice(&value.to_ne_bytes());
    }
}

fn shorts<const N: usize>(out: &mut Vec<u8>, values: [u32; N]) {
    for value in values {
        out.extend_from_slice(&value.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::encode;
    use crate::engine::decode::decode;
    use crate::model::event::{Allocation, Event, StackRef, What};
    use memtrace_common::classes::{SizeClasses, Sizing};

    #[test]
    fn what_proc_tells_has_no_record() {
        let mut out = Vec::new();
        assert!(!encode(&Event { time: 1, process: 0, thread: 0, what: What::Mark }, &mut out));
        assert!(out.is_empty());
    }

    #[test]
    fn a_stack_is_cut_at_the_deepest_level() {
        let frames = [7; 200 * 8];
        let stack = StackRef { id: 1, frames: &frames, ..StackRef::default() };
        let what = What::Allocation(Allocation {
            function: memtrace_common::function::FunctionId::MALLOC,
            sizing: Sizing::of(SizeClasses::GLIBC),
            address: 16,
            size: 1,
            sample_interval: 0,
            stack,
        });
        let mut out = Vec::new();
        assert!(encode(&Event { time: 1, process: 2, thread: 3, what }, &mut out));
        let What::Allocation(read) = decode(&out).unwrap().what else { panic!("another kind") };
        assert_eq!(read.stack.frames, &frames[..128 * 8]);
    }
}
