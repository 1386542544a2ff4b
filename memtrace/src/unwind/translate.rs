//! One row of unwind information → one rule.

use super::calls::{Held, PRESERVED};
use super::stats::Reason;
use gimli::{
    CfaRule, EhFrame, Encoding, EndianSlice, Format, LittleEndian, Operation, Register,
    RegisterRule, UnwindContextStorage, UnwindExpression, UnwindTableRow,
};
use memtrace_common::unwind::{CfaKind, FrameKind, Rule};
use std::ops::Range;

pub(super) type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Room for evaluating a function's unwind instructions. There are 17 registers that compilers
/// save; a function that names more than 32 is not followed, nor one that nests deeper than this.
#[derive(Debug)]
pub(super) struct Storage;

impl UnwindContextStorage<usize> for Storage {
    type Rules = [(Register, RegisterRule<usize>); 32];
    type Stack = [UnwindTableRow<usize, Self>; 8];
}

pub(super) type Row = UnwindTableRow<usize, Storage>;

/// Numbers of the registers (System V ABI for AMD64, figure 3.36).
const RBP: Register = Register(6);
const RSP: Register = Register(7);
const RIP: Register = Register(16);

/// Where the kernel's signal frame has rsp, seen from the trampoline's rsp on: the C library says
/// so in `__restore_rt`'s unwind information. Another offset belongs to another structure.
const SIGNAL_STACK: i64 = 160;

/// The longest expression that is looked at, bytes; the linkage table's has eleven.
const MAX_EXPRESSION: usize = 16;

/// A rule, and whether it loses the caller's frame pointer though the file says where it is.
pub(super) struct Translated {
    pub(super) rule: Rule,
    pub(super) frame_lost: bool,
}

/// The rule for `row`, or why there is none.
pub(super) fn translate(
    row: &Row,
    section: &EhFrame<Bytes<'_>>,
    return_address: Register,
    signal: bool,
) -> Result<Translated, Reason> {
    let done = |rule| Ok(Translated { rule, frame_lost: false });
    if signal {
        let kernels = matches!(row.cfa(), CfaRule::Expression(expression)
            if word_at(*expression, section) == Some((RSP, SIGNAL_STACK, 0)));
        return if kernels { done(Rule::SIGNAL) } else { Err(Reason::SignalFrame) };
    }
    match row.register(return_address) {
        Some(RegisterRule::Undefined) => return done(Rule::END),
        Some(RegisterRule::Offset(-8)) => {}
        _ => return Err(Reason::ReturnAddress),
    }
    let rule = cfa(row.cfa(), section)?;
    let frame = frame(row.register(RBP).as_ref(), section);
    let (kind, offset) = frame.unwrap_or((FrameKind::Undefined, 0));
    Ok(Translated { rule: rule.with_frame(kind, offset), frame_lost: frame.is_none() })
}

/// What is known of a row in `range` that cannot be expressed because its frame address follows from
/// another register than those that are followed, if callees preserve that one.
pub(super) fn held(
    row: &Row,
    section: &EhFrame<Bytes<'_>>,
    range: Range<u64>,
    function: usize,
) -> Option<Held> {
    let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else { return None };
    if !PRESERVED.contains(&register) {
        return None;
    }
    let offset = i16::try_from(offset).ok()?;
    let frame = frame(row.register(RBP).as_ref(), section).unwrap_or((FrameKind::Undefined, 0));
    Some(Held { range, function, register, offset, frame })
}

fn cfa(rule: &CfaRule<usize>, section: &EhFrame<Bytes<'_>>) -> Result<Rule, Reason> {
    match rule {
        CfaRule::RegisterAndOffset { register, offset } => {
            let kind = match *register {
                RSP => CfaKind::Stack,
                RBP => CfaKind::Frame,
                _ => return Err(Reason::OtherRegister),
            };
            let offset = i32::try_from(*offset).map_err(|_| Reason::Offset)?;
            Ok(Rule::cfa(kind, offset))
        }
        CfaRule::Expression(expression) => {
            if let Some(byte) = pushed_from(*expression, section) {
                return Ok(Rule::cfa(CfaKind::Plt, byte));
            }
            let (register, offset, addend) =
                word_at(*expression, section).ok_or(Reason::Expression)?;
            let kind = match register {
                RSP => CfaKind::AtStack,
                RBP => CfaKind::AtFrame,
                _ => return Err(Reason::OtherRegister),
            };
            let offset = i16::try_from(offset).map_err(|_| Reason::Offset)?;
            let addend = i16::try_from(addend).map_err(|_| Reason::Offset)?;
            Ok(Rule::cfa_in_memory(kind, offset, addend))
        }
    }
}

/// Where the caller's rbp is; `None` if that cannot be expressed. A register without a rule is one
/// that the function leaves alone: rbp belongs to the caller.
fn frame(
    rule: Option<&RegisterRule<usize>>,
    section: &EhFrame<Bytes<'_>>,
) -> Option<(FrameKind, i16)> {
    match rule {
        None | Some(RegisterRule::SameValue) => Some((FrameKind::Same, 0)),
        Some(RegisterRule::Undefined) => Some((FrameKind::Undefined, 0)),
        Some(RegisterRule::Offset(offset)) => {
            Some((FrameKind::AtCfa, i16::try_from(*offset).ok()?))
        }
        Some(RegisterRule::Expression(expression)) => {
            match operations(*expression, section)?.as_slice() {
                [Operation::RegisterOffset { register: RBP, offset, .. }] => {
                    Some((FrameKind::AtFrame, i16::try_from(*offset).ok()?))
                }
                _ => None,
            }
        }
        Some(_) => None,
    }
}

type Operations<'a> = Vec<Operation<Bytes<'a>>>;

/// The expression's operations, if it is short and sound.
fn operations<'a>(
    expression: UnwindExpression<usize>,
    section: &EhFrame<Bytes<'a>>,
) -> Option<Operations<'a>> {
    if expression.length > MAX_EXPRESSION {
        return None;
    }
    let encoding = Encoding { format: Format::Dwarf32, version: 4, address_size: 8 };
    let mut iterator = expression.get(section).ok()?.operations(encoding);
    let mut operations = Vec::new();
    while let Some(operation) = iterator.next().ok()? {
        operations.push(operation);
    }
    Some(operations)
}

/// Register, offset and addend of "the word at register + offset, plus addend".
fn word_at(
    expression: UnwindExpression<usize>,
    section: &EhFrame<Bytes<'_>>,
) -> Option<(Register, i64, i64)> {
    const WORD: u8 = 8;
    match operations(expression, section)?.as_slice() {
        [
            Operation::RegisterOffset { register, offset, .. },
            Operation::Deref { size: WORD, space: false, .. },
            rest @ ..,
        ] => match rest {
            [] => Some((*register, *offset, 0)),
            [Operation::PlusConstant { value }] => {
                Some((*register, *offset, i64::try_from(*value).ok()?))
            }
            _ => None,
        },
        _ => None,
    }
}

/// For what linkers write for the procedure linkage table, `rsp + 8 + ((rip & 15) >= byte) * 8`:
/// that byte.
fn pushed_from(expression: UnwindExpression<usize>, section: &EhFrame<Bytes<'_>>) -> Option<i32> {
    match operations(expression, section)?.as_slice() {
        [
            Operation::RegisterOffset { register: RSP, offset: 8, .. },
            Operation::RegisterOffset { register: RIP, offset: 0, .. },
            Operation::UnsignedConstant { value: 15 },
            Operation::And,
            Operation::UnsignedConstant { value: byte @ 0..=15 },
            Operation::Ge,
            Operation::UnsignedConstant { value: 3 },
            Operation::Shl,
            Operation::Plus,
        ] => i32::try_from(*byte).ok(),
        _ => None,
    }
}
