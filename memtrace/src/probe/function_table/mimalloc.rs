//! mimalloc (`mimalloc.h`).

use super::Row;
use super::rows::{
    ALIGNED_ALLOC, CALLOC, FREE, FREE_ALIGNED_SIZED, FREE_SIZED, MALLOC, MEMALIGN, POSIX_MEMALIGN,
    PVALLOC, REALLOC, REALLOCARRAY, VALLOC, allocate, free, reallocate,
};
use memtrace_common::function::FunctionId;
use memtrace_common::site::Aligned;

const fn new(name: &'static str, row: Row) -> Row {
    Row { name, throws: true, function: FunctionId::OPERATOR_NEW, ..row.nesting() }
}

const ZALLOC: Row = allocate("mi_zalloc", FunctionId::MI_ZALLOC, 0).nesting();

/// The standard names, where the library replaces them, and its own. What forwards to another one of
/// them is found when they are planned: `realloc` ends in `mi_heap_realloc`, which therefore goes by the
/// name of the former, and so do the others.
pub(super) const MIMALLOC: &[Row] = &[
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
    Row { name: "vfree", ..FREE },
    Row { name: "reallocf", ..REALLOC },
    FREE_SIZED,
    FREE_ALIGNED_SIZED,
    Row { name: "mi_malloc", ..MALLOC },
    Row { name: "mi_calloc", ..CALLOC },
    Row { name: "mi_realloc", ..REALLOC },
    Row { name: "mi_reallocf", ..REALLOC },
    Row { name: "mi_reallocarray", ..REALLOCARRAY },
    Row { name: "mi_posix_memalign", ..POSIX_MEMALIGN },
    Row { name: "mi_memalign", ..MEMALIGN },
    Row { name: "mi_aligned_alloc", ..ALIGNED_ALLOC },
    Row { name: "mi_valloc", ..VALLOC },
    Row { name: "mi_pvalloc", ..PVALLOC },
    Row { name: "mi_free", ..FREE },
    Row { name: "mi_cfree", ..FREE },
    Row { name: "mi_free_size", ..FREE_SIZED },
    free("mi_free_size_aligned", FunctionId::FREE_ALIGNED_SIZED),
    free("mi_free_aligned", FunctionId::FREE_ALIGNED_SIZED),
    ZALLOC,
    Row { count: 0, ..allocate("mi_mallocn", FunctionId::MI_MALLOCN, 1).nesting() },
    allocate("mi_malloc_small", FunctionId::MI_MALLOC_SMALL, 0).nesting(),
    allocate("mi_zalloc_small", FunctionId::MI_ZALLOC_SMALL, 0).nesting(),
    Row { name: "mi_malloc_aligned", size: 0, aligned: Aligned::By(1), ..MEMALIGN },
    Row { name: "mi_malloc_aligned_at", size: 0, aligned: Aligned::By(1), ..MEMALIGN },
    Row { name: "mi_zalloc_aligned", size: 0, aligned: Aligned::By(1), ..MEMALIGN },
    Row { name: "mi_zalloc_aligned_at", size: 0, aligned: Aligned::By(1), ..MEMALIGN },
    Row { name: "mi_calloc_aligned", ..CALLOC.aligned(Aligned::By(2)) },
    Row { count: 1, ..reallocate("mi_reallocn", FunctionId::MI_REALLOCN, 2) },
    reallocate("mi_rezalloc", FunctionId::MI_REZALLOC, 1),
    Row { count: 1, ..reallocate("mi_recalloc", FunctionId::MI_RECALLOC, 2) },
    Row { name: "mi_realloc_aligned", ..REALLOC.aligned(Aligned::By(2)) },
    new("mi_new", MALLOC),
    new("mi_new_nothrow", MALLOC),
    new("mi_new_aligned", MALLOC.aligned(Aligned::By(1))),
    new("mi_new_aligned_nothrow", MALLOC.aligned(Aligned::By(1))),
    new("mi_new_n", Row { count: 0, ..allocate("mi_new_n", FunctionId::OPERATOR_NEW, 1) }),
    Row { name: "mi_heap_malloc", size: 1, ..MALLOC.nesting() },
    Row { name: "mi_heap_zalloc", size: 1, ..ZALLOC },
    Row { name: "mi_heap_calloc", count: 1, size: 2, ..CALLOC.nesting() },
    Row { name: "mi_heap_malloc_aligned", aligned: Aligned::By(2), ..MEMALIGN },
    Row { name: "mi_heap_realloc", pointer: 1, size: 2, ..REALLOC },
];

/// Functions that are left alone.
pub(super) const MIMALLOC_LEFT_ALONE: &[(&str, &str)] = &[
    ("mi_expand", "resizes a block in place; the block keeps the size it was allocated with"),
    ("mi_heap_destroy", "frees all blocks of a heap without naming them: they seem alive"),
    ("mi_new_realloc", "may throw, and frees as well"),
    ("mi_new_reallocn", "may throw, and frees as well"),
];

/// Other exported functions, and those that are global in an archive of it.
pub(super) const MIMALLOC_NEIGHBOURS: &[&str] = &[
    "mi_usable_size",
    "mi_good_size",
    "mi_collect",
    "mi_version",
    "malloc_usable_size",
    "malloc_size",
    "malloc_good_size",
    "reallocarr",
    "strdup",
    "strndup",
    "realpath",
    "_aligned_malloc",
    "__posix_memalign",
    "__libc_valloc",
    "__libc_pvalloc",
    "__libc_memalign",
];
