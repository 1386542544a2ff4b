//! What the resident memory of a process is: the sums of one reading of `/proc/PID/smaps`.

use super::ids::Nanos;
pub use super::page_bits::PageBits;
use serde::{Deserialize, Serialize};

/// What a mapping is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PageKind {
    /// The segment that `brk` moves.
    HeapSegment = 0,
    /// A further arena of glibc's allocator.
    Arena = 1,
    /// Private memory without a file that is nothing else here.
    Anonymous = 2,
    /// A thread's stack.
    ThreadStack = 3,
    /// The main thread's stack.
    MainStack = 4,
    /// Memory that processes can share: memfd, System V, tmpfs, `MAP_SHARED` without a file.
    Shared = 5,
    /// Code of programs and libraries.
    Code = 6,
    /// Their other parts.
    ProgramData = 7,
    /// Other files, devices included.
    File = 8,
    /// What the kernel maps by itself, such as the vDSO.
    Kernel = 9,
}

impl PageKind {
    /// How many there are.
    pub const COUNT: usize = 10;

    /// All, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::HeapSegment,
        Self::Arena,
        Self::Anonymous,
        Self::ThreadStack,
        Self::MainStack,
        Self::Shared,
        Self::Code,
        Self::ProgramData,
        Self::File,
        Self::Kernel,
    ];

    /// Allocators may have their blocks in it.
    #[must_use]
    pub const fn may_hold_blocks(self) -> bool {
        matches!(self, Self::HeapSegment | Self::Arena | Self::Anonymous)
    }
}

/// Some mappings, added up. Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageSum {
    /// Mappings.
    pub mappings: u64,
    /// Address space.
    pub mapped: u64,
    /// `Rss:` of them.
    pub resident: u64,
    /// `Swap:` of them.
    pub swap: u64,
    /// Pages of hugetlbfs, which the kernel does not count as resident.
    pub hugetlb: u64,
    /// `AnonHugePages:` of them: resident in transparent huge pages, each of which one touch brings.
    pub huge: u64,
}

impl PageSum {
    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            mappings: self.mappings.saturating_add(other.mappings),
            mapped: self.mapped.saturating_add(other.mapped),
            resident: self.resident.saturating_add(other.resident),
            swap: self.swap.saturating_add(other.swap),
            hugetlb: self.hugetlb.saturating_add(other.hugetlb),
            huge: self.huge.saturating_add(other.huge),
        }
    }
}

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// When the reading began.
    pub began: Nanos,
    /// By kind, with [`PageKind`]'s numbers. Every mapping that was read is in exactly one.
    pub kinds: [PageSum; PageKind::COUNT],
    /// All mappings were read; else the reading was broken off, as it took too long.
    pub whole: bool,
    /// Resident by the kernel's own counter, read right afterwards, bytes.
    pub counted: u64,
    /// Threads.
    pub threads: u64,
    /// … of them whose stack pointer could be read.
    pub threads_placed: u64,
}

impl Picture {
    /// The sums of a kind.
    #[must_use]
    pub const fn of(&self, kind: PageKind) -> PageSum {
        self.kinds[kind as usize]
    }

    /// What is resident of the kinds that may hold blocks.
    #[must_use]
    pub fn resident_with_blocks(&self) -> u64 {
        let kinds = PageKind::ALL.into_iter().filter(|kind| kind.may_hold_blocks());
        kinds.fold(0, |sum: u64, kind| sum.saturating_add(self.of(kind).resident))
    }

    /// The sums of all kinds.
    #[must_use]
    pub fn sum(&self) -> PageSum {
        self.kinds.iter().fold(PageSum::default(), |sum, kind| sum.plus(*kind))
    }
}

/// A mapping that may hold blocks of allocators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// `Rss:` of it, bytes.
    pub resident: u64,
    /// What it is.
    pub kind: PageKind,
    /// The process may write there now.
    pub writable: bool,
    /// Which of its pages are there, where some are, others not, and it was looked at.
    pub pages: Option<PageBits>,
}
