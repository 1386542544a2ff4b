//! The slope of a few points, and how certain it is.

use super::Band;

/// Most points that are compared pairwise.
const MOST_POINTS: usize = 256;
/// The normal distribution's quantile that leaves out 2.5 % on each side.
const NORMAL: f64 = 1.959_963_985;
/// Fewer points have no interval that leaves anything out.
const LEAST_POINTS: usize = 4;

/// The median of the slopes between all pairs of points (Theil 1950, Sen 1968), and the interval of 95 %
/// from the distribution of Kendall's rank statistic (Sen, *Estimates of the regression coefficient based on
/// Kendall's tau*, 1968): outliers do not move it, and nothing is supposed of the noise but that it has no
/// direction. In units of `y` per unit of `x`; `None` for fewer than four points with different `x`.
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
    slopes.sort_unstable_by(f64::total_cmp);
    let (count, pairs) = (points.len() as f64, slopes.len() as f64);
    let spread = NORMAL * (count * (count - 1.0) * 2.0_f64.mul_add(count, 5.0) / 18.0).sqrt();
    let at = |rank: f64| slopes[(rank.max(0.0) as usize).min(slopes.len() - 1)];
    Some(Band {
        low: at(((pairs - spread) / 2.0 - 1.0).round()),
        middle: median(&slopes),
        high: at(((pairs + spread) / 2.0).round()),
    })
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

    proptest! {
        #[test]
        fn it_is_total_and_ordered(points in prop::collection::vec((-1e15..1e15, -1e15..1e15), 0..40)) {
            if let Some(found) = slope(&points) {
                prop_assert!(found.low <= found.middle && found.middle <= found.high);
            }
        }
    }
}
