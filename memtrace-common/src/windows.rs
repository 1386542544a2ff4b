//! Windows: times in which a process's allocations and frees are told. Outside of them it has no probes, or
//! those that it meets for others' sake say nothing.

/// What is known of a process whose allocations are not told all the time: a value of the kernel side's map
/// `WINDOWS`. A process without an entry has always been open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct HeapWindow {
    /// 1: nothing is told of allocations and frees.
    pub closed: u64,
    /// When its probes were placed, ns (`CLOCK_MONOTONIC`): of a call that was entered before, the return was
    /// not seen, so it is pending no more. 0: they have been there from the beginning.
    pub since: u64,
}

impl HeapWindow {
    /// What [`Self::opened`] gives of one that is closed.
    pub const CLOSED: u64 = u64::MAX;

    /// From when on calls that were entered count; [`Self::CLOSED`]: none does.
    #[must_use]
    #[inline(always)]
    pub const fn opened(self) -> u64 {
        if self.closed != 0 { Self::CLOSED } else { self.since }
    }
}

#[cfg(test)]
mod tests {
    use super::HeapWindow;

    #[test]
    fn a_closed_one_takes_no_call() {
        assert_eq!(HeapWindow { closed: 0, since: 7 }.opened(), 7);
        assert_eq!(HeapWindow { closed: 1, since: 7 }.opened(), HeapWindow::CLOSED);
    }
}
