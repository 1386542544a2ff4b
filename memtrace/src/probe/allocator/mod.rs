//! Finds the allocators of a process among the files that it maps, and plans their probes.
//!
//! Every allocator that is found is probed, each for itself: a program whose `malloc` is jemalloc
//! may still reach the C library's own (`__libc_malloc`, a library bound before a preload), and one
//! process can map two C libraries. Neither calls the other's public functions for its own work.

mod chosen;
mod classes;
mod examine;
mod identify;
mod leave;
mod plan;
mod span;
mod user;

#[cfg(test)]
mod tests;

use super::function_table::AllocatorKind;
use crate::model::module::FileState;
pub use chosen::{Chosen, IndirectFunction};
use examine::Miss;
use memtrace_common::function::BlockKind;
use memtrace_common::site::Site;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
pub use user::{
    Missing, Slots, Unbound, UserDiscovery, UserFunctionError, UserNames, UserSearch, find_bound,
    find_user_functions,
};

/// Files whose allocators are remembered.
const MOST_KNOWN: usize = 4096;

/// A file that a process maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// Its path as the process sees it; for people and for recognising names.
    pub path: PathBuf,
    /// Device, major and minor number.
    pub device: (u32, u32),
    /// Inode number.
    pub inode: u64,
    /// What tells its content from others that it had.
    pub state: FileState,
    /// Where it can be opened now (`/proc/self/fd/N`, `/proc/PID/map_files/…`, or a path).
    pub open_path: PathBuf,
}

/// An allocator with its probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAllocator {
    /// Name and version for people: `glibc 2.36`.
    pub name: String,
    /// Which family.
    pub kind: AllocatorKind,
    /// The file that holds it.
    pub file: MappedFile,
    /// What is probed, in the table's order.
    pub functions: Vec<PlannedFunction>,
    /// What is not probed, and why.
    pub skipped: Vec<Skipped>,
    /// Functions of which each process has to be asked what they stand for ([`Search::chosen`]).
    pub indirect: Vec<IndirectFunction>,
}

impl FoundAllocator {
    /// The names of a process's allocators; with their files, where there are several: two files may hold the
    /// same one.
    #[must_use]
    pub fn names(all: &[Self]) -> Vec<String> {
        // The names of those that the user describes say their files already.
        let own = |found: &&Self| found.kind != AllocatorKind::UserDefined;
        let several = all.iter().filter(own).count() > 1;
        let name =
            |found: &Self| match found.file.path.file_name().filter(|_| several && own(&found)) {
                Some(file) => format!("{} of {}", found.name, file.to_string_lossy()),
                None => found.name.clone(),
            };
        all.iter().map(name).collect()
    }

    /// Where its own code lies in the file: offsets, the first one and the first after it. Nothing of pools and
    /// devices, whose memory is no part of the heap.
    pub fn own_code(&self) -> impl Iterator<Item = (u64, u64)> {
        let heap = |it: &&PlannedFunction| it.site.function.kind() == BlockKind::Heap;
        self.functions.iter().filter(heap).map(|it| it.site.span_around(it.file_offset))
    }

    /// What people must know if C++ operators of its own are not probed.
    #[must_use]
    pub fn operators_not_seen(&self) -> Option<String> {
        if self.kind == AllocatorKind::UserDefined {
            // Each of those is told by its name.
            return None;
        }
        let first = self.skipped.iter().find(|it| it.reason.starts_with(plan::MAY_THROW))?;
        let operators = self.skipped.iter().filter(|it| it.reason == first.reason).count();
        Some(format!(
            "{}: {operators} forms of C++ `operator new` are not probed, and what they allocate is not \
             seen: {}",
            self.name, first.reason
        ))
    }
}

/// A function with its probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFunction {
    /// The symbol, with its prefix.
    pub symbol: String,
    /// Other names of the same code: one probe serves them all.
    pub aliases: Vec<String>,
    /// Of an IFUNC: the function for which it stands in the process, by name or offset in the file.
    pub implementation: Option<String>,
    /// Bytes from the function's entry to the probed instruction.
    pub offset_in_function: u32,
    /// Offset in the file of the probed instruction: where the link attaches.
    pub file_offset: u64,
    /// What the link's cookie says.
    pub site: Site,
    /// The return is seen too.
    pub wants_return: bool,
    /// Offsets in the file of its `ret`s, where those are probed in place of the return.
    pub exits: Vec<u64>,
    /// The kernel emulates the probed instruction; otherwise it single-steps it, which is dear.
    pub emulated: bool,
    /// The probed instruction as gdb writes it.
    pub instruction: String,
}

/// Something that is not probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// A function's or file's name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What the search brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Allocators with at least one probe.
    pub allocators: Vec<FoundAllocator>,
    /// Files that define `malloc` but belong to no allocator that is known, or could not be probed.
    pub not_probed: Vec<Skipped>,
}

/// Why no probes can be planned.
#[derive(Debug, thiserror::Error)]
pub enum AllocatorError {
    /// No file holds an allocator that is known.
    #[error(
        "no allocator found: looked for the functions of glibc, musl, jemalloc, tcmalloc, mimalloc and CUDA in {}{}",
        join(.looked_in),
        remedy(.looked_in)
    )]
    NoneFound {
        /// Each file that was looked at, and what was found there.
        looked_in: Vec<Skipped>,
    },
}

fn join(looked_in: &[Skipped]) -> String {
    const MOST: usize = 8;
    if looked_in.is_empty() {
        return "no file (the process maps none)".to_owned();
    }
    let mut names: Vec<String> = looked_in
        .iter()
        .take(MOST)
        .map(|file| format!("{} ({})", file.name, file.reason))
        .collect();
    if looked_in.len() > MOST {
        names.push(format!("and {} more", looked_in.len() - MOST));
    }
    names.join(", ")
}

fn remedy(looked_in: &[Skipped]) -> &'static str {
    if looked_in.iter().any(|file| file.reason.contains(examine::STATIC_WITHOUT_SYMBOLS)) {
        "; trace a build of the program that is not stripped, or describe its functions by their offsets in the \
         file: --alloc-fn 'FILE:+0x1a2b(size=0)'"
    } else {
        ""
    }
}

/// Finds every allocator among `files` and plans its probes. Files that occur twice are looked at
/// once; the program's own file should come first, as it does in the dynamic linker's order.
///
/// # Errors
/// When there is none, with what was looked for where.
pub fn find(files: &[MappedFile]) -> Result<Discovery, AllocatorError> {
    Search::default().find(files)
}

/// What was found in files, as most processes of a machine map the same ones.
#[derive(Debug, Default)]
pub struct Search {
    known: BTreeMap<FileKey, Result<Vec<FoundAllocator>, Miss>>,
    slots: Slots,
    choices: chosen::KnownChoices,
}

/// Device, inode, and what tells its content from others that it had.
type FileKey = ((u32, u32), u64, FileState);

fn key(file: &MappedFile) -> FileKey {
    (file.device, file.inode, file.state)
}

impl Search {
    /// As [`find`]; a file that was looked at before is not looked at again.
    ///
    /// # Errors
    /// As [`find`].
    pub fn find(&mut self, files: &[MappedFile]) -> Result<Discovery, AllocatorError> {
        let mut discovery = Discovery::default();
        let mut looked_in = Vec::new();
        let mut seen = BTreeSet::new();
        for file in files.iter().filter(|file| seen.insert((file.device, file.inode))) {
            let name = file.path.display().to_string();
            match self.examine(file) {
                Ok(found) => discovery.allocators.extend(found),
                Err(Miss::NothingHere(reason) | Miss::Unopened(reason)) => {
                    looked_in.push(Skipped { name, reason });
                }
                Err(Miss::NotProbed(reason)) => {
                    discovery.not_probed.push(Skipped { name, reason });
                }
            }
        }
        if discovery.allocators.is_empty() {
            looked_in.splice(0..0, discovery.not_probed);
            return Err(AllocatorError::NoneFound { looked_in });
        }
        Ok(discovery)
    }

    fn examine(&mut self, file: &MappedFile) -> Result<Vec<FoundAllocator>, Miss> {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        let key = key(file);
        let known = self.known.get(&key).cloned();
        let found = known.unwrap_or_else(|| {
            let found = examine::examine(file);
            if !matches!(found, Err(Miss::Unopened(_))) {
                self.known.insert(key, found.clone());
            }
            found
        })?;
        // Each process has its own path to it.
        Ok(found.into_iter().map(|it| FoundAllocator { file: file.clone(), ..it }).collect())
    }
}

/// Opens the file, if it is a regular one.
pub(super) fn open(file: &MappedFile) -> std::io::Result<File> {
    // Not to hang on a FIFO put in the file's place.
    let handle =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&file.open_path)?;
    if handle.metadata()?.is_file() {
        Ok(handle)
    } else {
        Err(std::io::Error::other("no regular file"))
    }
}
