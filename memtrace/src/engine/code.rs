//! The executable mappings of a process, and frames as places in files.

use crate::model::event::{CodeMapping, StackRef};
use crate::model::frame::Frame;
use crate::model::ids::ModuleId;
use memtrace_common::limits::MAX_FRAMES;
use memtrace_common::wire::{Place, StackEnd, WireFrame};
use std::sync::Arc;

/// What is known of where a process's code is.
#[derive(Clone, Debug)]
pub(crate) struct CodeMap(Arc<[CodeMapping]>);

/// A call stack in places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) frames: Vec<Frame>,
    pub(crate) end: StackEnd,
    /// An address was in no mapping that we know of: with newer mappings it may be.
    pub(crate) missed: bool,
    /// The last frame came as an address, though we know the mapping that it is in.
    pub(crate) untold: bool,
}

impl Default for CodeMap {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl CodeMap {
    /// The map of these mappings, which should be in order of address.
    pub(crate) fn new(mappings: &Arc<[CodeMapping]>) -> Self {
        if mappings.is_sorted_by_key(|mapping| mapping.start) {
            return Self(Arc::clone(mappings));
        }
        let mut sorted = mappings.to_vec();
        sorted.sort_by_key(|mapping| mapping.start);
        Self(sorted.into())
    }

    /// In order of address.
    pub(crate) const fn mappings(&self) -> &Arc<[CodeMapping]> {
        &self.0
    }

    /// Whether all that `self` knows is still so in `newer`.
    pub(crate) fn is_part_of(&self, newer: &Self) -> bool {
        let still = |mapping: &CodeMapping| newer.mapping_at(mapping.start) == Some(mapping);
        self.0.iter().all(still)
    }

    /// The frames of `stack`. `is_module` says whether a file's number is known.
    ///
    /// An address in no mapping ends the stack: where it came from (a frame pointer that was
    /// something else) is a guess, and what follows it too. Only as the very first frame it stays,
    /// as the kernel side read it off the top of the stack: a JIT's code, for example. A place in
    /// a file that we do not know ends the stack in the same way; as the first frame it shows as
    /// address 0.
    ///
    /// In a stack that was walked by tables, which give places in files, an address is no guess: it
    /// is code in no file (of a JIT, mostly), and the walk went on from there.
    pub(crate) fn place(
        &self,
        stack: &StackRef<'_>,
        is_module: impl Fn(ModuleId) -> bool,
    ) -> Placed {
        let mut placed =
            Placed { frames: Vec::new(), end: stack.end, missed: false, untold: false };
        let words = stack.frames.as_chunks::<{ WireFrame::SIZE }>().0;
        let wires = || words.iter().map(|bytes| WireFrame(u64::from_ne_bytes(*bytes)));
        let by_tables = wires().any(|wire| matches!(wire.place(), Place::File(..)));
        for wire in wires().take(MAX_FRAMES) {
            let frame = self.frame(wire, &is_module);
            let is_address = matches!(wire.place(), Place::Address(_));
            let is_unmapped = matches!(frame, Frame::Unmapped(_)) && !(by_tables && is_address);
            if !is_unmapped || placed.frames.is_empty() {
                placed.frames.push(frame);
                placed.untold = is_address && matches!(frame, Frame::InFile { .. });
            }
            if is_unmapped {
                placed.end = StackEnd::NoMapping;
                placed.missed = true;
                break;
            }
        }
        placed
    }

    fn frame(&self, wire: WireFrame, is_module: impl Fn(ModuleId) -> bool) -> Frame {
        match wire.place() {
            // A call may be the last instruction of a mapping: the byte before the return address
            // decides which one it is.
            Place::Address(address) => self
                .mapping_at(address.wrapping_sub(1))
                .map_or(Frame::Unmapped(address), |mapping| mapping.frame(address)),
            Place::File(file, offset) if is_module(ModuleId(file)) => {
                Frame::InFile { module: ModuleId(file), offset }
            }
            Place::File(..) => Frame::Unmapped(0),
        }
    }

    fn mapping_at(&self, address: u64) -> Option<&CodeMapping> {
        let after = self.0.partition_point(|mapping| mapping.start <= address);
        let mapping = self.0.get(after.checked_sub(1)?)?;
        (address < mapping.end).then_some(mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::{CodeMap, Placed};
    use crate::model::event::{CodeMapping, StackRef};
    use crate::model::frame::Frame;
    use crate::model::ids::ModuleId;
    use memtrace_common::wire::{StackEnd, WireFrame};

    fn mapping(start: u64, end: u64, module: u32) -> CodeMapping {
        CodeMapping { start, end, file_offset: 0x1000, module: ModuleId(module) }
    }

    fn place(map: &CodeMap, frames: &[u64]) -> Placed {
        let frames: Vec<u8> = frames.iter().flat_map(|frame| frame.to_ne_bytes()).collect();
        let stack = StackRef { id: 1, end: StackEnd::Complete, frames: &frames };
        map.place(&stack, |module| module.0 < 5)
    }

    fn in_file(module: u32, offset: u64) -> Frame {
        Frame::InFile { module: ModuleId(module), offset }
    }

    fn map() -> CodeMap {
        // Out of order, as a careless reader might give it.
        CodeMap::new(&[mapping(0x6000, 0x7000, 1), mapping(0x4000, 0x6000, 0)].into())
    }

    #[test]
    fn a_return_address_belongs_to_the_byte_before_it() {
        let placed = place(&map(), &[0x4010, 0x6000, 0x6001, 0x7000]);
        let expected =
            [in_file(0, 0x1010), in_file(0, 0x3000), in_file(1, 0x1001), in_file(1, 0x2000)];
        assert_eq!(placed.frames, expected);
        assert_eq!((placed.end, placed.missed), (StackEnd::Complete, false));
        assert!(placed.untold);
    }

    #[test]
    fn guesses_are_cut_off() {
        let placed = place(&map(), &[0x4010, 0x7001, 0x4020]);
        assert_eq!(placed.frames, [in_file(0, 0x1010)]);
        assert_eq!((placed.end, placed.missed), (StackEnd::NoMapping, true));
        let placed = place(&map(), &[0x4000, 0x4020]);
        assert_eq!(placed.frames, [Frame::Unmapped(0x4000)]);
        assert_eq!(place(&CodeMap::default(), &[0, 1]).frames, [Frame::Unmapped(0)]);
    }

    #[test]
    fn places_in_files_need_a_known_file() {
        let (known, unknown) = (WireFrame::in_file(4, 0x77).0, WireFrame::in_file(5, 0x77).0);
        assert_eq!(place(&map(), &[known, unknown, known]).frames, [in_file(4, 0x77)]);
        assert!(!place(&map(), &[0x4010, known]).untold);
        assert!(place(&map(), &[known, 0x4010]).untold);
        assert_eq!(place(&map(), &[unknown, known]).frames, [Frame::Unmapped(0)]);
    }

    #[test]
    fn a_map_that_only_grew_still_holds() {
        let (small, large) = (CodeMap::new(&[mapping(0x4000, 0x6000, 0)].into()), map());
        assert!(small.is_part_of(&large) && CodeMap::default().is_part_of(&small));
        assert!(!large.is_part_of(&small));
        let moved = CodeMap::new(&[mapping(0x4000, 0x6000, 3)].into());
        assert!(!small.is_part_of(&moved));
    }
}
