//! Who is looked at, and who waits for it: first come, first served, and few at once.

use super::{MOST_LOOKS, Wish};
use crate::model::ids::Pid;
use std::collections::VecDeque;

/// See the file's head. Every process is here at most once.
#[derive(Debug, Default)]
pub(in crate::engine) struct Desk {
    waiting: VecDeque<Pid>,
    looking: Vec<Pid>,
    wishes: Vec<Wish>,
    /// Looks that were wished.
    pub(in crate::engine) looks: u64,
}

impl Desk {
    pub(in crate::engine) fn queue(&mut self, pid: Pid) {
        if !self.waiting.contains(&pid) && !self.looking.contains(&pid) {
            self.waiting.push_back(pid);
        }
    }

    /// The next process whose turn it is, if there is a place free. It must be given one, or is out of the queue.
    pub(in crate::engine) fn next(&mut self) -> Option<Pid> {
        if self.looking.len() >= MOST_LOOKS {
            return None;
        }
        self.waiting.pop_front()
    }

    pub(in crate::engine) fn open(&mut self, pid: Pid) {
        self.looking.push(pid);
        self.looks += 1;
        self.wishes.push(Wish::Open(pid));
    }

    pub(in crate::engine) fn close(&mut self, pid: Pid) {
        self.wishes.push(Wish::Close(pid));
    }

    /// The process has gone, or its look has ended. Gives whether it was looked at.
    pub(in crate::engine) fn leave(&mut self, pid: Pid) -> bool {
        self.waiting.retain(|it| *it != pid);
        let before = self.looking.len();
        self.looking.retain(|it| *it != pid);
        self.looking.len() < before
    }

    pub(in crate::engine) fn take_wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    pub(in crate::engine) fn counts(&self) -> (usize, usize) {
        (self.looking.len(), self.waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Desk, MOST_LOOKS, Wish};

    #[test]
    fn places_are_few_and_given_in_turn() {
        let mut desk = Desk::default();
        (1..=6).chain(1..=6).for_each(|pid| desk.queue(pid));
        let open = |desk: &mut Desk| {
            let next = desk.next();
            next.iter().for_each(|pid| desk.open(*pid));
            next
        };
        let opened: Vec<_> = (0..6).filter_map(|_| open(&mut desk)).collect();
        assert_eq!(opened, [1, 2, 3, 4]);
        assert_eq!((opened.len(), desk.counts()), (MOST_LOOKS, (4, 2)));
        desk.queue(2);
        assert!(desk.leave(2) && !desk.leave(2) && !desk.leave(6));
        assert_eq!((open(&mut desk), open(&mut desk)), (Some(5), None));
        desk.close(1);
        let wishes = desk.take_wishes();
        assert_eq!(wishes[..4], [1, 2, 3, 4].map(Wish::Open));
        assert_eq!(wishes[4..], [Wish::Open(5), Wish::Close(1)]);
        assert!(desk.take_wishes().is_empty() && desk.looks == 5);
    }
}
