//! The arithmetic against floating point, and the statistics with fixed seeds.

use super::{LONGEST_INTERVAL, draw, step};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

fn generator() -> TestRng {
    TestRng::deterministic_rng(RngAlgorithm::ChaCha)
}

/// What `draw` should give, before rounding.
fn exact(interval: u64, random: u64) -> f64 {
    let x = random as f64 / 2_f64.powi(64);
    -(-x).ln_1p() * interval as f64
}

proptest! {
    #[test]
    fn draws_are_what_floating_point_gives(interval in 1..=LONGEST_INTERVAL, random in any::<u64>(),
                                           smaller in 0_u32..60) {
        let random = random >> smaller;
        // Near 1 the floating point of `exact` has no bits left.
        prop_assume!(random < u64::MAX - (1 << 24));
        let (drawn, exact) = (draw(interval, random) as f64, exact(interval, random));
        let error = (drawn - 1.0 - exact).abs();
        prop_assert!(error <= 1.0 + exact * 1e-5, "{drawn} is not {exact}");
    }

    #[test]
    fn nothing_makes_it_overflow(left in any::<u64>(), size in any::<u64>(), interval in any::<u64>(),
                                 random in any::<u64>()) {
        let (taken, rest) = step(left, size, interval, || random);
        prop_assert!(interval == 0 || rest > 0);
        prop_assert!(taken || rest <= left);
    }
}

#[test]
fn the_extremes_are_finite() {
    assert_eq!(draw(1, 0), 1);
    assert_eq!(draw(LONGEST_INTERVAL, 0), 1);
    // -ln(2⁻⁶⁴) is 44.36.
    assert_eq!(draw(1 << 20, u64::MAX) >> 20, 44);
    assert_eq!(draw(u64::MAX, u64::MAX), draw(LONGEST_INTERVAL, u64::MAX));
}

#[test]
fn an_interval_of_nothing_takes_everything() {
    assert_eq!(step(0, 16, 0, || unreachable!()), (true, 0));
    assert_eq!(step(100, 0, 0, || unreachable!()), (true, 0));
}

#[test]
fn what_is_left_runs_down() {
    assert_eq!(step(100, 60, 512, || unreachable!()), (false, 40));
    assert!(step(40, 40, 512, || 7).0);
    assert_eq!(step(2, 0, 512, || unreachable!()), (false, 1), "a block of 0 bytes is one");
}

/// Gaps are exponential: the shares below the deciles of that distribution (chi-square, 9 degrees of
/// freedom, 99.9 % below 27.88).
#[test]
fn gaps_have_the_right_distribution() {
    let mut generator = generator();
    for interval in [64_u64, 4096, 512 << 10, 1 << 30] {
        const DRAWS: u32 = 200_000;
        let mut shares = [0_u32; 10];
        for _ in 0..DRAWS {
            let gap = draw(interval, generator.next_u64());
            // Rounding up makes whole gaps: P(gap ≤ n) is the exponential's. Uniform within a step.
            let jitter = f64::from(generator.next_u32()) / 2_f64.powi(32);
            let below = |gap: f64| -(-gap / interval as f64).exp_m1();
            let (low, high) = (below(gap as f64 - 1.0), below(gap as f64));
            let place = low + (high - low) * jitter;
            shares[((place * 10.0) as usize).min(9)] += 1;
        }
        let expected = f64::from(DRAWS) / 10.0;
        let square = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        let chi: f64 = shares.iter().map(square).sum();
        assert!(chi < 27.88, "interval {interval}: {chi}, {shares:?}");
    }
}

/// The share of allocations that is taken is 1 − exp(−S/R), for many sizes and intervals, when sizes are
/// mixed: within four standard deviations.
#[test]
fn each_size_is_taken_as_often_as_it_should() {
    const SIZES: [u64; 8] = [0, 1, 16, 100, 1024, 5000, 65_536, 1 << 20];
    const EACH: u32 = 100_000;
    let mut generator = generator();
    for interval in [1_u64, 100, 4096, 64 << 10, 512 << 10] {
        let (mut left, mut taken) = (draw(interval, generator.next_u64()), [0_u32; SIZES.len()]);
        for _ in 0..EACH * SIZES.len() as u32 {
            let which = generator.next_u32() as usize % SIZES.len();
            let (is_taken, rest) = step(left, SIZES[which], interval, || generator.next_u64());
            left = rest;
            taken[which] += u32::from(is_taken);
        }
        for (size, taken) in SIZES.iter().zip(taken) {
            let probability = -(-((*size).max(1) as f64) / interval as f64).exp_m1();
            let expected = f64::from(EACH) * probability;
            // Each size comes about EACH times: that varies, too.
            let spread = (f64::from(EACH) * probability).sqrt();
            let off = (f64::from(taken) - expected).abs();
            assert!(
                off <= 4.0 * spread + 1.0,
                "{size} bytes, one in {interval}: {taken}, not {expected}"
            );
        }
    }
}
