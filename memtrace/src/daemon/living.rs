//! A process as the search for functions looks at it ([`Living`]), from `/proc`.

use crate::probe::allocator::MappedFile;
use crate::probe::living::{Living, MappedCode};
use crate::procfs::{Mapping, Memory, Process};
use std::cell::OnceCell;

/// A process and its files. Nothing is read of it before it is asked for.
#[derive(Debug)]
pub struct LivingProcess<'a> {
    process: &'a Process,
    files: Vec<MappedFile>,
    memory: OnceCell<Option<Memory>>,
}

impl<'a> LivingProcess<'a> {
    /// `files` are those of which it maps code.
    #[must_use]
    pub const fn new(process: &'a Process, files: Vec<MappedFile>) -> Self {
        Self { process, files, memory: OnceCell::new() }
    }
}

impl Living for LivingProcess<'_> {
    fn files(&self) -> Vec<MappedFile> {
        self.files.clone()
    }

    fn code(&self) -> Vec<MappedCode> {
        // One that has ended maps nothing.
        let mappings = self.process.mappings().unwrap_or_default();
        mappings.iter().filter(|it| it.execute && it.inode != 0).map(code).collect()
    }

    fn word(&self, address: u64) -> Option<u64> {
        self.memory.get_or_init(|| Memory::open(self.process).ok()).as_ref()?.word(address)
    }
}

const fn code(mapping: &Mapping) -> MappedCode {
    MappedCode {
        start: mapping.start,
        end: mapping.end,
        offset: mapping.offset,
        device: mapping.device,
        inode: mapping.inode,
    }
}
