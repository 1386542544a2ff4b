//! Which blocks are among the latest that their threads have allocated.

use crate::engine::hash::{Seeded, random_seed};
use std::collections::HashMap;

/// Threads of which the allocations are counted: those that have ended among them, as nobody tells of their end.
const MOST_THREADS: usize = 1 << 16;
/// Blocks that are followed before those that are recent no more are looked for.
const FIRST_LOOK: usize = 1 << 10;

/// See the file's head.
#[derive(Debug)]
pub(super) struct Recent {
    /// Latest blocks of each thread.
    most: u64,
    /// Blocks that are followed at once. About 60 bytes each.
    room: usize,
    /// Allocations that each thread has made.
    made: HashMap<u32, u64, Seeded>,
    /// By address: the thread, and which of its allocations it was. Some of them are recent no more.
    followed: HashMap<u64, (u32, u64), Seeded>,
    /// Allocations until those are looked for.
    until_look: usize,
    unfollowed: u64,
}

impl Recent {
    /// The latest `most` blocks of each thread, of which there is room for so many.
    pub(super) fn new(most: u32, room: usize) -> Self {
        let seeded = Seeded(random_seed());
        let (made, followed) = (HashMap::with_hasher(seeded), HashMap::with_hasher(seeded));
        let until_look = FIRST_LOOK.min(room);
        Self { most: most.into(), room, made, followed, until_look, unfollowed: 0 }
    }

    /// A thread was given a block.
    pub(super) fn allocated(&mut self, thread: u32, address: u64) {
        if self.most == 0 {
            return;
        }
        // The address may have been another block's.
        self.followed.remove(&address);
        let has_room = self.made.len() < MOST_THREADS || self.made.contains_key(&thread);
        if !has_room {
            self.unfollowed += 1;
            return;
        }
        let made = self.made.entry(thread).or_default();
        *made += 1;
        let number = *made;
        self.look();
        if self.followed.len() < self.room {
            self.followed.insert(address, (thread, number));
        } else {
            self.unfollowed += 1;
        }
    }

    /// Looks for those that are recent no more: before there is no room, and not so often that it costs much.
    fn look(&mut self) {
        self.until_look = self.until_look.saturating_sub(1);
        if self.until_look > 0 {
            return;
        }
        let (made, most) = (&self.made, self.most);
        self.followed.retain(|_, (thread, number)| is_recent(made, most, *thread, *number));
        let left = self.followed.len();
        let free = self.room.saturating_sub(left);
        self.until_look = free.clamp(left / 4, left.max(FIRST_LOOK)).max(1);
    }

    /// A block was given back: whether it was among the latest of the thread that had allocated it.
    pub(super) fn freed(&mut self, address: u64) -> bool {
        let found = self.followed.remove(&address);
        found.is_some_and(|(thread, number)| is_recent(&self.made, self.most, thread, number))
    }

    /// A block has gone of which it is not known any more whether it was among them.
    pub(super) const fn lose_one(&mut self) {
        if self.most > 0 {
            self.unfollowed += 1;
        }
    }

    /// Nothing is known any more of what lives.
    pub(super) fn forget(&mut self) {
        self.followed.clear();
    }

    /// Allocations that were not followed for want of room.
    pub(super) const fn unfollowed(&self) -> u64 {
        self.unfollowed
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.followed.capacity() * size_of::<(u64, (u32, u64))>()
            + self.made.capacity() * size_of::<(u32, u64)>()
    }
}

fn is_recent(made: &HashMap<u32, u64, Seeded>, most: u64, thread: u32, number: u64) -> bool {
    made.get(&thread).is_some_and(|made| made - number < most)
}

#[cfg(test)]
mod tests {
    use super::{FIRST_LOOK, Recent};
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::collections::hash_map::Entry;

    #[test]
    fn a_block_is_recent_until_its_thread_allocates_again() {
        let mut recent = Recent::new(1, 100);
        recent.allocated(1, 16);
        recent.allocated(2, 32);
        assert!(recent.freed(16), "another thread's allocation does not count");
        assert!(!recent.freed(16));
        // The same address again, and another one after it.
        recent.allocated(1, 16);
        recent.allocated(1, 48);
        assert!(!recent.freed(16));
        assert!(recent.freed(48) && recent.freed(32));
    }

    #[test]
    fn without_room_it_counts() {
        let mut recent = Recent::new(u32::MAX, 100);
        for number in 0..103 {
            recent.allocated(1, 16 * (number + 1));
        }
        assert_eq!(recent.unfollowed(), 3);
        assert!(recent.freed(16) && !recent.freed(16 * 103));
    }

    /// However long it goes on: what is recent no more makes room.
    #[test]
    fn blocks_that_live_on_take_no_room() {
        let room = 4 * FIRST_LOOK;
        let mut recent = Recent::new(10, room);
        for number in 0..100 * room as u64 {
            recent.allocated(number as u32 % 3, 16 * (number + 1));
            assert!(recent.followed.len() <= 2 * FIRST_LOOK);
        }
        assert_eq!(recent.unfollowed(), 0);
        let bytes = recent.memory_bytes();
        assert!(bytes < 100 * room, "{bytes}");
    }

    proptest! {
        #[test]
        fn it_does_as_counting_does(
            most in 1_u32..5,
            steps in prop::collection::vec((0_u32..3, 1_u64..6, any::<bool>()), 0..200),
        ) {
            let mut recent = Recent::new(most, 6);
            let (mut made, mut live) = (HashMap::<u32, u64>::new(), HashMap::new());
            for (thread, address, is_free) in steps {
                if is_free {
                    let expected = live.remove(&address).is_some_and(|(thread, number)| {
                        made[&thread] - number < u64::from(most)
                    });
                    prop_assert_eq!(recent.freed(address), expected);
                } else if let Entry::Vacant(place) = live.entry(address) {
                    let made = made.entry(thread).or_default();
                    *made += 1;
                    place.insert((thread, *made));
                    recent.allocated(thread, address);
                }
            }
        }
    }
}
