//! The straight line from a function's entry, and what has happened to registers and stack on it.

use super::flow::returns_at_once;
use super::{Code, Need};
use iced_x86::{
    FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};
use memtrace_common::site::MOST_PUSHED;

/// Whether the line goes on.
pub(super) enum Way {
    /// It does.
    GoesOn,
    /// It does not: behind here nothing is known.
    Ends(&'static str),
}

/// A place on the line.
pub(super) struct Walk<'a> {
    code: &'a Code<'a>,
    need: Need,
    information: InstructionInfoFactory,
    /// Bytes from the entry.
    offset: u32,
    /// Bytes that the stack pointer is below its value at the entry; a multiple of 8.
    depth: u32,
    written: Option<Register>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(code: &'a Code<'a>, need: Need) -> Self {
        let information = InstructionInfoFactory::new();
        Self { code, need, information, offset: 0, depth: 0, written: None }
    }

    pub(super) const fn offset(&self) -> u32 {
        self.offset
    }

    pub(super) fn pushed(&self) -> u8 {
        u8::try_from(self.depth / 8).unwrap_or(MOST_PUSHED).min(MOST_PUSHED)
    }

    /// The instruction here, if it lies wholly in the body.
    pub(super) fn instruction(&self) -> Option<Instruction> {
        let address = self.code.address.checked_add(u64::from(self.offset))?;
        let instruction = self.code.decode(address)?;
        let end = self.offset as usize + instruction.len();
        (end <= self.code.bytes.len()).then_some(instruction)
    }

    /// Whether arguments and return address can still be read here; if not, why.
    pub(super) fn holds(&self) -> Result<(), String> {
        if let Some(register) = self.written {
            let name = format!("{register:?}").to_lowercase();
            return Err(format!("argument register {name} has been written before"));
        }
        if self.need.returns && self.depth != 0 {
            return Err(format!(
                "the stack pointer has moved by {} bytes: a return probe would overwrite them",
                self.depth
            ));
        }
        if self.depth / 8 > u32::from(u8::MAX) {
            return Err("the stack pointer has moved too far".into());
        }
        Ok(())
    }

    /// Goes behind `instruction`, which is the one here.
    pub(super) fn advance(&mut self, instruction: &Instruction) -> Way {
        if let Err(reason) = self.follow_control(instruction) {
            return Way::Ends(reason);
        }
        if let Err(reason) = self.follow_stack(instruction) {
            return Way::Ends(reason);
        }
        self.note_writes(instruction);
        self.offset += instruction.len() as u32;
        Way::GoesOn
    }

    fn follow_control(&self, instruction: &Instruction) -> Result<(), &'static str> {
        match instruction.flow_control() {
            FlowControl::Next => Ok(()),
            FlowControl::ConditionalBranch => {
                if self.need.returns {
                    Err("a path leaves here whose result would be missed")
                } else if returns_at_once(self.code, instruction.near_branch_target()) {
                    Ok(())
                } else {
                    Err("a path leaves here that does more than return")
                }
            }
            FlowControl::Call | FlowControl::IndirectCall => {
                Err("a call may change the argument registers")
            }
            _ => Err("control leaves the straight line"),
        }
    }

    fn follow_stack(&mut self, instruction: &Instruction) -> Result<(), &'static str> {
        if self.overwrites_return_address(instruction) {
            return Err("the return address is overwritten");
        }
        let down = match stack_step(instruction) {
            Some(down) => down,
            None if self.writes(instruction, |register| register == Register::RSP) => {
                return Err("the stack pointer is no longer known");
            }
            None => 0,
        };
        let depth = i64::from(self.depth).checked_add(down).ok_or("the stack pointer is lost")?;
        if depth % 8 != 0 {
            return Err("the stack pointer is no multiple of 8 away");
        }
        self.depth = u32::try_from(depth).map_err(|_| "the caller's stack is taken")?;
        Ok(())
    }

    fn overwrites_return_address(&mut self, instruction: &Instruction) -> bool {
        let depth = i64::from(self.depth);
        self.information.info(instruction).used_memory().iter().any(|memory| {
            let place = memory.displacement() as i64;
            let end = place.saturating_add(memory.memory_size().size().max(1) as i64);
            is_write(memory.access())
                && memory.base() == Register::RSP
                && (memory.index() != Register::None || (place < depth + 8 && end > depth))
        })
    }

    fn note_writes(&mut self, instruction: &Instruction) {
        let arguments = self.need.arguments;
        let written = self
            .information
            .info(instruction)
            .used_registers()
            .iter()
            .find(|used| is_write(used.access()) && arguments.contains(used.register()))
            .map(|used| used.register().full_register());
        self.written = self.written.or(written);
    }

    fn writes(&mut self, instruction: &Instruction, which: impl Fn(Register) -> bool) -> bool {
        let used = self.information.info(instruction).used_registers();
        used.iter().any(|used| is_write(used.access()) && which(used.register().full_register()))
    }
}

const fn is_write(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

/// Bytes by which the instruction lowers the stack pointer, where that is plain to see.
fn stack_step(instruction: &Instruction) -> Option<i64> {
    match instruction.mnemonic() {
        Mnemonic::Push => Some(-i64::from(instruction.stack_pointer_increment())),
        // `pop %rsp` loads the stack pointer.
        Mnemonic::Pop if instruction.op0_register() != Register::RSP => {
            Some(-i64::from(instruction.stack_pointer_increment()))
        }
        Mnemonic::Sub if is_constant_on_rsp(instruction) => Some(instruction.immediate(1) as i64),
        Mnemonic::Add if is_constant_on_rsp(instruction) => {
            (instruction.immediate(1) as i64).checked_neg()
        }
        Mnemonic::Lea => lea_step(instruction),
        _ => None,
    }
}

fn is_constant_on_rsp(instruction: &Instruction) -> bool {
    instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == Register::RSP
        && matches!(instruction.op1_kind(), OpKind::Immediate8to64 | OpKind::Immediate32to64)
}

/// `lea -8(%rsp),%rsp`, which moves the stack pointer without changing flags.
fn lea_step(instruction: &Instruction) -> Option<i64> {
    let on_rsp = instruction.op0_register() == Register::RSP
        && instruction.memory_base() == Register::RSP
        && instruction.memory_index() == Register::None;
    on_rsp.then(|| (instruction.memory_displacement64() as i64).checked_neg()).flatten()
}
