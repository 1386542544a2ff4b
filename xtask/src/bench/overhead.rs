//! The measurements of `cargo xtask bench overhead`, in interleaved rounds: A B C, A B C, …, so that
//! what else the machine does meets all ways alike.

use super::Options;
use super::sample::Sample;
use super::tracer::{LINKS, Programs, Tracer, Way};
use super::workload::{Churn, Cost, ROWS, figure, sqlite};
use anyhow::{Context as _, Result};

/// The same workload in each way of tracing.
#[derive(Default)]
pub(super) struct Comparison {
    pub(super) untraced: Costs,
    /// By kind of link.
    pub(super) traced: Vec<Traced>,
}

/// Empty probes and memtrace with one kind of link.
pub(super) struct Traced {
    pub(super) link: &'static str,
    pub(super) floor: Costs,
    pub(super) memtrace: Costs,
    /// One allocation for [`super::tracer::SAMPLED`].
    pub(super) sampled: Costs,
}

/// Costs from all rounds.
#[derive(Default)]
pub(super) struct Costs {
    pub(super) cpu: Sample,
    pub(super) wall: Sample,
}

impl Costs {
    fn add(&mut self, cost: Cost) {
        self.cpu.add(cost.cpu);
        self.wall.add(cost.wall);
    }
}

/// A long run at full speed.
pub(super) struct Flood {
    pub(super) threads: usize,
    pub(super) pairs: u64,
    /// Allocations that memtrace reported.
    pub(super) seen: u64,
    pub(super) lost: u64,
    pub(super) events_per_second: f64,
    /// Cores that memtrace used, and its peak memory in MiB.
    pub(super) cores: f64,
    pub(super) memory: f64,
}

/// Ending memtrace with one kind of link: the probes' removal and the whole exit, ms.
pub(super) struct Detach {
    pub(super) link: &'static str,
    pub(super) removal: Sample,
    pub(super) exit: Sample,
}

/// A process that is not the target.
pub(super) struct Bystander {
    pub(super) name: &'static str,
    /// As if there were no tracer, and beside one.
    pub(super) alone: Sample,
    pub(super) beside: Sample,
}

/// All that was measured.
pub(super) struct Results {
    pub(super) allocators: String,
    pub(super) churn: Comparison,
    pub(super) sqlite: Comparison,
    /// Blocks that sqlite3 allocates per row.
    pub(super) blocks_per_row: Sample,
    pub(super) floods: Vec<Flood>,
    pub(super) detach: Vec<Detach>,
    pub(super) bystanders: Vec<Bystander>,
    pub(super) engine: String,
}

/// Measures everything.
pub(super) fn measure(programs: &Programs, options: Options) -> Result<Results> {
    let links = working_links(programs)?;
    let best = *links.first().context("no kind of link works here: see `memtrace doctor`")?;
    let loop_ = Churn::new(options.seconds);
    let churn = compare(&links, options.rounds, "malloc and free", |way| {
        Ok(loop_.run(programs, way)?.cost)
    })?;
    let mut blocks_per_row = Sample::default();
    let sqlite = compare(&links, options.rounds, "sqlite3", |way| {
        let run = sqlite(ROWS, |pid| programs.attach(way, pid))?;
        if let Some(report) = run.report {
            let blocks = figure(&report, "/processes/0/heap/allocated_blocks");
            blocks_per_row.add(blocks as f64 / f64::from(ROWS));
        }
        Ok(run.cost)
    })?;
    let announcement = loop_.run(programs, Way::Memtrace(best))?.announcement;
    Ok(Results {
        allocators: announcement.unwrap_or_default(),
        churn,
        sqlite,
        blocks_per_row,
        floods: vec![flood(programs, options, best, 1)?, flood(programs, options, best, 2)?],
        detach: detach(programs, options, &links)?,
        bystanders: vec![
            other_process(programs, options, best)?,
            forked_child(programs, options, best)?,
        ],
        engine: programs.engine(1_000_000)?,
    })
}

/// The kinds of links that this kernel has, best first.
fn working_links(programs: &Programs) -> Result<Vec<&'static str>> {
    let program = Churn::new(1.0).start()?;
    let mut links = Vec::new();
    for link in LINKS {
        match programs.attach(Way::Floor(link), program.pid()) {
            Ok(tracer) => {
                tracer.map(Tracer::end).transpose()?;
                links.push(link);
            }
            Err(error) => eprintln!("xtask: leaving out {link} links: {error:#}"),
        }
    }
    program.stop()?;
    Ok(links)
}

/// Runs a workload in every way, round by round.
fn compare(
    links: &[&'static str],
    rounds: u32,
    name: &str,
    mut run: impl FnMut(Way) -> Result<Cost>,
) -> Result<Comparison> {
    let empty = |&link| {
        let [floor, memtrace, sampled] = [(); 3].map(|()| Costs::default());
        Traced { link, floor, memtrace, sampled }
    };
    let mut all = Comparison { traced: links.iter().map(empty).collect(), ..Comparison::default() };
    for round in 1..=rounds {
        eprintln!("xtask: {name}, round {round} of {rounds}");
        all.untraced.add(run(Way::Untraced)?);
        for traced in &mut all.traced {
            traced.floor.add(run(Way::Floor(traced.link))?);
            traced.memtrace.add(run(Way::Memtrace(traced.link))?);
            traced.sampled.add(run(Way::Sampled(traced.link))?);
        }
    }
    Ok(all)
}

/// Full speed for long: is everything seen, and what does memtrace need for that?
fn flood(
    programs: &Programs,
    options: Options,
    link: &'static str,
    threads: usize,
) -> Result<Flood> {
    let seconds = options.loss_seconds;
    eprintln!("xtask: {threads} threads at full speed for {seconds} s");
    let run = Churn { threads, ..Churn::new(seconds) }.run(programs, Way::Memtrace(link))?;
    let report = run.ended.and_then(|ended| ended.report).context("memtrace made no report")?;
    Ok(Flood {
        threads,
        pairs: run.pairs,
        seen: figure(&report, "/processes/0/heap/allocated_blocks"),
        lost: figure(&report, "/loss/events"),
        events_per_second: 2.0 * run.pairs as f64 / seconds,
        cores: run.tracer_cpu / seconds,
        memory: run.tracer_memory,
    })
}

/// How long it takes to let go of a program that runs at full speed.
fn detach(programs: &Programs, options: Options, links: &[&'static str]) -> Result<Vec<Detach>> {
    let empty = |&link| Detach { link, removal: Sample::default(), exit: Sample::default() };
    let mut all: Vec<Detach> = links.iter().map(empty).collect();
    for round in 1..=options.rounds {
        eprintln!("xtask: detaching, round {round} of {}", options.rounds);
        for detach in &mut all {
            let mut program = Churn::new(options.seconds).start()?;
            let tracer = programs.attach(Way::Memtrace(detach.link), program.pid())?;
            program.go()?;
            std::thread::sleep(std::time::Duration::from_millis(500));
            if let Some(ended) = tracer.map(Tracer::end).transpose()? {
                detach.exit.add(ended.exit.as_secs_f64() * 1e3);
                ended.removal.into_iter().for_each(|took| detach.removal.add(took));
            }
            program.stop()?;
        }
    }
    Ok(all)
}

/// Another process of the same program, while one that does nothing is traced.
fn other_process(programs: &Programs, options: Options, link: &'static str) -> Result<Bystander> {
    let name = "another process of the same program";
    bystander(options, name, |is_beside| {
        let target = Churn::new(1.0).start()?;
        let way = if is_beside { Way::Memtrace(link) } else { Way::Untraced };
        let tracer = programs.attach(way, target.pid())?;
        let cost = Churn::new(options.seconds).run(programs, Way::Untraced)?.cost;
        tracer.map(Tracer::end).transpose()?;
        target.stop()?;
        Ok(cost)
    })
}

/// A child that the target forks inherits the breakpoints, but is not traced.
fn forked_child(programs: &Programs, options: Options, link: &'static str) -> Result<Bystander> {
    let program = Churn { forks: true, ..Churn::new(options.seconds) };
    bystander(options, "a forked child of the target", |is_beside| {
        let way = if is_beside { Way::Memtrace(link) } else { Way::Untraced };
        Ok(program.run(programs, way)?.cost)
    })
}

fn bystander(
    options: Options,
    name: &'static str,
    mut run: impl FnMut(bool) -> Result<Cost>,
) -> Result<Bystander> {
    let mut all = Bystander { name, alone: Sample::default(), beside: Sample::default() };
    for round in 1..=options.rounds {
        eprintln!("xtask: {name}, round {round} of {}", options.rounds);
        all.alone.add(run(false)?.cpu);
        all.beside.add(run(true)?.cpu);
    }
    Ok(all)
}
