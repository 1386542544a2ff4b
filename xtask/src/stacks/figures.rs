//! What a report says of the wholeness of a program's stacks.

use serde_json::Value;
use std::collections::BTreeMap;

/// The least share of allocations whose stack must be complete.
pub(super) const LEAST_COMPLETE: f64 = 0.995;

/// A number of allocations and of distinct stacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) allocations: u64,
    pub(super) stacks: u64,
}

impl Count {
    fn add(&mut self, allocations: u64) {
        self.allocations += allocations;
        self.stacks += 1;
    }
}

/// How stacks ended that are not complete, and in which function or where else.
pub(super) type Ending = (String, String);

/// Figures of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) all: Count,
    pub(super) complete: Count,
    /// Frames of all allocations' stacks, without those of inlined functions.
    frames: u64,
    pub(super) others: BTreeMap<Ending, Count>,
    /// Events and stacks that were lost.
    pub(super) lost: u64,
}

impl Figures {
    /// Of all processes in a report but those that went on to execute another program: the shell that
    /// is there before a program is none of ours.
    pub(super) fn of(report: &Value) -> Self {
        let mut figures = Self {
            lost: number(&report["loss"]["events"]) + number(&report["loss"]["stacks"]),
            ..Self::default()
        };
        let processes = report["processes"].as_array().into_iter().flatten();
        for process in processes.filter(|process| process["end"] != "exec") {
            process["stacks"].as_array().into_iter().flatten().for_each(|it| figures.add(it));
        }
        figures
    }

    fn add(&mut self, stack: &Value) {
        let allocations = number(&stack["allocated_blocks"]);
        let frames = stack["frames"].as_array().map_or(&[][..], Vec::as_slice);
        let own = frames.iter().filter(|frame| frame["inlined"] != true).count();
        self.all.add(allocations);
        self.frames += allocations * own as u64;
        if stack["complete"] == true {
            self.complete.add(allocations);
            return;
        }
        let end = stack["end"].as_str().unwrap_or("unknown").to_owned();
        let place = frames.last().map_or_else(|| "nowhere".to_owned(), place);
        self.others.entry((end, place)).or_default().add(allocations);
    }

    /// Frames of an average allocation's stack.
    pub(super) fn depth(&self) -> f64 {
        self.frames as f64 / self.all.allocations.max(1) as f64
    }

    /// Shares of complete stacks: of allocations, of distinct stacks.
    pub(super) fn shares(&self) -> (f64, f64) {
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        (
            share(self.complete.allocations, self.all.allocations),
            share(self.complete.stacks, self.all.stacks),
        )
    }

    /// Whether the target is met. Without an allocation nothing was shown.
    pub(super) fn is_whole(&self) -> bool {
        self.all.allocations > 0 && self.lost == 0 && self.shares().0 >= LEAST_COMPLETE
    }

    /// The endings, those of most allocations first.
    pub(super) fn endings(&self) -> Vec<(&Ending, Count)> {
        let mut endings: Vec<_> =
            self.others.iter().map(|(place, count)| (place, *count)).collect();
        endings.sort_by_key(|(_, count)| std::cmp::Reverse(count.allocations));
        endings
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Where a frame is: its function, or its place in a file, or outside all files.
fn place(frame: &Value) -> String {
    if let Some(function) = frame["short"].as_str().or(frame["function"].as_str()) {
        return function.to_owned();
    }
    match (frame["module"].as_str(), frame["offset"].as_u64()) {
        (Some(module), Some(offset)) => format!("{module}+{offset:#x}"),
        _ => "code in no file".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Figures};
    use serde_json::json;

    fn stack(allocations: u64, end: &str, frames: &serde_json::Value) -> serde_json::Value {
        let complete = end == "complete";
        json!({"allocated_blocks": allocations, "end": end, "complete": complete, "frames": frames})
    }

    #[test]
    fn stacks_are_counted_by_their_end() {
        let whole = stack(199, "complete", &json!([{"function": "f"}, {"function": "main"}]));
        let frames = json!([{"function": "f", "inlined": true}, {"module": "m", "offset": 16}]);
        let report = json!({
            "loss": {"events": 0, "stacks": 0},
            "processes": [
                {"end": "exec", "stacks": [stack(1000, "no_table", &frames)]},
                {"end": null, "stacks": [whole, stack(1, "no_table", &frames)]},
            ],
        });
        let mut figures = Figures::of(&report);
        assert_eq!(figures.all, Count { allocations: 200, stacks: 2 });
        assert_eq!(figures.shares(), (0.995, 0.5));
        assert!(figures.is_whole() && (figures.depth() - 1.995).abs() < 1e-9);
        let [(ending, count)] = figures.endings()[..] else { panic!("{figures:?}") };
        assert_eq!(*ending, ("no_table".to_owned(), "m+0x10".to_owned()));
        assert_eq!(count, Count { allocations: 1, stacks: 1 });
        figures.lost = 1;
        assert!(!figures.is_whole() && !Figures::default().is_whole());
    }
}
