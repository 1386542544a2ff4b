//! The C libraries.

use super::Row;
use super::rows::{
    ALIGNED_ALLOC, CALLOC, FREE, MALLOC, MEMALIGN, POSIX_MEMALIGN, PVALLOC, REALLOC, REALLOCARRAY,
    VALLOC,
};

/// glibc. `realloc(NULL, n)` jumps to `malloc`, the aligned family calls it for small alignments;
/// `malloc`, `calloc` and `free` call no other function of the table. Where several names share an
/// address (`memalign` and `aligned_alloc` before glibc 2.38) the first one here stands for it.
pub(super) const GLIBC: &[Row] = &[
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
pub(super) const MUSL: &[Row] = &[
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

/// Other exported functions of glibc's and musl's `malloc`, which mark where its code lies.
pub(super) const LIBC_NEIGHBOURS: &[&str] = &[
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
    // musl, whose malloc is in several object files.
    "__libc_malloc_impl",
    "__malloc_alloc_meta",
    "__malloc_allzerop",
    "__malloc_atfork",
    "__malloc_donate",
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
