//! The one task that owns the tables: drains the ring, keeps time, listens to the user.

mod duty;
mod ending;
mod looking;
mod marking;
mod recording;
mod reporting;
mod spending;
mod turning;
mod waiting;
mod windows;

use super::alarm::Alarm;
use super::archive::{Archive, due};
use super::arrivals::Arrivals;
use super::budget::{Budget, FREE};
use super::control::Control;
use super::cost::{Meter, Reading};
use super::duty::{Duty, Spent};
use super::error::DaemonError;
use super::intake::Intake;
use super::looks::Looks;
use super::outlet::Outlet;
use super::pictures::Pictures;
use super::recorder::{Recorder, Recording};
use super::reporter::Reporter;
use super::sampling::Sampling;
use super::self_usage;
use super::settings::Settings;
use super::signals::{Signals, Wish};
use super::spool::Spool;
use super::tables::Tables;
use super::target::{self, Targets};
use super::unwinding::{Unwinding, next_table};
use super::windowing::Windowing;
use crate::engine::limits::Limits;
use crate::engine::ports::Drained;
use crate::model::event::What;
use crate::probe::live::LiveError;
use crate::probe::live::calibrate::{self, Prices};
use crate::probe::live::kernel_side::KernelSide;
use crate::source::ring::RingSource;
use crate::symbolize;
use aya_log::EbpfLogger;
use jiff::Timestamp;
use memtrace_common::config::UnwindMode;
use reporting::{Current, Heeded};
use spending::Unmet;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use waiting::{at, every, measured, readable, tick};

/// Records taken in before anything else gets a turn; about 10 ms of work.
const BATCH: usize = 20_000;
/// How often the ring is looked at when the kernel sees no reason to wake us.
const LOOK: Duration = Duration::from_millis(20);
/// … and after a look that found something: what waits before the news of code delays its tables.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How often memory, CPU, losses and the budget are looked at.
const SECOND: Duration = Duration::from_secs(1);

/// … when nothing has come for a second. What must be acted on wakes us, and so does a ring that fills.
const LOOK_IDLE: Duration = Duration::from_millis(100);

/// Between two looks at the processes' memory and CPU passes so many times as long as the last look took:
/// with hundreds of processes it would cost some percent of a core each second. An eighth of a percent.
const USAGE_REST: u32 = 800;

/// How often it is noted what each stack holds, which is what trends are judged by: a few microseconds for a
/// thousand stacks. The engine keeps fewer of these points the longer the run is.
const MARK: Duration = Duration::from_millis(500);

/// Signals to end that come closer together than this are one wish.
const ONE_WISH: Duration = Duration::from_millis(500);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The last report says that its figures are not what was asked for.
    pub degraded: bool,
}

/// Why a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As planned: time is up, enough reports, the user said so, all targets gone.
    Planned,
    /// Tracing cost more than twice the budget.
    OverBudget,
    /// Nobody reads the reports.
    Unread,
}

/// Traces as `settings` say; reports go to `outlet`, their names come as `names` says, and all that is learnt
/// goes to `recording`, if there is one. `announce` is told one line once the probes are in place.
///
/// # Errors
/// When a target cannot be traced, a program not be loaded, or the last report not be written.
/// Whatever happens, all probes are gone afterwards.
pub fn run(
    settings: &Settings,
    outlet: Box<dyn Outlet>,
    names: symbolize::Options,
    recording: Option<Recording>,
    announce: &mut dyn FnMut(&str),
) -> Result<Outcome, DaemonError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DaemonError::cannot("start the event loop"))?;
    runtime.block_on(async {
        let mut actor = Actor::new(settings, Reporter::new(outlet, names)?, recording)?;
        actor.begin(announce)?;
        let end = actor.watch().await?;
        actor.conclude(end).await
    })
}

struct Actor<'a> {
    settings: &'a Settings,
    intake: Intake,
    ring: AsyncFd<RingSource>,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    signals: Signals,
    control: Control,
    pictures: Pictures,
    alarm: Alarm,
    /// Measures what a probe costs.
    pricing: Option<JoinHandle<Result<Prices, LiveError>>>,
    meter: Meter,
    /// `None` where every allocation is looked at, whatever happens.
    sampling: Option<Sampling>,
    budget: Budget,
    windowing: Windowing,
    /// Chooses the windows, where a budget calls for them.
    duty: Option<Duty>,
    /// As the latest window opened.
    opened: Reading,
    /// What was spent in it, once it has closed.
    spent_open: Option<Spent>,
    looks: Looks,
    has_warned_of_windows: bool,
    /// What windows reach of a budget that they do not hold, and the budget: percent.
    missed: Option<(f64, f64)>,
    /// Steps in a row that were over twice the budget.
    over: u32,
    /// A budget that is not held, where nothing helps.
    unmet: Option<Unmet>,
    began: Timestamp,
    sequence: u64,
    /// Periodic reports that were left out, and whether one is being left out now.
    skipped_reports: u64,
    is_skipping: bool,
    /// Marks to which the user gave no name.
    unnamed: u64,
    /// The user wants a report as soon as the one that is being made is done.
    wanted: bool,
    /// The one that is being made.
    current: Current,
    /// Where snapshots are recorded.
    archive: Option<Archive>,
    /// Time and records at the last report.
    last_report: (Instant, u64),
    /// When the user asked for the end.
    asked: Instant,
    /// When to look at the processes' memory and CPU again.
    next_usage: Instant,
    /// The last look at the ring that brought something.
    last_record: Instant,
    /// The last look at the ring, and the longest time between two.
    looked: Instant,
    longest_gap: Duration,
    /// What came from the ring and could not be taken in yet.
    spool: Spool,
    degraded: Vec<String>,
    failure: Option<String>,
}

fn ring(kernel: &mut KernelSide) -> Result<AsyncFd<RingSource>, DaemonError> {
    let source = RingSource::new(kernel.take_rings()?)
        .map_err(DaemonError::cannot("wait for several rings"))?;
    // SAFETY: the source owns the map's descriptor, always gives the same one, and is dropped with the
    // registration.
    unsafe { AsyncFd::register(source) }
        .map_err(|error| DaemonError::cannot("wait for the ring buffer")(error.into()))
}

impl<'a> Actor<'a> {
    fn new(
        settings: &'a Settings,
        reporter: Reporter,
        recording: Option<Recording>,
    ) -> Result<Self, DaemonError> {
        let rank = self_usage::step_back();
        // Listens first: a signal during the set-up must not kill us half-way.
        let signals = Signals::listen().map_err(DaemonError::cannot("listen for signals"))?;
        let mut targets = Targets::open(settings)?;
        let unwinding = unwinding(settings, &mut targets)?;
        let mut kernel = KernelSide::load(settings.load_options())?;
        let logger = super::kernel_log::start(&mut kernel, settings.log_level);
        let prober = kernel.prober();
        // Takes longer than all the rest, and is wanted by nobody before the first second is over.
        let pricing = tokio::task::spawn_blocking(move || calibrate::measure(prober));
        let ring = ring(&mut kernel)?;
        let limits = limits(settings, kernel.map_bytes() + self_usage::resident_bytes());
        let arrivals = settings.selection.clone().map(Arrivals::new);
        let (tables, archive) = recorded(recording, limits, settings)?;
        Ok(Self {
            settings,
            intake: Intake::new(tables, kernel, targets, reporter, unwinding, arrivals),
            ring,
            logger,
            signals,
            control: Control::closed(),
            pictures: Pictures::new(),
            alarm: Alarm::new(&settings.alerts, rank),
            pricing: Some(pricing),
            meter: Meter::new(Reading::default()),
            sampling: Sampling::new(settings),
            budget: Budget::new(if settings.overhead_budget.is_some() { 0.0 } else { FREE }),
            windowing: Windowing::new(settings.window, Instant::now()),
            duty: None,
            opened: Reading::default(),
            spent_open: None,
            looks: Looks::default(),
            has_warned_of_windows: false,
            missed: None,
            over: 0,
            unmet: None,
            began: Timestamp::now(),
            sequence: 0,
            skipped_reports: 0,
            is_skipping: false,
            unnamed: 0,
            wanted: false,
            current: Current::default(),
            archive,
            last_report: (Instant::now(), 0),
            asked: Instant::now(),
            next_usage: Instant::now(),
            looked: Instant::now(),
            last_record: Instant::now(),
            longest_gap: Duration::ZERO,
            spool: Spool::new(settings.spool_bytes()),
            degraded: Vec::new(),
            failure: None,
        })
    }

    fn begin(&mut self, announce: &mut dyn FnMut(&str)) -> Result<(), DaemonError> {
        self.intake.begin()?;
        self.intake.read_usage();
        self.opened = self.reading();
        self.meter = Meter::new(self.opened);
        self.began = Timestamp::now();
        self.last_report.0 = Instant::now();
        self.looked = Instant::now();
        self.windowing = Windowing::new(self.settings.window, Instant::now());
        self.control = Control::open(&self.settings.control).unwrap_or_else(|error| {
            tracing::info!("note: marks can be made by SIGUSR2 alone: {error}");
            Control::closed()
        });
        announce(&self.intake.targets.announcement(self.intake.kernel.link_kind()));
        for warning in self.intake.notes() {
            tracing::info!("{warning}");
        }
        Ok(())
    }

    /// Until there is a reason to end.
    async fn watch(&mut self) -> Result<End, DaemonError> {
        let mut second = every(SECOND);
        let mut report = self.settings.interval.map(every);
        let mut mark = every(MARK);
        let deadline = self.settings.duration.map(|duration| Instant::now() + duration);
        let mut look = Instant::now() + LOOK;
        loop {
            tokio::select! {
                biased;
                wish = self.signals.next() => match wish {
                    Wish::End if self.settings.started_here => {}
                    Wish::End => {
                        self.asked = Instant::now();
                        return Ok(End::Planned);
                    }
                    Wish::Report => self.report_by_signal(),
                    Wish::Mark => self.name_by_number()?,
                },
                order = self.control.next() => self.carry_out(order)?,
                () = at(deadline) => return Ok(End::Planned),
                published = self.intake.reporter.next() => {
                    if self.heed(published) == Heeded::Unread {
                        return Ok(End::Unread);
                    }
                    self.go_on_reporting();
                }
                seen = self.pictures.next() => {
                    if self.take_in(seen) {
                        self.all_is_seen();
                    }
                }
                () = at(self.windowing.due()) => self.turn_windows()?,
                () = at(self.looks.due()) => self.obey()?,
                () = self.alarm.run() => {}
                prices = measured(&mut self.pricing) => self.learn(prices)?,
                built = next_table(&mut self.intake.unwinding) => self.intake.take_in_table(built),
                _ = mark.tick() => self.mark(),
                () = tick(&mut report) => {
                    if self.is_last() {
                        return Ok(End::Planned);
                    }
                    self.report_if_idle();
                }
                () = due(&mut self.archive) => self.record_if_idle(),
                _ = second.tick() => {
                    if let Some(end) = self.look_around() {
                        return Ok(end);
                    }
                    self.obey()?;
                }
                () = readable(&self.ring, look) => {
                    look = Instant::now() + self.drain()?;
                    // Children that outlive the command are no reason to keep its user waiting.
                    if self.settings.started_here && !self.is_command_running() {
                        return Ok(End::Planned);
                    }
                }
            }
        }
    }

    /// Whether the command that we started still runs.
    fn is_command_running(&self) -> bool {
        self.settings.pids.first().is_some_and(|pid| self.intake.targets.is_running(*pid))
    }

    /// Takes in what waits in the ring. Gives how long to wait before the next look.
    fn drain(&mut self) -> Result<Duration, DaemonError> {
        self.longest_gap = self.longest_gap.max(self.looked.elapsed());
        let before = self.intake.records;
        let drained = self.drain_in_order()?;
        self.intake.take_waiting();
        self.looked = Instant::now();
        if self.intake.wants_next_file() {
            self.begin_next_file()?;
        }
        let intake = &mut self.intake;
        intake.targets.attach_children(&mut intake.kernel);
        intake.take_in_arrivals();
        let is_making = self.go_on();
        let intake = &self.intake;
        let something = intake.records > before;
        if something {
            self.last_record = self.looked;
        }
        // Whoever started a command does not want to wait for its end to be noticed.
        let idle = !self.settings.started_here && self.last_record.elapsed() > SECOND;
        Ok(match drained {
            Drained::More => Duration::ZERO,
            _ if is_making => Duration::ZERO,
            _ if something => LOOK_AGAIN,
            _ if idle => LOOK_IDLE,
            _ => LOOK,
        })
    }

    /// Has the engine note what each stack holds.
    fn mark(&mut self) {
        self.intake.feed(0, What::Mark);
    }

    /// Once a second: memory, losses, budget, and whether anybody is left to trace.
    fn look_around(&mut self) -> Option<End> {
        self.intake.tend_tables();
        self.intake.tend_links();
        self.intake.settle();
        self.intake.tracker.checkpoint();
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        if let Some(sampling) = &mut self.sampling
            && let Err(error) = sampling.tend(&mut self.intake.kernel, &self.intake.tracker)
        {
            tracing::warn!("sampled blocks of processes that have gone stay: {error}");
        }
        let began = Instant::now();
        if began >= self.next_usage {
            self.intake.read_usage();
            self.raise_alarm();
            self.intake.end_vanished();
            self.next_usage = began + began.elapsed() * USAGE_REST;
            if let Some(end) = self.spend() {
                return Some(end);
            }
        } else {
            // A look ends, and finds what grows, by what is read of its process while it lasts: of these few, whoever
            // else there is.
            let looks = &self.looks;
            self.intake.read_usage_of(|pid| looks.is_underway(pid));
        }
        match &mut self.intake.arrivals {
            Some(arrivals) => {
                arrivals.look_around();
                None
            }
            None => (!self.intake.targets.any_running()).then_some(End::Planned),
        }
    }

    fn learn(&mut self, prices: Result<Prices, LiveError>) -> Result<(), DaemonError> {
        self.pricing = None;
        self.meter.learn(prices?);
        Ok(())
    }

    /// The next report is the last one of `--count`.
    fn is_last(&self) -> bool {
        self.settings.count.is_some_and(|count| self.sequence + 1 >= count)
    }
}

/// The tables, and where snapshots of them are recorded, if not all events are or none.
fn recorded(
    recording: Option<Recording>,
    limits: Limits,
    settings: &Settings,
) -> Result<(Tables, Option<Archive>), DaemonError> {
    let tables = |recorder| Tables::new(limits, settings.detail, recorder);
    let Some(recording) = recording else { return Ok((tables(None), None)) };
    Ok(match recording.every {
        Some(every) => (tables(None), Some(Archive::begin(recording, every)?)),
        None => (tables(Some(Recorder::new(recording))), None),
    })
}

/// How much the tables may remember where so many bytes are used already.
fn limits(settings: &Settings, used: u64) -> Limits {
    Limits {
        max_blocks: settings.max_blocks(used),
        max_stacks: settings.max_stacks(used),
        max_processes: settings.room_for_targets() as usize + target::MOST_ENDED,
        closing: settings.snapshot,
        alerts: settings.alerts.thresholds,
        total_alerts: settings.alerts.total,
        zoom: settings.zoom,
        ..Limits::default()
    }
}

/// Begins to build the unwinding tables that the targets will need.
fn unwinding(settings: &Settings, targets: &mut Targets) -> Result<Option<Unwinding>, DaemonError> {
    if settings.unwind == UnwindMode::FramePointers {
        return Ok(None);
    }
    let started = Unwinding::new(settings.unwind);
    let mut unwinding =
        started.map_err(DaemonError::cannot("start a thread for unwinding tables"))?;
    let modules = targets.preview();
    unwinding.expect(modules, |module| targets.open_path(module));
    Ok(Some(unwinding))
}
