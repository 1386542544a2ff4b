//! One process: watched, looked at, let alone, and looked at again.

use super::growing::growing;
use super::series::Series;
use super::{FREE, Findings, Growing, Settings, State, Story};
use crate::engine::trend::Band;
use crate::model::ids::{Nanos, StackId};

/// Growth so many times as fast as at the last look is another one.
const FASTER: f64 = 4.0;

/// What to do about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Next {
    Nothing,
    /// Give it a look, when its turn comes.
    Queue,
    /// End its look.
    Close,
}

/// Where a process stands.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) enum Phase {
    /// It does not grow, or did not until now.
    #[default]
    Watching,
    /// It grows and waits for its turn.
    Waiting,
    /// Its turn has come; whether it can be looked at is not known yet.
    Opening,
    /// It is looked at.
    Looking(Box<Findings>),
    /// The end of that is wished.
    Closing(Box<Findings>),
    /// Let alone until then, whatever it does.
    Resting(Nanos),
}

/// What is known of a process, and what is to be done with it.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Zoom {
    series: Series,
    pub(in crate::engine) phase: Phase,
    /// How it grows, as of the last point.
    pub(in crate::engine) growing: Option<Growing>,
    /// When it was last seen to grow.
    grew: Nanos,
    /// How long it is let alone after the next look.
    pause: Nanos,
    /// CPU time that it has used, and what it had when the last look ended, which cost it so much.
    cpu: Nanos,
    looked: Nanos,
    cost: Nanos,
    /// What the last look found to grow most, and how fast all grew then.
    last: Option<(Option<StackId>, Band)>,
    pub(in crate::engine) story: Story,
}

impl Zoom {
    pub(in crate::engine) fn new(settings: Settings) -> Self {
        Self {
            series: Series::default(),
            phase: Phase::Watching,
            growing: None,
            grew: 0,
            pause: settings.first_pause(),
            cpu: 0,
            looked: 0,
            cost: 0,
            last: None,
            story: Story::default(),
        }
    }

    /// The process has so many bytes of memory of its own now, its stacks these, and has used so much CPU time.
    pub(in crate::engine) fn told(
        &mut self,
        now: Nanos,
        (bytes, cpu): (u64, Nanos),
        held: impl Iterator<Item = (u64, f64)>,
        settings: Settings,
    ) -> Next {
        self.cpu = cpu;
        if self.series.push(now, bytes, settings.pace) {
            self.growing = growing(&self.series, settings);
        }
        if self.growing.is_some() {
            self.grew = now;
        }
        match &mut self.phase {
            Phase::Watching if self.growing.is_some() => {
                self.phase = Phase::Waiting;
                Next::Queue
            }
            Phase::Resting(until) => {
                let until = *until;
                self.rest(now, until, settings)
            }
            Phase::Looking(findings) => {
                findings.add(now, held, settings);
                let growth = self.story.growth().unwrap_or_default();
                if !findings.are_complete(now, &growth, settings) {
                    return Next::Nothing;
                }
                if let Phase::Looking(findings) = std::mem::take(&mut self.phase) {
                    self.phase = Phase::Closing(findings);
                }
                Next::Close
            }
            _ => Next::Nothing,
        }
    }

    /// Until it is time to look again, or what grows is something else.
    fn rest(&mut self, now: Nanos, until: Nanos, settings: Settings) -> Next {
        let Some(growing) = self.growing else {
            // It stopped for as long as it is let alone: what comes next is another matter.
            if now.saturating_sub(self.grew) >= self.pause {
                self.pause = settings.first_pause();
                let is_over = now >= until && self.is_paid(settings);
                self.phase = if is_over { Phase::Watching } else { Phase::Resting(until) };
            }
            return Next::Nothing;
        };
        let is_faster = self.last.is_some_and(|(_, rate)| growing.rate.low > rate.high * FASTER);
        if now < until && !is_faster || !self.is_paid(settings) {
            return Next::Nothing;
        }
        if is_faster {
            self.pause = settings.first_pause();
        }
        self.phase = Phase::Waiting;
        Next::Queue
    }

    /// The last look is paid for.
    const fn is_paid(&self, settings: Settings) -> bool {
        settings.pays(self.cpu.saturating_sub(self.looked), self.cost)
    }

    /// Its turn has come. Gives whether it still wants it.
    pub(in crate::engine) fn granted(&mut self, now: Nanos) -> bool {
        if !matches!(self.phase, Phase::Waiting) {
            return false;
        }
        let Some(growth) = self.growing else {
            self.phase = Phase::Watching;
            return false;
        };
        self.phase = Phase::Opening;
        self.story.begin(now, growth);
        true
    }

    /// All that is told of it.
    pub(in crate::engine) fn snapshot(&self, now: Nanos) -> Story {
        let mut story = self.story.clone();
        story.growing = self.growing;
        story.state = match &self.phase {
            Phase::Watching => State::Watching,
            Phase::Waiting => State::Waiting,
            Phase::Opening => State::Looking,
            Phase::Looking(findings) | Phase::Closing(findings) => {
                if let Some(look) = story.current() {
                    look.lasted = now.saturating_sub(findings.began());
                }
                State::Looking
            }
            Phase::Resting(until) => State::Resting(*until),
        };
        story
    }

    /// A look ends that lasted so long and cost the process so much CPU time.
    pub(in crate::engine) fn spent(&mut self, cost: Nanos, lasted: Nanos) {
        self.looked = self.cpu;
        self.cost = if cost.saturating_mul(FREE) < lasted { 0 } else { cost };
    }

    /// The look has ended, or did not come about; `most`: what was found to grow most.
    pub(in crate::engine) fn rested(
        &mut self,
        now: Nanos,
        most: Option<StackId>,
        settings: Settings,
    ) {
        let is_same = self.last.is_none_or(|(before, _)| before == most);
        if !is_same {
            self.pause = settings.first_pause();
        }
        self.last = Some((most, self.story.growth().unwrap_or_default().rate));
        self.grew = self.grew.max(now);
        self.phase = Phase::Resting(now.saturating_add(self.pause));
        self.pause = self.pause.saturating_mul(2).min(settings.longest_pause());
    }
}
