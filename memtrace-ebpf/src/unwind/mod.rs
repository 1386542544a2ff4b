//! Walking the stack of the current user thread.

pub(crate) mod cache;
pub(crate) mod changes;
pub(crate) mod copy;
pub(crate) mod native;
mod returns;
pub(crate) mod tables;
pub(crate) mod walk;
pub(crate) mod window;
