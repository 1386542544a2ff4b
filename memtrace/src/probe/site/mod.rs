//! The probe-site planner: which instruction of a function to put the probe on. Pure, over bytes.
//!
//! The first instruction is not always the best: a probe on `test %rdi,%rdi`, with which glibc's
//! `free` begins, is single-stepped and costs 2 to 60 times as much as one on the `je` behind it,
//! which the kernel emulates. A site behind the entry is taken only where it is *proven* that
//! - every call passes it exactly once (what returns before it did nothing, as `free(NULL)`),
//! - no argument that is read has been written before it,
//! - the return address's place is known; with a return probe it is still at `[rsp]`, for the kernel
//!   replaces that word, and replacing a saved register instead would kill the target.

pub mod exits;
pub mod flow;
pub mod kernel;
mod walk;

#[cfg(test)]
mod tests;

use flow::Flow;
use iced_x86::{Formatter as _, GasFormatter, Instruction, Register};
use kernel::Treatment;
use memtrace_common::site::Argument;
use walk::{Walk, Way};

/// Most bytes of a function that are looked at when its symbol has no size.
pub const DEFAULT_BYTES: usize = 4096;
/// Most instructions behind the entry that are considered.
const MAX_STEPS: usize = 64;

/// A function's machine code (x86-64).
pub struct Code<'a> {
    /// Virtual address of the first byte.
    pub address: u64,
    /// The body: as long as the symbol says, or up to [`DEFAULT_BYTES`].
    pub bytes: &'a [u8],
    /// Code elsewhere in the file: at most `length` bytes from `address`, empty where there is none.
    /// Compilers move cold parts of functions away, and they may jump back.
    pub outside: &'a dyn Fn(u64, usize) -> Vec<u8>,
}

/// Registers of the first six arguments (System V ABI), as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arguments(u8);

impl Arguments {
    const REGISTERS: [Register; 6] =
        [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];

    /// The set of these positions; numbers over 5 are no arguments.
    #[must_use]
    pub fn of(positions: &[Argument]) -> Self {
        Self(positions.iter().filter(|&&at| at < 6).fold(0, |set, at| set | 1 << at))
    }

    fn contains(self, register: Register) -> bool {
        let full = register.full_register();
        Self::REGISTERS
            .iter()
            .position(|&argument| argument == full)
            .is_some_and(|at| self.0 & 1 << at != 0)
    }
}

/// What the probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The return is probed too.
    pub returns: bool,
    /// The arguments that the program reads.
    pub arguments: Arguments,
}

/// An instruction that was not taken, and why.
pub type Refusal = (u32, String);

/// Where the probe goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSite {
    /// Bytes from the function's entry to the probed instruction.
    pub offset_in_function: u32,
    /// 8-byte words pushed before it: the return address is at `[rsp + 8 × pushed]`.
    pub pushed: u8,
    /// The kernel emulates the instruction. Otherwise each hit pays for a single step.
    pub emulated: bool,
    /// The instruction as gdb and objdump write it.
    pub instruction: String,
    /// Sites considered before, in order of address.
    pub refused: Vec<Refusal>,
}

/// No instruction of the function may be probed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no safe probe site: {reason}")]
pub struct NoSite {
    /// Why not even the entry.
    pub reason: String,
    /// All sites considered.
    pub refused: Vec<Refusal>,
}

/// Chooses the site. `is_entry` tells other functions' entries, where this one's code has ended.
///
/// # Errors
/// When nothing may be probed, not even the entry at the price of single-stepping.
pub fn plan(
    code: &Code<'_>,
    need: Need,
    is_entry: &dyn Fn(u64) -> bool,
) -> Result<PlannedSite, NoSite> {
    plan_with(code, need, is_entry, &flow::explore(code, is_entry))
}

/// As [`plan`], for a caller that has explored the function already.
///
/// # Errors
/// As [`plan`].
pub fn plan_with(
    code: &Code<'_>,
    need: Need,
    is_entry: &dyn Fn(u64) -> bool,
    flow: &Flow,
) -> Result<PlannedSite, NoSite> {
    let mut refused = Vec::new();
    let mut walk = Walk::new(code, need);
    for _ in 0..MAX_STEPS {
        let Some(instruction) = walk.instruction() else { break };
        let offset = walk.offset();
        if offset > 0 && is_entry(instruction.ip()) {
            refused.push((offset, "another function begins here".into()));
            break;
        }
        match judge(code, &walk, &instruction, flow) {
            Ok(()) => return Ok(site(&walk, &instruction, true, refused)),
            Err(reason) => refused.push((offset, reason)),
        }
        if let Way::Ends(reason) = walk.advance(&instruction) {
            refused.push((walk.offset(), reason.into()));
            break;
        }
    }
    at_entry(code, need, flow, refused)
}

/// Whether the probe may sit on this instruction; if not, why.
fn judge(
    code: &Code<'_>,
    walk: &Walk<'_>,
    instruction: &Instruction,
    flow: &Flow,
) -> Result<(), String> {
    match kernel::treatment(code.bytes.get(walk.offset() as usize..).unwrap_or_default()) {
        Treatment::Emulated => {}
        Treatment::SingleStepped => return Err(format!("{} is single-stepped", text(instruction))),
        Treatment::Refused(why) => return Err(format!("{}: {why}", text(instruction))),
    }
    walk.holds()?;
    passed_once(code, walk.offset(), flow)
}

/// Whether each call passes the instruction at `offset` once, as far as branches tell.
fn passed_once(code: &Code<'_>, offset: u32, flow: &Flow) -> Result<(), String> {
    let last = code.address.saturating_add(u64::from(offset));
    if let Some(target) = flow.branches.range(code.address..=last).next() {
        return Err(format!("a branch leads back to +{:#x}", target - code.address));
    }
    if offset == 0 {
        // The entry: a jump table holds no function's own entry.
        return Ok(());
    }
    if flow.indirect {
        return Err("a jump through a register or table may lead back".into());
    }
    if !flow.complete {
        return Err("the function's code could not be followed to its end".into());
    }
    Ok(())
}

/// The entry itself, whatever it costs.
fn at_entry(
    code: &Code<'_>,
    need: Need,
    flow: &Flow,
    refused: Vec<Refusal>,
) -> Result<PlannedSite, NoSite> {
    let walk = Walk::new(code, need);
    let checked = match (walk.instruction(), kernel::treatment(code.bytes)) {
        (None, _) => Err("the code cannot be decoded".to_owned()),
        (_, Treatment::Refused(why)) => Err(why.to_owned()),
        (Some(instruction), _) => passed_once(code, 0, flow).map(|()| instruction),
    };
    match checked {
        Ok(instruction) => Ok(site(&walk, &instruction, false, refused)),
        Err(reason) => Err(NoSite { reason, refused }),
    }
}

fn site(
    walk: &Walk<'_>,
    instruction: &Instruction,
    emulated: bool,
    refused: Vec<Refusal>,
) -> PlannedSite {
    PlannedSite {
        offset_in_function: walk.offset(),
        pushed: walk.pushed(),
        emulated,
        instruction: text(instruction),
        refused,
    }
}

fn text(instruction: &Instruction) -> String {
    let mut formatted = String::new();
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_branch_leading_zeros(false);
    formatter.options_mut().set_uppercase_hex(false);
    formatter.format(instruction, &mut formatted);
    formatted
}
