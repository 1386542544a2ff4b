//! Arbitrary events of all kinds that cross the ring.

use crate::model::event::{
    Allocation, Discard, Event, Exec, Fault, Fork, Free, Map, Reallocation, Remap, StackRef,
};
use crate::model::event::{Unmap, Weighted, What};
use memtrace_common::classes::{Alignment, SizeClasses, Sizing};
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use proptest::prelude::*;

/// An event that owns its frames.
#[derive(Clone, Debug)]
pub(crate) struct WireEvent {
    what: What<'static>,
    time: u64,
    process: u32,
    thread: u32,
    frames: Vec<u8>,
}

impl WireEvent {
    pub(crate) fn as_event(&self) -> Event<'_> {
        let mut what: What<'_> = self.what.clone();
        if let What::Allocation(Allocation { stack, .. })
        | What::Reallocation(Reallocation { new: Allocation { stack, .. }, .. }) = &mut what
        {
            stack.frames = &self.frames;
        }
        if let What::Weighted(_, stack)
        | What::Map(_, stack)
        | What::Remap(_, stack)
        | What::Break { stack, .. }
        | What::Fault(_, stack) = &mut what
        {
            stack.frames = &self.frames;
        }
        Event { time: self.time, process: self.process, thread: self.thread, what }
    }
}

impl WireEvent {
    /// The same event in a small world, where addresses, pages and stacks meet again.
    pub(crate) fn squeezed(mut self) -> Self {
        let address = |address: &mut u64| *address &= 0xf0;
        let page = |page: &mut u64| *page &= 0xf_ffff;
        match &mut self.what {
            What::Allocation(allocation) => {
                address(&mut allocation.address);
                allocation.stack.id &= 7;
            }
            What::Free(free) => address(&mut free.address),
            What::Weighted(block, stack) => {
                stack.id &= 7;
                address(&mut block.address);
            }
            What::WeightedFree { address: block } => address(block),
            What::Reallocation(call) => {
                address(&mut call.old_address);
                address(&mut call.new.address);
                call.new.stack.id &= 7;
            }
            What::Map(map, stack) => {
                stack.id &= 7;
                page(&mut map.address);
                page(&mut map.length);
            }
            What::Unmap(unmap) => {
                page(&mut unmap.address);
                page(&mut unmap.length);
            }
            What::Remap(remap, stack) => {
                stack.id &= 7;
                page(&mut remap.old_address);
                page(&mut remap.old_length);
                page(&mut remap.address);
                page(&mut remap.length);
            }
            What::Break { end, stack } => {
                stack.id &= 7;
                page(end);
            }
            What::Fault(fault, stack) => {
                stack.id &= 7;
                page(&mut fault.address);
            }
            What::Discard(discard) => {
                page(&mut discard.address);
                page(&mut discard.length);
            }
            What::Fork(fork) => fork.child_process %= 5,
            _ => {}
        }
        self
    }
}

fn allocation() -> impl Strategy<Value = Allocation<'static>> {
    (any::<[u64; 4]>(), any::<[u8; 3]>(), 0_u8..6).prop_map(
        |([address, size, interval, id], [function, classes, power], end)| Allocation {
            function: FunctionId(function),
            sizing: Sizing {
                classes: SizeClasses::from_bits(classes),
                alignment: Alignment::from_power(power),
            },
            address,
            size,
            // Most are exact, as one sample makes all sums estimates.
            sample_interval: if interval % 16 == 0 { interval / 16 } else { 0 },
            stack: StackRef { id, end: StackEnd::from_number(end), frames: &[] },
        },
    )
}

fn stack() -> impl Strategy<Value = StackRef<'static>> {
    (any::<u64>(), 0_u8..6).prop_map(|(id, end)| StackRef {
        id,
        end: StackEnd::from_number(end),
        frames: &[],
    })
}

fn what() -> impl Strategy<Value = What<'static>> {
    prop_oneof![
        allocation().prop_map(What::Allocation),
        (any::<u64>(), any::<u8>(), any::<[bool; 2]>()).prop_map(
            |(address, function, [inside_allocator, perhaps_not_taken])| {
                let function = FunctionId(function);
                What::Free(Free { function, address, inside_allocator, perhaps_not_taken })
            }
        ),
        (allocation(), any::<[u64; 2]>(), any::<bool>()).prop_map(
            |(new, [old_address, entered], perhaps_not_taken)| {
                What::Reallocation(Reallocation { old_address, entered, perhaps_not_taken, new })
            }
        ),
        (any::<[u64; 3]>(), stack()).prop_map(|([address, size, weighted], stack)| {
            What::Weighted(Weighted { address, size, weighted }, stack)
        }),
        any::<u64>().prop_map(|address| What::WeightedFree { address }),
        (any::<([u64; 3], [u32; 2])>(), stack()).prop_map(
            |(([address, length, file_offset], [protection, flags]), stack)| {
                What::Map(Map { address, length, protection, flags, file_offset }, stack)
            }
        ),
        any::<[u64; 3]>().prop_map(|[address, length, entered]| {
            What::Unmap(Unmap { address, length, entered })
        }),
        (any::<[u64; 5]>(), stack()).prop_map(
            |([old_address, old_length, address, length, entered], stack)| {
                What::Remap(Remap { old_address, old_length, address, length, entered }, stack)
            }
        ),
        (any::<u64>(), stack()).prop_map(|(end, stack)| What::Break { end, stack }),
        (any::<[u64; 2]>(), stack())
            .prop_map(|([address, error], stack)| What::Fault(Fault { address, error }, stack)),
        (any::<[u64; 2]>(), 0_u64..30).prop_map(|([address, length], advice)| {
            What::Discard(Discard { address, length, advice })
        }),
        any::<([u32; 2], [u64; 2], bool)>().prop_map(
            |([child_process, child_thread], [clone_flags, started], followed)| {
                What::Fork(Fork { child_process, child_thread, clone_flags, started, followed })
            }
        ),
        any::<[u64; 2]>().prop_map(|[device, inode]| What::Exec(Exec { device, inode })),
        any::<u32>().prop_map(|status| What::Exit { status: Some(status) }),
    ]
}

/// Any event that has a record.
pub(crate) fn wire_event() -> impl Strategy<Value = WireEvent> {
    let frames = prop::collection::vec(any::<u64>(), 0..=128)
        .prop_map(|frames| frames.into_iter().flat_map(u64::to_ne_bytes).collect());
    (what(), any::<u64>(), any::<u32>(), any::<u32>(), frames).prop_map(
        |(what, time, process, thread, frames)| WireEvent { what, time, process, thread, frames },
    )
}
