//! Stacks that touch pages first: which are listed, and what stays of resident memory's change besides.

use super::model::{ProcessReport, Sum};
use crate::engine::heap::ranges::PAGE;
use crate::engine::snapshot::{Confidence, ProcessSnapshot, TouchedStack};
use std::cmp::Reverse;

/// The stacks to list, most bytes first; `top` 0: all, also those with nothing left.
pub(super) fn choose(process: &ProcessSnapshot, top: usize) -> Vec<&TouchedStack> {
    let wanted = |stack: &&TouchedStack| top == 0 || stack.live_bytes > 0;
    let mut stacks: Vec<&TouchedStack> = process.touched_stacks.iter().filter(wanted).collect();
    stacks.sort_by_key(|it| (Reverse(it.live_bytes), Reverse(it.touched_bytes), it.stack));
    if top != 0 {
        stacks.truncate(top);
    }
    stacks
}

/// Touched pages that are not by the listed stacks. Every live page is in exactly one of both.
pub(super) fn others(process: &ProcessSnapshot, listed: &[&TouchedStack]) -> Sum {
    let is_live = |stack: &&TouchedStack| stack.live_bytes > 0;
    let count = |stacks: usize| stacks as u64;
    let all = count(process.touched_stacks.iter().filter(is_live).count());
    let shown = count(listed.iter().copied().filter(is_live).count());
    let listed: u64 = listed.iter().fold(0, |sum, it| sum.saturating_add(it.live_bytes));
    let bytes = process.touched.sums.live_bytes.saturating_sub(listed);
    Sum { stacks: all.saturating_sub(shown), blocks: bytes / PAGE, bytes }
}

/// Where the bytes of [`others`] lie: what is left of the squares of distances to the ends of the whole's interval when
/// those of the listed stacks' are taken away, as pages of different stacks are taken independently of each other.
pub(super) fn around_others(
    process: &ProcessSnapshot,
    listed: &[&TouchedStack],
) -> Option<Confidence> {
    let whole = process.touched.confidence?.live_bytes;
    let square = |one: u64, other: u64| (one.abs_diff(other) as f64).powi(2);
    let live = process.touched.sums.live_bytes;
    let mut left = [square(live, whole.low), square(live, whole.high)];
    for stack in listed {
        let [around, ..] = stack.confidence?;
        left[0] -= square(stack.live_bytes, around.low);
        left[1] -= square(stack.live_bytes, around.high);
    }
    let bytes = others(process, listed).bytes;
    let [below, above] = left.map(|left| left.max(0.0).sqrt().ceil() as u64);
    Some(Confidence { low: bytes.saturating_sub(below), high: bytes.saturating_add(above) })
}

/// Bytes of whole pages as pages.
pub(super) fn in_pages(bytes: Confidence) -> Confidence {
    Confidence { low: bytes.low / PAGE, high: bytes.high.div_ceil(PAGE) }
}

/// Pages that a transparent huge one has on x86-64 (`HPAGE_PMD_NR`).
const PAGES_OF_HUGE: u64 = 512;

/// What lies in transparent huge pages now, and how much of it may have come with a touch of another page of
/// the same one, bytes; `None` if nobody has looked. (The kernel also makes huge pages of small ones, each of
/// which was touched: `khugepaged`. And some are from before attach.)
pub(super) fn huge(process: &ProcessReport) -> Option<(u64, u64)> {
    let huge = process.picture.as_ref()?.picture.sum().huge;
    Some((huge, huge - huge / PAGES_OF_HUGE))
}

/// How resident memory changed since attach, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// By how much.
    pub(super) change: i64,
    /// How much more that is than what was touched and is still there.
    pub(super) rest: i64,
    /// Where that lies, where not every page was looked at.
    pub(super) around: Option<[i64; 2]>,
}

/// `None` where it is not known. (What a child inherited was there when it was first seen.)
pub(super) fn difference(process: &ProcessReport) -> Option<Difference> {
    let totals = process.touched.as_ref()?.totals;
    let (first, last) = process.usage_first.zip(process.usage_last)?;
    let difference = |a: u64, b: u64| i64::try_from(i128::from(a) - i128::from(b)).ok();
    let change = difference(last.resident, first.resident)?;
    let beyond = |live: u64| change.checked_sub(difference(live, totals.sums.inherited_bytes)?);
    let live = totals.confidence.map(|it| it.live_bytes);
    let around = live.and_then(|live| Some([beyond(live.high)?, beyond(live.low)?]));
    Some(Difference { change, rest: beyond(totals.sums.live_bytes)?, around })
}

#[cfg(test)]
mod tests {
    use super::huge;
    use crate::model::picture::{PageKind, Picture};
    use crate::report::model::{PictureReport, ProcessReport};

    #[test]
    fn of_a_huge_page_one_touch_is_seen() {
        assert_eq!(huge(&ProcessReport::default()), None);
        let mut picture = Picture::default();
        picture.kinds[PageKind::Anonymous as usize].huge = 4 << 20;
        let picture = Some(PictureReport { picture, ..PictureReport::default() });
        let process = ProcessReport { picture, ..ProcessReport::default() };
        assert_eq!(huge(&process), Some((4 << 20, (4 << 20) - 8192)));
    }
}
