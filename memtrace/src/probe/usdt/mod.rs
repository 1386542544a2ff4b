//! Probes that a program brings along to tell of sampled allocations: `otel_memory:alloc` and `:free`.
//!
//! The contract is `OpenTelemetry`'s (open-telemetry/opentelemetry-ebpf-profiler, pull requests 1672 and 1743;
//! jemalloc issue 3011): `alloc(pointer, size, weighted_bytes)` fires for an allocation that the program's
//! own sampler took, with what it stands for in bytes (size/p, where p is the probability with which it was
//! taken); `free(pointer)` for the free of one that was told of. Emitters of the contract's first draft send
//! a multiple of the sampling interval in place of size/p, which may be less than the size.

mod note;
mod operand;
mod search;

#[cfg(test)]
mod tests;

use super::allocator::{MappedFile, open};
use super::elf::{ElfError, Image, Source};
use memtrace_common::usdt::Operand;
use note::Note;
pub use operand::{OperandError, operands};
pub use search::{FoundProbes, StaticSearch};

/// Who defines the probes.
pub const PROVIDER: &str = "otel_memory";

/// What a probe tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tells {
    /// A sampled block is new.
    Allocation,
    /// A sampled block is given back.
    Free,
}

impl Tells {
    fn of(name: &str) -> Option<Self> {
        match name {
            "alloc" => Some(Self::Allocation),
            "free" => Some(Self::Free),
            _ => None,
        }
    }

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allocation => "alloc",
            Self::Free => "free",
        }
    }

    /// Arguments that the contract gives it.
    #[must_use]
    pub const fn arguments(self) -> usize {
        match self {
            Self::Allocation => 3,
            Self::Free => 1,
        }
    }
}

/// A place in a file where one of the probes fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticProbe {
    /// What it tells.
    pub tells: Tells,
    /// Offset in the file of the instruction that is probed.
    pub file_offset: u64,
    /// Offset in the file of its counter. The program fires the probe only while that is not 0.
    pub semaphore: Option<u64>,
    /// Where the arguments are, as many as the contract says.
    pub operands: Vec<Operand>,
}

/// A probe that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its name, without the provider.
    pub name: String,
    /// Its virtual address.
    pub address: u64,
    /// Why not.
    pub reason: Refusal,
}

/// Why a probe cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A probe that the contract does not have, or not yet.
    #[error("no probe that memtrace knows")]
    Unknown,
    /// Its address is not in the file's code.
    #[error("its address is not in the file's code")]
    NoCode,
    /// A breakpoint in the middle of another instruction would break the program.
    #[error("there is no nop at its address")]
    NoNop,
    /// Its counter is not in the file: the kernel finds counters by their place there.
    #[error("its semaphore is not in the file's data")]
    NoSemaphore,
    /// Its arguments cannot be read.
    #[error("its arguments cannot be read: {0}")]
    Operands(#[from] OperandError),
    /// It has fewer arguments than the contract says.
    #[error("it has {found} arguments, and the contract says {wanted}")]
    TooFew {
        /// As the contract says.
        wanted: usize,
        /// As the note says.
        found: usize,
    },
}

/// The contract's probes in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticProbes {
    /// Those that can be used.
    pub usable: Vec<StaticProbe>,
    /// Those that cannot.
    pub refused: Vec<Refused>,
    /// There are more than are read.
    pub more: bool,
}

impl StaticProbes {
    /// Whether the file has none at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.usable.is_empty() && self.refused.is_empty()
    }
}

/// Why it is not known which probes a file has.
#[derive(Debug, thiserror::Error)]
pub enum UsdtError {
    /// The file could not be opened.
    #[error("cannot open {file} to look for static probes: {source}")]
    Open {
        /// Which file, as the process sees it.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The file could not be read.
    #[error("cannot read the static probes of {file}: {source}")]
    Elf {
        /// Which file, as the process sees it.
        file: String,
        /// Why not.
        source: ElfError,
    },
}

/// The contract's probes in a file that a process maps. What is no ELF file for this machine has none.
///
/// # Errors
/// When it cannot be opened or read.
pub fn look_into(file: &MappedFile) -> Result<StaticProbes, UsdtError> {
    let name = || file.path.display().to_string();
    let handle = open(file).map_err(|source| UsdtError::Open { file: name(), source })?;
    match Image::open(&handle).and_then(|image| find(&image)) {
        Err(ElfError::NotElf | ElfError::Foreign) => Ok(StaticProbes::default()),
        found => found.map_err(|source| UsdtError::Elf { file: name(), source }),
    }
}

/// The contract's probes in a file.
///
/// # Errors
/// When the section that lists them cannot be read. A file without it has none.
pub fn find<S: Source + ?Sized>(image: &Image<'_, S>) -> Result<StaticProbes, ElfError> {
    let (notes, all) = note::of_provider(image, PROVIDER)?;
    let mut probes = StaticProbes { more: !all, ..StaticProbes::default() };
    for note in notes {
        match judge(image, &note) {
            Ok(probe) => probes.usable.push(probe),
            Err(reason) => {
                probes.refused.push(Refused { name: note.name, address: note.address, reason });
            }
        }
    }
    Ok(probes)
}

fn judge<S: Source + ?Sized>(image: &Image<'_, S>, note: &Note) -> Result<StaticProbe, Refusal> {
    let tells = Tells::of(&note.name).ok_or(Refusal::Unknown)?;
    let code = image.code(note.address, LONGEST_NOP);
    let file_offset = image.file_offset(note.address).filter(|_| !code.is_empty());
    let file_offset = file_offset.ok_or(Refusal::NoCode)?;
    if !is_nop(&code) {
        return Err(Refusal::NoNop);
    }
    let semaphore = note
        .semaphore
        .map(|address| image.file_offset(address).ok_or(Refusal::NoSemaphore))
        .transpose()?;
    let mut operands = operand::operands(&note.arguments)?;
    let (wanted, found) = (tells.arguments(), operands.len());
    if found < wanted {
        return Err(Refusal::TooFew { wanted, found });
    }
    operands.truncate(wanted);
    Ok(StaticProbe { tells, file_offset, semaphore, operands })
}

/// A nop with room for a call, which some emitters take in place of the one of a byte.
const LONG_NOP: [u8; 5] = [0x0f, 0x1f, 0x44, 0x00, 0x00];
const LONGEST_NOP: usize = LONG_NOP.len();

fn is_nop(code: &[u8]) -> bool {
    code.first() == Some(&0x90) || code == LONG_NOP
}
