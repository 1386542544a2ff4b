//! The kernel side: observes allocator functions, mappings and processes; unwinds; emits; counts
//! every loss. Programs are grouped by what they watch in `probes`.
#![no_std]
#![no_main]
#![expect(internal_features, reason = "atomic operations; see `atomic`")]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(clippy::needless_pass_by_value, reason = "the program macros hand the context over")]
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "keys and values go to the kernel by address; saying so avoids copies on a 512-byte stack"
)]

mod atomic;
mod emit;
mod knobs;
mod maps;
mod memory;
mod numbers;
mod own_stack;
mod pending;
mod probes;
mod sampling;
mod sites;
mod stack;
mod unwind;
mod windows;

/// The kernel's helpers for reading other memory and walking stacks are open to GPL-compatible
/// programs only.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // Never reached: the verifier rejects a program in which this loop is reachable.
    loop {}
}
