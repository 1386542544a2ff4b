//! Which counted losses of frees the tables have been told of.

use crate::model::ids::Pid;
use std::collections::BTreeMap;

/// What was told, by process, and of processes that are not known.
#[derive(Debug, Default)]
pub(super) struct ToldFrees {
    by_process: BTreeMap<Pid, u64>,
    of_any: u64,
}

impl ToldFrees {
    /// How many more there are than were told; 0 for `pid` stands for any process. They are told then.
    pub(super) fn news(&mut self, pid: Pid, count: u64) -> u64 {
        let told = match pid {
            0 => &mut self.of_any,
            pid => self.by_process.entry(pid).or_default(),
        };
        count.saturating_sub(std::mem::replace(told, count))
    }

    /// The process has gone.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.by_process.remove(&pid);
    }
}

#[cfg(test)]
mod tests {
    use super::ToldFrees;

    #[test]
    fn each_loss_is_told_once() {
        let mut told = ToldFrees::default();
        assert_eq!([told.news(7, 3), told.news(7, 3), told.news(7, 10)], [3, 0, 7]);
        assert_eq!([told.news(0, 2), told.news(8, 1)], [2, 1]);
        told.forget(7);
        assert_eq!(told.news(7, 1), 1, "another process");
    }
}
