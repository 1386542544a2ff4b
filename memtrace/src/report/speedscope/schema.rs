//! The parts of a file of speedscope that are written, as <https://www.speedscope.app/file-format-schema.json>
//! has them.

use crate::report::flat::Named;
use serde::Serialize;
use std::collections::HashMap;

/// What a file says of itself.
pub(super) const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Debug, Serialize)]
pub(super) struct File {
    #[serde(rename = "$schema")]
    schema: &'static str,
    exporter: String,
    name: String,
    shared: Shared,
    profiles: Vec<Profile>,
}

impl File {
    pub(super) fn new(
        exporter: String,
        name: String,
        frames: Frames,
        profiles: Vec<Profile>,
    ) -> Self {
        let shared = Shared { frames: frames.frames };
        Self { schema: SCHEMA, exporter, name, shared, profiles }
    }
}

#[derive(Debug, Serialize)]
struct Shared {
    frames: Vec<Frame>,
}

#[derive(Debug, Serialize)]
struct Frame {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

/// Frames of all profiles, each once.
#[derive(Debug, Default)]
pub(super) struct Frames {
    frames: Vec<Frame>,
    numbers: HashMap<Named, usize>,
}

impl Frames {
    /// Where a frame is in the list.
    pub(super) fn number(&mut self, named: &Named) -> usize {
        if let Some(known) = self.numbers.get(named) {
            return *known;
        }
        let number = self.frames.len();
        let Named { name, file, line } = named.clone();
        self.frames.push(Frame { name, file, line });
        self.numbers.insert(named.clone(), number);
        number
    }
}

/// Stacks, outermost frame first, and what each weighs. Values go from nought to the sum of the weights: there
/// is no time in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    samples: Vec<Vec<usize>>,
    weights: Vec<u64>,
}

impl Profile {
    pub(super) const fn new(name: String) -> Self {
        Self {
            r#type: "sampled",
            name,
            unit: "bytes",
            start_value: 0,
            end_value: 0,
            samples: Vec::new(),
            weights: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, path: Vec<usize>, weight: u64) {
        self.samples.push(path);
        self.weights.push(weight);
        self.end_value = self.end_value.saturating_add(weight);
    }
}
