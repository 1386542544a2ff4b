//! A process's memory, opened for reading and nothing else.

use super::error::ProcfsError;
use super::process::Process;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// The memory that a process had when this was opened: not that of a program that it executes later
/// (`mem_open` in `fs/proc/base.c` takes hold of its address space).
#[derive(Debug)]
pub struct Memory(File);

impl Memory {
    /// Opens it. That takes the right to trace the process (`PTRACE_MODE_ATTACH`, `proc_pid_mem(5)`).
    ///
    /// # Errors
    /// When it has ended, or we may not look.
    pub fn open(process: &Process) -> Result<Self, ProcfsError> {
        let path = process.live_directory()?.join("mem");
        File::open(path)
            .map(Self)
            .map_err(|error| ProcfsError::reading(process.pid(), "mem", error))
    }

    /// The eight bytes at an address; `None` where nothing is mapped, or it may not be read.
    #[must_use]
    pub fn word(&self, address: u64) -> Option<u64> {
        // Offsets of files are signed: the kernel's half of the addresses is refused.
        i64::try_from(address).ok()?;
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, address).ok()?;
        Some(u64::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;
    use std::fs::File;

    #[test]
    fn words_are_read_where_there_are_any() {
        // Of ourselves, whom `Process` does not open.
        let memory = Memory(File::open("/proc/self/mem").unwrap());
        let word = std::hint::black_box(Box::new(0x0123_4567_89ab_cdef_u64));
        let address = std::ptr::from_ref(word.as_ref()) as u64;
        assert_eq!(memory.word(address), Some(*word));
        for address in [0, 8, u64::MAX, u64::MAX - 7, 1 << 63] {
            assert_eq!(memory.word(address), None, "{address:#x}");
        }
    }
}
