//! The tracer under test: the program `memtrace` itself, with bounded waits for all it does.

use super::container::Container;
use super::lines::Lines;
use super::program::Program;
use super::report::Report;
use super::{send, wait_for_end};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Everything in one final report.
const WHOLE: [&str; 8] = ["--interval", "0", "--min-age", "0", "--top", "0", "--format", "json"];

/// Every allocation is wanted, whatever that costs, unless the options say something else of it.
fn exactness(options: &[&str]) -> &'static [&'static str] {
    let others = ["--exact", "--sample-interval", "--overhead-budget", "--tier"];
    if options.iter().any(|option| others.contains(option)) { &[] } else { &["--exact"] }
}

/// A running tracer. It is killed when dropped.
pub struct Tracer {
    child: Child,
    reports: Lines,
    messages: Lines,
    /// The line that says that the probes are in place.
    pub announcement: String,
}

/// How a tracer's run went.
pub struct Run {
    /// How it ended.
    pub status: ExitStatus,
    /// The reports that nobody had asked for by [`Tracer::report`].
    pub reports: Vec<Report>,
    /// What it said on standard error.
    pub messages: Vec<String>,
}

impl Tracer {
    /// Traces `programs` with one final report that shows everything.
    pub fn of(programs: &[&Program]) -> Self {
        Self::with(programs, &[])
    }

    /// As [`Self::of`], with more options.
    pub fn with(programs: &[&Program], options: &[&str]) -> Self {
        Self::typed(programs, &[WHOLE.as_slice(), exactness(options), options].concat())
    }

    /// With these options and no others. Waits until the probes are in place.
    pub fn typed(programs: &[&Program], options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
        for program in programs {
            command.args(["--pid", &program.pid().to_string()]);
        }
        command.args(options);
        Self::launch(command)
    }

    /// As [`Self::with`], of a tracer in `container`; `options` say of whom.
    pub fn start_in(container: &Container, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
        let options = [exactness(options), options].concat();
        Self::spawn_in(container, command.args(WHOLE).args(options))
    }

    /// Starts `command`, which becomes memtrace, in `container`.
    pub fn spawn_in(container: &Container, command: &mut Command) -> Self {
        Self::hear(container.spawn(piped(command)))
    }

    /// A command that becomes memtrace. Waits until the probes are in place.
    pub fn launch(mut command: Command) -> Self {
        Self::hear(piped(&mut command).spawn().unwrap())
    }

    /// Waits until the probes of the tracer, a child with pipes, are in place.
    fn hear(mut child: Child) -> Self {
        let mut tracer = Self {
            reports: Lines::of("memtrace's output", child.stdout.take().unwrap()),
            messages: Lines::of("memtrace's messages", child.stderr.take().unwrap()),
            child,
            announcement: String::new(),
        };
        let said = tracer.messages.until("tracing", String::new);
        tracer.announcement = said.last().unwrap().clone();
        tracer
    }

    /// Its process id, if it is what was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: libc::c_int) {
        send(&self.child, signal);
    }

    /// Waits for its next report.
    pub fn report(&mut self) -> Report {
        let line = self.reports.next();
        Report::read(&line.unwrap_or_else(|| panic!("no report; {:#?}", self.messages.rest())))
    }

    /// Sends Ctrl-C's signal to memtrace where it is the only child of what was started.
    pub fn interrupt_child(&self) {
        let child = super::program::only_child(self.child.id());
        let child = libc::pid_t::try_from(child).unwrap();
        // SAFETY: no memory is involved; its parent, which has not been waited for, waits for it.
        assert_eq!(unsafe { libc::kill(child, libc::SIGINT) }, 0);
    }

    /// Stops it as Ctrl-C does.
    pub fn stop(self) -> Run {
        self.signal(libc::SIGINT);
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> Run {
        let status = wait_for_end("memtrace", &mut self.child);
        let reports = self.reports.rest().iter().map(|line| Report::read(line)).collect();
        self.messages.rest();
        Run { status, reports, messages: self.messages.seen().to_vec() }
    }
}

impl Run {
    /// The only report of a run that went well.
    #[track_caller]
    pub fn only_report(mut self) -> Report {
        let losses = self.reports.iter().map(|report| [&report.0["loss"], &report.0["degraded"]]);
        let losses: Vec<_> = losses.collect();
        assert_eq!(self.status.code(), Some(0), "{:#?}; losses {losses:?}", self.messages);
        assert_eq!(self.reports.len(), 1, "reports");
        self.reports.remove(0)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It has ended already, or nothing else can be done about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// Traces `program` through its work and holds the report against what the program says of itself.
/// Gives the report for further questions.
#[track_caller]
pub fn exact(program: &mut Program, options: &[&str]) -> Report {
    let tracer = Tracer::with(&[program], options);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(program.pid()).assert_exactly(&accounts);
    report
}
