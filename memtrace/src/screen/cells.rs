//! Figures in the few columns that a table has for them.

use crate::engine::snapshot::Confidence;
use crate::report::units::{bytes, percent, rate, signed_bytes};

/// Stands where nothing is known.
const NOTHING: &str = "-";

pub(super) fn size(value: Option<u64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), bytes)
}

pub(super) fn change(value: Option<i64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), signed_bytes)
}

pub(super) fn speed(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), rate)
}

/// How far the true figure may be off, as a share of the estimate: the larger side of the 95 % interval. The
/// interval itself stands below the table. Empty where the figure is exact.
pub(super) fn doubt(value: u64, confidence: Option<Confidence>) -> String {
    let Some(Confidence { low, high }) = confidence else { return String::new() };
    let most = value.saturating_sub(low).max(high.saturating_sub(value));
    match value {
        _ if most == 0 => "0 %".to_owned(),
        0 => "any".to_owned(),
        _ if most > value.saturating_mul(9) => "any".to_owned(),
        _ => {
            let share = most as f64 / value as f64;
            if share < 0.1 { percent(share) } else { format!("{:.0} %", share * 100.0) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_the_larger_side() {
        let between = |low, high| Some(Confidence { low, high });
        assert_eq!(doubt(100, None), "");
        assert_eq!(doubt(100, between(100, 100)), "0 %");
        assert_eq!(doubt(100, between(80, 110)), "20 %");
        assert_eq!(doubt(1000, between(960, 1010)), "4 %");
        assert_eq!(doubt(100, between(0, 5000)), "any");
        assert_eq!(doubt(0, between(0, 50)), "any");
    }

    #[test]
    fn what_is_not_known_is_absent() {
        assert_eq!((size(None), change(None), speed(None)), ("-".into(), "-".into(), "-".into()));
        assert_eq!(size(Some(0)), "0 B");
    }
}
