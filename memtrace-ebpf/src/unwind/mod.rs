//! Walking the stack of the current user thread.

pub(crate) mod native;
