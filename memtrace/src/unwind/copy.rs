//! Walking a copy of a stack, frame by frame as the kernel side would have walked the stack itself
//! (`memtrace-ebpf/src/unwind/walk.rs`), had it known the code.

use memtrace_common::limits::MAX_FRAMES;
use memtrace_common::unwind::{Registers, Rule, Step, step, step_frame_pointer};
use memtrace_common::wire::{StackEnd, WireFrame};

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's number.
    pub file: u32,
    /// The offset in it.
    pub offset: u64,
    /// The rule that holds there; `None` without a table.
    pub rule: Option<Rule>,
}

/// A stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Its frames, the allocator's caller first.
    pub frames: Vec<WireFrame>,
    /// How it ended.
    pub end: StackEnd,
}

/// Walks from `start`, whose instruction pointer is a return address. `code` says where an address is, if
/// it is in a file's code; `memory` gives words of the copy. `strictly`: where no table leads on the walk
/// ends; otherwise the frame pointer is tried.
pub fn walk(
    start: Registers,
    strictly: bool,
    code: impl Fn(u64) -> Option<Place>,
    memory: impl Fn(u64) -> Option<u64>,
) -> Walk {
    let mut walk = Walk { frames: Vec::new(), end: StackEnd::Depth };
    let (mut registers, mut returned) = (start, 1);
    while walk.frames.len() < MAX_FRAMES {
        let place = code(registers.instruction.wrapping_sub(returned));
        walk.frames.push(match place {
            // Frames mean the byte after the call, also where there was none.
            Some(place) => WireFrame::in_file(place.file, place.offset.wrapping_add(1)),
            None => WireFrame(registers.instruction),
        });
        match next(registers, place, strictly, &memory) {
            Ok(caller) => (registers, returned) = caller,
            Err(end) => {
                walk.end = end;
                break;
            }
        }
    }
    walk
}

/// The caller's registers, and how far behind the call its instruction pointer is; or how the walk ends.
fn next(
    registers: Registers,
    place: Option<Place>,
    strictly: bool,
    memory: &impl Fn(u64) -> Option<u64>,
) -> Result<(Registers, u64), StackEnd> {
    let rule = place.map(|place| place.rule);
    let step = match rule {
        Some(Some(rule)) => step(rule, registers, memory),
        Some(None) | None => Step::Gap,
    };
    match step {
        // A stack grows down: what does not lead up goes in circles.
        Step::Caller(caller) if caller.stack > registers.stack => Ok((caller, 1)),
        Step::Interrupted(interrupted) => Ok((interrupted, 0)),
        Step::End => Err(StackEnd::Complete),
        Step::Caller(_) | Step::Unreadable => Err(StackEnd::Unreadable),
        Step::NoFramePointer => Err(StackEnd::NoFramePointer),
        Step::Unsupported | Step::Gap => {
            let otherwise = if place.is_some() { StackEnd::NoTable } else { StackEnd::NoMapping };
            by_frame_pointer(registers, memory).filter(|_| !strictly).ok_or(otherwise)
        }
    }
}

fn by_frame_pointer(
    registers: Registers,
    memory: &impl Fn(u64) -> Option<u64>,
) -> Option<(Registers, u64)> {
    match step_frame_pointer(registers, false, memory) {
        Step::Caller(caller) if caller.stack > registers.stack => Some((caller, 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Walk, walk};
    use memtrace_common::unwind::{CfaKind, FrameKind, Registers, Rule};
    use memtrace_common::wire::{StackEnd, WireFrame};

    const START: Registers = Registers { instruction: 0x1010, stack: 0x7000, frame: 0x7020 };

    /// Frames of 16 bytes below 0x2000, the outermost function from there on, no table from 0x3000 on.
    fn code(address: u64) -> Option<Place> {
        let kind = match address {
            0x1000..0x2000 => Some(CfaKind::Stack),
            0x2000..0x3000 => Some(CfaKind::End),
            0x3000..0x4000 => None,
            _ => return None,
        };
        let rule = kind.map(|kind| Rule::cfa(kind, 16).with_frame(FrameKind::Same, 0));
        Some(Place { file: 3, offset: address - 0x1000, rule })
    }

    fn memory(words: &[u64]) -> impl Fn(u64) -> Option<u64> {
        move |address| {
            let index = address.checked_sub(0x7000)? / 8;
            words.get(usize::try_from(index).ok()?).copied()
        }
    }

    fn at(offset: u64) -> WireFrame {
        WireFrame::in_file(3, offset)
    }

    #[test]
    fn frames_are_places_in_files() {
        let words = [0, 0x1020, 0, 0x2001];
        let found = walk(START, true, code, memory(&words));
        let frames = vec![at(0x10), at(0x20), at(0x1001)];
        assert_eq!(found, Walk { frames, end: StackEnd::Complete });
    }

    #[test]
    fn where_no_table_leads_on_the_frame_pointer_may() {
        let words = [0, 0x3001, 0, 0, 0, 0x2001];
        let by_pointer = walk(START, false, code, memory(&words));
        assert_eq!((by_pointer.frames.len(), by_pointer.end), (3, StackEnd::Complete));
        let strict = walk(START, true, code, memory(&words));
        assert_eq!(strict, Walk { frames: vec![at(0x10), at(0x2001)], end: StackEnd::NoTable });
        let nowhere = walk(START, true, code, memory(&[0, 0x9000]));
        assert_eq!(nowhere.end, StackEnd::NoMapping);
        assert_eq!(nowhere.frames, [at(0x10), WireFrame(0x9000)]);
    }

    #[test]
    fn a_copy_that_is_too_short_ends_the_walk() {
        let found = walk(START, false, code, memory(&[0, 0x1020]));
        assert_eq!((found.frames.len(), found.end), (2, StackEnd::Unreadable));
        let endless = walk(START, true, code, |_| Some(0x1020));
        assert_eq!((endless.frames.len(), endless.end), (128, StackEnd::Depth));
    }
}
