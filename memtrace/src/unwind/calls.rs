//! Frames whose address follows from a register that is not followed, while they wait for a call.
//!
//! The dynamic linker's trampolines (glibc, `sysdeps/x86_64/dl-trampoline.h`) align their stack, keep
//! where it was in rbx, and call the resolver. The tables follow no rbx, but while the call lasts the
//! resolver has it in its own frame, at a place that its unwind information tells: so many bytes from the
//! stack pointer that the trampoline has behind the call. So the frame address is a word of memory plus
//! an offset, which rules can express.
//!
//! That holds for the return address only: for a trampoline that is interrupted right before its call
//! the word is somebody else's. Return addresses are looked up by the call's last byte, interrupted
//! instructions by their first one. So the rule holds for all the call's bytes but its first.

use super::collect::{Change, Collected, Function};
use super::elf::Image;
use super::translate::{Bytes, Storage};
use gimli::{
    BaseAddresses, EhFrame, EhFrameOffset, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindSection as _,
};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};
use memtrace_common::unwind::{CfaKind, FrameKind, Rule};
use object::read::ReadRef;
use std::collections::HashMap;
use std::ops::Range;

/// Rows of such frames that are looked at; the dynamic linker has eight.
pub(super) const MAX_HELD: usize = 256;
/// Calls in them that are looked at; the dynamic linker's have one each.
const MAX_CALLS: usize = 256;
/// Most changes of a function with such rows; the dynamic linker's have ten.
const MAX_CHANGES: usize = 1024;
/// Longest function that is looked into, bytes; the resolver has 700.
const MAX_FUNCTION: u64 = 64 << 10;

/// Registers that a function preserves for its caller (System V ABI for AMD64, figure 3.4), but rbp,
/// which is followed: rbx and r12 to r15.
pub(super) const PRESERVED: [Register; 5] =
    [Register(3), Register(12), Register(13), Register(14), Register(15)];

/// A row whose frame address is `register` + `offset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Where it holds, in the file.
    pub(super) range: Range<u64>,
    /// Index of its function.
    pub(super) function: usize,
    pub(super) register: Register,
    pub(super) offset: i16,
    /// Where the caller's rbp is.
    pub(super) frame: (FrameKind, i16),
}

/// A call's bytes in the file, and what it calls.
struct Call {
    bytes: Range<u64>,
    target: u64,
}

/// Adds the rules for calls in [`Collected::held`].
pub(super) fn settle<'data, R: ReadRef<'data>>(
    image: &Image<'data>,
    data: R,
    found: &mut Collected,
) {
    let held = std::mem::take(&mut found.held);
    let calls = held.iter().flat_map(|held| {
        let calls = calls(image, data, held.range.clone());
        calls.into_iter().map(move |call| (held, call))
    });
    // A long function is looked into once, however often it is called.
    let mut slots: HashMap<(u64, Register), Option<i16>> = HashMap::new();
    for (held, call) in calls.take(MAX_CALLS) {
        let slot = slots
            .entry((call.target, held.register))
            .or_insert_with(|| slot(image, data, found, call.target, held.register));
        let Some(slot) = *slot else { continue };
        let rule = Rule::cfa_in_memory(CfaKind::AtStack, slot, held.offset);
        let (kind, offset) = held.frame;
        found.insert(held.function, &call.bytes, rule.with_frame(kind, offset));
    }
}

/// The calls of functions of this file in a part of a function that begins with an instruction.
fn calls<'data, R: ReadRef<'data>>(image: &Image<'data>, data: R, part: Range<u64>) -> Vec<Call> {
    let is_call = |instruction: &Instruction| {
        instruction.is_call_near().then(|| Call {
            bytes: instruction.ip()..instruction.next_ip(),
            target: instruction.near_branch_target(),
        })
    };
    let is_near = |call: &Call| image.is_one_segment(&call.bytes, call.target);
    let all = instructions(data, part);
    all.iter().flatten().filter_map(is_call).filter(is_near).collect()
}

/// The instructions of a part of the code, with offsets in the file for addresses; `None` if it is too
/// long or not sound.
fn instructions<'data, R: ReadRef<'data>>(data: R, part: Range<u64>) -> Option<Vec<Instruction>> {
    let length = part.end.checked_sub(part.start).filter(|length| *length <= MAX_FUNCTION)?;
    let bytes = data.read_bytes_at(part.start, length).ok()?;
    let decoder = Decoder::with_ip(64, bytes, part.start, DecoderOptions::NONE);
    let all: Vec<Instruction> = decoder.into_iter().collect();
    (!all.iter().any(Instruction::is_invalid)).then_some(all)
}

/// Where the function that begins at `start` keeps its caller's `register` whenever it calls others:
/// bytes from its caller's stack pointer. `None` if that is not the same place each time.
fn slot<'data, R: ReadRef<'data>>(
    image: &Image<'data>,
    data: R,
    found: &Collected,
    start: u64,
    register: Register,
) -> Option<i16> {
    let function = found.functions.iter().find(|it| u64::from(it.start) == start)?;
    let rows = saved(image, function, register)?;
    let place = |at: u64| {
        let row = rows.partition_point(|(end, _)| *end <= at);
        rows.get(row).and_then(|(_, place)| *place)
    };
    let body = start..function.end;
    let mut slot = None;
    for instruction in instructions(data, body.clone())? {
        let leaves = match instruction.flow_control() {
            FlowControl::Call | FlowControl::IndirectCall => true,
            // To another part of the function, or a call in place of its end.
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
                !body.contains(&instruction.near_branch_target())
            }
            FlowControl::IndirectBranch => return None,
            _ => false,
        };
        if leaves {
            let place = place(instruction.ip())?;
            if *slot.get_or_insert(place) != place {
                return None;
            }
        }
    }
    slot
}

/// Where the caller's `register` is in each row of a function: the row's end in the file, and how far
/// from the frame address, if it is saved.
fn saved(
    image: &Image<'_>,
    function: &Function,
    register: Register,
) -> Option<Vec<(u64, Option<i16>)>> {
    let (address, bytes) = image.eh_frame;
    let section: EhFrame<Bytes<'_>> = EhFrame::new(bytes, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(address);
    let entry = EhFrameOffset(function.entry as usize);
    let entry = section.fde_from_offset(&bases, entry, EhFrame::cie_from_offset).ok()?;
    let mut context: Box<UnwindContext<usize, Storage>> = Box::new(UnwindContext::new_in());
    let mut rows = entry.rows(&section, &bases, &mut context).ok()?;
    let mut saved = Vec::new();
    while let Some(row) = rows.next_row().ok()? {
        let length = row.end_address().checked_sub(entry.initial_address())?;
        let place = match row.register(register) {
            Some(RegisterRule::Offset(offset)) => i16::try_from(offset).ok(),
            _ => None,
        };
        saved.push((u64::from(function.start).checked_add(length)?, place));
    }
    Some(saved)
}

impl Collected {
    /// Lets `rule` hold for all of a call's bytes but the first, in the function with this index.
    fn insert(&mut self, function: usize, call: &Range<u64>, rule: Rule) {
        let Some(function) = self.functions.get_mut(function) else { return };
        let range = function.changes.start as usize..function.changes.end as usize;
        if range.len() > MAX_CHANGES {
            return;
        }
        let mut changes = self.changes.get(range).unwrap_or_default().to_vec();
        let before = changes.partition_point(|change| u64::from(change.offset) < call.end);
        let Some(held) = before.checked_sub(1).and_then(|index| changes.get(index)).copied() else {
            return;
        };
        let rule = self.rules.intern(rule);
        let (Ok(first), Ok(end)) = (u32::try_from(call.start + 1), u32::try_from(call.end)) else {
            return;
        };
        let again = changes.get(before).is_none_or(|next| u64::from(next.offset) > call.end);
        let back = again.then_some(Change { offset: end, rule: held.rule });
        changes.splice(before..before, [Change { offset: first, rule }].into_iter().chain(back));
        // The others' places stay: it gets a new one.
        let first = self.changes.len() as u32;
        self.changes.append(&mut changes);
        function.changes = first..self.changes.len() as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use memtrace_common::unwind::{CfaKind, Rule};
    use std::fs::File;

    /// The dynamic linker that this test was started by.
    fn linker() -> Table {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let path = maps.split_whitespace().find(|word| word.contains("/ld-")).unwrap();
        Table::build(&File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn the_linkers_trampolines_wait_for_the_resolver() {
        let table = linker();
        let rule = |offset| table.rule_at(offset);
        // The words are in the callee's frame, below the trampoline's stack pointer; nothing that
        // compilers make reads there.
        let is_below = |rule: Rule| rule.cfa_kind() == CfaKind::AtStack && rule.word_offset() < 0;
        let mut calls = 0;
        let mut place = table.text.start + 1;
        while place < table.text.end {
            if !is_below(rule(place)) {
                place += 1;
                continue;
            }
            let length = (place..).take_while(|at| is_below(rule(*at))).count() as u64;
            // `call` with four bytes of distance, all but the first byte.
            assert_eq!(length, 4);
            assert_eq!(rule(place - 1), Rule::UNSUPPORTED);
            assert_eq!(rule(place + length), Rule::UNSUPPORTED);
            calls += 1;
            place += length;
        }
        assert!(calls >= 3, "{calls} calls");
    }
}
