//! What a report says of windows: times in which blocks were watched, and what is unknown since.

use crate::engine::snapshot::ProcessSnapshot;
use crate::model::ids::Nanos;

/// Windows of a process that was not watched all the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowReport {
    /// Blocks are watched now, or were when it ended.
    pub is_open: bool,
    /// How many windows there were.
    pub count: u32,
    /// For how long blocks were watched, ns, …
    pub watched: Nanos,
    /// … of so long.
    pub of: Nanos,
    /// How long ago the last window closed: what lived then is unknown since.
    pub unknown_for: Option<Nanos>,
}

impl WindowReport {
    /// `None`: it was watched all the time.
    #[must_use]
    pub fn of(process: &ProcessSnapshot) -> Option<Self> {
        let windows = &process.windows;
        (!windows.are_whole()).then(|| Self {
            is_open: windows.is_open(),
            count: windows.count,
            watched: windows.watched(process.until),
            of: process.until.saturating_sub(process.seen),
            unknown_for: windows.last_close.map(|closed| process.until.saturating_sub(closed)),
        })
    }
}
