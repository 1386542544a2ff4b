//! Allocators as data: which functions they have, what those do, and where their arguments are.

use memtrace_common::function::FunctionId;
use memtrace_common::site::{Argument, NO_ARGUMENT, Role};

/// A family of allocators that share their functions' names and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AllocatorKind {
    /// The GNU C library's `malloc` (ptmalloc).
    Glibc,
    /// musl's `malloc` (oldmalloc or mallocng).
    Musl,
    /// jemalloc, as a shared library or inside a program.
    Jemalloc,
}

/// A function to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The symbol, without a prefix.
    pub name: &'static str,
    /// Its number in records.
    pub function: FunctionId,
    /// What it does.
    pub role: Role,
    /// Where the size is.
    pub size: Argument,
    /// Where a second factor of the size is.
    pub count: Argument,
    /// Where the block given is, or the place for the result.
    pub pointer: Argument,
    /// The result is stored through `pointer`.
    pub result_by_pointer: bool,
    /// May call or jump to another function of the table.
    pub nests: bool,
}

impl Row {
    /// Whether the return must be probed: a block that is given back has nothing to return.
    #[must_use]
    pub const fn wants_return(&self) -> bool {
        !matches!(self.role, Role::Free)
    }

    /// The argument positions that a program reads.
    #[must_use]
    pub const fn arguments(&self) -> [Argument; 3] {
        [self.size, self.count, self.pointer]
    }

    const fn nesting(self) -> Self {
        Self { nests: true, ..self }
    }
}

const fn allocate(name: &'static str, function: FunctionId, size: Argument) -> Row {
    Row {
        name,
        function,
        role: Role::Allocate,
        size,
        count: NO_ARGUMENT,
        pointer: NO_ARGUMENT,
        result_by_pointer: false,
        nests: false,
    }
}

const fn free(name: &'static str, function: FunctionId) -> Row {
    Row { role: Role::Free, pointer: 0, ..allocate(name, function, NO_ARGUMENT) }
}

const fn reallocate(name: &'static str, function: FunctionId, size: Argument) -> Row {
    Row { role: Role::Reallocate, pointer: 0, ..allocate(name, function, size) }.nesting()
}

const MALLOC: Row = allocate("malloc", FunctionId::MALLOC, 0);
const CALLOC: Row = Row { count: 0, ..allocate("calloc", FunctionId::CALLOC, 1) };
const REALLOC: Row = reallocate("realloc", FunctionId::REALLOC, 1);
const REALLOCARRAY: Row =
    Row { count: 1, ..reallocate("reallocarray", FunctionId::REALLOCARRAY, 2) };
const POSIX_MEMALIGN: Row = Row {
    pointer: 0,
    result_by_pointer: true,
    ..allocate("posix_memalign", FunctionId::POSIX_MEMALIGN, 2).nesting()
};
const MEMALIGN: Row = allocate("memalign", FunctionId::MEMALIGN, 1).nesting();
const ALIGNED_ALLOC: Row = allocate("aligned_alloc", FunctionId::ALIGNED_ALLOC, 1).nesting();
const VALLOC: Row = allocate("valloc", FunctionId::VALLOC, 0).nesting();
const PVALLOC: Row = allocate("pvalloc", FunctionId::PVALLOC, 0).nesting();
const FREE: Row = free("free", FunctionId::FREE);

/// glibc. `realloc(NULL, n)` jumps to `malloc`, the aligned family calls it for small alignments;
/// `malloc`, `calloc` and `free` call no other function of the table. Where several names share an
/// address (`memalign` and `aligned_alloc` before glibc 2.38) the first one here stands for it.
const GLIBC: &[Row] = &[
    MALLOC,
    CALLOC,
    REALLOC,
    REALLOCARRAY,
    POSIX_MEMALIGN,
    MEMALIGN,
    ALIGNED_ALLOC,
    VALLOC,
    PVALLOC,
    FREE,
    Row { name: "cfree", ..FREE },
];

/// musl: `calloc` calls `malloc`, and `posix_memalign` calls `aligned_alloc`.
const MUSL: &[Row] = &[
    MALLOC,
    CALLOC.nesting(),
    REALLOC,
    REALLOCARRAY,
    POSIX_MEMALIGN,
    MEMALIGN,
    ALIGNED_ALLOC,
    VALLOC,
    FREE,
];

/// jemalloc (jemalloc(3)): the standard names and its own interface.
const JEMALLOC: &[Row] = &[
    MALLOC,
    CALLOC,
    REALLOC,
    REALLOCARRAY,
    POSIX_MEMALIGN,
    MEMALIGN,
    ALIGNED_ALLOC,
    VALLOC,
    PVALLOC,
    FREE,
    allocate("mallocx", FunctionId::MALLOCX, 0),
    reallocate("rallocx", FunctionId::RALLOCX, 1),
    free("dallocx", FunctionId::DALLOCX),
    free("sdallocx", FunctionId::SDALLOCX),
];

/// Why jemalloc's C++ operators are not probed. Their fast paths do not pass `malloc` and `free`, so
/// what they do is not seen. But `operator new` throws from its own frame, whose return address a
/// return probe has replaced by one without unwind information: the unwinder would end the program.
const THROWS: &str = "C++ operators of jemalloc may throw, and unwinding through a return probe would \
                      end the program: what they allocate is not seen";
/// Left alone with them, or each delete would be one of an unknown block.
const FREES_UNSEEN: &str = "frees what jemalloc's `operator new` gave, which is not seen";

/// jemalloc's functions that are left alone.
const JEMALLOC_LEFT_ALONE: &[(&str, &str)] = &[
    ("xallocx", "resizes a block in place; the block keeps the size it was allocated with"),
    ("_Znwm", THROWS),
    ("_ZnwmRKSt9nothrow_t", THROWS),
    ("_ZnwmSt11align_val_t", THROWS),
    ("_ZnwmSt11align_val_tRKSt9nothrow_t", THROWS),
    ("_Znam", THROWS),
    ("_ZnamRKSt9nothrow_t", THROWS),
    ("_ZnamSt11align_val_t", THROWS),
    ("_ZnamSt11align_val_tRKSt9nothrow_t", THROWS),
    ("_ZdlPv", FREES_UNSEEN),
    ("_ZdlPvm", FREES_UNSEEN),
    ("_ZdlPvRKSt9nothrow_t", FREES_UNSEEN),
    ("_ZdlPvSt11align_val_t", FREES_UNSEEN),
    ("_ZdlPvmSt11align_val_t", FREES_UNSEEN),
    ("_ZdlPvSt11align_val_tRKSt9nothrow_t", FREES_UNSEEN),
    ("_ZdaPv", FREES_UNSEEN),
    ("_ZdaPvm", FREES_UNSEEN),
    ("_ZdaPvRKSt9nothrow_t", FREES_UNSEEN),
    ("_ZdaPvSt11align_val_t", FREES_UNSEEN),
    ("_ZdaPvmSt11align_val_t", FREES_UNSEEN),
    ("_ZdaPvSt11align_val_tRKSt9nothrow_t", FREES_UNSEEN),
];

/// Other exported functions of glibc's and musl's `malloc`, which mark where its code lies.
const LIBC_NEIGHBOURS: &[&str] = &[
    "malloc_usable_size",
    "malloc_trim",
    "malloc_stats",
    "malloc_info",
    "malloc_get_state",
    "malloc_set_state",
    "mallopt",
    "mallinfo",
    "mallinfo2",
    "independent_calloc",
    "independent_comalloc",
    "__default_morecore",
    "__libc_malloc",
    "__libc_free",
    "__libc_calloc",
    "__libc_realloc",
    "__libc_memalign",
    "__libc_valloc",
    "__libc_pvalloc",
    "__libc_mallopt",
    "__libc_mallinfo",
    "__posix_memalign",
    "__malloc_arena_thread_freeres",
    "__malloc_fork_lock_parent",
    "__malloc_fork_unlock_parent",
    "__malloc_fork_unlock_child",
];

/// Other exported functions of jemalloc.
const JEMALLOC_NEIGHBOURS: &[&str] = &[
    "xallocx",
    "sallocx",
    "nallocx",
    "mallctl",
    "mallctlnametomib",
    "mallctlbymib",
    "malloc_usable_size",
    "malloc_stats_print",
    "malloc_size",
];

impl AllocatorKind {
    /// All kinds that are known.
    pub const ALL: [Self; 3] = [Self::Glibc, Self::Musl, Self::Jemalloc];

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
            Self::Jemalloc => "jemalloc",
        }
    }

    /// The functions to probe. Several may have one address; the first of them stands for all.
    #[must_use]
    pub const fn rows(self) -> &'static [Row] {
        match self {
            Self::Glibc => GLIBC,
            Self::Musl => MUSL,
            Self::Jemalloc => JEMALLOC,
        }
    }

    /// Functions that are left alone on purpose, and why.
    #[must_use]
    pub const fn left_alone(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Glibc | Self::Musl => &[],
            Self::Jemalloc => JEMALLOC_LEFT_ALONE,
        }
    }

    /// Prefixes that the functions' names may have, the usual one first.
    #[must_use]
    pub const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Glibc | Self::Musl => &[""],
            Self::Jemalloc => &["", "je_", "_rjem_", "_rjem_je_"],
        }
    }

    /// Exported functions that are not probed but belong to the allocator's own code.
    #[must_use]
    pub const fn neighbours(self) -> &'static [&'static str] {
        match self {
            Self::Glibc | Self::Musl => LIBC_NEIGHBOURS,
            Self::Jemalloc => JEMALLOC_NEIGHBOURS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AllocatorKind;
    use memtrace_common::function::FunctionId;
    use memtrace_common::site::{NO_ARGUMENT, Role};
    use std::collections::BTreeSet;

    #[test]
    fn rows_are_consistent() {
        for kind in AllocatorKind::ALL {
            let names: BTreeSet<_> = kind.rows().iter().map(|row| row.name).collect();
            assert_eq!(names.len(), kind.rows().len(), "a name twice in {}", kind.name());
            for row in kind.rows() {
                assert_ne!(row.function, FunctionId::NONE, "{}", row.name);
                assert_eq!(row.wants_return(), row.role != Role::Free, "{}", row.name);
                assert_eq!(row.size == NO_ARGUMENT, row.role == Role::Free, "{}", row.name);
                let has_pointer = row.role != Role::Allocate || row.result_by_pointer;
                assert_eq!(row.pointer != NO_ARGUMENT, has_pointer, "{}", row.name);
                assert!(row.nests || row.role != Role::Reallocate, "{}", row.name);
            }
        }
    }

    #[test]
    fn standard_names_have_their_own_numbers() {
        for row in AllocatorKind::Glibc.rows().iter().filter(|row| row.name != "cfree") {
            assert_eq!(FunctionId::from_name(row.name), Some(row.function));
        }
    }
}
