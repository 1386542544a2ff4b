//! Programs as they are in the books, simulated: the verdict on each.

use super::judge::{COHORTS, Evidence, Trend, judge};
use super::survival::{Lifetimes, class};
use crate::model::ids::{Nanos, SECOND};
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

const WATCH: Nanos = 160 * SECOND;
const STEP: Nanos = SECOND / 10;
const POINTS: u64 = 16;

/// A block: born, bytes, and when it is freed (`Nanos::MAX`: never).
type Life = (Nanos, u64, Nanos);

/// What is seen of such blocks at the end of the watch.
fn evidence(lives: &[Life]) -> Evidence {
    let mut evidence = Evidence { watched: WATCH, ..Evidence::default() };
    let mut lifetimes = Lifetimes::default();
    for &(born, bytes, freed) in lives {
        evidence.allocated.0 += bytes;
        evidence.allocated.1 += 1;
        if freed <= WATCH {
            lifetimes.freed[class(freed - born)] += 1;
        } else {
            lifetimes.alive[class(WATCH - born)] += 1;
            let cohort = born * COHORTS as u64 / WATCH;
            evidence.cohorts[(cohort as usize).min(COHORTS - 1)] += 1;
        }
    }
    evidence.lifetimes = Some(lifetimes);
    for point in 0..=POINTS {
        let time = WATCH * point / POINTS;
        let is_held = |(born, _, freed): &&Life| *born <= time && *freed > time;
        evidence.held.push((time, lives.iter().filter(is_held).map(|life| life.1).sum()));
    }
    evidence
}

/// One block per step; `end` says when it goes.
fn lives(mut end: impl FnMut(u64, Nanos) -> Nanos) -> Vec<Life> {
    let steps = WATCH / STEP;
    (0..steps).map(|step| (step * STEP, 1000, end(step, step * STEP))).collect()
}

fn trend(lives: &[Life]) -> Trend {
    judge(&evidence(lives)).trend
}

fn generator() -> TestRng {
    TestRng::deterministic_rng(RngAlgorithm::ChaCha)
}

#[test]
fn a_leak_grows() {
    assert_eq!(trend(&lives(|_, _| Nanos::MAX)), Trend::Growing);
    assert_eq!(
        trend(&lives(|step, born| if step % 10 == 0 { Nanos::MAX } else { born + SECOND })),
        Trend::Growing
    );
}

#[test]
fn a_cache_that_has_filled_is_stable() {
    // It fills in a quarter of the watch, and then keeps what it has …
    let fills: Vec<Life> =
        lives(|_, _| Nanos::MAX).into_iter().filter(|life| life.0 < WATCH / 4).collect();
    assert_eq!(trend(&fills), Trend::Stable);
    // … or gives up the oldest for the newest.
    assert_eq!(trend(&lives(|_, born| born + WATCH / 4)), Trend::Stable);
}

#[test]
fn a_cache_that_still_fills_grows() {
    assert_eq!(trend(&lives(|_, born| born + 2 * WATCH)), Trend::Growing);
}

#[test]
fn steady_churn_is_stable() {
    let mut generator = generator();
    let churn = lives(|_, born| born + Nanos::from(generator.next_u32()) % (10 * SECOND));
    assert_eq!(trend(&churn), Trend::Stable);
}

#[test]
fn a_sawtooth_is_stable() {
    // Freed all at once, every 25 s.
    let period = 25 * SECOND;
    assert_eq!(trend(&lives(|_, born| (born / period + 1) * period)), Trend::Stable);
    let period = 7 * SECOND;
    assert_eq!(trend(&lives(|_, born| (born / period + 1) * period)), Trend::Stable);
}

#[test]
fn a_slow_leak_under_heavy_churn_grows() {
    // One of 50 blocks stays; the rest live for up to ten seconds in bursts that go up and down by more
    // than the leak does in the whole watch.
    let mut generator = generator();
    let steps = WATCH / STEP;
    let mut lives = Vec::new();
    for step in 0..steps {
        let born = step * STEP;
        for _ in 0..generator.next_u32() % 20 {
            lives.push((born, 1000, born + Nanos::from(generator.next_u32()) * 2));
        }
        if step % 5 == 0 {
            lives.push((born, 1000, Nanos::MAX));
        }
    }
    let judgement = judge(&evidence(&lives));
    assert_eq!(judgement.trend, Trend::Growing, "{judgement:?}");
    let staying = judgement.staying.unwrap();
    let stay = lives.iter().filter(|life| life.2 == Nanos::MAX).count() as f64;
    let share = stay / lives.len() as f64;
    assert!(staying.low < share && share < staying.high, "{share}: {staying:?}");
}

/// What is said of it is what it gained on average: that it is flat now is no reason to call a leak 0 B/s.
#[test]
fn a_leak_that_rests_at_the_end_grows_by_what_stays() {
    let rests: Vec<Life> =
        lives(|_, _| Nanos::MAX).into_iter().filter(|life| life.0 < WATCH * 17 / 32).collect();
    let judgement = judge(&evidence(&rests));
    assert!(judgement.grows_by_what_stays(), "{judgement:?}");
    assert_eq!(judgement.speed(), Some(judgement.least_gain));
    let gained = rests.len() as f64 * 1000.0 / (WATCH / SECOND) as f64;
    assert!(judgement.least_gain > gained * 0.9 && judgement.least_gain <= gained, "{gained}");
    let grows = judge(&evidence(&lives(|_, _| Nanos::MAX)));
    assert!(!grows.grows_by_what_stays(), "{grows:?}");
    assert_eq!(grows.speed(), grows.slope.map(|slope| slope.middle));
}

/// Large blocks that go, and small ones of the same stack that stay: what it gains is that of the small ones.
#[test]
fn what_stays_is_no_more_than_what_is_held() {
    let mut generator = generator();
    let mut mixed = Vec::new();
    for step in 0..WATCH / STEP {
        let born = step * STEP;
        mixed.push((born, 16, Nanos::MAX));
        for _ in 0..generator.next_u32() % 20 {
            mixed.push((born, 1 << 20, born + Nanos::from(generator.next_u32())));
        }
    }
    let evidence = evidence(&mixed);
    let held = evidence.held.last().unwrap().1 as f64;
    let judgement = judge(&evidence);
    assert!(judgement.least_gain <= held / (WATCH / SECOND) as f64, "{judgement:?}");
}

#[test]
fn what_goes_for_good_drains() {
    let steps = WATCH / STEP;
    let held = (0..steps).map(|step| (0, 1000, step * STEP + 1)).collect::<Vec<Life>>();
    assert_eq!(trend(&held), Trend::Draining);
}

#[test]
fn what_few_samples_tell_is_new_unless_it_drains() {
    let mut seen = evidence(&lives(|_, _| Nanos::MAX));
    seen.is_vague = true;
    seen.cohorts = [0; COHORTS];
    let judged = judge(&seen);
    assert!(judged.slope.unwrap().low > 0.0 && judged.trend == Trend::New, "{judged:?}");
    assert_eq!(judged.least_gain, 0.0);
    let steps = WATCH / STEP;
    let drains: Vec<Life> = (0..steps).map(|step| (0, 1000, step * STEP + 1)).collect();
    let drained = Evidence { is_vague: true, ..evidence(&drains) };
    assert_eq!(judge(&drained).trend, Trend::Draining);
}

#[test]
fn what_was_not_watched_is_new() {
    let mut seen = evidence(&lives(|_, _| Nanos::MAX));
    seen.watched = SECOND;
    assert_eq!(judge(&seen).trend, Trend::New);
    assert_eq!(judge(&Evidence { watched: WATCH, ..Evidence::default() }).trend, Trend::New);
}

/// A stack of blocks of 100 bytes that leaks 1,000 of them a second, one of 100 known: of 1,000 runs at least 930 have the
/// true slope in its interval, which says that it is an estimate.
#[test]
fn slopes_of_samples_are_as_uncertain_as_they_are() {
    let mut generator = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (size, taken, per_point) = (100.0, 0.01, 500.0);
    let variance = size / taken * (1.0 - taken);
    let (mut held_true, mut without) = (0, 0);
    for _ in 0..1000 {
        let (mut samples, mut held) = (0.0, Vec::new());
        for point in 0..=60_u64 {
            held.push((point * SECOND / 2, (samples * size / taken) as u64));
            samples += poisson(per_point * taken, &mut generator);
        }
        let evidence = Evidence { watched: 30 * SECOND, held, variance, ..Evidence::default() };
        let holds = |it: Evidence| {
            let slope = judge(&it).slope.unwrap();
            u32::from((slope.low..=slope.high).contains(&100_000.0))
        };
        without += holds(Evidence { variance: 0.0, ..evidence.clone() });
        held_true += holds(evidence);
    }
    assert!(held_true >= 930, "{held_true}");
    assert!(without < 800, "it would not matter: {without}");
}

/// By counting how many exponential distances fit (Knuth, The Art of Computer Programming, volume 2, section 3.4.1).
fn poisson(mean: f64, generator: &mut TestRng) -> f64 {
    let (mut product, mut count) = (1.0, -1.0);
    while product > (-mean).exp() {
        product *= (f64::from(generator.next_u32()) + 0.5) / (f64::from(u32::MAX) + 1.0);
        count += 1.0;
    }
    count
}
