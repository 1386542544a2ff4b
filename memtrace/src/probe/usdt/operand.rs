//! The words in which a note says where a probe's arguments are: `8@%rax -4@$5 8@-16(%rbp)`.
//!
//! They are operands of the assembler (AT&T syntax), each behind its size, which is negative where the
//! argument has a sign. See `UserSpaceProbeImplementation` in the wiki of `systemtap`.

use memtrace_common::usdt::{NO_REGISTER, Operand, Origin};

/// No probe has more arguments (`STAP_PROBE12`).
const MOST: usize = 12;
/// No operand that a compiler makes is nearly as long.
const LONGEST: usize = 128;

/// Why an operand cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperandError {
    /// More arguments than there can be.
    #[error("more than {MOST} arguments")]
    TooMany,
    /// Longer than any real one.
    #[error("an operand of more than {LONGEST} bytes")]
    TooLong,
    /// The size before the `@` is missing, or none that an integer has.
    #[error("`{0}` has no size of 1, 2, 4 or 8 bytes before an @")]
    Size(String),
    /// A floating-point or vector register, a segment register, or the second byte of a register.
    #[error("`{0}` names no general register")]
    Register(String),
    /// A place relative to the instruction, or to a symbol, which only the linker knew.
    #[error("`{0}` is relative to a symbol")]
    Symbol(String),
    /// Nothing that is known.
    #[error("`{0}` is no operand that is known")]
    Unknown(String),
}

/// All operands of a probe, in order.
///
/// # Errors
/// When one of them cannot be read: then the others mean nothing either.
pub fn operands(words: &str) -> Result<Vec<Operand>, OperandError> {
    let mut operands = Vec::new();
    for word in words.split_ascii_whitespace() {
        if operands.len() == MOST {
            return Err(OperandError::TooMany);
        }
        operands.push(operand(word)?);
    }
    Ok(operands)
}

fn operand(word: &str) -> Result<Operand, OperandError> {
    if word.len() > LONGEST {
        return Err(OperandError::TooLong);
    }
    let no_size = || OperandError::Size(word.to_owned());
    let (size, place) = word.split_once('@').ok_or_else(no_size)?;
    let (width, signed) = width(size).ok_or_else(no_size)?;
    let mut operand = if let Some(constant) = place.strip_prefix('$') {
        constant_operand(constant, word)?
    } else if place.starts_with('%') {
        register_operand(place, word)?
    } else {
        memory_operand(place, word)?
    };
    (operand.width, operand.signed) = (width, u8::from(signed));
    Ok(operand)
}

/// Bytes, and whether there is a sign. (A size with an `f` behind it is that of a floating-point number.)
fn width(size: &str) -> Option<(u8, bool)> {
    let (signed, digits) = match size.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, size),
    };
    let width = match digits {
        "1" => 1,
        "2" => 2,
        "4" => 4,
        "8" => 8,
        _ => return None,
    };
    Some((width, signed))
}

fn constant_operand(constant: &str, word: &str) -> Result<Operand, OperandError> {
    let value = integer(constant).ok_or_else(|| not_a_number(constant, word))?;
    Ok(Operand { from: Origin::Constant as u8, value, base: NO_REGISTER, ..plain() })
}

fn register_operand(place: &str, word: &str) -> Result<Operand, OperandError> {
    Ok(Operand { from: Origin::Register as u8, base: register(place, word)?, ..plain() })
}

/// `displacement(base,index,scale)`, where each part may be missing.
fn memory_operand(place: &str, word: &str) -> Result<Operand, OperandError> {
    let unknown = || OperandError::Unknown(word.to_owned());
    let (displacement, inner) = place.split_once('(').ok_or_else(|| not_a_number(place, word))?;
    let inner = inner.strip_suffix(')').ok_or_else(unknown)?;
    let value = match displacement {
        "" => 0,
        // A segment's base is not among the registers that a probe gets.
        _ if displacement.starts_with('%') => {
            return Err(OperandError::Register(word.to_owned()));
        }
        _ => integer(displacement).ok_or_else(|| not_a_number(displacement, word))?,
    };
    let parts: Vec<&str> = inner.split(',').collect();
    let (base, index, scale) = match *parts.as_slice() {
        [base] => (base, "", "1"),
        [base, index] => (base, index, "1"),
        [base, index, scale] => (base, index, scale),
        _ => return Err(unknown()),
    };
    if base == "%rip" {
        return Err(OperandError::Symbol(word.to_owned()));
    }
    let address = Operand {
        value,
        from: Origin::Memory as u8,
        base: address_register(base, word)?,
        index: address_register(index, word)?,
        scale: scale_of(scale).ok_or_else(unknown)?,
        ..plain()
    };
    // `%rsp` is no index in any instruction, and an address without registers is a symbol's.
    let has_registers = address.base != NO_REGISTER || address.index != NO_REGISTER;
    if address.index == STACK_POINTER || !has_registers {
        return Err(unknown());
    }
    Ok(address)
}

/// Its number as an index would be (there is none).
const STACK_POINTER: u8 = 4;

const fn plain() -> Operand {
    Operand {
        value: 0,
        from: 0,
        width: 8,
        signed: 0,
        base: NO_REGISTER,
        index: NO_REGISTER,
        scale: 1,
        reserved: 0,
    }
}

fn scale_of(scale: &str) -> Option<u8> {
    match scale {
        "1" => Some(1),
        "2" => Some(2),
        "4" => Some(4),
        "8" => Some(8),
        _ => None,
    }
}

/// What was to be a number: a symbol, if it begins as one.
fn not_a_number(text: &str, word: &str) -> OperandError {
    let first = text.bytes().next().unwrap_or(0);
    if first.is_ascii_alphabetic() || matches!(first, b'_' | b'.') {
        OperandError::Symbol(word.to_owned())
    } else {
        OperandError::Unknown(word.to_owned())
    }
}

/// A decimal or hexadecimal number of 64 bits, with a sign or without.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (digits, radix) = match digits.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0_i64.checked_sub_unsigned(value) } else { Some(value.cast_signed()) }
}

/// The registers' names for 8, 4, 2 and 1 bytes, each in the order of numbers.
const NAMES: [[&str; 4]; 8] = [
    ["rax", "eax", "ax", "al"],
    ["rcx", "ecx", "cx", "cl"],
    ["rdx", "edx", "dx", "dl"],
    ["rbx", "ebx", "bx", "bl"],
    ["rsp", "esp", "sp", "spl"],
    ["rbp", "ebp", "bp", "bpl"],
    ["rsi", "esi", "si", "sil"],
    ["rdi", "edi", "di", "dil"],
];

/// A register by any of its names: how much of it counts, the operand's size says.
fn register(text: &str, word: &str) -> Result<u8, OperandError> {
    let name = text.strip_prefix('%').unwrap_or_default();
    let old = NAMES.iter().position(|names| names.contains(&name)).map(|number| number as u8);
    old.or_else(|| new_register(name)).ok_or_else(|| OperandError::Register(word.to_owned()))
}

/// `r8` to `r15`, and their parts: `r8d`, `r8w`, `r8b`.
fn new_register(name: &str) -> Option<u8> {
    let digits = name.strip_prefix('r')?.trim_end_matches(['d', 'w', 'b']);
    let number = (8..16).find(|number| number.to_string() == digits)?;
    // At most one letter behind it.
    (name.len() <= digits.len() + 2).then_some(number)
}

/// One in an address, all of which counts; none where the text is empty.
fn address_register(text: &str, word: &str) -> Result<u8, OperandError> {
    if text.is_empty() {
        return Ok(NO_REGISTER);
    }
    let number = register(text, word)?;
    let old = NAMES.iter().any(|names| text.strip_prefix('%') == Some(names[0]));
    let whole = old || text.bytes().last().is_some_and(|last| last.is_ascii_digit());
    if whole { Ok(number) } else { Err(OperandError::Unknown(word.to_owned())) }
}
