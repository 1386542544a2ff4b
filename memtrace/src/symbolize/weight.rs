//! How much memory and time the library would take for debug information, found before it is asked.
//!
//! It (blazesym 0.2.7) keeps the lines and functions of every unit that claims an address. A byte of a
//! line program can be a line, an entry of two bytes a function, and units can share either: 113 KB of
//! compressed sections took 2.4 GB and 11 s.

use std::collections::HashMap;

/// Bytes that the library keeps of a line.
const LINE: u64 = 24;
/// Bytes that the library keeps of a function; measured, with its name and range.
const FUNCTION: u64 = 140;

/// What may still be taken.
pub(super) struct Weight<'a> {
    left: u64,
    /// `.debug_line`.
    lines: &'a [u8],
    /// Weights of line programs by their offsets.
    programs: HashMap<usize, u64>,
}

impl<'a> Weight<'a> {
    /// At most `limit` bytes.
    pub(super) fn new(limit: u64, lines: &'a [u8]) -> Self {
        Self { left: limit, lines, programs: HashMap::new() }
    }

    /// It is more than may be taken.
    pub(super) const fn is_exceeded(&self) -> bool {
        self.left == 0
    }

    /// Counts a function.
    pub(super) const fn add_function(&mut self) {
        self.left = self.left.saturating_sub(FUNCTION);
    }

    /// Counts a unit whose line program is at `offset` of `.debug_line`.
    pub(super) fn add_program(&mut self, offset: usize) {
        let lines = self.lines;
        let weight = self.programs.entry(offset).or_insert_with(|| weight(lines, offset));
        self.left = self.left.saturating_sub(*weight);
    }
}

/// Most that a line program can become: its bytes, which take time, and a line for each byte that may
/// be an opcode that makes one (DWARF 5, sections 6.2.4 and 6.2.5).
fn weight(lines: &[u8], offset: usize) -> u64 {
    const COPY: u8 = 1;
    let rest = lines.get(offset..).unwrap_or_default();
    let Some((length, rest)) = initial_length(rest) else { return 0 };
    let program = rest.get(..length).unwrap_or(rest);
    // Opcodes below `opcode_base` make no lines, but for one. Where the base is depends on the
    // version; 10 is the least that compilers use, and one of a hostile file may be less.
    let least = opcode_base(program).unwrap_or(COPY).min(10);
    let makers = program.iter().filter(|byte| **byte >= least || **byte == COPY).count();
    program.len() as u64 + LINE * makers as u64
}

/// The length of what follows, and that (DWARF 5, section 7.4).
fn initial_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (short, rest) = bytes.split_first_chunk::<4>()?;
    match u32::from_le_bytes(*short) {
        u32::MAX => {
            let (long, rest) = rest.split_first_chunk::<8>()?;
            Some((usize::try_from(u64::from_le_bytes(*long)).unwrap_or(usize::MAX), rest))
        }
        length => Some((length as usize, rest)),
    }
}

/// From the header of a program in the 32-bit format; in the 64-bit one it is elsewhere.
fn opcode_base(program: &[u8]) -> Option<u8> {
    // Version; from 5 on sizes of address and segment; length of the header; then, from version 4 on,
    // minimum and maximum of instructions, otherwise the minimum alone; default, line base and range.
    let version = u16::from_le_bytes([*program.first()?, *program.get(1)?]);
    let at = match version {
        2 | 3 => 2 + 4 + 4,
        4 => 2 + 4 + 5,
        5 => 2 + 2 + 4 + 5,
        _ => return None,
    };
    program.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::{LINE, Weight};

    /// A line program of version 4 with these opcodes.
    fn program(base: u8, opcodes: &[u8]) -> Vec<u8> {
        let header = [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, base];
        let length = u32::try_from(header.len() + opcodes.len()).unwrap();
        [&length.to_le_bytes()[..], &header, opcodes].concat()
    }

    fn weight(lines: &[u8], offsets: &[usize]) -> u64 {
        let mut weight = Weight::new(u64::MAX, lines);
        offsets.iter().for_each(|offset| weight.add_program(*offset));
        u64::MAX - weight.left
    }

    #[test]
    fn each_byte_that_may_make_a_line_counts() {
        // The base itself is such a byte.
        let empty = weight(&program(13, &[]), &[0]);
        assert_eq!(empty, 12 + LINE);
        assert_eq!(weight(&program(13, &[0x20; 5]), &[0]), empty + 5 * (1 + LINE));
        assert_eq!(weight(&program(13, &[2, 3, 1]), &[0]), empty + 3 + LINE);
        // So may the version's, where the base is as low.
        assert_eq!(weight(&program(4, &[5, 5]), &[0]), 12 + 2 * LINE + 2 * (1 + LINE));
    }

    #[test]
    fn who_shares_a_program_pays_for_it() {
        let lines = program(13, &[0x20; 100]);
        assert_eq!(weight(&lines, &[0, 0, 0]), 3 * weight(&lines, &[0]));
        let mut some = Weight::new(3000, &lines);
        some.add_program(0);
        assert!(!some.is_exceeded());
        some.add_program(0);
        assert!(some.is_exceeded());
    }

    #[test]
    fn what_is_cut_short_does_no_harm() {
        let lines = program(13, &[0x20; 9]);
        for end in 0..lines.len() {
            assert!(weight(&lines[..end], &[0, 1, end, usize::MAX]) < 1 << 16);
        }
    }
}
