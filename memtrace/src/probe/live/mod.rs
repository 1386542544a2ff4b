//! The kernel side as user space sees it: the object loaded, the programs linked, the counters read.

pub mod btf;
pub mod calibrate;
mod error;
pub mod kernel_side;
pub mod link;
mod object;
pub mod release;
pub mod seccomp;
mod syscall;
mod tracefs;
mod tracepoints;

pub use error::LiveError;
