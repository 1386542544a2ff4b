//! A walker in user space: the same tables and the same steps as in the kernel, without its limits.
//! It is there to judge tables against a debugger, and the kernel's walker against both.

use super::table::Table;
use memtrace_common::unwind::{Registers, Step, step, step_frame_pointer};

/// A part of the process's address space with a file's code.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset in the file of the first address, bytes.
    pub offset: u64,
    /// The file's table.
    pub table: &'a Table,
}

/// What may lead from a frame to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Tables alone.
    Tables,
    /// Frame pointers where tables know nothing.
    TablesThenFramePointers,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the program's or thread's first function.
    Complete,
    /// At the deepest level that was asked for.
    Depth,
    /// The code belongs to no file.
    NoMapping,
    /// The code has no unwind information.
    Gap,
    /// It has, but of a kind that rules cannot express.
    Unsupported,
    /// The stack could not be read.
    Unreadable,
    /// The frame pointer, which was the last means, cannot be one.
    NoFramePointer,
}

/// A call stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Instruction pointers, innermost first. All but the first one, and those that a signal
    /// interrupted, are return addresses.
    pub frames: Vec<u64>,
    /// How it ended.
    pub end: End,
    /// Frames that were left by their frame pointers.
    pub by_frame_pointer: usize,
}

/// Walks from `registers`, whose instruction pointer is exact, at most `depth` frames. `read_user`
/// gives the word at an address of the process.
pub fn walk(
    code: &[Code<'_>],
    registers: Registers,
    means: Means,
    depth: usize,
    read_user: impl Fn(u64) -> Option<u64>,
) -> Walk {
    let mut walk = Walk { frames: Vec::new(), end: End::Depth, by_frame_pointer: 0 };
    let (mut registers, mut exact, mut chained) = (registers, true, false);
    while walk.frames.len() < depth {
        walk.frames.push(registers.instruction);
        let mut found = table_step(code, registers, exact, &read_user);
        let unknown = matches!(found, Err(End::NoMapping | End::Gap | End::Unsupported));
        let by_pointer = unknown && means == Means::TablesThenFramePointers;
        if by_pointer {
            found = outcome(step_frame_pointer(registers, chained, &read_user));
            walk.by_frame_pointer += usize::from(found.is_ok());
        }
        match found {
            Ok(caller) => (registers, exact) = caller,
            Err(end) => {
                walk.end = end;
                break;
            }
        }
        chained = by_pointer;
    }
    walk
}

/// The caller's registers, and whether its instruction pointer is exact; or how the walk ends.
type Outcome = Result<(Registers, bool), End>;

fn table_step(
    code: &[Code<'_>],
    registers: Registers,
    exact: bool,
    read_user: impl Fn(u64) -> Option<u64>,
) -> Outcome {
    let address = registers.instruction.wrapping_sub(u64::from(!exact));
    let inside = |code: &&Code<'_>| (code.start..code.end).contains(&address);
    let code = code.iter().find(inside).ok_or(End::NoMapping)?;
    let offset = (address - code.start).saturating_add(code.offset);
    outcome(step(code.table.rule_at(offset), registers, read_user))
}

fn outcome(step: Step) -> Outcome {
    match step {
        Step::Caller(registers) => Ok((registers, false)),
        Step::Interrupted(registers) => Ok((registers, true)),
        Step::End => Err(End::Complete),
        Step::Unreadable => Err(End::Unreadable),
        Step::Unsupported => Err(End::Unsupported),
        Step::Gap => Err(End::Gap),
        Step::NoFramePointer => Err(End::NoFramePointer),
    }
}
