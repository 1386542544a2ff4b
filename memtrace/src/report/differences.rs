//! What differences are for the formats of other programs: call stacks, and what each held before and after.
//!
//! Who compared what is no matter here (`super::diff`), and neither is how it is written (`super::pprof` and the like).

use super::flat::Named;
use super::units;
use jiff::Timestamp;

/// The differences, and what is to be said of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Differences {
    pub(super) stacks: Vec<Changed>,
    /// What was compared, the totals, and what makes them less than exact: a line each.
    pub(super) notes: Vec<String>,
    /// The moments, where they are known.
    pub(super) before: Option<Timestamp>,
    pub(super) after: Option<Timestamp>,
    /// Mean bytes between samples, the larger of both; 0: every allocation.
    pub(super) sample_interval: u64,
    /// Some of the figures are estimates.
    pub(super) is_estimate: bool,
}

/// A call stack, or a group that stands in its place.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    /// Its process, with pids.
    pub(super) process: Option<String>,
    /// Outermost first; never empty.
    pub(super) path: Vec<Step>,
    /// Before and after. What is not known counts as nothing: it is in what a report sums up.
    pub(super) bytes: [u64; 2],
    pub(super) blocks: [u64; 2],
}

/// A function, and the program or library that it is in.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) named: Named,
    /// Its full name, where that is another one.
    pub(super) full: Option<String>,
    pub(super) module: Option<String>,
}

/// One of two ways to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Grew,
    Shrank,
}

/// Both, for formats whose weights cannot be negative.
pub(super) const WAYS: [Way; 2] = [Way::Grew, Way::Shrank];

impl Way {
    /// The bytes by which it went this way; 0 if it did not.
    const fn bytes(self, stack: &Changed) -> u64 {
        let [before, after] = stack.bytes;
        match self {
            Self::Grew => after.saturating_sub(before),
            Self::Shrank => before.saturating_sub(after),
        }
    }
}

impl Changed {
    /// The process and its functions, outermost first.
    pub(super) fn whole_path(&self) -> Vec<Named> {
        let process = self.process.iter().map(|name| Named::nowhere(name));
        process.chain(self.path.iter().map(|step| step.named.clone())).collect()
    }
}

impl Differences {
    /// The stacks that went this way, with the bytes by which they did.
    pub(super) fn that(&self, way: Way) -> impl Iterator<Item = (&Changed, u64)> {
        let stacks = self.stacks.iter().map(move |stack| (stack, way.bytes(stack)));
        stacks.filter(|(_, bytes)| *bytes > 0)
    }

    /// What those are called together.
    pub(super) fn name_of(&self, way: Way) -> String {
        let sum = self.that(way).fold(0, |sum: u64, (_, bytes)| sum.saturating_add(bytes));
        let what = match way {
            Way::Grew => "grew",
            Way::Shrank => "shrank",
        };
        let about = if self.is_estimate && sum > 0 { "about " } else { "" };
        format!("{what} by {about}{}", units::exact_bytes(sum))
    }

    /// All that is said of the whole, in one line.
    pub(super) fn remarks(&self) -> String {
        format!("{}: {}", maker(), self.notes.join("; "))
    }
}

/// Who made it.
pub(super) fn maker() -> String {
    concat!("memtrace ", env!("CARGO_PKG_VERSION")).to_owned()
}
