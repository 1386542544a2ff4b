//! What a verdict rests on, in one to three sentences. Nothing is said that no figure supports.

use super::model::End;
use super::units::{
    about, bytes, counted, difference, duration, percent, share, signed_bytes, span,
};
use super::verdict::{self, Figures, LEAST_INTERVALS, LEAST_WATCH, StackVerdict, Verdict};
use crate::engine::snapshot::MappingTotals;
use crate::model::ids::{Nanos, SECOND};
use crate::model::process::Usage;
use std::time::Duration;

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
    /// Its verdict.
    pub verdict: StackVerdict,
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
    /// Time between two points of the series, if it is known.
    pub interval: Option<Duration>,
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
        Verdict::Steady => steady(case),
        Verdict::NotTheHeap => not_the_heap(case),
        Verdict::TooShort | Verdict::Degraded => too_short(case),
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
    let growing = case.stacks.iter().filter(|stack| stack.verdict == StackVerdict::Growing);
    let mut growers: Vec<Grower> = growing.copied().collect();
    growers.sort_by_key(|stack| std::cmp::Reverse(stack.gained));
    growers
}

fn growing(case: &Case<'_>) -> Vec<String> {
    let growers = growers(case);
    let growth = case.figures.growth.bytes;
    let Some(first) = growers.first() else {
        return vec![format!(
            "the live heap gained {}, spread over stacks none of which grows steadily",
            bytes(growth.unsigned_abs())
        )];
    };
    let part = first.gained as f64 / growth.max(1) as f64;
    if part >= 0.5 {
        return vec![one_stack(first, part), leak_or_cache(first)];
    }
    let enough = growers_for_most(&growers, growth);
    vec![match enough {
        Some((number, part)) => {
            format!("{} explain {} of the growth", counted(number, "stack"), of_all(part))
        }
        None => format!(
            "the growth of {} is spread widely; the largest of {} explains {} of it",
            bytes(growth.unsigned_abs()),
            counted(growers.len() as u64, "growing stack"),
            of_all(part)
        ),
    }]
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

fn leak_or_cache(stack: &Grower) -> String {
    if stack.freed == 0 {
        let blocks = counted(stack.live, "block");
        format!("Leak or unbounded cache: {blocks} since attach, none freed")
    } else {
        let blocks = counted(stack.allocated, "block");
        let freed = percent(share(stack.freed, stack.allocated));
        format!("Of {blocks} allocated since attach, {freed} were freed")
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

fn steady(case: &Case<'_>) -> Vec<String> {
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
    let over = counted(u64::from(figures.growth.of), "interval");
    let mut sentences = vec![format!("the live heap changed by {change} over {over}")];
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

fn not_the_heap(case: &Case<'_>) -> Vec<String> {
    let resident = &case.figures.resident;
    let mut sentences = vec![format!(
        "resident memory gained {} in {} of {} intervals, the live heap {}",
        bytes(resident.bytes.unsigned_abs()),
        resident.up,
        resident.of,
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

fn too_short(case: &Case<'_>) -> Vec<String> {
    let watched = duration(case.figures.watched);
    if case.end == End::Running {
        let wait = still_to_wait(case).map_or_else(
            || "watch it for longer".to_owned(),
            |wait| format!("watch it for {} more", span(wait)),
        );
        let least = span(LEAST_WATCH);
        return vec![format!(
            "watched {watched}; growth needs {LEAST_INTERVALS} intervals and {least}: {wait}"
        )];
    }
    let heap = &case.figures.heap;
    vec![
        format!("it was there for {watched} only, which tells no growth"),
        format!(
            "At its end {} in {} had not been freed",
            bytes(heap.live_bytes),
            counted(heap.live_blocks, "block")
        ),
    ]
}

fn still_to_wait(case: &Case<'_>) -> Option<Nanos> {
    let by_time = LEAST_WATCH.saturating_sub(case.figures.watched);
    let left = LEAST_INTERVALS.saturating_sub(case.figures.growth.of);
    if left == 0 {
        return Some(by_time);
    }
    let interval = u64::try_from(case.interval?.as_nanos()).ok()?;
    Some(by_time.max(interval.checked_mul(u64::from(left))?))
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
    use crate::engine::snapshot::{Growth, HeapTotals, MappingTotals};
    use crate::model::ids::SECOND;
    use crate::model::process::Usage;
    use crate::report::model::End;
    use crate::report::verdict::{Figures, StackVerdict, Verdict};
    use std::time::Duration;

    const MIB: u64 = 1 << 20;

    fn grower(gained: i64, allocated: u64, freed: u64) -> Grower {
        let verdict = StackVerdict::Growing;
        Grower { gained, allocated, freed, live: allocated - freed, verdict }
    }

    fn growing(bytes: i64, stacks: Vec<Grower>) -> Case<'static> {
        let growth = Growth { bytes_per_second: None, bytes, up: 6, of: 6 };
        let figures = Figures { watched: 60 * SECOND, growth, ..Figures::default() };
        Case { figures, verdict: Verdict::Growing, stacks, ..Case::default() }
    }

    #[test]
    fn one_stack_may_explain_it_all() {
        let case = growing(100_000, vec![grower(10, 5, 4), grower(96_000, 80_486, 0)]);
        assert_eq!(
            explain(&case),
            [
                "one stack keeps everything it allocates and explains 96 % of the growth",
                "Leak or unbounded cache: 80,486 blocks since attach, none freed"
            ]
        );
        let case = growing(100_000, vec![grower(120_000, 1000, 250)]);
        assert_eq!(
            explain(&case),
            [
                "one stack keeps 75 % of what it allocates and explains all of the growth",
                "Of 1,000 blocks allocated since attach, 25 % were freed"
            ]
        );
    }

    #[test]
    fn several_stacks_are_counted() {
        let some = growing(100_000, vec![grower(30_000, 5, 4); 3]);
        assert_eq!(explain(&some), ["3 stacks explain 90 % of the growth"]);
        let many = growing(100_000, vec![grower(1_000, 5, 4); 90]);
        assert_eq!(
            explain(&many),
            [
                "the growth of 97.7 KiB is spread widely; the largest of 90 growing stacks explains 1 % of it"
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
    fn a_short_watch_says_how_long_to_wait() {
        let mut case = growing(0, vec![]);
        case.verdict = Verdict::TooShort;
        case.figures.watched = 4 * SECOND;
        case.figures.growth.of = 1;
        case.interval = Some(Duration::from_secs(4));
        assert_eq!(
            explain(&case),
            ["watched 4.0 s; growth needs 3 intervals and 10 s: watch it for 8 s more"]
        );
        case.end = End::Exited(0);
        assert_eq!(explain(&case)[1], "At its end 0 B in 0 blocks had not been freed");
    }

    #[test]
    fn what_grows_instead_of_the_heap_is_named() {
        let mut case = growing(0, vec![]);
        case.verdict = Verdict::NotTheHeap;
        case.figures.resident = Growth { bytes: 10 << 20, up: 5, of: 6, bytes_per_second: None };
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
            "resident memory gained 10.0 MiB in 5 of 6 intervals, the live heap 0 B"
        );
    }

    #[test]
    fn steadiness_is_told_from_turnover() {
        let mut case = growing(5_000, vec![grower(5_000, 10, 0)]);
        case.verdict = Verdict::Steady;
        assert_eq!(
            explain(&case),
            [
                "the live heap changed by +4.88 KiB over 6 intervals",
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
                "The figures as they are say GROWING: 3 stacks explain 90 % of the growth"
            ]
        );
    }
}
