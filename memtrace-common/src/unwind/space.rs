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
    /// Number of the file's first page of text among the pages of all files.
    pub first_page: u32,
    /// The offset in the file of that page, in pages.
    pub low_page: u32,
    /// How many pages it has; 0 without a table.
    pub pages: u32,
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
