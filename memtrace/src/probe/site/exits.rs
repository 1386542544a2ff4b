//! Where a function is left: every `ret` that control can reach from its entry.
//!
//! A return probe replaces the return address, and an exception that passes the function finds no way
//! on from there: it would end the program. Probes on the `ret`s themselves leave the stack alone. They
//! see every return if all ways out are known, so what jumps to a place that cannot be told from the
//! code is refused. What only an exception reaches (a handler inside of the function) is not followed:
//! a call that leaves that way is not seen, and forgotten when the thread is seen higher up its stack.

use super::Code;
use super::kernel::{self, Treatment};
use iced_x86::{FlowControl, Instruction, Mnemonic};
use std::collections::BTreeSet;

/// Most instructions followed. What allocators do on their slow paths behind a jump is counted in.
const MOST: usize = 20_000;
/// Most `ret`s that are probed for one function.
const MOST_EXITS: usize = 64;

/// What is behind a place that is jumped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A function that is probed by itself: a call that jumps there counts as one of it.
    Probed,
    /// Code at this address of the same file.
    Code(u64),
    /// Not known.
    Unknown,
}

/// What a caller knows of the file around the function.
pub struct Around<'a> {
    /// What is at an address that is jumped to.
    pub target: &'a dyn Fn(u64) -> Behind,
    /// What the pointer at an address leads to that is jumped through.
    pub slot: &'a dyn Fn(u64) -> Behind,
    /// Whether a call of this address (or through the pointer at it) never returns.
    pub never_returns: &'a dyn Fn(u64) -> bool,
}

/// The addresses of all `ret`s by which the function is left; none where it only jumps to functions
/// that are probed by themselves.
///
/// # Errors
/// When not all ways out are known, or a `ret` must not be probed.
pub fn exits(code: &Code<'_>, around: &Around<'_>) -> Result<Vec<u64>, String> {
    let mut finder = Finder {
        code,
        around,
        pending: vec![code.address],
        seen: BTreeSet::new(),
        exits: BTreeSet::new(),
    };
    while let Some(address) = finder.pending.pop() {
        finder.follow(address)?;
    }
    if finder.exits.len() > MOST_EXITS {
        return Err(format!("it is left at {} places", finder.exits.len()));
    }
    Ok(finder.exits.into_iter().collect())
}

struct Finder<'a> {
    code: &'a Code<'a>,
    around: &'a Around<'a>,
    pending: Vec<u64>,
    seen: BTreeSet<u64>,
    exits: BTreeSet<u64>,
}

impl Finder<'_> {
    /// Follows straight-line code until control leaves it.
    fn follow(&mut self, mut address: u64) -> Result<(), String> {
        while self.seen.insert(address) {
            if self.seen.len() > MOST {
                return Err("it is too long to follow".into());
            }
            let instruction = self.decode(address)?;
            if !self.step(&instruction)? {
                return Ok(());
            }
            address = instruction.next_ip();
        }
        Ok(())
    }

    fn decode(&self, address: u64) -> Result<Instruction, String> {
        let instruction = self.code.decode(address);
        let instruction = instruction.ok_or_else(|| {
            format!("its code cannot be decoded at {address:#x}, where control may come")
        })?;
        // Zeroes between functions decode as an addition: here control does not really come.
        let is_padding = instruction.mnemonic() == Mnemonic::Add && instruction.len() == 2;
        if is_padding && self.code.reads(address, &[0, 0]) {
            return Err(format!("control seems to run into no code at {address:#x}"));
        }
        Ok(instruction)
    }

    /// Notes where the instruction may go; whether it may go on to the next one.
    fn step(&mut self, instruction: &Instruction) -> Result<bool, String> {
        match instruction.flow_control() {
            FlowControl::Next => Ok(true),
            FlowControl::IndirectCall => Ok(!self.ends_in(instruction)),
            FlowControl::Call => Ok(!(self.around.never_returns)(instruction.near_branch_target())),
            FlowControl::ConditionalBranch => self.jump(instruction).map(|()| true),
            FlowControl::UnconditionalBranch => self.jump(instruction).map(|()| false),
            FlowControl::IndirectBranch => self.jump_through(instruction).map(|()| false),
            FlowControl::Return => self.leave(instruction).map(|()| false),
            FlowControl::Interrupt => Ok(instruction.mnemonic() == Mnemonic::Syscall),
            FlowControl::Exception => Ok(false),
            FlowControl::XbeginXabortXend => Err("it uses transactions".into()),
        }
    }

    /// A call through a pointer that leads to a function which never returns.
    fn ends_in(&self, instruction: &Instruction) -> bool {
        instruction.is_ip_rel_memory_operand()
            && (self.around.never_returns)(instruction.ip_rel_memory_address())
    }

    fn jump(&mut self, instruction: &Instruction) -> Result<(), String> {
        let target = instruction.near_branch_target();
        // Its own beginning again is a loop, or itself called anew.
        let behind = if target == self.code.address {
            Behind::Code(target)
        } else {
            (self.around.target)(target)
        };
        self.go(behind, instruction)
    }

    fn jump_through(&mut self, instruction: &Instruction) -> Result<(), String> {
        if !instruction.is_ip_rel_memory_operand() {
            return Err("it jumps through a register or table".into());
        }
        let behind = (self.around.slot)(instruction.ip_rel_memory_address());
        self.go(behind, instruction)
    }

    fn go(&mut self, behind: Behind, from: &Instruction) -> Result<(), String> {
        match behind {
            Behind::Probed => {}
            Behind::Code(address) => self.pending.push(address),
            Behind::Unknown => {
                let offset = from.ip().wrapping_sub(self.code.address);
                return Err(format!("it ends in another function (at +{offset:#x})"));
            }
        }
        Ok(())
    }

    fn leave(&mut self, instruction: &Instruction) -> Result<(), String> {
        let bytes = self.code.copy(instruction.ip(), instruction.len());
        match kernel::treatment(&bytes) {
            Treatment::Refused(why) => Err(format!("one of its `ret`s cannot be probed: {why}")),
            _ if instruction.op_count() > 0 => Err("it takes its arguments off the stack".into()),
            _ => {
                self.exits.insert(instruction.ip());
                Ok(())
            }
        }
    }
}

impl Code<'_> {
    /// `length` bytes at `address`, or fewer.
    fn copy(&self, address: u64, length: usize) -> Vec<u8> {
        let inside = address
            .checked_sub(self.address)
            .and_then(|offset| usize::try_from(offset).ok())
            .and_then(|offset| self.bytes.get(offset..offset.checked_add(length)?));
        inside.map_or_else(|| (self.outside)(address, length), <[u8]>::to_vec)
    }

    fn reads(&self, address: u64, expected: &[u8]) -> bool {
        self.copy(address, expected.len()) == expected
    }
}
