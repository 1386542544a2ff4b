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

/// Where the bytes of [`others`] lie: the squares of distances to the ends of their stacks' intervals add up, as pages of
/// different stacks are taken independently of each other. For stacks of which few pages were taken that is farther than
/// it need be, but never farther than the whole's interval reaches, of which they are a part; nor can less be told where
/// pages of no stack are among them.
pub(super) fn around_others(
    process: &ProcessSnapshot,
    listed: &[&TouchedStack],
) -> Option<Confidence> {
    let whole = process.touched.confidence?.live_bytes;
    let live = process.touched.sums.live_bytes;
    let (mut squares, mut nobody) = ([0.0; 2], live);
    for stack in &process.touched_stacks {
        nobody = nobody.saturating_sub(stack.live_bytes);
        if listed.iter().any(|it| it.stack == stack.stack) {
            continue;
        }
        let [around, ..] = stack.confidence?;
        for (sum, end) in squares.iter_mut().zip([around.low, around.high]) {
            *sum += (stack.live_bytes.abs_diff(end) as f64).powi(2);
        }
    }
    let bytes = others(process, listed).bytes;
    let most = [whole.low, whole.high].map(|end| live.abs_diff(end));
    let [below, above] = if nobody > 0 {
        most
    } else {
        let of_stacks = squares.map(|sum| sum.sqrt().ceil() as u64);
        [of_stacks[0].min(most[0]), of_stacks[1].min(most[1])]
    };
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
    let around = totals.confidence.and_then(|it| {
        // The same pages are in both, as long as they are there: no closer can be told than as if they were not.
        let [inherited, live] = [it.inherited_bytes, it.live_bytes];
        let beyond = |live, inherited| change.checked_sub(difference(live, inherited)?);
        Some([beyond(live.high, inherited.low)?, beyond(live.low, inherited.high)?])
    });
    Some(Difference { change, rest: beyond(totals.sums.live_bytes)?, around })
}

#[cfg(test)]
mod tests {
    use super::{around_others, difference, huge};
    use crate::engine::heap::touched::figures::TouchFigures;
    use crate::engine::snapshot::{Confidence, ProcessSnapshot, TouchTotals, TouchedStack};
    use crate::model::ids::StackId;
    use crate::model::picture::{PageKind, Picture};
    use crate::model::process::Usage;
    use crate::report::model::{PictureReport, ProcessReport, TouchedReport};
    use memtrace_common::wire::StackEnd;

    fn within(low: u64, high: u64) -> Confidence {
        Confidence { low, high }
    }

    fn stack(number: u32, live_bytes: u64, around: Confidence) -> TouchedStack {
        TouchedStack {
            stack: StackId(number),
            frames: [].into(),
            end: StackEnd::Complete,
            live_bytes,
            touched_bytes: live_bytes,
            given_back_bytes: 0,
            confidence: Some([around; 3]),
        }
    }

    fn totals(live: u64, around: Confidence) -> TouchTotals {
        let (sums, confidence) = (
            TouchFigures { live_bytes: live, ..TouchFigures::default() },
            TouchFigures { live_bytes: around, ..TouchFigures::default() },
        );
        TouchTotals { sums, confidence: Some(confidence), ..TouchTotals::default() }
    }

    #[test]
    fn what_is_not_listed_is_as_uncertain_as_its_own_pages() {
        let touched_stacks = vec![
            stack(1, 1000, within(900, 1110)),
            stack(2, 30, within(10, 70)),
            stack(3, 40, within(20, 70)),
        ];
        let touched = totals(1070, within(960, 1190));
        let mut process = ProcessSnapshot { touched_stacks, touched, ..ProcessSnapshot::default() };
        let listed = [&process.touched_stacks[0]];
        assert_eq!(around_others(&process, &listed), Some(within(70 - 29, 70 + 50)));
        // Pages of nobody may be all that is uncertain.
        process.touched = totals(1080, within(960, 1190));
        let listed = [&process.touched_stacks[0]];
        assert_eq!(around_others(&process, &listed), Some(within(0, 80 + 110)));
        // A part is not more uncertain than the whole.
        process.touched = totals(1070, within(1060, 1080));
        let listed = [&process.touched_stacks[0]];
        assert_eq!(around_others(&process, &listed), Some(within(60, 80)));
    }

    #[test]
    fn what_was_inherited_makes_the_rest_uncertain() {
        let mut totals = totals(0, within(0, 5));
        totals.sums.inherited_bytes = 100;
        if let Some(confidence) = &mut totals.confidence {
            confidence.inherited_bytes = within(90, 112);
        }
        let usage = |resident| Some(Usage { resident, ..Usage::default() });
        let process = ProcessReport {
            touched: Some(TouchedReport { totals, ..TouchedReport::default() }),
            usage_first: usage(500),
            usage_last: usage(400),
            ..ProcessReport::default()
        };
        let difference = difference(&process).unwrap();
        assert_eq!((difference.change, difference.rest), (-100, 0));
        assert_eq!(difference.around, Some([-15, 12]));
    }

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
