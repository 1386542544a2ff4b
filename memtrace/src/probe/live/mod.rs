//! The kernel side as user space sees it: the object loaded, the programs linked, the counters read.

pub mod abilities;
mod admission;
mod assembly;
pub mod btf;
pub mod calibrate;
pub mod ceiling;
pub mod code_tables;
mod entrance;
mod error;
mod faults;
pub mod kernel_side;
pub mod link;
mod lost_frees;
mod mapped;
mod memory_lock;
mod namespace;
mod object;
mod places;
pub mod release;
mod rings;
pub mod sampling;
pub mod seccomp;
mod static_probes;
mod syscall;
mod tracefs;
mod tracepoints;
pub mod verdict;
mod windows;

pub use error::LiveError;
