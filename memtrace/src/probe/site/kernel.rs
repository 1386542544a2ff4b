//! What the kernel's uprobes do with an instruction on x86-64.
//!
//! From `arch/x86/kernel/uprobes.c` (read at Linux 6.17; the emulated set is that of 5.0 and later):
//! branches and nops by `branch_setup_xol_ops`, pushes by `push_setup_xol_ops`, refusals by
//! `uprobe_init_insn`. We are stricter than the kernel wherever it decides by the opcode byte alone.

/// What happens when a probe is put on an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// The kernel does the instruction's work itself: one trap.
    Emulated,
    /// The kernel runs a copy of the instruction: two traps, 2 to 60 times dearer.
    SingleStepped,
    /// Not to be probed: the kernel refuses it, or would do something else than the instruction.
    Refused(&'static str),
}

use Treatment::{Emulated, Refused, SingleStepped};

/// An instruction's bytes, taken apart as far as the kernel looks.
struct Parts {
    /// Legacy prefixes there are, and whether 0x66 is one of them.
    prefixed: bool,
    operand_size: bool,
    rex: Option<u8>,
    opcode: u8,
    second: Option<u8>,
}

/// What the kernel does with the instruction that `bytes` begin with.
#[must_use]
pub fn treatment(bytes: &[u8]) -> Treatment {
    match take_apart(bytes) {
        Ok(parts) => classify(&parts),
        Err(why) => Refused(why),
    }
}

fn take_apart(bytes: &[u8]) -> Result<Parts, &'static str> {
    let mut parts =
        Parts { prefixed: false, operand_size: false, rex: None, opcode: 0, second: None };
    let mut rest = bytes.iter().copied();
    let mut byte = rest.next().ok_or("no code")?;
    loop {
        match byte {
            0xf0 | 0x26 | 0x2e | 0x36 | 0x3e => return Err("the kernel refuses this prefix"),
            0x66 => parts.operand_size = true,
            0x67 | 0x64 | 0x65 | 0xf2 | 0xf3 => {}
            _ => break,
        }
        parts.prefixed = true;
        byte = rest.next().ok_or("cut off")?;
    }
    if byte & 0xf0 == 0x40 {
        parts.rex = Some(byte);
        byte = rest.next().ok_or("cut off")?;
    }
    parts.opcode = byte;
    parts.second = rest.next();
    Ok(parts)
}

fn classify(parts: &Parts) -> Treatment {
    let plain = !parts.prefixed && parts.rex.is_none();
    match parts.opcode {
        0x50..=0x57 if !parts.prefixed && matches!(parts.rex, None | Some(0x41)) => Emulated,
        // `xchg %r8,%rax` is REX + 0x90, which the kernel emulates as a nop.
        0x90 if parts.rex.is_some() => Refused("the kernel takes it for a nop"),
        0x90 if plain => Emulated,
        0x70..=0x7f | 0xe8 | 0xe9 | 0xeb => branch(parts, plain),
        0x0f => two_bytes(parts, plain),
        // VEX, EVEX, XOP, REX2: the kernel tests the byte after the prefix as if it were a one-byte
        // opcode, so `vzeroupper` would pass for a conditional jump.
        0xc4 | 0xc5 | 0x62 | 0xd5 | 0x8f => Refused("vector encodings are not probed"),
        opcode if is_refused(opcode) => Refused("the kernel refuses this instruction"),
        _ => SingleStepped,
    }
}

fn branch(parts: &Parts, plain: bool) -> Treatment {
    if parts.operand_size {
        Refused("the kernel refuses branches with a 0x66 prefix")
    } else if plain {
        Emulated
    } else {
        SingleStepped
    }
}

fn two_bytes(parts: &Parts, plain: bool) -> Treatment {
    match parts.second {
        None => Refused("cut off"),
        Some(0x80..=0x8f) => branch(parts, plain),
        // System instructions, syscall, ud2, lss (masks interrupts for one instruction), and the
        // group of fences and state saves, which the kernel's table leaves out.
        Some(
            0x00
            | 0x01
            | 0x05..=0x0c
            | 0x30
            | 0x34..=0x37
            | 0x78
            | 0x79
            | 0xae
            | 0xb2
            | 0xb9
            | 0xff,
        ) => Refused("the kernel refuses this instruction"),
        Some(_) => SingleStepped,
    }
}

/// One-byte opcodes that are invalid in 64-bit mode, trap, need privileges, or load segments.
const fn is_refused(opcode: u8) -> bool {
    matches!(
        opcode,
        0x06 | 0x07 | 0x0e | 0x16 | 0x17 | 0x1e | 0x1f | 0x27 | 0x2f | 0x37 | 0x3f
            | 0x60 | 0x61 | 0x6c..=0x6f | 0x82 | 0x8e | 0x9a | 0xcc..=0xcf | 0xd4 | 0xd6
            | 0xe4..=0xe7 | 0xea | 0xec..=0xef | 0xf1 | 0xf4 | 0xfa | 0xfb
    )
}

#[cfg(test)]
mod tests {
    use super::{Treatment, treatment};

    fn refused(bytes: &[u8]) -> bool {
        matches!(treatment(bytes), Treatment::Refused(_))
    }

    #[test]
    fn what_the_kernel_emulates() {
        let emulated: [&[u8]; 10] = [
            &[0x55],
            &[0x54],
            &[0x41, 0x57],
            &[0x90],
            &[0xe8, 0, 0, 0, 0],
            &[0xe9, 0, 0, 0, 0],
            &[0xeb, 0],
            &[0x74, 0],
            &[0x0f, 0x84, 0, 0, 0, 0],
            &[0x0f, 0x8f, 0, 0, 0, 0],
        ];
        for bytes in emulated {
            assert_eq!(treatment(bytes), Treatment::Emulated, "{bytes:x?}");
        }
    }

    #[test]
    fn what_it_single_steps() {
        let stepped: [&[u8]; 12] = [
            &[0xf3, 0x0f, 0x1e, 0xfa],    // endbr64
            &[0x48, 0x85, 0xff],          // test
            &[0x48, 0x89, 0xfb],          // mov
            &[0x48, 0x83, 0xec, 0x18],    // sub
            &[0x31, 0xc0],                // xor
            &[0x80, 0x3d, 0, 0, 0, 0, 0], // cmpb
            &[0xc3],                      // ret
            &[0x0f, 0x1f, 0x44, 0, 0],    // multi-byte nop
            &[0x66, 0x90],                // two-byte nop
            &[0x48, 0x55],                // push with a needless REX.W
            &[0x66, 0x55],                // 16-bit push
            &[0xf2, 0xe9, 0, 0, 0, 0],    // bnd jmp
        ];
        for bytes in stepped {
            assert_eq!(treatment(bytes), Treatment::SingleStepped, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_never_probed() {
        let never: [&[u8]; 17] = [
            &[],
            &[0x66],
            &[0x48],
            &[0x0f],
            &[0xcc],
            &[0xf4],
            &[0xcf],
            &[0xcd, 0x80],
            &[0xec],
            &[0xf0, 0x48, 0x01, 0x07],
            &[0x3e, 0xff, 0xe0],
            &[0x49, 0x90],
            &[0x66, 0x74, 0],
            &[0x66, 0x0f, 0x84, 0, 0, 0, 0],
            &[0x0f, 0x05],
            &[0x0f, 0x0b],
            &[0xc5, 0xf8, 0x77],
        ];
        for bytes in never {
            assert!(refused(bytes), "{bytes:x?}");
        }
    }
}
