//! Records of the ring buffer → events, without copying.

use super::detail::Part;
use super::stacks::Callee;
use crate::model::event::{
    Allocation, Discard, Event, Exec, Fault, Fork, Free, Map, Reallocation, Remap, StackRef,
};
use crate::model::event::{Unmap, Weighted, What};
use crate::model::ids::{Nanos, Pid};
use memtrace_common::admission::Admitted;
use memtrace_common::classes::{Alignment, Sizing};
use memtrace_common::function::FunctionId;
use memtrace_common::limits::MAX_FRAMES;
use memtrace_common::wire::{self, Kind, StackEnd, WireFrame, flags};

/// Why a record is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not even a header.
    #[error("record of {0} bytes is shorter than a header")]
    Short(usize),
    /// A kind that this version does not know.
    #[error("record of unknown kind {0}")]
    Kind(u8),
    /// The header promises more bytes than there are.
    #[error("record claims {claimed} bytes, {given} are there")]
    Truncated {
        /// What the header says.
        claimed: usize,
        /// What there is.
        given: usize,
    },
    /// The header's length does not fit its kind and its number of frames.
    #[error("{kind:?} record claims {claimed} bytes, its parts have {expected}")]
    Length {
        /// Its kind.
        kind: Kind,
        /// What the header says.
        claimed: usize,
        /// Header, body and frames.
        expected: usize,
    },
    /// More frames than a stack may have, or frames where none belong.
    #[error("{kind:?} record with {frames} frames")]
    Frames {
        /// Its kind.
        kind: Kind,
        /// How many it claims.
        frames: u8,
    },
}

/// Reads one record. `record` may be unaligned, and longer than the record that it begins with
/// (ring reservations may be rounded up): the header's length counts.
///
/// # Errors
/// When the bytes are not a record of [`wire::VERSION`].
#[inline]
pub fn decode(record: &[u8]) -> Result<Event<'_>, Undecodable> {
    let Parts { header, kind, body, frames } = Parts::of(record)?;
    if matches!(kind, Kind::StackCopy | Kind::Candidate | Kind::Admitted) {
        // No events: what belongs to the one after it (`super::copied`), and news for who looks for
        // processes.
        return Err(Undecodable::Kind(header.kind));
    }
    let mut words = Words(body);
    let callee = Callee::of(&header);
    let end = StackEnd::from_number(header.stack_end);
    let what = match kind {
        Kind::Allocation => What::Allocation(Allocation {
            function: callee.function,
            sizing: callee.sizing,
            address: words.long(),
            size: words.long(),
            sample_interval: words.long(),
            stack: StackRef { id: words.long(), end, frames },
        }),
        Kind::Free => What::Free(Free {
            function: callee.function,
            address: words.long(),
            inside_allocator: header.flags & flags::INSIDE_ALLOCATOR != 0,
            perhaps_not_taken: header.flags & flags::PERHAPS_NOT_TAKEN != 0,
        }),
        Kind::Reallocation => What::Reallocation(reallocation(words, &header, end, frames)),
        Kind::Weighted => {
            let weighted =
                Weighted { address: words.long(), size: words.long(), weighted: words.long() };
            What::Weighted(weighted, StackRef { id: words.long(), end, frames })
        }
        Kind::Map => {
            let map = map(&mut words);
            What::Map(map, StackRef { id: words.long(), end, frames })
        }
        Kind::Remap => {
            let remap = remap(&mut words);
            What::Remap(remap, StackRef { id: words.long(), end, frames })
        }
        Kind::Break => {
            What::Break { end: words.long(), stack: StackRef { id: words.long(), end, frames } }
        }
        Kind::Fault => {
            let fault = Fault { address: words.long(), error: words.long() };
            What::Fault(fault, StackRef { id: words.long(), end, frames })
        }
        _ => other(kind, words),
    };
    Ok(Event { time: header.time, process: header.process, thread: header.thread, what })
}

/// The process in a record of [`Kind::Candidate`]; `None` if it is of another kind, or none.
#[must_use]
pub fn candidate(record: &[u8]) -> Option<Pid> {
    if record.get(2) != Some(&(Kind::Candidate as u8)) {
        return None;
    }
    Some(Words(Parts::of(record).ok()?.body).short())
}

/// A process that the kernel side has let in, as it was when it began its program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its number.
    pub pid: Pid,
    /// When it was let in.
    pub time: Nanos,
    /// When it started, ns after boot.
    pub started: Nanos,
    /// What it executes.
    pub program: Exec,
    /// Its name, at most 15 bytes of anything.
    pub comm: Vec<u8>,
    /// Its real user.
    pub uid: u32,
}

/// What a record of [`Kind::Admitted`] tells; `None` if it is of another kind, or none.
#[must_use]
pub fn arrived(record: &[u8]) -> Option<Arrived> {
    if record.get(2) != Some(&(Kind::Admitted as u8)) {
        return None;
    }
    let Parts { header, body, .. } = Parts::of(record).ok()?;
    let mut words = Words(body);
    let (started, device, inode) = (words.long(), words.long(), words.long());
    let comm = [words.long(), words.long()].map(u64::to_ne_bytes).concat();
    let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    Some(Arrived {
        pid: header.process,
        time: header.time,
        started,
        program: Exec { device, inode },
        comm,
        uid: words.short(),
    })
}

fn reallocation<'a>(
    mut words: Words<'_>,
    header: &wire::Header,
    end: StackEnd,
    frames: &'a [u8],
) -> Reallocation<'a> {
    let callee = Callee::of(header);
    let perhaps_not_taken = header.flags & flags::PERHAPS_NOT_TAKEN != 0;
    let old_address = words.long();
    let new = Allocation {
        function: callee.function,
        sizing: callee.sizing,
        address: words.long(),
        size: words.long(),
        sample_interval: words.long(),
        stack: StackRef { id: words.long(), end, frames },
    };
    Reallocation { old_address, entered: words.long(), perhaps_not_taken, new }
}

impl Callee {
    const fn of(header: &wire::Header) -> Self {
        let (classes, alignment) =
            (flags::classes(header.flags), Alignment::from_power(header.alignment));
        let part = Part { thread: None, size: None };
        Self { function: FunctionId(header.function), sizing: Sizing { classes, alignment }, part }
    }
}

fn map(words: &mut Words<'_>) -> Map {
    Map {
        address: words.long(),
        length: words.long(),
        protection: words.short(),
        flags: words.short(),
        file_offset: words.long(),
    }
}

fn remap(words: &mut Words<'_>) -> Remap {
    Remap {
        old_address: words.long(),
        old_length: words.long(),
        address: words.long(),
        length: words.long(),
        entered: words.long(),
    }
}

/// The kinds without function and stack.
fn other(kind: Kind, mut words: Words<'_>) -> What<'static> {
    match kind {
        Kind::Unmap => What::Unmap(Unmap {
            address: words.long(),
            length: words.long(),
            entered: words.long(),
        }),
        Kind::Discard => What::Discard(Discard {
            address: words.long(),
            length: words.long(),
            advice: words.long(),
        }),
        Kind::Fork => What::Fork(Fork {
            child_process: words.short(),
            child_thread: words.short(),
            clone_flags: words.long(),
            started: words.long(),
            followed: words.long() != 0,
        }),
        Kind::Exit => What::Exit { status: Some(words.short()) },
        Kind::WeightedFree => What::WeightedFree { address: words.long() },
        Kind::Exec
        | Kind::Allocation
        | Kind::Free
        | Kind::Reallocation
        | Kind::Weighted
        | Kind::Map
        | Kind::Remap
        | Kind::Break
        | Kind::Fault
        | Kind::StackCopy
        | Kind::Candidate
        | Kind::Admitted => What::Exec(Exec { device: words.long(), inode: words.long() }),
    }
}

/// A record whose lengths are all right.
pub(super) struct Parts<'a> {
    pub(super) header: wire::Header,
    pub(super) kind: Kind,
    pub(super) body: &'a [u8],
    pub(super) frames: &'a [u8],
}

impl<'a> Parts<'a> {
    #[inline]
    pub(super) fn of(record: &'a [u8]) -> Result<Self, Undecodable> {
        let (head, rest) = record
            .split_at_checked(size_of::<wire::Header>())
            .ok_or(Undecodable::Short(record.len()))?;
        let header = header(Words(head));
        let kind = Kind::from_number(header.kind).ok_or(Undecodable::Kind(header.kind))?;
        let (claimed, given) = (usize::from(header.length), record.len());
        if claimed > given {
            return Err(Undecodable::Truncated { claimed, given });
        }
        let frames = usize::from(header.frames);
        if frames > if takes_frames(kind) { MAX_FRAMES } else { 0 } {
            return Err(Undecodable::Frames { kind, frames: header.frames });
        }
        let body = body_length(kind);
        let expected = size_of::<wire::Header>() + body + frames * WireFrame::SIZE;
        if claimed != expected {
            return Err(Undecodable::Length { kind, claimed, expected });
        }
        let (body, rest) = rest.split_at(body);
        Ok(Self { header, kind, body, frames: &rest[..frames * WireFrame::SIZE] })
    }
}

#[inline]
fn header(mut words: Words<'_>) -> wire::Header {
    let (first, process, thread) = (words.long().to_ne_bytes(), words.short(), words.short());
    let [length_0, length_1, kind, function, flags, stack_end, frames, alignment] = first;
    wire::Header {
        length: u16::from_ne_bytes([length_0, length_1]),
        kind,
        function,
        flags,
        stack_end,
        frames,
        alignment,
        process,
        thread,
        time: words.long(),
    }
}

/// Bytes between header and frames.
pub(super) const fn body_length(kind: Kind) -> usize {
    match kind {
        Kind::Allocation => size_of::<wire::Allocation>(),
        Kind::Free | Kind::WeightedFree => size_of::<wire::Free>(),
        Kind::Weighted => size_of::<wire::Weighted>(),
        Kind::Reallocation => size_of::<wire::Reallocation>(),
        Kind::Map => size_of::<wire::Map>(),
        Kind::Unmap => size_of::<wire::Unmap>(),
        Kind::Remap => size_of::<wire::Remap>(),
        Kind::Break => size_of::<wire::Break>(),
        Kind::Fault => size_of::<wire::Fault>(),
        Kind::Discard => size_of::<wire::Discard>(),
        Kind::Fork => size_of::<wire::Fork>(),
        Kind::Exec => size_of::<wire::Exec>(),
        Kind::Exit => size_of::<wire::Exit>(),
        Kind::StackCopy => size_of::<wire::StackCopy>() + wire::STACK_COPY_BYTES,
        Kind::Candidate => size_of::<wire::Candidate>(),
        Kind::Admitted => size_of::<Admitted>(),
    }
}

/// Whether a stack may follow the body.
const fn takes_frames(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Allocation
            | Kind::Reallocation
            | Kind::Weighted
            | Kind::Map
            | Kind::Remap
            | Kind::Break
            | Kind::Fault
    )
}

/// Reads integers in the machine's byte order off the front of unaligned bytes. Lengths have been
/// checked before; past the end everything is 0.
pub(super) struct Words<'a>(pub(super) &'a [u8]);

impl Words<'_> {
    #[inline]
    pub(super) fn long(&mut self) -> u64 {
        let Some((word, rest)) = self.0.split_first_chunk() else { return 0 };
        self.0 = rest;
        u64::from_ne_bytes(*word)
    }

    #[inline]
    fn short(&mut self) -> u32 {
        let Some((word, rest)) = self.0.split_first_chunk() else { return 0 };
        self.0 = rest;
        u32::from_ne_bytes(*word)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrived, Exec, Undecodable, arrived, decode};
    use crate::engine::encode::encode;
    use crate::engine::tests::wire_events::{WireEvent, wire_event};
    use memtrace_common::wire::Kind;
    use proptest::prelude::*;

    #[test]
    fn one_that_was_let_in_is_read() {
        let mut record = vec![0; 72];
        record[..3].copy_from_slice(&[72, 0, Kind::Admitted as u8]);
        record[8] = 7;
        record[16] = 9;
        for (at, byte) in [(24, 1), (32, 2), (40, 3), (64, 4)] {
            record[at] = byte;
        }
        record[48..63].copy_from_slice(b"123456789012345");
        let comm = b"123456789012345".to_vec();
        let program = Exec { device: 2, inode: 3 };
        let expected = Arrived { pid: 7, time: 9, started: 1, program, comm, uid: 4 };
        assert_eq!(arrived(&record), Some(expected));
        assert!(decode(&record).is_err(), "it is no event");
        assert_eq!(arrived(&record[..71]), None);
        record[2] = Kind::Candidate as u8;
        assert_eq!(arrived(&record), None);
    }

    #[test]
    fn each_fault_has_its_name() {
        assert_eq!(decode(&[0; 23]), Err(Undecodable::Short(23)));
        assert_eq!(decode(&[0; 24]), Err(Undecodable::Kind(0)));
        let mut record = vec![0; 24];
        record[..3].copy_from_slice(&[32, 0, Kind::Free as u8]);
        assert_eq!(decode(&record), Err(Undecodable::Truncated { claimed: 32, given: 24 }));
        record.resize(40, 0);
        record[0] = 40;
        let fault = Undecodable::Length { kind: Kind::Free, claimed: 40, expected: 32 };
        assert_eq!(decode(&record), Err(fault));
        record[6] = 1;
        assert_eq!(decode(&record), Err(Undecodable::Frames { kind: Kind::Free, frames: 1 }));
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_back(event in wire_event(), shift in 0_usize..8, slack in 0_usize..9) {
            let event: WireEvent = event;
            let mut bytes = vec![0xee; shift];
            prop_assert!(encode(&event.as_event(), &mut bytes));
            bytes.resize(bytes.len() + slack, 0xee);
            prop_assert_eq!(decode(&bytes[shift..]), Ok(event.as_event()));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200),
                                            kind in 0_u8..18, fit in any::<bool>()) {
            // Half of the time a plausible header, so that bodies are reached too.
            if fit && bytes.len() >= 24 {
                let length = u16::try_from(bytes.len() / 8 * 8).unwrap();
                bytes[..2].copy_from_slice(&length.to_ne_bytes());
                bytes[2] = kind;
                bytes[6..8].copy_from_slice(&(length.saturating_sub(56) / 8).to_ne_bytes());
            }
            if let Ok(event) = decode(&bytes) {
                let mut again = Vec::new();
                prop_assert!(encode(&event, &mut again));
                prop_assert_eq!(decode(&again), Ok(event));
            }
        }

        #[test]
        fn a_cut_record_is_refused(event in wire_event(), keep in 0.0..1.0) {
            let event: WireEvent = event;
            let mut bytes = Vec::new();
            encode(&event.as_event(), &mut bytes);
            let kept = (bytes.len() as f64 * keep) as usize;
            prop_assert!(decode(&bytes[..kept]).is_err());
        }
    }
}
