//! Rows that several allocators have, and how a row is written.

use super::Row;
use memtrace_common::function::FunctionId;
use memtrace_common::site::{Aligned, Argument, NO_ARGUMENT, Role};

pub(super) const fn allocate(name: &'static str, function: FunctionId, size: Argument) -> Row {
    Row {
        name,
        function,
        role: Role::Allocate,
        size,
        count: NO_ARGUMENT,
        pointer: NO_ARGUMENT,
        result_by_pointer: false,
        nests: false,
        aligned: Aligned::No,
        throws: false,
    }
}

pub(super) const fn free(name: &'static str, function: FunctionId) -> Row {
    Row { role: Role::Free, pointer: 0, ..allocate(name, function, NO_ARGUMENT) }
}

pub(super) const fn reallocate(name: &'static str, function: FunctionId, size: Argument) -> Row {
    Row { role: Role::Reallocate, pointer: 0, ..allocate(name, function, size) }.nesting()
}

pub(super) const MALLOC: Row = allocate("malloc", FunctionId::MALLOC, 0);
pub(super) const CALLOC: Row = Row { count: 0, ..allocate("calloc", FunctionId::CALLOC, 1) };
pub(super) const REALLOC: Row = reallocate("realloc", FunctionId::REALLOC, 1);
pub(super) const REALLOCARRAY: Row =
    Row { count: 1, ..reallocate("reallocarray", FunctionId::REALLOCARRAY, 2) };
pub(super) const POSIX_MEMALIGN: Row = Row {
    pointer: 0,
    result_by_pointer: true,
    ..allocate("posix_memalign", FunctionId::POSIX_MEMALIGN, 2).aligned(Aligned::By(1))
};
pub(super) const MEMALIGN: Row =
    allocate("memalign", FunctionId::MEMALIGN, 1).aligned(Aligned::By(0));
pub(super) const ALIGNED_ALLOC: Row =
    allocate("aligned_alloc", FunctionId::ALIGNED_ALLOC, 1).aligned(Aligned::By(0));
pub(super) const VALLOC: Row = allocate("valloc", FunctionId::VALLOC, 0).aligned(Aligned::ToPages);
pub(super) const PVALLOC: Row = allocate("pvalloc", FunctionId::PVALLOC, 0).nesting();
pub(super) const FREE: Row = free("free", FunctionId::FREE);

/// C23, which allocators begin to have.
pub(super) const FREE_SIZED: Row = free("free_sized", FunctionId::FREE_SIZED);
pub(super) const FREE_ALIGNED_SIZED: Row =
    free("free_aligned_sized", FunctionId::FREE_ALIGNED_SIZED);
