//! Processes that match what is looked for, and that cannot be traced all the same.

/// Reasons that are kept.
const MOST_REASONS: usize = 8;

/// How many there are, and why the first of them.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut {
    count: usize,
    reasons: Vec<String>,
}

impl LeftOut {
    /// One more, for a reason that names it.
    pub(super) fn add(&mut self, reason: String) {
        tracing::debug!("left out: {reason}");
        self.count += 1;
        if self.reasons.len() < MOST_REASONS {
            self.reasons.push(reason);
        }
    }

    /// The reasons, in one line.
    pub(super) fn describe(&self) -> String {
        let more = self.count - self.reasons.len();
        let more = (more > 0).then(|| format!("and {more} more"));
        self.reasons.iter().cloned().chain(more).collect::<Vec<_>>().join("; ")
    }

    /// What the reader of a report must know.
    pub(super) fn note(&self) -> Option<String> {
        (self.count > 0).then(|| {
            let processes = if self.count == 1 { "process" } else { "processes" };
            format!("{} matching {processes} cannot be traced: {}", self.count, self.describe())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::LeftOut;

    #[test]
    fn only_the_first_reasons_are_kept() {
        let mut left_out = LeftOut::default();
        assert_eq!(left_out.note(), None);
        (0..20).for_each(|pid| left_out.add(format!("pid {pid}")));
        let note = left_out.note().unwrap();
        assert!(
            note.starts_with("20 matching processes cannot be traced: pid 0; pid 1;"),
            "{note}"
        );
        assert!(note.ends_with("pid 7; and 12 more"), "{note}");
    }
}
