//! Rows and rules as words, the same in BPF maps, in memory and on disk.

/// Where a rule begins to hold: the low 16 bits of a file offset, and above them the rule's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Row(pub u32);

impl Row {
    /// A row for `low` with rule number `rule`.
    #[must_use]
    pub const fn new(low: u16, rule: u16) -> Self {
        Self(low as u32 | (rule as u32) << 16)
    }

    /// The low 16 bits of the file offset.
    #[must_use]
    pub const fn low(self) -> u16 {
        self.0 as u16
    }

    /// The rule's number.
    #[must_use]
    pub const fn rule(self) -> u16 {
        (self.0 >> 16) as u16
    }
}

/// How the canonical frame address follows from the registers: the value that the caller's stack
/// pointer has after the return. The return address is in the word below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CfaKind {
    /// Nothing is known of this code: it has no unwind information.
    Gap = 0,
    /// There is unwind information, but of a kind that rules cannot express.
    Unsupported = 1,
    /// The outermost function: nothing called it.
    End = 2,
    /// A signal handler's return trampoline: the interrupted registers are on the stack.
    Signal = 3,
    /// rsp + offset.
    Stack = 4,
    /// rbp + offset.
    Frame = 5,
    /// rsp + 8, and 8 more in the last bytes of a 16-byte slot of the procedure linkage table,
    /// after its push: from byte `offset` of the slot on.
    Plt = 6,
    /// The word at rsp + offset, plus the addend (hand-written code that aligns its stack).
    AtStack = 7,
    /// The word at rbp + offset, plus the addend (functions that align their stack).
    AtFrame = 8,
}

impl CfaKind {
    #[inline(always)]
    const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Gap,
            2 => Self::End,
            3 => Self::Signal,
            4 => Self::Stack,
            5 => Self::Frame,
            6 => Self::Plt,
            7 => Self::AtStack,
            8 => Self::AtFrame,
            _ => Self::Unsupported,
        }
    }
}

/// Where the caller's rbp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// Still in rbp.
    Same = 0,
    /// In the word at the canonical frame address + offset.
    AtCfa = 1,
    /// In the word at rbp + offset.
    AtFrame = 2,
    /// Nowhere.
    Undefined = 3,
}

impl FrameKind {
    #[inline(always)]
    const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Same,
            1 => Self::AtCfa,
            2 => Self::AtFrame,
            _ => Self::Undefined,
        }
    }
}

/// How a caller's registers follow from its callee's. From the low bits up: [`CfaKind`] (8),
/// [`FrameKind`] (8), offset of the frame pointer (16, signed), offset of the canonical frame address
/// (32, signed); the latter are offset (16, signed) and addend (16, signed) where a word of memory
/// is the base. Any bits are some rule, and 0 is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Rule(pub u64);

impl Rule {
    /// No unwind information.
    pub const GAP: Self = Self::bare(CfaKind::Gap);
    /// Unwind information that rules cannot express.
    pub const UNSUPPORTED: Self = Self::bare(CfaKind::Unsupported);
    /// The outermost function.
    pub const END: Self = Self::bare(CfaKind::End);
    /// A signal handler's return trampoline.
    pub const SIGNAL: Self = Self::bare(CfaKind::Signal);

    const fn bare(kind: CfaKind) -> Self {
        Self(kind as u64)
    }

    /// A rule whose canonical frame address is of `kind` with `offset`, with the caller's rbp still
    /// in rbp.
    #[must_use]
    pub const fn cfa(kind: CfaKind, offset: i32) -> Self {
        Self(kind as u64 | (offset as u32 as u64) << 32)
    }

    /// The same for the kinds that read a word: at `offset`, with `addend` added.
    #[must_use]
    pub const fn cfa_in_memory(kind: CfaKind, offset: i16, addend: i16) -> Self {
        Self(kind as u64 | (offset as u16 as u64) << 32 | (addend as u16 as u64) << 48)
    }

    /// This rule with the caller's rbp somewhere else.
    #[must_use]
    pub const fn with_frame(self, kind: FrameKind, offset: i16) -> Self {
        Self(self.0 & !0xffff_ff00 | (kind as u64) << 8 | (offset as u16 as u64) << 16)
    }

    /// How the canonical frame address is found.
    #[must_use]
    #[inline(always)]
    pub const fn cfa_kind(self) -> CfaKind {
        CfaKind::from_number(self.0 as u8)
    }

    /// Offset of the canonical frame address, bytes.
    #[must_use]
    #[inline(always)]
    pub const fn cfa_offset(self) -> i32 {
        (self.0 >> 32) as i32
    }

    /// Where the word is read that the canonical frame address follows from, bytes.
    #[must_use]
    #[inline(always)]
    pub const fn word_offset(self) -> i16 {
        (self.0 >> 32) as i16
    }

    /// What is added to that word, bytes.
    #[must_use]
    #[inline(always)]
    pub const fn addend(self) -> i16 {
        (self.0 >> 48) as i16
    }

    /// Where the caller's rbp is.
    #[must_use]
    #[inline(always)]
    pub const fn frame_kind(self) -> FrameKind {
        FrameKind::from_number((self.0 >> 8) as u8)
    }

    /// Offset of the caller's saved rbp, bytes.
    #[must_use]
    #[inline(always)]
    pub const fn frame_offset(self) -> i16 {
        (self.0 >> 16) as i16
    }
}

const _: () = {
    assert!(size_of::<Row>() == 4 && size_of::<Rule>() == 8);
    assert!(Rule::GAP.0 == 0);
};

#[cfg(test)]
mod tests {
    use super::{CfaKind, FrameKind, Row, Rule};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_read_back(low: u16, rule: u16) {
            let row = Row::new(low, rule);
            prop_assert_eq!((row.low(), row.rule()), (low, rule));
        }

        #[test]
        fn rules_read_back(offset: i32, frame: i16, word: i16, addend: i16) {
            let rule = Rule::cfa(CfaKind::Stack, offset).with_frame(FrameKind::AtCfa, frame);
            prop_assert_eq!((rule.cfa_kind(), rule.cfa_offset()), (CfaKind::Stack, offset));
            prop_assert_eq!((rule.frame_kind(), rule.frame_offset()), (FrameKind::AtCfa, frame));
            let rule = Rule::cfa_in_memory(CfaKind::AtFrame, word, addend)
                .with_frame(FrameKind::AtFrame, frame)
                .with_frame(FrameKind::Undefined, 0);
            prop_assert_eq!((rule.word_offset(), rule.addend()), (word, addend));
            prop_assert_eq!((rule.frame_kind(), rule.frame_offset()), (FrameKind::Undefined, 0));
            prop_assert_eq!(rule.cfa_kind(), CfaKind::AtFrame);
        }
    }

    #[test]
    fn every_number_is_some_kind() {
        for number in 0..=u8::MAX {
            let rule = Rule(u64::from(number) | u64::from(number) << 8);
            let cfa = if number <= 8 { number } else { CfaKind::Unsupported as u8 };
            let frame = if number <= 3 { number } else { FrameKind::Undefined as u8 };
            assert_eq!((rule.cfa_kind() as u8, rule.frame_kind() as u8), (cfa, frame));
        }
    }
}
