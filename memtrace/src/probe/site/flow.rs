//! Where control can go from a function's entry: every instruction that direct branches reach.

use super::Code;
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};
use std::collections::BTreeSet;

/// Most instructions followed; glibc's largest allocator function has under 1,000.
const MAX_INSTRUCTIONS: usize = 20_000;
/// Longest x86 instruction, bytes.
const MAX_LENGTH: usize = 15;

/// What was found. Calls are taken to return; functions called are not entered.
#[derive(Debug, Default)]
pub struct Flow {
    /// Targets of direct branches, also of code in the function's body that no branch reaches
    /// (exception landing pads).
    pub branches: BTreeSet<u64>,
    /// Targets of direct calls.
    pub calls: BTreeSet<u64>,
    /// Other functions' entries that are jumped to.
    pub tail_jumps: BTreeSet<u64>,
    /// Addresses of pointers that are jumped through (`jmp *slot(%rip)`, as in a PLT stub).
    pub slots: BTreeSet<u64>,
    /// A jump through a register or table: it may go anywhere.
    pub indirect: bool,
    /// Calls through a pointer.
    pub indirect_calls: bool,
    /// All reachable code was decoded within bounds.
    pub complete: bool,
    /// Nothing but register arithmetic, stores of constants, and jumps; what returns, returns 0.
    pub only_shuffles: bool,
    /// Some path returns.
    pub returns: bool,
}

/// Follows control from `code`'s entry. Branches to addresses where `is_entry` holds leave the
/// function and are not followed.
#[must_use]
pub fn explore(code: &Code<'_>, is_entry: &dyn Fn(u64) -> bool) -> Flow {
    let mut explorer = Explorer {
        code,
        is_entry,
        information: InstructionInfoFactory::new(),
        pending: vec![code.address],
        seen: BTreeSet::new(),
        flow: Flow { complete: true, only_shuffles: true, ..Flow::default() },
    };
    while let Some(address) = explorer.pending.pop() {
        explorer.run(address);
    }
    explorer.sweep();
    explorer.flow
}

/// Whether the code at `address` returns at once.
#[must_use]
pub fn returns_at_once(code: &Code<'_>, address: u64) -> bool {
    code.decode(address).is_some_and(|instruction| instruction.mnemonic() == Mnemonic::Ret)
}

/// If `address` is a stub that jumps through a pointer (a PLT entry), the pointer's address.
#[must_use]
pub fn stub_slot(code: &Code<'_>, address: u64) -> Option<u64> {
    let mut instruction = code.decode(address)?;
    if instruction.mnemonic() == Mnemonic::Endbr64 {
        instruction = code.decode(instruction.next_ip())?;
    }
    let jumps = instruction.flow_control() == FlowControl::IndirectBranch;
    (jumps && instruction.is_ip_rel_memory_operand()).then(|| instruction.ip_rel_memory_address())
}

impl Code<'_> {
    /// The instruction at `address`, in the function's bytes or outside of them.
    pub(super) fn decode(&self, address: u64) -> Option<Instruction> {
        let inside = address
            .checked_sub(self.address)
            .and_then(|offset| usize::try_from(offset).ok())
            .and_then(|offset| self.bytes.get(offset..))
            .filter(|bytes| bytes.len() >= MAX_LENGTH);
        let outside;
        let bytes = match inside {
            Some(bytes) => bytes,
            None => {
                outside = self.bytes_at(address)?;
                &outside
            }
        };
        let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
        let instruction = decoder.decode();
        (!instruction.is_invalid()).then_some(instruction)
    }

    /// Up to [`MAX_LENGTH`] bytes at `address`, joined across the end of the function's bytes.
    fn bytes_at(&self, address: u64) -> Option<Vec<u8>> {
        let end = self.address.checked_add(self.bytes.len() as u64)?;
        let mut bytes = Vec::with_capacity(MAX_LENGTH);
        if (self.address..end).contains(&address) {
            bytes.extend_from_slice(&self.bytes[(address - self.address) as usize..]);
        }
        bytes.truncate(MAX_LENGTH);
        let missing = MAX_LENGTH - bytes.len();
        let rest = (self.outside)(address.checked_add(bytes.len() as u64)?, missing);
        bytes.extend(rest.into_iter().take(missing));
        (!bytes.is_empty()).then_some(bytes)
    }
}

struct Explorer<'a> {
    code: &'a Code<'a>,
    is_entry: &'a dyn Fn(u64) -> bool,
    information: InstructionInfoFactory,
    pending: Vec<u64>,
    seen: BTreeSet<u64>,
    flow: Flow,
}

impl Explorer<'_> {
    /// Follows straight-line code from `address` until control leaves it.
    fn run(&mut self, mut address: u64) {
        let mut previous = None;
        while !self.seen.contains(&address) {
            if self.seen.len() >= MAX_INSTRUCTIONS {
                self.flow.complete = false;
                return;
            }
            if address != self.code.address && (self.is_entry)(address) {
                // Ran on into the next function, as after a call that does not return.
                self.flow.only_shuffles = false;
                return;
            }
            let Some(instruction) = self.code.decode(address) else {
                self.flow.complete = false;
                return;
            };
            self.seen.insert(address);
            self.judge_shuffle(&instruction, previous.as_ref());
            if !self.step(&instruction) {
                return;
            }
            address = instruction.next_ip();
            previous = Some(instruction);
        }
    }

    /// Notes where the instruction may go; whether it may go on to the next one.
    fn step(&mut self, instruction: &Instruction) -> bool {
        match instruction.flow_control() {
            FlowControl::Next => true,
            FlowControl::ConditionalBranch => {
                self.branch(instruction.near_branch_target());
                true
            }
            FlowControl::UnconditionalBranch => {
                self.branch(instruction.near_branch_target());
                false
            }
            FlowControl::Call => {
                self.flow.calls.insert(instruction.near_branch_target());
                true
            }
            FlowControl::IndirectCall => {
                self.flow.indirect_calls = true;
                true
            }
            FlowControl::IndirectBranch => {
                self.indirect(instruction);
                false
            }
            FlowControl::Return => {
                self.flow.returns = true;
                false
            }
            FlowControl::Interrupt => instruction.mnemonic() == Mnemonic::Syscall,
            FlowControl::XbeginXabortXend => {
                self.flow.complete = false;
                true
            }
            FlowControl::Exception => false,
        }
    }

    fn branch(&mut self, target: u64) {
        self.flow.branches.insert(target);
        if target == self.code.address {
            return;
        }
        if (self.is_entry)(target) {
            self.flow.tail_jumps.insert(target);
        } else {
            self.pending.push(target);
        }
    }

    fn indirect(&mut self, instruction: &Instruction) {
        if instruction.is_ip_rel_memory_operand() {
            self.flow.slots.insert(instruction.ip_rel_memory_address());
        } else {
            self.flow.indirect = true;
        }
    }

    /// Clears `only_shuffles` when the instruction does more than a forwarding function does.
    fn judge_shuffle(&mut self, instruction: &Instruction, previous: Option<&Instruction>) {
        let fine = match instruction.flow_control() {
            FlowControl::Next => {
                !instruction.is_stack_instruction()
                    && !self.stores_more_than_a_constant(instruction)
            }
            FlowControl::ConditionalBranch
            | FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch => true,
            FlowControl::Return => previous.is_some_and(zeroes_result),
            FlowControl::Call
            | FlowControl::IndirectCall
            | FlowControl::Interrupt
            | FlowControl::XbeginXabortXend
            | FlowControl::Exception => false,
        };
        self.flow.only_shuffles &= fine;
    }

    fn stores_more_than_a_constant(&mut self, instruction: &Instruction) -> bool {
        let writes = self.information.info(instruction).used_memory().iter().any(|memory| {
            !matches!(memory.access(), OpAccess::None | OpAccess::Read | OpAccess::NoMemAccess)
        });
        let constant = instruction.mnemonic() == Mnemonic::Mov
            && !matches!(instruction.op1_kind(), OpKind::Register | OpKind::Memory);
        writes && !constant
    }

    /// Notes the branches of all code in the body, reached or not, decoded from its beginning.
    fn sweep(&mut self) {
        let bytes = self.code.bytes;
        let decoder = Decoder::with_ip(64, bytes, self.code.address, DecoderOptions::NONE);
        for instruction in decoder.into_iter().take(MAX_INSTRUCTIONS) {
            if matches!(
                instruction.flow_control(),
                FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
            ) {
                self.flow.branches.insert(instruction.near_branch_target());
            }
        }
    }
}

/// `xor %eax,%eax` and its like: the function returns NULL.
fn zeroes_result(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Xor
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register().full_register() == Register::RAX
        && instruction.op1_kind() == OpKind::Register
        && instruction.op1_register() == instruction.op0_register()
}
