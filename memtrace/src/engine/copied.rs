//! Copies of stacks among the records, and records with the frames that were found in one.

use super::decode::{Parts, Words};
use crate::model::ids::Pid;
use memtrace_common::limits::MAX_FRAMES;
use memtrace_common::unwind::Registers;
use memtrace_common::wire::{self, Kind, Place, StackEnd, WireFrame};

/// Where a record has its length, how its stack ended, and how many frames follow ([`wire::Header`]).
const LENGTH: usize = 0;
const STACK_END: usize = 5;
const FRAMES: usize = 6;

/// The stack of an allocation or mapping, as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedStack {
    /// Whose.
    pub process: Pid,
    /// What the kernel side says of it.
    pub head: wire::StackCopy,
    /// What was on it, from [`wire::StackCopy::start`] upwards.
    pub bytes: Box<[u8]>,
}

impl CopiedStack {
    /// Reads a record; `None` if it is of another kind, or none.
    #[must_use]
    pub fn read(record: &[u8]) -> Option<Self> {
        if record.get(2) != Some(&(Kind::StackCopy as u8)) {
            return None;
        }
        let Parts { header, body, .. } = Parts::of(record).ok()?;
        let (head, bytes) = body.split_at_checked(size_of::<wire::StackCopy>())?;
        let head = head_of(Words(head));
        let length = usize::try_from(head.bytes).ok()?.min(bytes.len());
        Some(Self { process: header.process, head, bytes: bytes[..length].into() })
    }

    /// The word at an address of the process, if it was copied.
    #[must_use]
    pub fn word(&self, address: u64) -> Option<u64> {
        let start = wire::StackCopy::start(&self.head.registers);
        let offset = usize::try_from(address.checked_sub(start)?).ok()?;
        let word = self.bytes.get(offset..offset.checked_add(8)?)?;
        Some(u64::from_ne_bytes(word.try_into().ok()?))
    }

    /// Whether there was more on the stack than is copied.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.bytes.len() == wire::STACK_COPY_BYTES
    }
}

fn head_of(mut words: Words<'_>) -> wire::StackCopy {
    wire::StackCopy {
        stack: words.long(),
        registers: Registers {
            instruction: words.long(),
            stack: words.long(),
            frame: words.long(),
        },
        epoch: words.long(),
        removed: words.long(),
        bytes: words.long(),
    }
}

/// The id of the stack in a record that may have one.
#[must_use]
pub fn stack_of(record: &[u8]) -> Option<u64> {
    let Parts { kind, body, .. } = Parts::of(record).ok()?;
    let word = |number: usize| Some(Words(body.get(number * 8..)?).long());
    match kind {
        Kind::Allocation | Kind::Weighted => word(3),
        Kind::Reallocation | Kind::Map => word(4),
        Kind::Remap => word(5),
        Kind::Break => word(1),
        Kind::Fault => word(2),
        _ => None,
    }
}

/// The record with these frames in the place of its own; `None` if it is none that takes frames. What
/// is deeper than [`MAX_FRAMES`] is left out.
#[must_use]
pub fn with_frames(record: &[u8], frames: &[WireFrame], end: StackEnd) -> Option<Vec<u8>> {
    stack_of(record)?;
    let Parts { body, .. } = Parts::of(record).ok()?;
    let frames = frames.get(..MAX_FRAMES).unwrap_or(frames);
    let head = size_of::<wire::Header>() + body.len();
    let mut new = record.get(..head)?.to_vec();
    new.extend(frames.iter().flat_map(|frame| frame.0.to_ne_bytes()));
    let length = u16::try_from(new.len()).ok()?;
    let count = u16::try_from(frames.len()).ok()?;
    new[LENGTH..LENGTH + 2].copy_from_slice(&length.to_ne_bytes());
    new[STACK_END] = end as u8;
    new[FRAMES..FRAMES + 2].copy_from_slice(&count.to_ne_bytes());
    Some(new)
}

/// The record without the addresses in its stack, only places in files: what they meant is not known any
/// more, and what is mapped there now would be another one's name.
#[must_use]
pub fn without_addresses(record: &[u8]) -> Option<Vec<u8>> {
    let Parts { frames, .. } = Parts::of(record).ok()?;
    let words = frames.as_chunks::<{ WireFrame::SIZE }>().0;
    let frames = words.iter().map(|bytes| WireFrame(u64::from_ne_bytes(*bytes)));
    let frames: Vec<WireFrame> = frames
        .map(|frame| match frame.place() {
            Place::Address(_) => WireFrame(0),
            Place::File(..) => frame,
        })
        .collect();
    with_frames(record, &frames, StackEnd::NoMapping)
}

#[cfg(test)]
mod tests {
    use super::{CopiedStack, stack_of, with_frames, without_addresses};
    use crate::engine::decode::{Undecodable, decode};
    use crate::engine::encode::encode;
    use crate::model::event::{Allocation, Event, Reallocation, StackRef, What};
    use memtrace_common::classes::{SizeClasses, Sizing};
    use memtrace_common::function::FunctionId;
    use memtrace_common::limits::MAX_FRAMES;
    use memtrace_common::wire::{self, Kind, StackEnd, WireFrame};
    use proptest::prelude::*;

    fn record(what: What<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert!(encode(&Event { time: 1, process: 2, thread: 3, what }, &mut bytes));
        bytes
    }

    fn allocation(frames: &[u8]) -> Allocation<'_> {
        let stack = StackRef { id: 77, end: StackEnd::NoTable, frames };
        let function = FunctionId::MALLOC;
        let sizing = Sizing::of(SizeClasses::JEMALLOC);
        Allocation { function, sizing, address: 64, size: 8, sample_interval: 0, stack }
    }

    fn copy(words: &[u64], stack: &[u8]) -> Vec<u8> {
        let length = 24 + size_of::<wire::StackCopy>() + wire::STACK_COPY_BYTES;
        let mut bytes = vec![0; 24];
        bytes[..2].copy_from_slice(&u16::try_from(length).unwrap().to_ne_bytes());
        bytes[2] = Kind::StackCopy as u8;
        bytes[8] = 5;
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(stack);
        bytes.resize(length, 0xee);
        bytes
    }

    #[test]
    fn a_copy_is_read_up_to_where_it_ends() {
        // It begins with the piece that the stack pointer points into.
        let bytes = copy(&[77, 1, 0x13f8, 3, 4, 5, 12], &[1; 12]);
        let copied = CopiedStack::read(&bytes).unwrap();
        assert_eq!((copied.process, copied.head.stack, copied.head.removed), (5, 77, 5));
        assert_eq!(copied.word(0x1004), Some(u64::from_ne_bytes([1; 8])));
        assert_eq!((copied.word(0x1005), copied.word(0xfff)), (None, None));
        assert_eq!((copied.word(u64::MAX), copied.is_cut()), (None, false));
        let endless = CopiedStack::read(&copy(&[77, 1, 0, 3, 4, 5, u64::MAX], &[])).unwrap();
        assert!(endless.is_cut() && endless.word(wire::STACK_COPY_BYTES as u64 - 7).is_none());
        assert_eq!(decode(&bytes), Err(Undecodable::Kind(Kind::StackCopy as u8)));
        assert_eq!(CopiedStack::read(&bytes[..100]), None);
    }

    #[test]
    fn frames_take_the_place_of_others() {
        let frames: Vec<u8> = [9_u64, 10].iter().flat_map(|frame| frame.to_ne_bytes()).collect();
        let plain = allocation(&frames);
        let new = Reallocation { old_address: 1, entered: 2, perhaps_not_taken: false, new: plain };
        let end = What::Break { end: 3, stack: plain.stack };
        for what in [What::Allocation(plain), What::Reallocation(new), end] {
            let old = record(what);
            assert_eq!(stack_of(&old), Some(77));
            let new = with_frames(&old, &[WireFrame(5)], StackEnd::Complete).unwrap();
            let stack = match decode(&new).unwrap().what {
                What::Allocation(allocation) => allocation.stack,
                What::Reallocation(call) => call.new.stack,
                What::Break { end: 3, stack } => stack,
                other => panic!("{other:?}"),
            };
            let expected =
                StackRef { id: 77, end: StackEnd::Complete, frames: &[5, 0, 0, 0, 0, 0, 0, 0] };
            assert_eq!(stack, expected);
        }
        let many = [WireFrame(5); MAX_FRAMES + 1];
        let deep = with_frames(&record(What::Allocation(plain)), &many, StackEnd::Depth).unwrap();
        assert!(decode(&deep).is_ok());
        let exit = record(What::Exit { status: None });
        assert_eq!(with_frames(&exit, &[], StackEnd::Complete), None);
    }

    #[test]
    fn addresses_can_be_taken_out() {
        let place = WireFrame::in_file(3, 4).0;
        let frames: Vec<u8> = [place, 10].iter().flat_map(|frame| frame.to_ne_bytes()).collect();
        let new = without_addresses(&record(What::Allocation(allocation(&frames)))).unwrap();
        let What::Allocation(allocation) = decode(&new).unwrap().what else { panic!("{new:?}") };
        let expected: Vec<u8> = [place, 0].iter().flat_map(|frame| frame.to_ne_bytes()).collect();
        assert_eq!(
            (allocation.stack.end, allocation.stack.frames),
            (StackEnd::NoMapping, &*expected)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (CopiedStack::read(&bytes), stack_of(&bytes));
            let _ = with_frames(&bytes, &[WireFrame(1)], StackEnd::Complete);
            let _ = without_addresses(&bytes);
        }
    }
}
