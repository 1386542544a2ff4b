//! Where the arguments of a static probe (USDT) are at the moment it fires, and how they are read.
//!
//! User space translates a note's words into these descriptions; evaluating one is the same code wherever
//! it runs.

/// General registers, in the order of their numbers in x86-64 instructions.
pub const REGISTERS: usize = 16;

/// No register: an address without a base or an index.
pub const NO_REGISTER: u8 = 0xff;

/// Where an operand's bits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// The description itself.
    Constant = 0,
    /// A register.
    Register = 1,
    /// Memory at base + index × scale + displacement.
    Memory = 2,
}

impl Origin {
    /// The place with this number.
    #[must_use]
    #[inline(always)]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Constant,
            1 => Self::Register,
            2 => Self::Memory,
            _ => return None,
        })
    }
}

/// One argument of a probe. Two words without padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Operand {
    /// The constant, or the displacement.
    pub value: i64,
    /// An [`Origin`].
    pub from: u8,
    /// Bytes that count: 1, 2, 4 or 8.
    pub width: u8,
    /// 1: the highest bit of those is a sign.
    pub signed: u8,
    /// The register, or an address's base; [`NO_REGISTER`] for none.
    pub base: u8,
    /// An address's index; [`NO_REGISTER`] for none.
    pub index: u8,
    /// What an index is multiplied by: 1, 2, 4 or 8.
    pub scale: u8,
    /// 0.
    pub reserved: u16,
}

impl Operand {
    /// The argument. `register` gives one by its number, `memory` the eight bytes at an address; `None`
    /// where those cannot be read, or the description is none.
    #[inline(always)]
    pub fn evaluate(
        &self,
        register: impl Fn(u8) -> u64,
        memory: impl FnOnce(u64) -> Option<u64>,
    ) -> Option<u64> {
        let bits = match Origin::from_number(self.from)? {
            Origin::Constant => self.value.cast_unsigned(),
            Origin::Register => register(self.base),
            Origin::Memory => memory(self.address(register))?,
        };
        Some(self.cut(bits))
    }

    #[inline(always)]
    fn address(&self, register: impl Fn(u8) -> u64) -> u64 {
        let of = |number| if number == NO_REGISTER { 0 } else { register(number) };
        let index = of(self.index).wrapping_mul(u64::from(self.scale));
        of(self.base).wrapping_add(index).wrapping_add(self.value.cast_unsigned())
    }

    /// The bits that count, widened as their sign demands.
    #[inline(always)]
    const fn cut(&self, bits: u64) -> u64 {
        let signed = self.signed != 0;
        match (self.width, signed) {
            (1, false) => bits as u8 as u64,
            (2, false) => bits as u16 as u64,
            (4, false) => bits as u32 as u64,
            (1, true) => bits as i8 as u64,
            (2, true) => bits as i16 as u64,
            (4, true) => bits as i32 as u64,
            _ => bits,
        }
    }
}

/// Arguments of the probe that has most.
pub const ARGUMENTS: usize = 3;

/// Where the arguments of a probe are, in their order; those that it does not have are constants.
pub type Arguments = [Operand; ARGUMENTS];

/// Where the kernel keeps a general register, 8-byte words from the beginning of its `pt_regs`
/// (`arch/x86/include/asm/ptrace.h`, in which the order is that of `user_regs_struct`).
#[must_use]
#[inline(always)]
pub const fn word_of_register(number: u8) -> usize {
    // A byte for each: no table, which would be a map to the kernel side.
    const LOW: u64 = 0x0e0d_0413_050c_0b0a;
    const HIGH: u64 = 0x0001_0203_0607_0809;
    let words = if number & 8 == 0 { LOW } else { HIGH };
    (words >> ((number & 7) * 8)) as usize & 0xff
}

const _: () = assert!(size_of::<Operand>() == 16 && align_of::<Operand>() == 8);

#[cfg(test)]
mod tests {
    use super::{NO_REGISTER, Operand, Origin, word_of_register};

    #[test]
    fn registers_lie_where_the_kernel_keeps_them() {
        // `struct pt_regs`, from its beginning.
        const KEPT: [&str; 21] = [
            "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx",
            "rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss",
        ];
        // By number in instructions.
        const NUMBERED: [&str; 16] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
            "r12", "r13", "r14", "r15",
        ];
        for (number, name) in (0..).zip(NUMBERED) {
            assert_eq!(KEPT[word_of_register(number)], name);
        }
    }

    fn constant(value: i64, width: u8, signed: bool) -> Operand {
        let signed = u8::from(signed);
        Operand { value, width, signed, ..Operand::default() }
    }

    fn alone(operand: Operand) -> Option<u64> {
        operand.evaluate(|_| panic!("no register is needed"), |_| panic!("nor memory"))
    }

    #[test]
    fn a_width_cuts_and_a_sign_widens() {
        assert_eq!(alone(constant(-1, 8, false)), Some(u64::MAX));
        assert_eq!(alone(constant(-1, 4, false)), Some(0xffff_ffff));
        assert_eq!(alone(constant(0xffff_fffe, 4, true)), Some(u64::MAX - 1));
        assert_eq!(alone(constant(0x1ff, 1, false)), Some(0xff));
        assert_eq!(alone(constant(0x80, 1, true)), Some(0xffff_ffff_ffff_ff80));
        assert_eq!(alone(constant(0x1_8000, 2, true)), Some(0xffff_ffff_ffff_8000));
    }

    #[test]
    fn addresses_are_made_of_all_their_parts() {
        let operand = Operand {
            value: -8,
            from: Origin::Memory as u8,
            width: 4,
            base: 3,
            index: 5,
            scale: 4,
            ..Operand::default()
        };
        let read = |address| (address == 1000 + 4 * 7 - 8).then_some(0xaaaa_bbbb_cccc_dddd);
        let register = |number| if number == 3 { 1000 } else { 7 };
        assert_eq!(operand.evaluate(register, read), Some(0xcccc_dddd));
        let without_base = Operand { base: NO_REGISTER, value: 0x100, ..operand };
        let read = |address| (address == 0x100 + 4 * 7).then_some(1);
        assert_eq!(without_base.evaluate(|_| 7, read), Some(1));
        assert_eq!(operand.evaluate(register, |_| None), None);
    }

    #[test]
    fn what_is_no_description_gives_nothing() {
        assert_eq!(alone(Operand { from: 3, ..Operand::default() }), None);
    }
}
