//! Floor 0: what the eBPF programs and the daemon agree on. `core` only, no allocation, no I/O.
#![cfg_attr(not(test), no_std)]

pub mod admission;
pub mod classes;
pub mod config;
pub mod function;
pub mod limits;
pub mod sampling;
pub mod site;
pub mod stack_id;
pub mod touches;
pub mod unwind;
pub mod usdt;
pub mod windows;
pub mod wire;
