//! Where code is mapped: the tables of mappings that user space keeps for the programs.

/// A mapping of code in a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CodeRange {
    /// Its first address.
    pub start: u64,
    /// The address behind its last one.
    pub end: u64,
    /// What to add to an address to get the offset in the file.
    pub to_offset: u64,
    /// The file's number plus one; 0 for code that is in no file.
    pub file: u32,
    /// Number of the file's first page of text among the pages of all files; [`CodeRange::AWAITED`] if its
    /// table is on its way.
    pub first_page: u32,
    /// The offset in the file of that page, in pages.
    pub low_page: u32,
    /// How many pages it has; 0 without a table.
    pub pages: u32,
}

impl CodeRange {
    /// In the place of the first page: there is no table yet, but soon there will be.
    pub const AWAITED: u32 = u32::MAX;
}

/// A process's mappings: part of the table of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Space {
    /// Index of its mapping with the lowest address.
    pub first: u32,
    /// How many it has, in order of their addresses.
    pub count: u32,
    /// Another number each time that anything is told of any process: a walk from before may have
    /// gone otherwise.
    pub generation: u64,
    /// The version of the process's code that the mappings are of, or a newer one. The high half counts
    /// the programs that it has executed, the low half the mappings of code since.
    pub epoch: u64,
}

impl Space {
    /// Whether two versions are of one program.
    #[must_use]
    #[inline(always)]
    pub const fn is_same_program(epoch: u64, other: u64) -> bool {
        Self::program(epoch) == Self::program(other)
    }

    /// The number of the program that a version is of. A forked child has its parent's until it executes another one.
    #[must_use]
    #[inline(always)]
    pub const fn program(epoch: u64) -> u64 {
        epoch >> 32
    }

    /// The first version of a process that begins at this time, ns: another one than an earlier process's
    /// with the same number, of which something may be left (the time comes round after an hour).
    #[must_use]
    #[inline(always)]
    pub const fn first_program(time: u64) -> u64 {
        (time >> 10) << 32
    }

    /// The version after an exec.
    #[must_use]
    #[inline(always)]
    pub const fn next_program(epoch: u64) -> u64 {
        ((epoch >> 32) + 1) << 32
    }
}

/// Mappings of code that a process got last and of which user space may not have told yet.
pub const FRESH_CODE: usize = 8;

/// Part of an address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Extent {
    /// Its first address.
    pub start: u64,
    /// The address behind its last one.
    pub end: u64,
}

impl Extent {
    /// Whether the two have an address in common.
    #[must_use]
    #[inline(always)]
    pub const fn overlaps(self, other: Self) -> bool {
        self.common(other) >> 63 != 0
    }

    /// The highest bit is set if the two have an address in common; addresses of user space are below
    /// 2⁶³. No branch, or the kernel's verifier would follow each way through a series of these.
    #[must_use]
    #[inline(always)]
    pub const fn common(self, other: Self) -> u64 {
        self.start.wrapping_sub(other.end) & other.start.wrapping_sub(self.end)
    }
}

/// How a process's code changes. What the kernel side and user space know of it are of different
/// moments; this tells whether they are about the same code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CodeChanges {
    /// How often code was taken away, or may have been.
    pub removed: u64,
    /// The code that came last, by the low bits of the version that it made.
    pub fresh: [Extent; FRESH_CODE],
}

/// A page of text: where its rows are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PageRows {
    /// Index of its first row.
    pub first: u32,
    /// How many it has.
    pub count: u32,
}
