//! Instructions of BPF programs that we put together ourselves (`linux/bpf.h`, `linux/bpf_common.h`,
//! `Documentation/bpf/instruction-set.rst`).

use aya_obj::generated::bpf_insn;

/// `BPF_JMP | BPF_CALL`: a helper by its number.
pub(super) const CALL: u8 = 0x85;
/// `BPF_JMP | BPF_EXIT`.
pub(super) const EXIT: u8 = 0x95;
/// `BPF_JMP | BPF_JEQ | BPF_K`: jumps if the register is the constant.
pub(super) const JUMP_IF_EQUAL: u8 = 0x15;
/// `BPF_ALU64 | BPF_MOV | BPF_K`: a constant into a register.
pub(super) const MOVE_CONSTANT: u8 = 0xb7;
/// `BPF_ALU64 | BPF_MOV | BPF_X`: a register into another.
pub(super) const MOVE: u8 = 0xbf;
/// `BPF_ALU64 | BPF_ADD | BPF_K`.
pub(super) const ADD_CONSTANT: u8 = 0x07;
/// `BPF_ST | BPF_MEM | BPF_DW`: a constant into 8 bytes of memory.
pub(super) const STORE_CONSTANT: u8 = 0x7a;
/// `BPF_LDX | BPF_MEM` of 8 and of 4 bytes (`BPF_DW`, `BPF_W`): memory into a register.
pub(super) const LOAD: u8 = 0x79;
pub(super) const LOAD_WORD: u8 = 0x61;
/// `BPF_STX | BPF_MEM | BPF_DW`: a register into 8 bytes of memory.
pub(super) const STORE: u8 = 0x7b;
/// `BPF_STX | BPF_ATOMIC | BPF_DW`; its constant says which operation, 0 being a plain addition.
pub(super) const ATOMIC: u8 = 0xdb;
/// `BPF_LD | BPF_IMM | BPF_DW`: 64 bits into a register, by two instructions.
pub(super) const LOAD_WIDE: u8 = 0x18;
/// Its source register where it loads a map (`BPF_PSEUDO_MAP_FD`).
pub(super) const MAP_DESCRIPTOR: u8 = 1;

/// Numbers of helpers.
pub(super) const MAP_LOOKUP: i32 = 1;
pub(super) const TAIL_CALL: i32 = 12;
pub(super) const GET_CURRENT_TASK: i32 = 35;
pub(super) const PROBE_READ_KERNEL: i32 = 113;
pub(super) const GET_CURRENT_TASK_BTF: i32 = 158;
pub(super) const GET_ATTACH_COOKIE: i32 = 174;
pub(super) const TASK_PT_REGS: i32 = 175;

/// The frame pointer.
pub(super) const FRAME: u8 = 10;

/// One instruction (`struct bpf_insn`): what to do, with which registers, at which distance, with which constant.
pub(super) fn instruction(code: u8, to: u8, from: u8, offset: i16, constant: i32) -> bpf_insn {
    bpf_insn {
        code,
        _bitfield_align_1: [],
        _bitfield_1: bpf_insn::new_bitfield_1(to, from),
        off: offset,
        imm: constant,
    }
}

/// A 64-bit constant into a register, or with [`MAP_DESCRIPTOR`] as `kind` (otherwise 0) a map by its descriptor.
pub(super) fn load_wide(to: u8, kind: u8, value: u64) -> [bpf_insn; 2] {
    // The halves of the number, whatever signs they seem to have.
    let half = |bits: u64| (bits as u32).cast_signed();
    [instruction(LOAD_WIDE, to, kind, 0, half(value)), instruction(0, 0, 0, 0, half(value >> 32))]
}
