//! Walking the stack of the current user thread.

pub(crate) mod native;
pub(crate) mod tables;
pub(crate) mod walk;
