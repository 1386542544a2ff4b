//! Numbers from repeated measurements.

use std::fmt;

/// The same figure from several rounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample(Vec<f64>);

impl Sample {
    pub(super) fn add(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle one (the lower of two); `None` without any.
    pub(super) fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().checked_sub(1)? / 2).copied()
    }

    /// Round by round, this in units of `other`: what one round's noise does to both goes away.
    pub(super) fn ratio(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, base)| own / base).collect())
    }

    /// Round by round, what this is more than `other`.
    pub(super) fn less(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, base)| own - base).collect())
    }

    /// Round by round, this and `other` together.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, more)| own + more).collect())
    }

    /// In hundredths.
    pub(super) fn percent(&self) -> Self {
        self.0.iter().map(|part| part * 100.0).collect()
    }

    /// Median and extremes, with `digits` behind the point.
    pub(super) fn shown(&self, digits: usize) -> String {
        let Some(median) = self.median() else { return "not measured".to_owned() };
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<T: IntoIterator<Item = f64>>(figures: T) -> Self {
        Self(figures.into_iter().collect())
    }
}

/// A whole number with commas between its thousands.
pub(crate) struct Thousands(pub(crate) u64);

impl fmt::Display for Thousands {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                formatter.write_str(",")?;
            }
            write!(formatter, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Sample, Thousands};

    #[test]
    fn the_median_is_a_figure_that_was_measured() {
        let sample: Sample = [3.0, 1.0, 2.0, 9.0].into_iter().collect();
        assert_eq!(sample.median(), Some(2.0));
        assert_eq!(sample.shown(1), "2.0 (1.0–9.0)");
        assert_eq!(Sample::default().median(), None);
        assert_eq!(Sample::default().shown(0), "not measured");
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let own: Sample = [2.0, 20.0].into_iter().collect();
        let base: Sample = [1.0, 10.0].into_iter().collect();
        assert_eq!(own.ratio(&base).shown(0), "2 (2–2)");
    }

    #[test]
    fn thousands_have_commas() {
        let shown: Vec<String> = [0, 999, 1000, 1_234_567].map(|n| Thousands(n).to_string()).into();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
