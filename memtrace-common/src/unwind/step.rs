//! One step from a frame to its caller's.

use super::rule::{CfaKind, FrameKind, Rule};

/// The registers of a frame that are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Registers {
    /// rip.
    pub instruction: u64,
    /// rsp.
    pub stack: u64,
    /// rbp; 0 once it is lost.
    pub frame: u64,
}

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The caller. Its instruction pointer is a return address: it lies behind the call, perhaps in
    /// the next function already, so what holds is looked up for the byte before it.
    Caller(Registers),
    /// What a signal interrupted. Its instruction pointer is exact, and looked up as it is.
    Interrupted(Registers),
    /// There is no caller: this was the outermost function.
    End,
    /// A word that leads to the caller could not be read.
    Unreadable,
    /// The unwind information is of a kind that rules cannot express.
    Unsupported,
    /// This code has no unwind information.
    Gap,
    /// The frame pointer cannot be one.
    NoFramePointer,
}

/// Registers in `struct rt_sigframe` of x86-64 (Linux, `arch/x86/include/asm/sigframe.h`), from
/// rsp in the trampoline on. The handler's return has taken `pretcode` off the stack; there is
/// `struct ucontext` (`include/uapi/asm-generic/ucontext.h`), whose `uc_flags`, `uc_link` and
/// `uc_stack` take 40 bytes, then `struct sigcontext_64` (`arch/x86/include/uapi/asm/sigcontext.h`):
/// r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
mod signal_frame {
    const CONTEXT: u64 = 40;
    pub(super) const FRAME: u64 = CONTEXT + 10 * 8;
    pub(super) const STACK: u64 = CONTEXT + 15 * 8;
    pub(super) const INSTRUCTION: u64 = CONTEXT + 16 * 8;
}

/// A frame larger than this is taken for a frame pointer that is none, bytes.
pub const MAX_FRAME_BYTES: u64 = 1 << 20;
/// User addresses end here with four-level page tables; five-level ones are only given to programs
/// that ask for them, and not for code.
const USER_END: u64 = 1 << 47;
/// The first page is never mapped for code, nor for a stack.
const USER_BEGIN: u64 = 4096;

/// Reads words of a process's memory; `None` where there is nothing to read.
pub trait ReadWords {
    /// The word at an address.
    fn word(&mut self, address: u64) -> Option<u64>;

    /// The same, for words that most frames have near to where their stack begins: a reader may have
    /// copied what is there.
    #[inline(always)]
    fn near_word(&mut self, address: u64) -> Option<u64> {
        self.word(address)
    }

    /// The same, for a word with a frame pointer that was saved: it matters only if it is used.
    #[inline(always)]
    fn saved_frame(&mut self, address: u64) -> Option<u64> {
        self.near_word(address)
    }

    /// The frame pointer, which came of the latest [`Self::saved_frame`] or is still the walk's first
    /// one, is used.
    #[inline(always)]
    fn uses_frame(&mut self) {}
}

impl<F: Fn(u64) -> Option<u64>> ReadWords for F {
    #[inline(always)]
    fn word(&mut self, address: u64) -> Option<u64> {
        self(address)
    }
}

/// The caller of the frame with `registers` where `rule` holds. At most three words are read.
#[inline(always)]
pub fn step(rule: Rule, registers: Registers, mut memory: impl ReadWords) -> Step {
    let Registers { instruction, stack, frame } = registers;
    if matches!(rule.cfa_kind(), CfaKind::Frame | CfaKind::AtFrame)
        || matches!(rule.frame_kind(), FrameKind::AtFrame)
    {
        memory.uses_frame();
    }
    let cfa = match rule.cfa_kind() {
        CfaKind::Stack => moved(stack, rule.cfa_offset()),
        CfaKind::Frame => moved(frame, rule.cfa_offset()),
        CfaKind::Plt => {
            let pushed = (instruction & 15 >= rule.cfa_offset() as u64) as u64;
            stack.wrapping_add(8 + pushed * 8)
        }
        CfaKind::AtStack | CfaKind::AtFrame => {
            let base = if matches!(rule.cfa_kind(), CfaKind::AtStack) { stack } else { frame };
            let Some(word) = memory.word(moved(base, rule.word_offset().into())) else {
                return Step::Unreadable;
            };
            moved(word, rule.addend().into())
        }
        CfaKind::Signal => return interrupted(stack, memory),
        CfaKind::End => return Step::End,
        CfaKind::Gap => return Step::Gap,
        CfaKind::Unsupported => return Step::Unsupported,
    };
    let Some(instruction) = memory.near_word(cfa.wrapping_sub(8)) else { return Step::Unreadable };
    if instruction == 0 {
        // What starts threads and programs by hand leaves a zero where a return address would be.
        return Step::End;
    }
    // A frame pointer that cannot be read is lost, and the walk goes on: most frames need none, and
    // where a function restores it compilers are not exact about where it is (GCC at the `ret` of
    // functions that align their stack).
    let frame = match rule.frame_kind() {
        FrameKind::Same => frame,
        FrameKind::AtCfa => memory.saved_frame(moved(cfa, rule.frame_offset().into())).unwrap_or(0),
        FrameKind::AtFrame => {
            memory.saved_frame(moved(frame, rule.frame_offset().into())).unwrap_or(0)
        }
        FrameKind::Undefined => 0,
    };
    Step::Caller(Registers { instruction, stack: cfa, frame })
}

#[inline(always)]
const fn moved(address: u64, offset: i32) -> u64 {
    address.wrapping_add(offset as i64 as u64)
}

/// What the signal interrupted whose trampoline runs on `stack`.
#[inline(always)]
fn interrupted(stack: u64, mut memory: impl ReadWords) -> Step {
    let mut word = |offset| memory.word(stack.wrapping_add(offset));
    let Some(instruction) = word(signal_frame::INSTRUCTION) else { return Step::Unreadable };
    let Some(frame) = word(signal_frame::FRAME) else { return Step::Unreadable };
    let Some(stack) = word(signal_frame::STACK) else { return Step::Unreadable };
    Step::Interrupted(Registers { instruction, stack, frame })
}

/// The caller of a frame by its frame pointer alone, for code without unwind information (just in
/// time compilers, Go), if that pointer is plausible: aligned, above the stack pointer and not far,
/// with a user address for a return address. `chained`: the frame below was left the same way, so
/// that a zero is the mark of the chain's end and not any register's value.
#[inline(always)]
pub fn step_frame_pointer(registers: Registers, chained: bool, mut memory: impl ReadWords) -> Step {
    let Registers { stack, frame, .. } = registers;
    memory.uses_frame();
    if frame == 0 && chained {
        return Step::End;
    }
    let distance = frame.wrapping_sub(stack);
    if frame < USER_BEGIN || frame & 7 != 0 || distance > MAX_FRAME_BYTES {
        return Step::NoFramePointer;
    }
    let Some(next) = memory.saved_frame(frame) else { return Step::Unreadable };
    let Some(instruction) = memory.near_word(frame.wrapping_add(8)) else {
        return Step::Unreadable;
    };
    if instruction == 0 {
        return Step::End;
    }
    if !(USER_BEGIN..USER_END).contains(&instruction) {
        return Step::NoFramePointer;
    }
    Step::Caller(Registers { instruction, stack: frame.wrapping_add(16), frame: next })
}

#[cfg(test)]
mod tests;
