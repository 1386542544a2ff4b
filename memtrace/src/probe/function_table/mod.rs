//! Allocators as data: which functions they have, what those do, and where their arguments are.

mod cuda;
mod jemalloc;
mod libc;
mod mimalloc;
mod operators;
mod rows;
mod tcmalloc;

use cuda::{DRIVER, DRIVER_LEFT_ALONE, RUNTIME, RUNTIME_LEFT_ALONE};
use jemalloc::{JEMALLOC, JEMALLOC_LEFT_ALONE, JEMALLOC_NEIGHBOURS};
use libc::{GLIBC, LIBC_NEIGHBOURS, MUSL};
use memtrace_common::function::FunctionId;
use memtrace_common::site::{Aligned, Argument, Role};
use mimalloc::{MIMALLOC, MIMALLOC_LEFT_ALONE, MIMALLOC_NEIGHBOURS};
use operators::OPERATORS;
use tcmalloc::{TCMALLOC, TCMALLOC_NEIGHBOURS};

/// A family of allocators that share their functions' names and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AllocatorKind {
    /// The GNU C library's `malloc` (ptmalloc).
    Glibc,
    /// musl's `malloc` (oldmalloc or mallocng).
    Musl,
    /// jemalloc, as a shared library or inside a program.
    Jemalloc,
    /// tcmalloc of gperftools, likewise.
    Tcmalloc,
    /// mimalloc, likewise.
    Mimalloc,
    /// The runtime interface of CUDA (`libcudart`, or inside a program): memory of devices.
    CudaRuntime,
    /// The driver interface of CUDA (`libcuda`), which the runtime calls.
    CudaDriver,
    /// Functions that the user describes: they are in no table.
    UserDefined,
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
    /// How it is told what the block is to be aligned to.
    pub aligned: Aligned,
    /// An exception may leave it: its return address must stay, and its `ret`s are probed instead.
    pub throws: bool,
}

impl Row {
    /// Whether the return must be seen. A block that is given back has nothing to return; what its
    /// function calls meanwhile is known to be nested only until then.
    #[must_use]
    pub const fn wants_return(&self) -> bool {
        !matches!(self.role, Role::Free) || self.nests
    }

    /// The argument positions that a program reads.
    #[must_use]
    pub const fn arguments(&self) -> [Argument; 4] {
        [self.size, self.count, self.pointer, self.aligned.argument()]
    }

    const fn nesting(self) -> Self {
        Self { nests: true, ..self }
    }

    /// Told an alignment, which the kernel side keeps for calls that nest alone.
    const fn aligned(self, aligned: Aligned) -> Self {
        Self { aligned, ..self.nesting() }
    }
}

impl AllocatorKind {
    /// All kinds that have tables.
    pub const ALL: [Self; 7] = [
        Self::Glibc,
        Self::Musl,
        Self::Jemalloc,
        Self::Tcmalloc,
        Self::Mimalloc,
        Self::CudaRuntime,
        Self::CudaDriver,
    ];

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
            Self::Jemalloc => "jemalloc",
            Self::Tcmalloc => "tcmalloc",
            Self::Mimalloc => "mimalloc",
            Self::CudaRuntime => "CUDA runtime",
            Self::CudaDriver => "CUDA driver",
            Self::UserDefined => "user-defined",
        }
    }

    /// The functions to probe. Several may have one address; the first of them stands for all.
    pub fn rows(self) -> impl Iterator<Item = &'static Row> {
        let (own, operators): (&[Row], &[Row]) = match self {
            Self::Glibc => (GLIBC, &[]),
            Self::Musl => (MUSL, &[]),
            Self::Jemalloc => (JEMALLOC, OPERATORS),
            Self::Tcmalloc => (TCMALLOC, OPERATORS),
            Self::Mimalloc => (MIMALLOC, OPERATORS),
            Self::CudaRuntime => (RUNTIME, &[]),
            Self::CudaDriver => (DRIVER, &[]),
            Self::UserDefined => (&[], &[]),
        };
        own.iter().chain(operators)
    }

    /// Functions that are left alone on purpose, and why.
    #[must_use]
    pub const fn left_alone(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Glibc | Self::Musl | Self::Tcmalloc | Self::UserDefined => &[],
            Self::Jemalloc => JEMALLOC_LEFT_ALONE,
            Self::Mimalloc => MIMALLOC_LEFT_ALONE,
            Self::CudaRuntime => RUNTIME_LEFT_ALONE,
            Self::CudaDriver => DRIVER_LEFT_ALONE,
        }
    }

    /// Prefixes that the functions' names may have, the usual one first. C++ operators have none.
    #[must_use]
    pub const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Glibc
            | Self::Musl
            | Self::Mimalloc
            | Self::CudaRuntime
            | Self::CudaDriver
            | Self::UserDefined => &[""],
            Self::Jemalloc => &["", "je_", "_rjem_", "_rjem_je_"],
            Self::Tcmalloc => &["", "tc_"],
        }
    }

    /// How names of functions begin that belong to the allocator's own code wherever they are global, as all are
    /// of an archive that is linked into a program.
    #[must_use]
    pub const fn inner_prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Mimalloc => &["mi_", "_mi_", "__mi_"],
            Self::Tcmalloc => &[
                "tc_",
                "_ZN8tcmalloc",
                "_ZNK8tcmalloc",
                "_ZN15MallocExtension",
                "MallocExtension_",
            ],
            Self::Glibc
            | Self::Musl
            | Self::Jemalloc
            | Self::CudaRuntime
            | Self::CudaDriver
            | Self::UserDefined => &[],
        }
    }

    /// Exported functions that are not probed but belong to the allocator's own code.
    #[must_use]
    pub const fn neighbours(self) -> &'static [&'static str] {
        match self {
            Self::Glibc | Self::Musl => LIBC_NEIGHBOURS,
            Self::Jemalloc => JEMALLOC_NEIGHBOURS,
            Self::Tcmalloc => TCMALLOC_NEIGHBOURS,
            Self::Mimalloc => MIMALLOC_NEIGHBOURS,
            Self::CudaRuntime | Self::CudaDriver | Self::UserDefined => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AllocatorKind;
    use memtrace_common::function::FunctionId;
    use memtrace_common::site::{Aligned, NO_ARGUMENT, Role};
    use std::collections::BTreeSet;

    #[test]
    fn rows_are_consistent() {
        for kind in AllocatorKind::ALL {
            let names: BTreeSet<_> = kind.rows().map(|row| row.name).collect();
            assert_eq!(names.len(), kind.rows().count(), "a name twice in {}", kind.name());
            for row in kind.rows() {
                assert_ne!(row.function, FunctionId::NONE, "{}", row.name);
                assert_eq!(row.wants_return(), row.role != Role::Free || row.nests, "{}", row.name);
                assert_eq!(row.size == NO_ARGUMENT, row.role == Role::Free, "{}", row.name);
                let has_pointer = row.role != Role::Allocate || row.result_by_pointer;
                assert_eq!(row.pointer != NO_ARGUMENT, has_pointer, "{}", row.name);
                assert!(row.nests || row.role != Role::Reallocate, "{}", row.name);
                let is_aligned = row.aligned != Aligned::No;
                assert!(!is_aligned || row.nests && row.role != Role::Free, "{}", row.name);
                let is_valloc = row.name.ends_with("valloc") && !row.name.ends_with("pvalloc");
                let says = (row.name.contains("align") || is_valloc) && row.role != Role::Free;
                let by_flags = matches!(row.aligned, Aligned::ByFlags(_));
                assert_eq!(is_aligned && !by_flags, says, "{}", row.name);
            }
        }
    }

    #[test]
    fn standard_names_have_their_own_numbers() {
        for row in AllocatorKind::Glibc.rows().filter(|row| row.name != "cfree") {
            assert_eq!(FunctionId::from_name(row.name), Some(row.function));
        }
    }
}
