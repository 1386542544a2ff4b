//! What a view measures of call stacks: what is alive, or what they did.

use super::amount::Amount;
use super::figures::{held, held_bytes};
use super::group::Naming;
use super::weigh::Weighed;
use crate::engine::detail::Temporary;
use crate::engine::snapshot::{PeriodFigures, PeriodSum};
use crate::model::ids::Nanos;
use crate::report::model::{ProcessReport, Report, StackReport};
use crate::report::units::{counted, exactly, span};

/// What a view measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// What is alive; of a period, what was allocated in it and is alive at its end.
    #[default]
    Leaks,
    /// What is alive, in a report of the high-water mark: only processes that ran then count.
    Peak,
    /// What each process held when its own heap was largest, bytes alone.
    OwnPeaks,
    /// All that was allocated.
    Allocated,
    /// What was freed soon.
    Temporary(Temporary),
    /// How old blocks become.
    Lifetimes,
}

impl Measure {
    /// Its name on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leaks => "leaks",
            Self::Peak | Self::OwnPeaks => "peak",
            Self::Allocated => "allocated",
            Self::Temporary(_) => "temporary",
            Self::Lifetimes => "lifetimes",
        }
    }

    /// It is about what is alive at the moment of the report.
    pub(in crate::report) const fn is_of_the_moment(self) -> bool {
        matches!(self, Self::Leaks | Self::Peak)
    }

    /// How many blocks there were is known, too.
    pub(in crate::report) fn has_count(self) -> bool {
        self != Self::OwnPeaks
    }

    /// Whether a process counts.
    pub(in crate::report) fn counts(self, process: &ProcessReport) -> bool {
        self != Self::Peak || process.end == crate::report::model::End::Running
    }

    /// What of a stack's blocks counts.
    pub(in crate::report) fn of_stack(self, stack: &StackReport) -> Amount {
        if let Some(period) = &stack.period
            && let Some(sum) = self.of_period(period)
        {
            return sum;
        }
        let ci = stack.confidence.as_ref();
        match self {
            Self::Leaks | Self::Peak | Self::Lifetimes => {
                let around = ci.map(|it| (it.live_bytes, it.live_blocks));
                Amount::new(stack.live_bytes, stack.live_blocks, around)
            }
            Self::OwnPeaks => {
                let none = crate::engine::snapshot::Confidence::default();
                Amount::new(stack.peak_bytes, 0, ci.map(|it| (it.peak_bytes, none)))
            }
            Self::Allocated => {
                let around = ci.map(|it| (it.allocated_bytes, it.allocated_blocks));
                Amount::new(stack.allocated_bytes, stack.allocated_blocks, around)
            }
            // Without an account there is nothing that is known.
            Self::Temporary(_) => Amount::default(),
        }
    }

    /// What of a period counts; `None`: the period does not matter.
    pub(super) fn of_period(self, period: &PeriodFigures) -> Option<Amount> {
        let of = |sum: &PeriodSum| Amount::new(sum.bytes, sum.blocks, sum.around);
        match self {
            Self::Leaks => Some(of(&period.kept)),
            Self::Allocated => Some(of(&period.allocated)),
            Self::Temporary(_) if !period.knows_temporary => Some(Amount::default()),
            Self::Temporary(_) => Some(of(&period.temporary)),
            Self::Peak | Self::OwnPeaks | Self::Lifetimes => None,
        }
    }

    /// `temporary: freed before their thread allocated again`.
    pub(in crate::report) fn words(self) -> String {
        match self {
            Self::Leaks | Self::Lifetimes => "alive".to_owned(),
            Self::Peak => "alive at the high-water mark".to_owned(),
            Self::OwnPeaks => "alive when each process held most".to_owned(),
            Self::Allocated => "allocated".to_owned(),
            Self::Temporary(rule) => format!("temporary, that is {}", temporary(rule)),
        }
    }
}

/// `freed before their thread allocated again`.
fn temporary(rule: Temporary) -> String {
    match rule {
        Temporary::Allocations(1) => "freed before their thread allocated again".to_owned(),
        Temporary::Allocations(number) => {
            let number = counted(number.into(), "more allocation");
            format!("freed before their thread had made {number}")
        }
        Temporary::Age(most) if most < 1_000_000 => {
            format!("freed within {} µs of their allocation", most / 1000)
        }
        Temporary::Age(most) => format!("freed within {} of their allocation", span(most)),
    }
}

/// The part of the run that a view is of. It ends with the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins, ns after the run's first event; `None`: with the run.
    pub from: Option<Nanos>,
}

impl Stretch {
    /// ` from 1.234s to 5.678s of the run`, if it is a part of it.
    fn words(self, report: &Report) -> String {
        let until = exactly(report.watched);
        match self.from {
            Some(from) => format!(" from {} to {until} of the run", exactly(from)),
            None => String::new(),
        }
    }
}

/// `19.4 MiB in 45,020 blocks allocated from 1.234s to 5.678s of the run, by function`.
pub(super) fn title(
    report: &Report,
    weighed: &Weighed<'_>,
    naming: Naming,
    measure: Measure,
    stretch: Stretch,
) -> String {
    let held = match measure {
        Measure::OwnPeaks => held_bytes(&weighed.total),
        _ => held(&weighed.total, weighed.subject.noun()),
    };
    let words = match (measure, stretch.from) {
        (Measure::Leaks, Some(from)) => {
            let until = exactly(report.watched);
            format!("allocated after {} of the run and alive at {until}", exactly(from))
        }
        (Measure::Peak, _) => {
            format!("{}, {} after the start", measure.words(), exactly(report.watched))
        }
        _ => format!("{}{}", measure.words(), stretch.words(report)),
    };
    format!("{held} {words}, by {}", naming.by.noun())
}
