//! Floor 3: what `/proc` says of processes, their mappings and their files.

mod build_id;
mod cgroup;
mod clocks;
mod cpu;
mod error;
mod facts;
mod foreseen;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod hostile;
mod mappers;
mod maps;
mod memory;
mod modules;
mod process;
mod smaps;
mod vdso;

pub use cgroup::{CgroupError, FoundCgroup, GroupReadings, UnifiedTree, find_cgroup};
pub use clocks::ClockOffsets;
pub use cpu::CpuTimes;
pub use error::ProcfsError;
pub use facts::ProcTree;
pub use foreseen::Foreseen;
pub use mappers::{FileNumber, mappers, maps_file};
pub use maps::{Mapping, heap_segment};
pub use memory::Memory;
pub use modules::{MappedFile, ModuleTable};
pub use process::{Process, Seccomp};
