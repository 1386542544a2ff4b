//! A loop that only allocates and frees: it has all of a CPU, and each call is a trap.

use super::account::{Course, Work, total};
use super::{Plan, Tracing, Workload};
use crate::bench::peers::shop::Shop;
use crate::bench::workload::{Churn, chunk};
use crate::fixtures::{self, Running};
use anyhow::{Context as _, Result, ensure};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const WORKLOAD: Workload = Workload {
    title: "A loop of malloc(64) and free",
    about: "On one thread, from a stack of 12 functions. It has all of a CPU, and does nothing but call: only \
            windows can hold a budget there.",
    unit: "pair",
    time: ("ns", 1e9),
    // A pair with probes takes 200 times as long.
    dear: 10.0,
    run,
};

/// The loop may begin and end later than it is told, seconds.
const SLACK: f64 = 10.0;
/// Chunks of the program, of a tenth of a second each, in a slice.
const CHUNKS: usize = 10;

/// What the loop did in about a tenth of a second.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    work: Work,
    /// Seconds.
    wall: f64,
}

/// When a run began and ended to be measured and to be traced, seconds since the loop began.
#[derive(Clone, Copy, Debug)]
struct Moments {
    begun: f64,
    traced: f64,
    untraced: f64,
    ended: f64,
}

fn run(shop: &Shop, plan: &Plan, tracing: &mut Tracing<'_>) -> Result<Course> {
    let program = fixtures::compile("churn")?;
    let program = program.to_str().context("the program's path is not UTF-8")?;
    let mut program = shop.program(&[program])?;
    program.words.extend(Churn::new(plan.whole() + SLACK).arguments());
    let mut running = Running::start_within(program.command(shop)?, plan.patience())?;
    running.go()?;
    let clock = Instant::now();
    let now = || clock.elapsed().as_secs_f64();
    sleep(Duration::from_secs_f64(plan.warm_up));
    let begun = now();
    sleep(Duration::from_secs_f64(plan.beside));
    let traced = now();
    tracing.begin(running.pid())?;
    sleep(Duration::from_secs_f64(plan.traced));
    tracing.end()?;
    let untraced = now();
    sleep(Duration::from_secs_f64(plan.beside));
    let moments = Moments { begun, traced, untraced, ended: now() };
    let said = running.until_done()?;
    running.stop()?;
    let chunks: Vec<Chunk> = said.iter().filter_map(|line| read(line)).collect();
    let course = divide(&chunks, moments);
    ensure!(!course.after.is_empty(), "the loop ended before memtrace was gone");
    Ok(course)
}

fn read(line: &str) -> Option<Chunk> {
    let [_, units, wall, cpu] = chunk(line)?;
    Some(Chunk { work: Work { units, cpu: cpu / 1e9 }, wall: wall / 1e9 })
}

/// A chunk that was traced for a part of its time counts as traced.
fn divide(chunks: &[Chunk], at: Moments) -> Course {
    let (mut before, mut after, mut traced) = (Vec::new(), Vec::new(), Vec::new());
    let mut begin = 0.0;
    for Chunk { work, wall } in chunks {
        let end = begin + wall;
        if begin < at.untraced && end > at.traced {
            traced.push(*work);
        } else if begin >= at.begun && end <= at.traced {
            before.push(*work);
        } else if begin >= at.untraced && end <= at.ended {
            after.push(*work);
        }
        begin = end;
    }
    Course { before: slices(&before), traced, after: slices(&after) }
}

/// What is left over in the end makes no slice.
fn slices(chunks: &[Work]) -> Vec<Work> {
    chunks.chunks_exact(CHUNKS).map(total).collect()
}

#[cfg(test)]
mod tests {
    use super::{Chunk, Moments, Work, divide, read, total};

    #[test]
    fn chunks_belong_to_stretches() {
        let chunk = |units| Chunk { work: Work { units, cpu: 0.1 }, wall: 0.1 };
        // Warm-up, 20 chunks, 50 that are traced (the first and the last in part), 15, and what came later.
        let all: Vec<Chunk> = [(10, 1.0), (20, 100.0), (50, 10.0), (15, 100.0), (20, 7.0)]
            .into_iter()
            .flat_map(|(count, units)| std::iter::repeat_n(chunk(units), count))
            .collect();
        let at = Moments { begun: 0.95, traced: 3.05, untraced: 7.95, ended: 9.55 };
        let course = divide(&all, at);
        assert_eq!(course.before.len(), 2, "{course:?}");
        assert_eq!(course.after.len(), 1, "{course:?}");
        assert!((course.before[0].units - 1000.0).abs() < 1e-9, "{course:?}");
        let traced = total(&course.traced);
        assert!((traced.units - 500.0).abs() < 1e-9, "{course:?}");
        assert!((traced.cpu - 5.0).abs() < 1e-9, "{course:?}");
    }

    #[test]
    fn chunks_are_in_seconds() {
        let chunk = read("chunk 0 pairs 10 wall_ns 100000000 cpu_ns 50000000").unwrap();
        assert_eq!((chunk.work, chunk.wall), (Work { units: 10.0, cpu: 0.05 }, 0.1));
        assert!(read("pairs 10").is_none());
    }
}
