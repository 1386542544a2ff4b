//! The programs that are traced.

pub(super) mod churn;
pub(super) mod compiler;
pub(super) mod nginx;
pub(super) mod python;
pub(in crate::bench) mod redis;
mod repeated;
pub(in crate::bench) mod server;
pub(super) mod sqlite;
pub(super) mod steady_redis;
mod talk;
