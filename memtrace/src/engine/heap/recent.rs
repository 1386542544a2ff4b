//! Which blocks are among the latest that their threads have allocated.

use std::collections::{HashMap, VecDeque};

/// Blocks that are followed at once in an address space. About 60 bytes each.
const MOST_FOLLOWED: usize = 1 << 20;
/// Threads of which the allocations are counted: those that have ended among them, as nobody tells of their end.
const MOST_THREADS: usize = 1 << 16;

/// One thread's latest blocks.
#[derive(Debug, Default)]
struct Latest {
    /// Allocations that it has made.
    made: u64,
    /// The addresses that they gave, oldest first; some of those blocks have gone.
    addresses: VecDeque<u64>,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Recent {
    /// Latest blocks of each thread.
    most: usize,
    threads: HashMap<u32, Latest>,
    /// By address: the thread, and which of its allocations it was.
    followed: HashMap<u64, (u32, u64)>,
    unfollowed: u64,
}

impl Recent {
    pub(super) fn new(most: u32) -> Self {
        let (threads, followed) = (HashMap::new(), HashMap::new());
        Self { most: most as usize, threads, followed, unfollowed: 0 }
    }

    /// A thread was given a block.
    pub(super) fn allocated(&mut self, thread: u32, address: u64) {
        if self.most == 0 {
            return;
        }
        let has_room = self.threads.len() < MOST_THREADS || self.threads.contains_key(&thread);
        if !has_room {
            self.followed.remove(&address);
            self.unfollowed += 1;
            return;
        }
        let latest = self.threads.entry(thread).or_default();
        latest.made += 1;
        latest.addresses.push_back(address);
        if latest.addresses.len() > self.most
            && let Some(oldest) = latest.addresses.pop_front()
        {
            // The address may be another block's by now.
            let number = latest.made - self.most as u64;
            if self.followed.get(&oldest) == Some(&(thread, number)) {
                self.followed.remove(&oldest);
            }
        }
        if self.followed.len() < MOST_FOLLOWED || self.followed.contains_key(&address) {
            self.followed.insert(address, (thread, latest.made));
        } else {
            self.unfollowed += 1;
        }
    }

    /// A block was given back: whether it was among the latest of the thread that had allocated it.
    pub(super) fn freed(&mut self, address: u64) -> bool {
        self.most > 0 && self.followed.remove(&address).is_some()
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
        let addresses = self.threads.values().map(|it| it.addresses.capacity()).sum::<usize>();
        self.followed.capacity() * size_of::<(u64, (u32, u64))>()
            + self.threads.capacity() * size_of::<(u32, Latest)>()
            + addresses * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_FOLLOWED, Recent};
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::collections::hash_map::Entry;

    #[test]
    fn a_block_is_recent_until_its_thread_allocates_again() {
        let mut recent = Recent::new(1);
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
        let mut recent = Recent::new(u32::MAX);
        for number in 0..MOST_FOLLOWED as u64 + 3 {
            recent.allocated(1, 16 * (number + 1));
        }
        assert_eq!(recent.unfollowed(), 3);
        assert!(recent.freed(16));
    }

    proptest! {
        #[test]
        fn it_does_as_counting_does(
            most in 1_u32..5,
            steps in prop::collection::vec((0_u32..3, 1_u64..6, any::<bool>()), 0..200),
        ) {
            let mut recent = Recent::new(most);
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
