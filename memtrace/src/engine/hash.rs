//! A seeded hash for the engine's own tables.
//!
//! Addresses and stack ids are chosen by the traced process, so a fixed hash would let it aim at
//! one slot of a table; the seed takes that away. The mixing step is a multiplication whose two
//! halves are folded together (as wyhash and its relatives do), twice: once is not enough to
//! scatter the arithmetic progressions that addresses are.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Odd constants without structure: 2⁶⁴ over the golden ratio, and over √3 rounded to odd.
const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x93cd_3a2c_8198_e269];

/// Mixes `value` under `seed`; all 64 bits of the result are good.
#[inline]
pub(crate) const fn mix(seed: u64, value: u64) -> u64 {
    fold(fold(value ^ seed, FACTORS[0]) ^ seed.rotate_left(32), FACTORS[1])
}

#[inline]
const fn fold(left: u64, right: u64) -> u64 {
    let product = left as u128 * right as u128;
    product as u64 ^ (product >> 64) as u64
}

/// A seed that differs from run to run. Nothing that the engine reports depends on it.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(0)
}

/// Builds [`Mixer`]s for `HashMap`s with small integer keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeded(pub(crate) u64);

impl BuildHasher for Seeded {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        Mixer { seed: self.0, state: 0 }
    }
}

/// A [`Hasher`] over integers.
pub(crate) struct Mixer {
    seed: u64,
    state: u64,
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.state = mix(self.seed ^ self.state, value);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}
