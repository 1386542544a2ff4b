//! The tracker's part in watch and zoom: what is told of processes reaches their watch, and looks their stories.

use super::process::{Process, Space};
use super::snapshot::{FoundStack, TouchedGrowth};
use super::stacks::{Callee, Stack, Stacks};
use super::tracker::Tracker;
use super::zoom::{Findings, Found, Gained, Named, Next, Outcome, Phase, Settings, Totals, Zoom};
use crate::model::event::{Look, LookCost};
use crate::model::ids::{Nanos, Pid, StackId};
use crate::model::process::Usage;

/// What is needed beside a process's watch.
#[derive(Clone, Copy)]
struct Beside<'a> {
    space: &'a Space,
    stacks: &'a Stacks,
    /// Touched pages were taken at levels up to this one.
    touch_level: u8,
}

impl Tracker {
    /// Memory of the process was read. What is in swap was its own, too.
    pub(super) fn watch_growth(&mut self, pid: Pid, time: Nanos, usage: &Usage) {
        let Some(settings) = self.limits.zoom else { return };
        let bytes = usage.resident_anonymous.saturating_add(usage.swap);
        let next = self.zoom_of(pid).map(|(zoom, beside)| {
            zoom.told(time, (bytes, usage.cpu), beside.space.heap.held_by_stack(), settings)
        });
        match next.unwrap_or(Next::Nothing) {
            Next::Nothing => {}
            Next::Queue => self.desk.queue(pid),
            Next::Close => self.desk.close(pid),
        }
        self.grant_looks(time);
    }

    /// Gives the free places to those that wait.
    fn grant_looks(&mut self, time: Nanos) {
        while let Some(pid) = self.desk.next() {
            if self.zoom_of(pid).is_some_and(|(zoom, _)| zoom.granted(time)) {
                self.desk.open(pid);
            }
        }
    }

    /// What became of a wish.
    pub(super) fn look_told(&mut self, pid: Pid, time: Nanos, look: &Look) {
        let Some(settings) = self.limits.zoom else { return };
        let ends = match self.zoom_of(pid) {
            None => !matches!(look, Look::Began { .. }),
            Some((zoom, beside)) => told(zoom, beside, time, (look, settings)),
        };
        if ends {
            self.desk.leave(pid);
            self.grant_looks(time);
        }
    }

    /// The process has gone, or runs another program now: what was found until then is kept.
    pub(super) fn cut_look_short(&mut self, pid: Pid, time: Nanos) {
        let Some((zoom, beside)) = self.zoom_of(pid) else { return };
        let goes_on = match std::mem::take(&mut zoom.phase) {
            Phase::Opening => true,
            Phase::Looking(findings) | Phase::Closing(findings) => {
                record(zoom, &findings, time, beside);
                true
            }
            Phase::Watching | Phase::Waiting | Phase::Resting(_) => false,
        };
        if let Some(look) = zoom.story.current() {
            look.outcome = Outcome::CutShort;
        }
        self.desk.leave(pid);
        if goes_on {
            self.desk.close(pid);
        }
    }

    pub(super) fn look_totals(&self) -> Totals {
        let (looking, waiting) = self.desk.counts();
        Totals { looking, waiting, looks: self.desk.looks }
    }

    fn zoom_of(&mut self, pid: Pid) -> Option<(&mut Zoom, Beside<'_>)> {
        let process = self.processes.get_mut(*self.pids.get(&pid)?)?;
        let Process { zoom, owns_space, space, .. } = process;
        let space = self.spaces.get(*space)?;
        let beside = Beside { space, stacks: &self.stacks, touch_level: self.touch_level };
        Some((zoom.as_deref_mut().filter(|_| *owns_space)?, beside))
    }
}

/// Applies it to the process; gives whether its place is free now.
fn told(
    zoom: &mut Zoom,
    beside: Beside<'_>,
    time: Nanos,
    (look, settings): (&Look, Settings),
) -> bool {
    match (look, std::mem::take(&mut zoom.phase)) {
        (Look::Began { interval }, Phase::Opening) => {
            if let Some(look) = zoom.story.current() {
                look.interval = *interval;
            }
            zoom.phase = Phase::Looking(Box::new(Findings::new(time, beside.space.touched.live())));
            false
        }
        (Look::Refused(reason), Phase::Opening) => {
            if let Some(look) = zoom.story.current() {
                look.outcome = Outcome::Refused(reason.clone());
            }
            zoom.rested(time, None, settings);
            true
        }
        // Nobody tells so, but places are never lost.
        (Look::Ended(_), Phase::Opening) => {
            if let Some(look) = zoom.story.current() {
                look.outcome = Outcome::CutShort;
            }
            zoom.rested(time, None, settings);
            true
        }
        (Look::Ended(cost), Phase::Looking(findings) | Phase::Closing(findings)) => {
            let most = record(zoom, &findings, time, beside);
            finish(zoom, most, *cost);
            let lasted = time.saturating_sub(findings.began());
            zoom.spent(cost.cpu.unwrap_or_default(), lasted);
            zoom.rested(time, most, settings);
            true
        }
        (look, phase) => {
            let is_looked_at =
                matches!(phase, Phase::Opening | Phase::Looking(_) | Phase::Closing(_));
            zoom.phase = phase;
            // Of a program that has gone since: its place is free already.
            !is_looked_at && !matches!(look, Look::Began { .. } | Look::Refused(_))
        }
    }
}

fn finish(zoom: &mut Zoom, most: Option<StackId>, cost: LookCost) {
    if let Some(look) = zoom.story.current() {
        let found = if most.is_some() { Found::Heap } else { Found::NotTheHeap };
        (look.outcome, look.cost) = (Outcome::Found(found), Some(cost));
    }
}

/// Writes down what the look has found until now; gives the stack that grows most.
fn record(
    zoom: &mut Zoom,
    findings: &Findings,
    time: Nanos,
    Beside { space, stacks, touch_level }: Beside<'_>,
) -> Option<StackId> {
    let look = zoom.story.current()?;
    let stack = |number: u32| {
        let id = *space.stacks().get(number as usize)?;
        let known = stacks.get(id).cloned();
        Some((id, known.unwrap_or_else(|| Stack::unknown(Callee::default()))))
    };
    look.lasted = time.saturating_sub(findings.began());
    let found = |named: Named| {
        let (id, Stack { callee, end, frames }) = stack(named.number)?;
        let Named { rate, gained, range, .. } = named;
        Some(FoundStack { stack: id, function: callee.function, frames, end, rate, gained, range })
    };
    look.found = findings.named().into_iter().filter_map(found).collect();
    let touched = |Gained { number, gained, confidence }| {
        let (id, Stack { end, frames, .. }) = stack(number)?;
        Some(TouchedGrowth { stack: id, frames, end, gained, confidence })
    };
    let gained = findings.touched_since(&space.touched.live(), touch_level);
    look.touched = gained.into_iter().filter_map(touched).collect();
    look.found.first().map(|first| first.stack)
}
