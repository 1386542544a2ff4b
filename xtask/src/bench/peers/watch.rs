//! A program while it is measured, together with what traces it.

use super::attached::{Attached, Counts};
use super::peer::{How, Peer};
use super::shop::Shop;
use crate::bench::tracer::Tracer;
use crate::processes;
use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};

/// The longest that one run may last, its beginning and end included.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// What one run cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    /// CPU time of the program per unit of its work, what is done for the peer in it included, ns.
    pub(super) cpu: f64,
    /// Cores that the peer's own processes used meanwhile; `None` where it has none.
    pub(super) cores: Option<f64>,
    /// The most memory of the program, MiB.
    pub(super) program_memory: Option<f64>,
    /// The most memory of the peer's own processes, MiB.
    pub(super) own_memory: Option<f64>,
    pub(super) counts: Counts,
    /// Allocations that there were, where the program knows.
    pub(super) allocations: Option<f64>,
    /// What a client saw.
    pub(super) served: Option<Served>,
}

/// What a client saw of a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Served {
    pub(super) per_second: f64,
    /// 99 of 100 requests took at most this, ms.
    pub(super) p99: f64,
}

/// See the file's head.
pub(super) struct Watch<'a> {
    /// What we started, and the program itself: a peer may stand between.
    root: u32,
    pub(super) program: u32,
    tracer: Option<(Tracer, &'a Attached)>,
    began: Instant,
    cpu: f64,
    own_cpu: Option<f64>,
}

impl<'a> Watch<'a> {
    /// Attaches the peer if it does so, and begins to measure. `root` is what we started, and `name` the
    /// program's, which is ready.
    pub(super) fn begin(shop: &Shop, peer: &'a Peer, root: u32, name: &str) -> Result<Self> {
        let below = processes::descendants(root).into_iter();
        let program = below.rev().find(|&pid| processes::has_name(pid, name)).unwrap_or(root);
        let tracer = match &peer.how {
            How::Attached(attached) => {
                let mut command = (attached.command)(shop, program)?;
                let tracer = Tracer::start_within(&mut command, attached.signs, PATIENCE)?;
                std::thread::sleep(attached.settles);
                Some((tracer, attached))
            }
            How::Untraced | How::Launched(_) => None,
        };
        let mut watch =
            Self { root, program, tracer, began: Instant::now(), cpu: 0.0, own_cpu: None };
        watch.own_cpu = watch.own_cpu_now()?;
        watch.cpu = watch.cpu_now()?;
        Ok(watch)
    }

    /// Ends measuring and the peer; the program has done this many units, and is still there.
    pub(super) fn end(self, units: f64) -> Result<Figures> {
        let cpu = (self.cpu_now()? - self.cpu) * 1e9 / units;
        self.end_with(cpu)
    }

    /// The same where the cost per unit is known otherwise.
    pub(super) fn end_with(self, cpu: f64) -> Result<Figures> {
        let seconds = self.began.elapsed().as_secs_f64();
        let own = self.own_cpu_now()?.zip(self.own_cpu);
        let mut figures = Figures {
            cpu,
            cores: own.map(|(now, before)| (now - before) / seconds),
            program_memory: processes::peak_resident(self.program),
            own_memory: self.own_memory(),
            ..Figures::default()
        };
        if let Some((tracer, attached)) = self.tracer {
            figures.counts = (attached.counts)(&tracer.end()?);
        }
        Ok(figures)
    }

    fn cpu_now(&self) -> Result<f64> {
        processes::cpu(self.program).context("the program has ended early")
    }

    fn own_cpu_now(&self) -> Result<Option<f64>> {
        if let Some((tracer, _)) = &self.tracer {
            return tracer.cpu().map(Some);
        }
        let companions = self.companions();
        let spent = companions.iter().filter_map(|&pid| processes::cpu(pid)).sum();
        Ok((!companions.is_empty()).then_some(spent))
    }

    fn own_memory(&self) -> Option<f64> {
        if let Some((tracer, _)) = &self.tracer {
            return tracer.peak_resident();
        }
        let companions = self.companions();
        let peaks = companions.iter().filter_map(|&pid| processes::peak_resident(pid)).sum();
        (!companions.is_empty()).then_some(peaks)
    }

    /// Processes of a peer that has started the program, and is not the program itself.
    fn companions(&self) -> Vec<u32> {
        if self.root == self.program {
            return Vec::new();
        }
        let mut all = processes::descendants(self.root);
        all.push(self.root);
        all.retain(|&pid| pid != self.program);
        all
    }
}
