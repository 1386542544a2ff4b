//! What this kernel's BPF can do, found by loading tiny programs and not by the kernel's version:
//! distributions carry later features back to older kernels.

use super::assembly::{
    ADD_CONSTANT, ATOMIC, CALL, EXIT, FRAME, GET_ATTACH_COOKIE, GET_CURRENT_TASK_BTF, MOVE,
    MOVE_CONSTANT, PROBE_READ_KERNEL, STORE_CONSTANT, TASK_PT_REGS, instruction,
};
use super::syscall::{PROGRAM_KPROBE, ProgramImage, load_program};
use aya_obj::generated::bpf_insn;

/// Abilities that the programs can do without, in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Links carry a cookie (Linux 5.15). Without, each probe site gets a way into the program
    /// that notes its cookie.
    pub attach_cookies: bool,
    /// Atomic operations that give the old value (Linux 5.12). Without, programs do not interrupt
    /// each other, so none are needed.
    pub fetch_atomics: bool,
    /// A program can ask for the registers with which a thread entered the kernel (Linux 5.15).
    /// Without, they are read from the top of the thread's stack.
    pub task_registers: bool,
}

/// `BPF_XCHG`: an atomic operation that gives the old value.
const EXCHANGE: i32 = 0xe1;

impl Abilities {
    /// Those of the running kernel; takes about a millisecond. What the kernel refuses for want of
    /// privileges is reported as lacking: then nothing else loads either, and that is the error shown.
    #[must_use]
    pub(super) fn of_this_kernel() -> Self {
        let cookie = [instruction(CALL, 0, 0, 0, GET_ATTACH_COOKIE)];
        let exchange = [
            instruction(STORE_CONSTANT, FRAME, 0, -8, 0),
            instruction(MOVE_CONSTANT, 1, 0, 0, 1),
            instruction(ATOMIC, FRAME, 1, -8, EXCHANGE),
        ];
        let registers = [
            instruction(CALL, 0, 0, 0, GET_CURRENT_TASK_BTF),
            instruction(MOVE, 1, 0, 0, 0),
            instruction(CALL, 0, 0, 0, TASK_PT_REGS),
        ];
        Self {
            // The cookie travels in a link to a perf event, which came at the same time.
            attach_cookies: aya::features().bpf_perf_link() && loads(&cookie),
            fetch_atomics: loads(&exchange),
            task_registers: loads(&registers),
        }
    }
}

/// Whether the kernel loads programs, but none that read its memory: it is locked down for
/// confidentiality (`kernel_lockdown(7)`), which programs cannot do without.
pub(super) fn is_locked_down() -> bool {
    let read = [
        instruction(STORE_CONSTANT, FRAME, 0, -8, 0),
        instruction(MOVE, 1, FRAME, 0, 0),
        instruction(ADD_CONSTANT, 1, 0, 0, -8),
        instruction(MOVE_CONSTANT, 2, 0, 0, 8),
        instruction(MOVE_CONSTANT, 3, 0, 0, 0),
        instruction(CALL, 0, 0, 0, PROBE_READ_KERNEL),
    ];
    !loads(&read) && loads(&[])
}

/// Whether a program of these instructions, which then gives 0, passes the verifier.
fn loads(body: &[bpf_insn]) -> bool {
    let end = [instruction(MOVE_CONSTANT, 0, 0, 0, 0), instruction(EXIT, 0, 0, 0, 0)];
    let image = ProgramImage {
        name: "ability",
        program_type: PROGRAM_KPROBE,
        license: c"GPL",
        attach_type: 0,
        instructions: &[body, &end].concat(),
        btf: None,
        function_info: (&[], 0),
        line_info: (&[], 0),
    };
    load_program(&image).is_ok()
}
