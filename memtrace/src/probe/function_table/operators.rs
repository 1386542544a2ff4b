//! C++ `operator new` and `operator delete` in all their forms (C++17, \[new.delete\]; names as the
//! Itanium ABI mangles them for a 64-bit `size_t`).
//!
//! They matter where they do not end in `malloc` and `free`, which is so in allocators that bring their
//! own. The form that may not throw calls the program's new-handler as the others do, and is treated as
//! they are.

use super::Row;
use super::rows::{allocate, free};
use memtrace_common::function::FunctionId;
use memtrace_common::site::Aligned;

const fn new(name: &'static str) -> Row {
    Row { throws: true, ..allocate(name, FunctionId::OPERATOR_NEW, 0).nesting() }
}

const fn new_aligned(name: &'static str) -> Row {
    new(name).aligned(Aligned::By(1))
}

const fn array(row: Row) -> Row {
    Row { function: FunctionId::OPERATOR_NEW_ARRAY, ..row }
}

const fn delete(name: &'static str) -> Row {
    free(name, FunctionId::OPERATOR_DELETE)
}

const fn delete_array(name: &'static str) -> Row {
    free(name, FunctionId::OPERATOR_DELETE_ARRAY)
}

/// All of them.
pub(super) const OPERATORS: &[Row] = &[
    new("_Znwm"),
    new("_ZnwmRKSt9nothrow_t"),
    new_aligned("_ZnwmSt11align_val_t"),
    new_aligned("_ZnwmSt11align_val_tRKSt9nothrow_t"),
    array(new("_Znam")),
    array(new("_ZnamRKSt9nothrow_t")),
    array(new_aligned("_ZnamSt11align_val_t")),
    array(new_aligned("_ZnamSt11align_val_tRKSt9nothrow_t")),
    delete("_ZdlPv"),
    delete("_ZdlPvm"),
    delete("_ZdlPvRKSt9nothrow_t"),
    delete("_ZdlPvSt11align_val_t"),
    delete("_ZdlPvmSt11align_val_t"),
    delete("_ZdlPvSt11align_val_tRKSt9nothrow_t"),
    delete_array("_ZdaPv"),
    delete_array("_ZdaPvm"),
    delete_array("_ZdaPvRKSt9nothrow_t"),
    delete_array("_ZdaPvSt11align_val_t"),
    delete_array("_ZdaPvmSt11align_val_t"),
    delete_array("_ZdaPvSt11align_val_tRKSt9nothrow_t"),
];
