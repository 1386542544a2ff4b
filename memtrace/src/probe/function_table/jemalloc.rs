//! jemalloc.

use super::Row;
use super::rows::{
    ALIGNED_ALLOC, CALLOC, FREE, MALLOC, MEMALIGN, POSIX_MEMALIGN, PVALLOC, REALLOC, REALLOCARRAY,
    VALLOC, allocate, free, reallocate,
};
use memtrace_common::function::FunctionId;
use memtrace_common::site::Aligned;

/// jemalloc (jemalloc(3)): the standard names and its own interface.
pub(super) const JEMALLOC: &[Row] = &[
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
    allocate("mallocx", FunctionId::MALLOCX, 0).aligned(Aligned::ByFlags(1)),
    reallocate("rallocx", FunctionId::RALLOCX, 1).aligned(Aligned::ByFlags(2)),
    free("dallocx", FunctionId::DALLOCX),
    free("sdallocx", FunctionId::SDALLOCX),
];

/// Functions that are left alone.
pub(super) const JEMALLOC_LEFT_ALONE: &[(&str, &str)] =
    &[("xallocx", "resizes a block in place; the block keeps the size it was allocated with")];

/// Other exported functions of jemalloc.
pub(super) const JEMALLOC_NEIGHBOURS: &[&str] = &[
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
