//! What `memtrace doctor` found: plain data.

use serde::Serialize;

/// Name and version of the JSON form.
pub const SCHEMA: &str = "memtrace.doctor/1";

/// All findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doctor {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// memtrace's version.
    pub version: &'static str,
    /// In the order in which they are shown.
    pub sections: Vec<Section>,
}

impl Doctor {
    /// The findings in these sections.
    #[must_use]
    pub const fn new(sections: Vec<Section>) -> Self {
        Self { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), sections }
    }

    /// How many lines are in this state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.sections.iter().flat_map(|it| &it.lines).filter(|line| line.state == state).count()
    }
}

/// Findings that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What about.
    pub title: String,
    /// The findings.
    pub lines: Vec<Line>,
    /// A paragraph below them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Section {
    /// A section without a note.
    #[must_use]
    pub fn new(title: impl Into<String>, lines: Vec<Line>) -> Self {
        Self { title: title.into(), lines, note: None }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was examined.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What to do about it. Lines that are not [`State::Ok`] should have one.
    pub remedy: Option<String>,
}

impl Line {
    /// A finding without a remedy.
    #[must_use]
    pub fn new(name: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        Self { name: name.into(), state, detail: detail.into(), remedy: None }
    }

    /// The same finding with a remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Something does not work because of it.
    Missing,
    /// It works, but at a price or a risk.
    Hazard,
    /// Could not be found out.
    Unknown,
}

impl State {
    /// The word for people, at most 7 columns.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "MISSING",
            Self::Hazard => "hazard",
            Self::Unknown => "unknown",
        }
    }
}
