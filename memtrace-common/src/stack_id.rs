//! Numbers that call stacks go by: hashes over their frames that start with whose they are.

/// An odd constant with well-spread bits (the golden ratio times 2⁶⁴), as in Fibonacci hashing.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Takes one more word into a hash.
#[must_use]
#[inline(always)]
pub const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(MIX);
    mixed ^ (mixed >> 29)
}

/// What the stacks of a process with a version of its code ([`crate::unwind::Space::epoch`]) start with.
///
/// The process is mixed before the version joins it: of both at once, neighbours' stacks had the same numbers, as
/// 6 and 3 are together what 7 and 2 are.
#[must_use]
#[inline(always)]
pub const fn seed(process: u32, epoch: u64) -> u64 {
    mix(mix(0, process as u64), epoch)
}

#[cfg(test)]
mod tests {
    use super::seed;
    use std::collections::BTreeSet;

    #[test]
    fn neighbours_share_no_seed() {
        let epochs =
            (0..4_u64).flat_map(|program| (0..32).map(move |version| program << 32 | version));
        let seeds: BTreeSet<u64> =
            epochs.flat_map(|epoch| (1..1025).map(move |process| seed(process, epoch))).collect();
        assert_eq!(seeds.len(), 4 * 32 * 1024);
    }
}
