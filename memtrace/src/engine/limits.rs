//! How much the engine may remember.

use super::alerts::Thresholds;
use super::snapshot::SnapshotOptions;
use super::zoom;
use serde::{Deserialize, Serialize};

/// Bounds of the engine's tables. What does not fit is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Live blocks, over all processes. At most 40 bytes each.
    pub max_blocks: usize,
    /// Of those, in each process, the ones that a program samples itself and tells of. About 60 bytes each.
    pub max_told_blocks: usize,
    /// Call stacks of such blocks in each process that have sums of their own. About 300 bytes each.
    pub max_told_stacks: usize,
    /// Distinct call stacks, over all processes. With the longest stacks, a full growth series and
    /// lifetimes about 3.5 KiB each.
    pub max_stacks: usize,
    /// Stack ids of the kernel side that are remembered, over all processes; each process may have
    /// a few in any case. About 64 bytes each. Should not be less than what the kernel side
    /// remembers ([`memtrace_common::limits::MAX_SENT_STACKS`]).
    pub max_stack_ids: usize,
    /// Processes that are watched at once.
    pub max_processes: usize,
    /// Entries of programs that have ended while their pid lives on.
    pub max_closed: usize,
    /// Ranges in each process's ledger of mappings. The kernel's own default limit is 65,530.
    pub max_ranges: usize,
    /// Modules.
    pub max_modules: usize,
    /// The options for the last look at a program that ends by exec: those of the reports to come.
    pub closing: SnapshotOptions,
    /// What processes may reach before there is an alert.
    pub alerts: Thresholds,
    /// What they may reach together.
    pub total_alerts: Thresholds,
    /// When processes are looked at more closely; `None`: all are, or none, all the time.
    pub zoom: Option<zoom::Settings>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_blocks: 5_000_000,
            max_told_blocks: 65_536,
            max_told_stacks: 4096,
            max_stacks: 65_536,
            max_stack_ids: 131_072,
            max_processes: memtrace_common::limits::USUAL_TARGETS as usize,
            max_closed: 64,
            max_ranges: 131_072,
            max_modules: 65_536,
            closing: SnapshotOptions::default(),
            alerts: Thresholds::default(),
            total_alerts: Thresholds::default(),
            zoom: None,
        }
    }
}
