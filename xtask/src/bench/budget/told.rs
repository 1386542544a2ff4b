//! What memtrace says of itself in its final report.

use serde_json::Value;

/// See the file's head.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    /// The overhead over the whole time, percent; `None` if it did not measure it.
    pub(super) overhead: Option<f64>,
    /// Seconds that blocks were watched, and of how many.
    pub(super) watched: Option<[f64; 2]>,
    /// Seconds that the latest windows last, and how often they come; `None`: all the time.
    pub(super) window: Option<[f64; 2]>,
    pub(super) window_changes: usize,
    /// Mean bytes between samples in the end; 0: every allocation.
    pub(super) interval: u64,
    pub(super) interval_changes: usize,
    pub(super) events_lost: u64,
    /// Why each change was made, in order of their kinds.
    pub(super) reasons: Vec<String>,
    /// What else it tells the reader.
    pub(super) notes: Vec<String>,
}

impl Told {
    pub(super) fn read(report: &Value) -> Self {
        let tracer = &report["tracer"];
        let number = |place: &Value| place.as_f64();
        let pair = |of: &Value, names: [&str; 2]| {
            let [first, second] = names.map(|name| number(&of[name]));
            first.zip(second).map(|(first, second)| [first, second])
        };
        let changes = |name: &str| tracer[name].as_array().map_or(&[][..], Vec::as_slice);
        let (windows, intervals) = (changes("window_changes"), changes("sampling_changes"));
        let reason = |change: &Value| change["reason"].as_str().map(str::to_owned);
        let said = ["notes", "degraded"].into_iter().flat_map(changes);
        Self {
            overhead: number(&tracer["target_cost_percent"]),
            watched: pair(&report["processes"][0]["windows"], ["watched_s", "of_s"]),
            window: pair(&tracer["window"], ["on_s", "period_s"]),
            window_changes: windows.len(),
            interval: tracer["sample_interval_bytes"].as_u64().unwrap_or_default(),
            interval_changes: intervals.len(),
            events_lost: report["loss"]["events"].as_u64().unwrap_or_default(),
            reasons: intervals.iter().chain(windows).filter_map(reason).collect(),
            notes: said.filter_map(|said| said.as_str().map(str::to_owned)).collect(),
        }
    }

    /// Part of the time in which blocks were watched.
    pub(super) fn share(&self) -> f64 {
        self.watched.map_or(1.0, |[on, of]| if of > 0.0 { on / of } else { 0.0 })
    }

    /// It looked at less than all, to hold the budget.
    pub(super) const fn is_limited(&self) -> bool {
        let windows = self.window.is_some() || self.window_changes > 0;
        windows || self.interval > 0 || self.interval_changes > 0
    }

    /// What it did to hold the budget.
    pub(super) fn deeds(&self) -> String {
        let changed = |count: usize| match count {
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        };
        let samples = match (self.interval, self.interval_changes) {
            (0, _) => "every allocation".to_owned(),
            (interval, count) => format!("samples of {interval} B ({})", changed(count)),
        };
        let windows = match (self.window, self.window_changes) {
            (None, 0) => "all the time".to_owned(),
            (None, count) => format!("all the time in the end ({})", changed(count)),
            (Some([on, period]), count) => {
                format!("{on:.1} s of each {period:.1} s ({})", changed(count))
            }
        };
        format!("{samples}, {windows}")
    }
}

#[cfg(test)]
mod tests {
    use super::Told;
    use serde_json::json;

    #[test]
    fn a_report_tells_what_was_done() {
        let report = json!({
            "tracer": {
                "target_cost_percent": 5.25,
                "sample_interval_bytes": 1024,
                "sampling_changes": [{"reason": "too much"}],
                "window": {"on_s": 1.0, "period_s": 20.0},
                "window_changes": [{"reason": "still too much"}, {"reason": "more"}],
                "notes": ["a note"],
                "degraded": [],
            },
            "processes": [{"windows": {"watched_s": 16.0, "of_s": 320.0}}],
            "loss": {"events": 3},
        });
        let told = Told::read(&report);
        assert_eq!((told.overhead, told.events_lost), (Some(5.25), 3));
        assert_eq!(told.deeds(), "samples of 1024 B (1 change), 1.0 s of each 20.0 s (2 changes)");
        assert_eq!(told.reasons, ["too much", "still too much", "more"]);
        assert_eq!((told.share(), told.notes.len()), (0.05, 1));
        assert!(told.is_limited());
    }

    #[test]
    fn what_is_not_told_is_not_made_up() {
        let told = Told::read(&json!({"tracer": {"target_cost_percent": null}}));
        assert_eq!((told.overhead, told.watched), (None, None));
        assert!(!told.is_limited());
        assert_eq!(told.deeds(), "every allocation, all the time");
    }
}
