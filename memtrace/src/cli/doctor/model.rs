//! What `memtrace doctor` found: plain data.

use serde::{Serialize, Serializer};

/// Name and version of the JSON form.
pub const SCHEMA: &str = "memtrace.doctor/1";

/// All findings.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// What about, for programs.
    pub topic: Topic,
    /// What about, for people.
    pub title: String,
    /// The findings.
    pub lines: Vec<Line>,
    /// Measurements below them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// A paragraph below all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Section {
    /// A section without a note.
    #[must_use]
    pub fn new(topic: Topic, title: impl Into<String>, lines: Vec<Line>) -> Self {
        Self { topic, title: title.into(), lines, table: None, note: None }
    }

    /// The same section with a table.
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.table = Some(table);
        self
    }

    /// The same section with a paragraph at its end.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// What a section is about: its name in JSON, whatever the title says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// The kernel, as its files tell.
    Kernel,
    /// What this memtrace may do.
    Privileges,
    /// Programs, links, ring buffer and tracepoints, tried.
    Probes,
    /// Each program, as the verifier sees it.
    Programs,
    /// What a probe costs.
    Prices,
    /// How many hits of probes the kernel gets through.
    Ceiling,
    /// The process examined.
    Process,
    /// One of its allocators.
    Allocator,
    /// Static probes that it brings along to tell of its memory.
    Usdt,
    /// What tracing it would cost.
    Cost,
    /// What tracing leaves behind.
    Aftermath,
}

/// Measurements. In JSON an array with an object per row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What stands in each row, from left to right.
    pub columns: Vec<Column>,
    /// As many cells in each as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = |row: &Vec<Cell>| -> serde_json::Map<String, serde_json::Value> {
            let cells = row.iter().map(Cell::value);
            self.columns.iter().map(|column| column.key.to_owned()).zip(cells).collect()
        };
        serializer.collect_seq(self.rows.iter().map(object))
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in JSON, with the unit.
    pub key: &'static str,
    /// Its name for people, with the unit.
    pub title: &'static str,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A count, or nanoseconds.
    Number(u64),
    /// A figure that is shown with two decimals.
    Decimal(f64),
    /// Not known.
    Unknown,
}

impl Cell {
    fn value(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Decimal(number) => ((number * 1000.0).round() / 1000.0).into(),
            Self::Unknown => serde_json::Value::Null,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
