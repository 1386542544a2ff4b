//! What a verdict rests on, in one to three sentences. Nothing is said that no figure supports.

use super::evidence;
use super::model::End;
use super::units::{
    about, bytes, counted, difference, duration, percent, rate, share, signed_bytes, span,
};
use super::verdict::{self, Explains, Figures, Verdict};
use crate::engine::snapshot::MappingTotals;
use crate::engine::trend::{LEAST_WATCH, Trend};
use crate::model::ids::SECOND;
use crate::model::process::Usage;

/// A stack as far as explanations need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grower {
    /// Bytes gained over the watch.
    pub gained: i64,
    /// Blocks allocated.
    pub allocated: u64,
    /// … of them freed.
    pub freed: u64,
    /// Blocks alive.
    pub live: u64,
    /// Their bytes.
    pub held: u64,
    /// Its trend.
    pub trend: Trend,
}

/// A process to be explained.
#[derive(Clone, Debug, Default)]
pub struct Case<'a> {
    /// The figures that were judged.
    pub figures: Figures,
    /// What they were judged to mean, losses aside.
    pub verdict: Verdict,
    /// Why the figures are not to be relied on; empty if they are.
    pub degraded: &'a [String],
    /// All its stacks, in any order.
    pub stacks: Vec<Grower>,
    /// How it ended.
    pub end: End,
    /// Mapping totals.
    pub mappings: MappingTotals,
    /// Memory when first seen and now.
    pub usage: Option<(Usage, Usage)>,
    /// Limit of the cgroup, bytes.
    pub cgroup_limit: Option<u64>,
}

/// The sentences, the one that belongs beside the verdict first; without their last full stop.
#[must_use]
pub fn explain(case: &Case<'_>) -> Vec<String> {
    let mut sentences = match case.verdict {
        Verdict::Growing => growing(case),
        Verdict::Stable => stable(case),
        Verdict::Draining => draining(case),
        Verdict::NotTheHeap => not_the_heap(case),
        Verdict::Ended => ended(case),
        Verdict::TooShort | Verdict::New | Verdict::Degraded => too_short(case),
    };
    if matches!(case.verdict, Verdict::Growing | Verdict::NotTheHeap) {
        sentences.extend(time_to_limit(case));
    }
    if case.degraded.is_empty() {
        return sentences;
    }
    let words = case.verdict.words();
    let reading = sentences
        .first()
        .map(|sentence| format!("The figures as they are say {words}: {sentence}"));
    [case.degraded.join("; ")].into_iter().chain(reading).collect()
}

/// The stacks that grow, the largest gain first.
fn growers(case: &Case<'_>) -> Vec<Grower> {
    let growing = case.stacks.iter().filter(|stack| stack.trend == Trend::Growing);
    let mut growers: Vec<Grower> = growing.copied().collect();
    growers.sort_by_key(|stack| std::cmp::Reverse(stack.gained));
    growers
}

fn growing(case: &Case<'_>) -> Vec<String> {
    let growers = growers(case);
    let growth = case.figures.growth.bytes;
    let slope = case.figures.judgement.slope.as_ref().map_or_else(String::new, evidence::slope);
    if case.figures.judgement.trend != Trend::Growing {
        let gain = rate(case.figures.stacks_gain);
        let stacks = counted(growers.len() as u64, "stack");
        return vec![
            format!("{stacks} of it, by {gain} at least, under the ups and downs of the others"),
            format!("The live heap as a whole changed by {}", signed_bytes(growth)),
        ];
    }
    let Some(first) = growers.first() else {
        return vec![format!(
            "{slope}; the live heap gained {}, spread over stacks none of which grows steadily",
            bytes(growth.unsigned_abs())
        )];
    };
    let part = first.gained as f64 / growth.max(1) as f64;
    if part >= 0.5 {
        let about = if case.figures.heap.confidence.is_some() { "about " } else { "" };
        return vec![format!("{slope}; {}", one_stack(first, part)), leak_or_cache(first, about)];
    }
    let enough = growers_for_most(&growers, growth);
    let explained = match enough {
        Some((number, part)) => {
            format!("{} explain {} of the growth", counted(number, "stack"), of_all(part))
        }
        None => format!(
            "the growth of {} is spread widely; the largest of {} explains {} of it",
            bytes(growth.unsigned_abs()),
            counted(growers.len() as u64, "growing stack"),
            of_all(part)
        ),
    };
    vec![format!("{slope}; {explained}")]
}

fn one_stack(stack: &Grower, part: f64) -> String {
    let keeps = if stack.freed == 0 {
        "everything".to_owned()
    } else {
        format!(
            "{} of what",
            percent(share(stack.allocated.saturating_sub(stack.freed), stack.allocated))
        )
    };
    format!("one stack keeps {keeps} it allocates and explains {} of the growth", of_all(part))
}

fn leak_or_cache(stack: &Grower, about: &str) -> String {
    if stack.freed == 0 {
        let blocks = counted(stack.live, "block");
        format!("Leak or unbounded cache: {about}{blocks} since attach, none freed")
    } else {
        let blocks = counted(stack.allocated, "block");
        let freed = percent(share(stack.freed, stack.allocated));
        format!("Of {about}{blocks} allocated since attach, {about}{freed} were freed")
    }
}

/// How many of the largest stacks together explain four fifths, if ten do.
fn growers_for_most(growers: &[Grower], growth: i64) -> Option<(u64, f64)> {
    let mut sum = 0_i64;
    for (number, stack) in (1..=10).zip(growers) {
        sum = sum.saturating_add(stack.gained);
        let part = sum as f64 / growth.max(1) as f64;
        if part >= 0.8 {
            return Some((number, part));
        }
    }
    None
}

/// Where other stacks shrank, some grew by more than the whole.
fn of_all(part: f64) -> String {
    if part >= 0.995 { "all".to_owned() } else { format!("{:.0} %", part * 100.0) }
}

fn stable(case: &Case<'_>) -> Vec<String> {
    let figures = &case.figures;
    let change = signed_bytes(figures.growth.bytes);
    if verdict::replaces_older_blocks(figures) && figures.growth.bytes > 0 {
        return vec![
            format!(
                "new blocks replace older ones: {} from before attach were freed while {} stayed",
                counted(figures.heap.unknown_frees, "block"),
                counted(figures.heap.live_blocks, "new one")
            ),
            "Resident memory does not grow".to_owned(),
        ];
    }
    let growers = growers(case);
    let small: i64 = growers.iter().fold(0, |sum, stack| sum.saturating_add(stack.gained));
    let mut sentences = vec![format!("the live heap changed by {change}{}", since(case))];
    sentences.push(match growers.len() as u64 {
        0 => "No stack keeps growing".to_owned(),
        number => format!(
            "{} grew, by {} together",
            counted(number, "stack"),
            bytes(small.unsigned_abs())
        ),
    });
    sentences
}

/// How it changes by now.
fn since(case: &Case<'_>) -> String {
    let slope = case.figures.judgement.slope.as_ref().map(evidence::slope);
    slope.map_or_else(String::new, |slope| format!(", in the later half of the watch by {slope}"))
}

fn draining(case: &Case<'_>) -> Vec<String> {
    let change = signed_bytes(case.figures.growth.bytes);
    vec![format!("the live heap changed by {change}{}", since(case))]
}

fn not_the_heap(case: &Case<'_>) -> Vec<String> {
    let resident = &case.figures.resident;
    let slope = case.figures.resident_slope.as_ref().map(evidence::slope);
    let most = case.figures.heap.confidence.map_or_else(String::new, |_| {
        format!(" by its samples, {} at most", signed_bytes(verdict::most_gained(&case.figures)))
    });
    let mut sentences = vec![format!(
        "resident memory gained {}, by {} in the later half of the watch, the live heap {}{most}",
        bytes(resident.bytes.unsigned_abs()),
        slope.unwrap_or_default(),
        signed_bytes(case.figures.growth.bytes)
    )];
    let half = resident.bytes.unsigned_abs() / 2;
    let [anonymous, ..] = case.mappings.live_by_kind;
    let file =
        case.usage.map_or(0, |(first, last)| difference(last.resident_file, first.resident_file));
    sentences.push(if u64::try_from(file).is_ok_and(|file| file >= half) {
        format!(
            "{} of it are file pages: mapped files or shared memory",
            bytes(file.unsigned_abs())
        )
    } else if anonymous >= half {
        format!("Anonymous mappings made since attach hold {}", bytes(anonymous))
    } else {
        "No mapping made since attach explains it: older memory is being touched for the first time"
            .to_owned()
    });
    sentences
}

/// Where its samples are too few to say whether it is the heap.
fn too_few(case: &Case<'_>) -> Vec<String> {
    let figures = &case.figures;
    vec![
        format!(
            "resident memory gained {}, the live heap {} by its samples and at most {}: too few to say \
             whether it is the heap",
            bytes(figures.resident.bytes.unsigned_abs()),
            signed_bytes(figures.growth.bytes),
            signed_bytes(verdict::most_gained(figures)),
        ),
        "A longer watch or a smaller --sample-interval tells more".to_owned(),
    ]
}

fn too_short(case: &Case<'_>) -> Vec<String> {
    if case.figures.judgement.trend != Trend::New
        && verdict::heap_explains_resident(&case.figures) == Explains::Perhaps
    {
        return too_few(case);
    }
    let watched = duration(case.figures.watched);
    let (least, wait) = (span(LEAST_WATCH), still_to_wait(case));
    let mut sentences = vec![match (case.figures.in_windows, case.figures.watched) {
        (false, _) => format!("watched {watched}; a trend needs {least}: watch it for {wait} more"),
        (true, 0) => format!(
            "blocks are watched in windows, and none is open: what is held from one to the next is not \
             known, and a trend needs {least} in a row"
        ),
        (true, _) => format!(
            "blocks are watched in windows, the latest of which has been open for {watched}: a trend needs \
             {least} in a row"
        ),
    }];
    let growth = case.figures.growth.bytes;
    let first = case.stacks.iter().max_by_key(|stack| stack.gained);
    if let Some(first) = first.filter(|first| growth > 0 && first.gained > 0) {
        sentences.push(format!(
            "So far the live heap gained {}, {} of it in one stack",
            bytes(growth.unsigned_abs()),
            bytes(first.gained.unsigned_abs())
        ));
    }
    sentences
}

fn still_to_wait(case: &Case<'_>) -> String {
    let left = LEAST_WATCH.saturating_sub(case.figures.watched);
    span(left.next_multiple_of(SECOND).max(SECOND))
}

/// Of what ran for too short a time to have a trend: what it left.
fn ended(case: &Case<'_>) -> Vec<String> {
    let heap = &case.figures.heap;
    let watched = duration(case.figures.watched);
    if heap.live_blocks == 0 && heap.unknown_blocks > 0 {
        let unknown = counted(heap.unknown_blocks, "block");
        return vec![format!("whether {unknown} were still alive at its end is not known")];
    }
    if heap.live_blocks == 0 {
        return vec![format!("nothing that it allocated was alive at its end, after {watched}")];
    }
    let left = evidence::left(heap.live_bytes, heap.live_blocks);
    let mut sentences = vec![format!("{left} were alive at its end, after {watched}")];
    let most = case.stacks.iter().max_by_key(|stack| stack.held);
    sentences.extend(most.map(|most| format!("Most in one stack: {}", bytes(most.held))));
    sentences
}

/// When the cgroup reaches its limit if it goes on like this, for limits within a month.
fn time_to_limit(case: &Case<'_>) -> Option<String> {
    let (first, last) = case.usage?;
    let (before, now) = (first.cgroup?, last.cgroup?);
    let gained = now.checked_sub(before).filter(|gained| *gained >= 1 << 20)?;
    if case.end != End::Running || case.figures.watched < LEAST_WATCH {
        return None;
    }
    let left = case.cgroup_limit?.saturating_sub(now);
    let seconds = left as f64 / gained as f64 * (case.figures.watched as f64 / SECOND as f64);
    (seconds < 30.0 * 86_400.0).then(|| format!("cgroup limit in about {}", about(seconds)))
}

#[cfg(test)]
mod tests {
    use super::{Case, Grower, explain};
    use crate::engine::snapshot::{
        Confidence, Growth, HeapTotals, MappingTotals, SampledConfidence,
    };
    use crate::engine::trend::{Band, Judgement, Trend};
    use crate::model::ids::SECOND;
    use crate::model::process::Usage;
    use crate::report::model::End;
    use crate::report::verdict::{Figures, Verdict};

    const MIB: u64 = 1 << 20;

    fn grower(gained: i64, allocated: u64, freed: u64) -> Grower {
        let (trend, live) = (Trend::Growing, allocated - freed);
        Grower { gained, allocated, freed, live, held: live * 8, trend }
    }

    fn growing(bytes: i64, stacks: Vec<Grower>) -> Case<'static> {
        let growth = Growth { bytes_per_second: None, bytes, up: 6, of: 6 };
        let slope = Some(Band { low: 10.0, middle: 20.0, high: 30.0 });
        let judgement = Judgement { trend: Trend::Growing, slope, ..Judgement::default() };
        let figures = Figures { watched: 60 * SECOND, growth, judgement, ..Figures::default() };
        Case { figures, verdict: Verdict::Growing, stacks, ..Case::default() }
    }

    #[test]
    fn one_stack_may_explain_it_all() {
        let case = growing(100_000, vec![grower(10, 5, 4), grower(96_000, 80_486, 0)]);
        assert_eq!(
            explain(&case),
            [
                "+20 B/s (95 %: +10 B to +30 B); one stack keeps everything it allocates and explains 96 % of the growth",
                "Leak or unbounded cache: 80,486 blocks since attach, none freed"
            ]
        );
        let case = growing(100_000, vec![grower(120_000, 1000, 250)]);
        assert_eq!(
            explain(&case),
            [
                "+20 B/s (95 %: +10 B to +30 B); one stack keeps 75 % of what it allocates and explains all of the growth",
                "Of 1,000 blocks allocated since attach, 25 % were freed"
            ]
        );
        let confidence = Some(SampledConfidence::default());
        let case = |stack| {
            let mut case = growing(100_000, vec![stack]);
            case.figures.heap.confidence = confidence;
            explain(&case)[1].clone()
        };
        assert_eq!(
            case(grower(120_000, 1000, 0)),
            "Leak or unbounded cache: about 1,000 blocks since attach, none freed"
        );
        assert_eq!(
            case(grower(120_000, 1000, 250)),
            "Of about 1,000 blocks allocated since attach, about 25 % were freed"
        );
    }

    #[test]
    fn several_stacks_are_counted() {
        let some = growing(100_000, vec![grower(30_000, 5, 4); 3]);
        assert_eq!(
            explain(&some),
            ["+20 B/s (95 %: +10 B to +30 B); 3 stacks explain 90 % of the growth"]
        );
        let many = growing(100_000, vec![grower(1_000, 5, 4); 90]);
        assert_eq!(
            explain(&many),
            [
                "+20 B/s (95 %: +10 B to +30 B); the growth of 97.7 KiB is spread widely; the largest of 90 growing stacks explains 1 % of it"
            ]
        );
        let none = growing(100_000, vec![]);
        assert!(explain(&none)[0].ends_with("none of which grows steadily"));
    }

    #[test]
    fn the_limit_is_extrapolated_only_from_real_growth() {
        let usage = |cgroup| Usage { cgroup: Some(cgroup), ..Usage::default() };
        let mut case = growing(100_000, vec![grower(96_000, 80_486, 0)]);
        case.cgroup_limit = Some(8192 * MIB);
        case.usage = Some((usage(6492 * MIB), usage(6574 * MIB)));
        assert_eq!(explain(&case).last().unwrap(), "cgroup limit in about 20 min");
        case.usage = Some((usage(6574 * MIB), usage(6574 * MIB)));
        assert_eq!(explain(&case).len(), 2);
        case.usage = Some((usage(6492 * MIB), usage(6574 * MIB)));
        case.end = End::Exited(0);
        assert_eq!(explain(&case).len(), 2);
    }

    #[test]
    fn windows_are_no_long_watch() {
        let mut case = Case { verdict: Verdict::TooShort, ..Case::default() };
        case.figures.in_windows = true;
        assert!(explain(&case)[0].contains("none is open"), "{:?}", explain(&case));
        case.figures.watched = 3 * SECOND;
        let said = explain(&case);
        assert!(
            said[0].contains("open for 3.0 s") && said[0].contains("10 s in a row"),
            "{said:?}"
        );
        case.verdict = Verdict::Ended;
        case.figures.heap.unknown_blocks = 7;
        assert_eq!(explain(&case), ["whether 7 blocks were still alive at its end is not known"]);
    }

    #[test]
    fn a_short_watch_says_how_long_to_wait() {
        let mut case = growing(0, vec![]);
        case.verdict = Verdict::TooShort;
        case.figures.watched = 4 * SECOND + 1;
        assert_eq!(explain(&case), ["watched 4.0 s; a trend needs 10 s: watch it for 6 s more"]);
        case.figures.growth.bytes = 5000;
        case.stacks = vec![grower(10, 5, 4), grower(4000, 5, 4)];
        assert_eq!(
            explain(&case)[1],
            "So far the live heap gained 4.88 KiB, 3.91 KiB of it in one stack"
        );
    }

    #[test]
    fn what_ended_early_says_what_it_left() {
        let mut case = growing(0, vec![]);
        case.verdict = Verdict::Ended;
        case.figures.watched = SECOND;
        assert_eq!(explain(&case), ["nothing that it allocated was alive at its end, after 1.0 s"]);
        (case.figures.heap.live_bytes, case.figures.heap.live_blocks) = (300, 2);
        case.stacks = vec![grower(100, 9, 8), grower(200, 9, 6)];
        assert_eq!(
            explain(&case),
            ["300 B in 2 blocks were alive at its end, after 1.0 s", "Most in one stack: 24 B"]
        );
    }

    #[test]
    fn a_leak_under_churn_is_told_by_its_stacks() {
        let mut case = growing(-5000, vec![grower(4000, 500, 4)]);
        case.figures.judgement.trend = Trend::Stable;
        case.figures.stacks_gain = 60.0;
        assert_eq!(
            explain(&case),
            [
                "1 stack of it, by +60 B/s at least, under the ups and downs of the others",
                "The live heap as a whole changed by -4.88 KiB"
            ]
        );
    }

    #[test]
    fn what_grows_instead_of_the_heap_is_named() {
        let mut case = growing(0, vec![]);
        case.verdict = Verdict::NotTheHeap;
        case.figures.resident = Growth { bytes: 10 << 20, ..Growth::default() };
        case.figures.resident_slope = case.figures.judgement.slope;
        assert!(explain(&case)[1].starts_with("No mapping"));
        case.mappings =
            MappingTotals { live_by_kind: [8 * MIB, 0, 0, 0, 0, 0, 0], ..MappingTotals::default() };
        assert_eq!(explain(&case)[1], "Anonymous mappings made since attach hold 8.00 MiB");
        let file = Usage { resident_file: 9 * MIB, ..Usage::default() };
        case.usage = Some((Usage::default(), file));
        assert_eq!(
            explain(&case)[1],
            "9.00 MiB of it are file pages: mapped files or shared memory"
        );
        assert_eq!(
            explain(&case)[0],
            "resident memory gained 10.0 MiB, by +20 B/s (95 %: +10 B to +30 B) in the later half of the \
             watch, the live heap 0 B"
        );
    }

    /// A sampled heap whose estimate gained nothing, and which may hold so much.
    fn sampled(high: u64) -> Case<'static> {
        let mut case = growing(0, vec![]);
        case.figures.judgement.trend = Trend::Stable;
        case.figures.resident = Growth { bytes: 10 << 20, ..Growth::default() };
        case.figures.resident_slope = case.figures.judgement.slope;
        let live_bytes = Confidence { low: 0, high };
        case.figures.heap.confidence =
            Some(SampledConfidence { live_bytes, ..SampledConfidence::default() });
        case.verdict = crate::report::verdict::process(&case.figures);
        case
    }

    #[test]
    fn what_samples_allow_is_said() {
        let few = sampled(6 * MIB);
        assert_eq!(few.verdict, Verdict::TooShort);
        assert_eq!(
            explain(&few),
            [
                "resident memory gained 10.0 MiB, the live heap 0 B by its samples and at most +6.00 MiB: \
                 too few to say whether it is the heap",
                "A longer watch or a smaller --sample-interval tells more"
            ]
        );
        let enough = sampled(2 * MIB);
        assert_eq!(enough.verdict, Verdict::NotTheHeap);
        assert!(
            explain(&enough)[0].ends_with("the live heap 0 B by its samples, +2.00 MiB at most"),
            "{:?}",
            explain(&enough)
        );
    }

    #[test]
    fn steadiness_is_told_from_turnover() {
        let mut case = growing(5_000, vec![grower(5_000, 10, 0)]);
        case.verdict = Verdict::Stable;
        assert_eq!(
            explain(&case),
            [
                "the live heap changed by +4.88 KiB, in the later half of the watch by +20 B/s (95 %: \
                 +10 B to +30 B)",
                "1 stack grew, by 4.88 KiB together"
            ]
        );
        case.figures.heap =
            HeapTotals { live_blocks: 10, unknown_frees: 9, ..HeapTotals::default() };
        case.figures.resident_first = Some(MIB);
        assert!(explain(&case)[0].starts_with("new blocks replace older ones: 9 blocks"));
    }

    #[test]
    fn losses_come_first() {
        let reasons = ["3 % of events were lost".to_owned(), "over budget".to_owned()];
        let case = Case { degraded: &reasons, ..growing(100_000, vec![grower(30_000, 5, 4); 3]) };
        assert_eq!(
            explain(&case),
            [
                "3 % of events were lost; over budget",
                "The figures as they are say GROWING: +20 B/s (95 %: +10 B to +30 B); 3 stacks explain 90 % of the \
                 growth"
            ]
        );
    }
}
