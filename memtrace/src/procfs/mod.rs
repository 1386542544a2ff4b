//! Floor 3: what `/proc` says of processes.

mod cgroup;
mod clock;
mod error;
mod mappings;
mod modules;
mod process;
mod stat;
mod status;
mod text;
mod usage;

pub use error::ProcfsError;
pub use mappings::{Mapping, heap_segment};
pub use modules::ModuleTable;
pub use process::{Opened, Process, Seccomp};
