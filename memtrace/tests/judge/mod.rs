//! What gimli itself makes of a file's unwind information: the caller's registers for made-up ones,
//! with its own evaluation of expressions, beside what a table's rule makes of them.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails by panicking; each test program includes what it uses"
)]

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, Encoding, EndianSlice, EvaluationResult, Expression,
    Format, FrameDescriptionEntry, LittleEndian, Location, Register, RegisterRule, UnwindContext,
    UnwindSection as _, UnwindTableRow, Value,
};
use memtrace::unwind::Table;
use memtrace_common::unwind::{CfaKind, FrameKind, Registers, Rule, Step, step};
use object::{Object as _, ObjectSection as _, ObjectSegment as _, SegmentFlags, elf};
use std::cell::RefCell;
use std::ops::Range;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;
type Row = UnwindTableRow<usize>;

const RBP: Register = Register(6);
const RSP: Register = Register(7);
const RIP: Register = Register(16);

/// A function's code, in the file and by address, and its entry.
pub struct Function<'a> {
    pub offsets: Range<u64>,
    address: u64,
    entry: FrameDescriptionEntry<Bytes<'a>>,
}

pub struct Judge<'a> {
    section: EhFrame<Bytes<'a>>,
    bases: BaseAddresses,
    /// In order of their places; of those at one place the first in the file.
    pub functions: Vec<Function<'a>>,
}

#[derive(Debug)]
pub enum Verdict {
    Same,
    /// The rule says that it is not supported, and it needs what rules do not have.
    NotExpressible,
    Different(String),
}

/// What an evaluation asked for.
#[derive(Debug, Default)]
struct Asked {
    registers: Vec<Register>,
    words: usize,
}

/// The made-up word at an address; never 0.
fn word(address: u64) -> u64 {
    let mixed = address.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)) | 1
}

impl<'a> Judge<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let file = object::File::parse(bytes).unwrap();
        let section = file.section_by_name(".eh_frame").unwrap();
        let bases = BaseAddresses::default().set_eh_frame(section.address());
        let section = EhFrame::new(section.data().unwrap(), LittleEndian);
        let mut functions = Vec::new();
        let mut entries = section.entries(&bases);
        while let Some(entry) = entries.next().unwrap() {
            let CieOrFde::Fde(entry) = entry else { continue };
            let entry = entry.parse(EhFrame::cie_from_offset).unwrap();
            if let Some(offset) = offset(&file, entry.initial_address())
                && entry.len() != 0
            {
                let offsets = offset..offset + entry.len();
                functions.push(Function { offsets, address: entry.initial_address(), entry });
            }
        }
        functions.sort_by_key(|function| function.offsets.start);
        functions.dedup_by_key(|function| function.offsets.start);
        Self { section, bases, functions }
    }

    /// Compares the rule at `place` with gimli's row there, for registers that follow from `seed`.
    pub fn verdict(&self, table: &Table, place: u64, seed: u64) -> Verdict {
        let rule = table.rule_at(place);
        let next = self.functions.partition_point(|function| function.offsets.start <= place);
        let before = next.checked_sub(1).map(|index| &self.functions[index]);
        let Some(function) = before.filter(|function| function.offsets.contains(&place)) else {
            let end = before.map_or(0, |function| function.offsets.end);
            let next = self.functions.get(next).map(|function| function.offsets.start);
            let padding = next == Some(end.next_multiple_of(16));
            return if padding || rule == Rule::GAP {
                Verdict::Same
            } else {
                Verdict::Different(format!("{rule:?} where there is no function"))
            };
        };
        let address = function.address + (place - function.offsets.start);
        let mut context = UnwindContext::new();
        let entry = &function.entry;
        let row = entry.unwind_info_for_address(&self.section, &self.bases, &mut context, address);
        let registers = Registers {
            instruction: address,
            stack: 0x7ffc_0000_0000 + (seed & 0xffff_fff8),
            frame: 0x7ffd_0000_0000 + (seed >> 32 & 0xffff_fff8),
        };
        self.compare(rule, row.unwrap(), entry.is_signal_trampoline(), registers)
    }

    fn compare(&self, rule: Rule, row: &Row, signal: bool, registers: Registers) -> Verdict {
        let asked = RefCell::new(Asked::default());
        let cfa = self.cfa(row, registers, &asked);
        let ours = step(rule, registers, |address| Some(word(address)));
        let said = |theirs: Step| {
            if ours == theirs {
                Verdict::Same
            } else {
                Verdict::Different(format!("{rule:x?} makes {ours:x?}, not {theirs:x?}"))
            }
        };
        match row.register(RIP) {
            Some(RegisterRule::Undefined) => return said(Step::End),
            _ if signal => {
                let value = |register| self.value(row, register, cfa?, registers, &asked);
                let read = || Some((value(RIP)?, value(RSP)?, value(RBP)?));
                let Some((instruction, stack, frame)) = read() else {
                    return Verdict::Different("a signal frame without registers".to_owned());
                };
                return said(Step::Interrupted(Registers { instruction, stack, frame }));
            }
            _ => {}
        }
        let plain = asked.borrow().words <= 1
            && asked.borrow().registers.iter().all(|register| [RBP, RSP, RIP].contains(register));
        let near = row.register(RIP) == Some(RegisterRule::Offset(-8));
        if rule.cfa_kind() == CfaKind::Unsupported {
            return if plain && near {
                Verdict::Different(format!("unsupported, but {row:?}"))
            } else {
                Verdict::NotExpressible
            };
        }
        let Some(cfa) = cfa else {
            // What is called has the register in its own frame: judged against gdb elsewhere.
            return if rule.cfa_kind() == CfaKind::AtStack && is_preserved(row, rule.addend()) {
                Verdict::NotExpressible
            } else {
                Verdict::Different(format!("{rule:x?} for {row:?}"))
            };
        };
        let instruction = word(cfa.wrapping_sub(8));
        let frame = match row.register(RBP) {
            Some(RegisterRule::Undefined) => 0,
            // Rules cannot express this, and then say that the register is lost.
            Some(RegisterRule::ValExpression(_) | RegisterRule::Register(_))
                if rule.frame_kind() == FrameKind::Undefined =>
            {
                0
            }
            _ => self.value(row, RBP, cfa, registers, &asked).unwrap(),
        };
        said(Step::Caller(Registers { instruction, stack: cfa, frame }))
    }

    fn cfa(&self, row: &Row, registers: Registers, asked: &RefCell<Asked>) -> Option<u64> {
        match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                let value = value_of(*register, registers, asked)?;
                Some(value.wrapping_add_signed(*offset))
            }
            CfaRule::Expression(expression) => {
                let expression = expression.get(&self.section).unwrap();
                evaluate(expression, None, registers, asked)
            }
        }
    }

    /// The caller's value of a register.
    fn value(
        &self,
        row: &Row,
        register: Register,
        cfa: u64,
        registers: Registers,
        asked: &RefCell<Asked>,
    ) -> Option<u64> {
        match row.register(register) {
            None | Some(RegisterRule::SameValue) => value_of(register, registers, asked),
            Some(RegisterRule::Offset(offset)) => Some(word(cfa.wrapping_add_signed(offset))),
            Some(RegisterRule::Expression(expression)) => {
                let expression = expression.get(&self.section).unwrap();
                evaluate(expression, Some(cfa), registers, asked).map(word)
            }
            _ => None,
        }
    }
}

/// Whether the frame address is a register that functions preserve (rbx, r12 to r15), plus `addend`.
fn is_preserved(row: &Row, addend: i16) -> bool {
    let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return false };
    matches!(register.0, 3 | 12..=15) && *offset == i64::from(addend)
}

/// The file offset of an address in executable code.
fn offset(file: &object::File<'_>, address: u64) -> Option<u64> {
    file.segments().find_map(|segment| {
        let SegmentFlags::Elf { p_flags, .. } = segment.flags() else { return None };
        let (start, size) = segment.file_range();
        let inside = address.checked_sub(segment.address()).filter(|inside| *inside < size)?;
        (p_flags & elf::PF_X != 0).then_some(start + inside)
    })
}

fn value_of(register: Register, registers: Registers, asked: &RefCell<Asked>) -> Option<u64> {
    asked.borrow_mut().registers.push(register);
    match register {
        RBP => Some(registers.frame),
        RSP => Some(registers.stack),
        RIP => Some(registers.instruction),
        _ => None,
    }
}

fn evaluate(
    expression: Expression<Bytes<'_>>,
    initial: Option<u64>,
    registers: Registers,
    asked: &RefCell<Asked>,
) -> Option<u64> {
    let encoding = Encoding { format: Format::Dwarf32, version: 4, address_size: 8 };
    let mut evaluation = expression.evaluation(encoding);
    if let Some(initial) = initial {
        evaluation.set_initial_value(initial);
    }
    let mut state = evaluation.evaluate().unwrap();
    loop {
        state = match state {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = value_of(register, registers, asked)?;
                evaluation.resume_with_register(Value::Generic(value)).unwrap()
            }
            EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                asked.borrow_mut().words += 1;
                evaluation.resume_with_memory(Value::Generic(word(address))).unwrap()
            }
            _ => return None,
        };
    }
    match evaluation.result()[..] {
        [gimli::Piece { location: Location::Address { address }, .. }] => Some(address),
        _ => None,
    }
}
