//! The slope of a few points, and how certain it is.

use super::Band;

/// Most points that are compared pairwise.
const MOST_POINTS: usize = 256;
/// The normal distribution's quantile that leaves out 2.5 % on each side.
pub(super) const NORMAL: f64 = 1.959_963_985;
/// Neighbours that are more alike count as if they were this much: the interval is all slopes by then.
const MOST_ALIKE: f64 = 0.95;
/// Fewer points have no interval that leaves anything out.
const LEAST_POINTS: usize = 4;

/// The median of the slopes between all pairs of points (Theil 1950, Sen 1968), and the interval of 95 %
/// from the distribution of Kendall's rank statistic (Sen, *Estimates of the regression coefficient based on
/// Kendall's tau*, 1968): outliers do not move it, and nothing is supposed of the noise but that it has no
/// direction. In units of `y` per unit of `x`; `None` for fewer than four points with different `x`.
///
/// What a heap holds does not jump about anew at each moment, but wanders: neighbours are alike, and the
/// points worth fewer. The statistic's variance grows by what that does to one of a series of first order
/// (Bayley and Hammersley, *The "effective" number of independent observations in an autocorrelated time
/// series*, 1946), so that churn is not taken for growth.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> Option<Band> {
    let points = &points[points.len().saturating_sub(MOST_POINTS)..];
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (place, first) in points.iter().enumerate() {
        let later = points[place + 1..].iter().filter(|second| second.0 > first.0);
        slopes.extend(later.map(|second| (second.1 - first.1) / (second.0 - first.0)));
    }
    if points.len() < LEAST_POINTS || slopes.is_empty() {
        return None;
    }
    // Most stacks hold the same all the time.
    if points.iter().all(|point| point.1 == points[0].1) {
        return Some(Band::default());
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let (count, pairs) = (points.len() as f64, slopes.len() as f64);
    let middle = median(&slopes);
    let variance = count * (count - 1.0) * 2.0_f64.mul_add(count, 5.0) / 18.0;
    let spread = NORMAL * (variance * inflation(points, middle)).sqrt();
    let at = |rank: f64| slopes[(rank.max(0.0) as usize).min(slopes.len() - 1)];
    Some(Band {
        low: at(((pairs - spread) / 2.0 - 1.0).round()),
        middle,
        high: at(((pairs + spread) / 2.0).round()),
    })
}

/// By how much more the rank statistic varies than with independent points: (1 + ρ) / (1 − ρ), where ρ is
/// how much alike neighbours are around the line.
fn inflation(points: &[(f64, f64)], slope: f64) -> f64 {
    let mut rests: Vec<f64> = points.iter().map(|(x, y)| slope.mul_add(-x, *y)).collect();
    let mean = rests.iter().sum::<f64>() / rests.len() as f64;
    rests.iter_mut().for_each(|rest| *rest -= mean);
    let all: f64 = rests.iter().map(|rest| rest * rest).sum();
    let neighbours: f64 = rests.iter().zip(&rests[1..]).map(|(one, next)| one * next).sum();
    let alike = if all > 0.0 { (neighbours / all).clamp(0.0, MOST_ALIKE) } else { 0.0 };
    (1.0 + alike) / (1.0 - alike)
}

fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[half - 1], sorted[half])
    } else {
        sorted[half]
    }
}

#[cfg(test)]
mod tests {
    use super::slope;
    use proptest::prelude::*;
    use proptest::test_runner::{RngAlgorithm, TestRng};

    #[test]
    fn a_line_has_its_slope() {
        let points: Vec<(f64, f64)> =
            (0..16).map(|x| (f64::from(x), 3.0 * f64::from(x) + 7.0)).collect();
        let found = slope(&points).unwrap();
        assert_eq!((found.low, found.middle, found.high), (3.0, 3.0, 3.0));
    }

    #[test]
    fn a_few_points_tell_nothing() {
        assert_eq!(slope(&[]), None);
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]), None);
        assert_eq!(slope(&[(1.0, 1.0); 8]), None, "all at one moment");
    }

    #[test]
    fn an_outlier_moves_little() {
        let mut points: Vec<(f64, f64)> = (0..16).map(|x| (f64::from(x), f64::from(x))).collect();
        points[9].1 = 1e6;
        let found = slope(&points).unwrap();
        assert!(
            (found.middle - 1.0).abs() < 0.2 && found.low > 0.5 && found.high < 2.0,
            "{found:?}"
        );
    }

    /// Of 1,000 noisy lines at least 930 have the true slope in the interval.
    #[test]
    fn intervals_hold_what_they_promise() {
        let mut generator = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        for count in [8, 16] {
            let mut held = 0;
            for _ in 0..1000 {
                let mut noise = || f64::from(generator.next_u32()) / f64::from(u32::MAX) * 40.0;
                let points: Vec<(f64, f64)> =
                    (0..count).map(|x| (f64::from(x), 2.0 * f64::from(x) + noise())).collect();
                let found = slope(&points).unwrap();
                held += u32::from(found.low <= 2.0 && 2.0 <= found.high);
            }
            assert!(held >= 930, "{count} points: {held}");
        }
    }

    /// Of 1,000 series that only wander about a level, few seem to grow.
    #[test]
    fn wandering_is_no_growth() {
        let mut generator = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut grew = 0;
        for _ in 0..1000 {
            let (mut level, mut points) = (0.0, Vec::new());
            for x in 0..24 {
                let step = f64::from(generator.next_u32()) / f64::from(u32::MAX) - 0.5;
                level = 0.5 * level + step;
                points.push((f64::from(x), level));
            }
            grew += u32::from(slope(&points).unwrap().low > 0.0);
        }
        assert!(grew <= 60, "{grew}");
    }

    proptest! {
        #[test]
        fn it_is_total_and_ordered(points in prop::collection::vec((-1e15..1e15, -1e15..1e15), 0..40)) {
            if let Some(found) = slope(&points) {
                prop_assert!(found.low <= found.middle && found.middle <= found.high);
            }
        }
    }
}
