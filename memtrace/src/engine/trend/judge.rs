//! The verdict on one call stack.

use super::Band;
use super::lasting::{Lasting, lasting};
use super::slope::{NORMAL, slope};
use super::survival::{CLASSES, Lifetimes, begins};
use crate::model::ids::{Nanos, SECOND};

/// Equal parts of the watch, by which live blocks are counted after their birth.
pub const COHORTS: usize = 16;
/// A shorter watch tells nothing.
pub const LEAST_WATCH: Nanos = 10 * SECOND;
/// What grows by less than this part of what is held, over the whole watch, does not count …
const LEAST_PART: f64 = 0.01;
/// … nor less than this, bytes.
const LEAST_BYTES: f64 = 4096.0;
/// Blocks that stay: fewer tell nothing.
const LEAST_BLOCKS: u64 = 8;
/// Of the cohorts that are old enough, so many must have survivors, in parts of a hundred.
const MOST_COHORTS: usize = 75;
/// A curve is flat if it loses less than this part between an eighth and a half of the watch.
const FLAT: f64 = 0.1;

/// See [`recent_slope`].
const PATH: f64 = 1.2;

/// What a stack does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trend {
    /// It holds more and more.
    Growing,
    /// It holds about the same, whatever comes and goes.
    Stable,
    /// It holds less and less.
    Draining,
    /// Not watched for long enough to say, or by too few samples.
    #[default]
    New,
}

/// What is known of a stack.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// For how long it was watched.
    pub watched: Nanos,
    /// Bytes held, at moments since the watch began (nanoseconds); the last one is now.
    pub held: Vec<(Nanos, u64)>,
    /// How old its blocks became, and are; `None` where that was not kept.
    pub lifetimes: Option<Lifetimes>,
    /// Live blocks by the part of the watch in which they were born, oldest first.
    pub cohorts: [u64; COHORTS],
    /// All that it allocated, bytes and blocks.
    pub allocated: (u64, u64),
    /// What it holds now is known by so few samples that it is not known whether it came: a slope upwards says nothing.
    pub is_vague: bool,
    /// Variance of what is held, as samples tell it, for each of its bytes (bytes); 0: every block is known.
    pub variance: f64,
}

/// The verdict and what it rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judgement {
    /// What it does.
    pub trend: Trend,
    /// Bytes per second over the later half of the watch; `None` with too few points.
    pub slope: Option<Band>,
    /// The share of blocks that stay for good, where the survival curve is flat.
    pub staying: Option<Band>,
    /// What it gains at least if it grows, bytes per second; else 0.
    pub least_gain: f64,
    /// How long its blocks live.
    pub lasting: Lasting,
    /// Moments at which it was looked at.
    pub points: usize,
}

impl Judgement {
    /// It grows by what stays of what it allocates, while its slope may be nothing: blocks that it held from before
    /// went meanwhile, or it rested at the end.
    #[must_use]
    pub fn grows_by_what_stays(&self) -> bool {
        self.trend == Trend::Growing && self.slope.is_none_or(|slope| slope.low <= 0.0)
    }

    /// The one figure for how it changes, bytes per second: its slope, or what it gains at least where the verdict
    /// rests on that.
    #[must_use]
    pub fn speed(&self) -> Option<f64> {
        if self.grows_by_what_stays() {
            return Some(self.least_gain);
        }
        self.slope.map(|slope| slope.middle)
    }
}

/// Judges a stack.
#[must_use]
pub fn judge(evidence: &Evidence) -> Judgement {
    let lasting = evidence.lifetimes.as_ref().map_or_else(Lasting::default, lasting);
    let points = evidence.held.len();
    let slope = recent_slope(evidence);
    let told = slope.filter(|slope| !evidence.is_vague || slope.high < 0.0);
    if evidence.watched < LEAST_WATCH {
        return Judgement { slope, lasting, points, ..Judgement::default() };
    }
    let staying = staying(evidence);
    let held = evidence.held.last().map_or(0, |(_, bytes)| *bytes);
    let matters = |bytes_per_second| matters(bytes_per_second, evidence.watched, held);
    let stays = staying.map_or(0.0, |share| share.low * allocated_per_second(evidence));
    // The curve is one of blocks, and those that stay may be smaller than others: what stays is still held.
    let stays = stays.min(per_second(held, evidence.watched));
    let leaks = matters(stays);
    let trend = match told {
        Some(slope) if slope.low > 0.0 && matters(slope.middle) => Trend::Growing,
        _ if leaks => Trend::Growing,
        Some(slope) if slope.high < 0.0 && matters(slope.middle) => Trend::Draining,
        Some(_) => Trend::Stable,
        None => Trend::New,
    };
    let gains = told.map_or(0.0, |slope| slope.low).max(stays);
    let least_gain = if trend == Trend::Growing { gains } else { 0.0 };
    Judgement { trend, slope, staying, least_gain, lasting, points }
}

/// Whether so much per second comes to anything over a watch, beside what is `held` at its end.
#[must_use]
pub fn matters(bytes_per_second: f64, watched: Nanos, held: u64) -> bool {
    let bytes = bytes_per_second * watched as f64 / SECOND as f64;
    bytes.abs() > LEAST_BYTES.max(held as f64 * LEAST_PART)
}

/// The slope over the later half: what filled at the beginning, and holds that now, does not grow.
///
/// Where blocks are samples, those that came meanwhile could as well have been others: the sum of them is known no better
/// than samples tell. It wanders away from the truth, which no ups and downs show, so the interval is wider by that: what
/// comes to V at the end of T seconds makes the slope of a line through it vary by 6/5 V/T², as that of a path of Brownian
/// motion.
pub(super) fn recent_slope(evidence: &Evidence) -> Option<Band> {
    let half = evidence.watched / 2;
    let points: Vec<(f64, f64)> = evidence
        .held
        .iter()
        .filter(|(time, _)| *time >= half)
        .map(|(time, bytes)| (*time as f64 / SECOND as f64, *bytes as f64))
        .collect();
    Some(widened(slope(&points)?, &points, evidence.variance))
}

/// The slope of such points as it is known if what they gained has so much variance for each byte of it, as
/// [`recent_slope`] says.
pub(crate) fn widened(band: Band, points: &[(f64, f64)], variance: f64) -> Band {
    let ends = points.first().zip(points.last());
    let span = ends.map_or(0.0, |(first, last)| last.0 - first.0);
    // What a recording says need not be in order.
    if variance <= 0.0 || span <= 0.0 {
        return band;
    }
    let gained = band.middle.abs() * span;
    let wander = NORMAL * (PATH * gained * variance).sqrt() / span;
    Band {
        low: band.middle - wander.hypot(band.middle - band.low),
        middle: band.middle,
        high: band.middle + wander.hypot(band.high - band.middle),
    }
}

/// The height of the survival curve's plateau, if it has one to which all parts of the watch contribute.
fn staying(evidence: &Evidence) -> Option<Band> {
    let curve = evidence.lifetimes.as_ref()?.survival();
    // Ages that blocks born in the first half could reach, and that many reached.
    let reached = (0..CLASSES).rev().find(|class| begins(*class) <= evidence.watched / 2)?;
    let early = (0..CLASSES).rev().find(|class| begins(*class) <= evidence.watched / 8)?;
    let (early, late) = (curve[early]?, curve[reached]?);
    let is_flat = late.middle > 0.0 && early.middle - late.middle <= FLAT * early.middle;
    let old = &evidence.cohorts[..COHORTS / 2];
    let with_survivors = old.iter().filter(|blocks| **blocks > 0).count();
    let is_everywhere = with_survivors * 100 >= old.len() * MOST_COHORTS;
    let are_enough = old.iter().sum::<u64>() >= LEAST_BLOCKS;
    (is_flat && is_everywhere && are_enough).then_some(late)
}

fn allocated_per_second(evidence: &Evidence) -> f64 {
    per_second(evidence.allocated.0, evidence.watched)
}

fn per_second(bytes: u64, watched: Nanos) -> f64 {
    bytes as f64 / (watched as f64 / SECOND as f64)
}
