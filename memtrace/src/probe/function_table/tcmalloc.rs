//! tcmalloc of gperftools (`gperftools/tcmalloc.h`).

use super::Row;
use super::rows::{
    ALIGNED_ALLOC, CALLOC, FREE, FREE_ALIGNED_SIZED, FREE_SIZED, MALLOC, MEMALIGN, POSIX_MEMALIGN,
    PVALLOC, REALLOC, REALLOCARRAY, VALLOC,
};

/// The standard names, or what follows `tc_`. In the library both have the same addresses. It has no
/// `reallocarray`, and glibc's calls `realloc`.
pub(super) const TCMALLOC: &[Row] = &[
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
    FREE_SIZED,
    FREE_ALIGNED_SIZED,
    Row { name: "malloc_skip_new_handler", ..MALLOC },
];

/// Other exported functions.
pub(super) const TCMALLOC_NEIGHBOURS: &[&str] =
    &["nallocx", "malloc_size", "malloc_usable_size", "malloc_stats", "mallopt", "mallinfo"];
