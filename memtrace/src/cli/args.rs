//! The command line as typed. [`super::plan`] decides whether it makes sense.

use super::ctl::CtlArgs;
use super::diff::DiffArgs;
use super::format::Format;
use super::help;
use super::live::LiveArgs;
use super::plan::alerts::AlertArgs;
use super::report::ReportArgs;
use super::run::RunArgs;
use super::tier::Tier;
use super::values::{self, SampleInterval, Window};
use super::view::ViewArgs;
use super::who::SelectArgs;
use crate::engine::alerts::Rate;
use crate::probe::signature::Signature;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// `memtrace`, everything that can follow it.
#[derive(Debug, Parser)]
#[command(
    name = "memtrace",
    version,
    about = help::ABOUT,
    long_about = help::LONG_ABOUT,
    after_help = help::AFTER,
    after_long_help = help::AFTER_LONG,
    override_usage = help::USAGE,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_value_name = "COMMAND"
)]
pub struct Cli {
    /// A command other than tracing.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Who is traced, when there is no command.
    #[command(flatten)]
    pub select: SelectArgs,
    /// How, when there is no command.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// When, as memleak takes it.
    #[command(flatten)]
    pub positional: PositionalArgs,
}

/// Times without options, as memleak takes them.
#[derive(Debug, Default, Args)]
pub struct PositionalArgs {
    /// Time between reports, as memleak takes it: the same as --interval
    #[arg(id = "positional_interval", display_order = 900, value_name = "INTERVAL", value_parser = values::interval_word,
          allow_negative_numbers = true, help_heading = help::TIME)]
    pub interval: Option<Duration>,
    /// Reports, as memleak takes it: the same as --count
    #[arg(id = "positional_count", display_order = 901, value_name = "COUNT", value_parser = values::positive_count,
          allow_negative_numbers = true, help_heading = help::TIME)]
    pub count: Option<u64>,
}

/// Commands other than tracing.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a command and trace it from its first instruction to its end
    #[command(
        long_about = help::RUN,
        after_help = help::AFTER_RUN,
        override_usage = "memtrace run [OPTIONS] [--] COMMAND..."
    )]
    Run(Box<RunArgs>),
    /// Show what is traced on a screen: processes and call stacks, live, peak, growth, rate
    #[command(
        long_about = help::LIVE,
        after_help = help::AFTER_LIVE,
        override_usage = "memtrace live --pid PID... [OPTIONS]\n       memtrace live --replay FILE"
    )]
    Live(Box<LiveArgs>),
    /// Make reports of a recording
    #[command(long_about = help::REPORT, after_help = help::AFTER_REPORT)]
    Report(ReportArgs),
    /// Show what changed between two reports, or two moments of a recording
    #[command(long_about = help::DIFF, after_help = help::AFTER_DIFF)]
    Diff(DiffArgs),
    /// Tell a running memtrace something: name a moment, ask for a report
    #[command(
        long_about = help::CTL,
        after_help = help::AFTER_CTL,
        arg_required_else_help = false
    )]
    Ctl(CtlArgs),
    /// Show what this machine and a process allow, and what to do about the rest
    #[command(long_about = help::DOCTOR)]
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or that of a command
    #[command(after_help = "Read it with `memtrace man | man -l -`.")]
    Man {
        /// The command; without one it is the page of memtrace itself
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
        /// Print the names of the commands that have pages, for packagers
        #[arg(long, hide = true, conflicts_with = "command")]
        list: bool,
    },
}

/// Arguments of `memtrace doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Also examine this process: allocators, probe sites, the predicted cost of tracing it
    #[arg(short, long, value_name = "PID", value_parser = values::pid, allow_negative_numbers = true)]
    pub pid: Option<u32>,
    /// The same as --pid
    #[arg(value_name = "PID", value_parser = values::pid, conflicts_with = "pid")]
    pub positional_pid: Option<u32>,
    /// Also load each eBPF program and tell what the kernel's verifier says of it
    #[arg(long)]
    pub programs: bool,
    /// Functions that are looked for in the process.
    #[command(flatten)]
    pub functions: FunctionArgs,
    /// How to print the findings
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub format: DoctorFormat,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Functions of a program's own that allocate and free.
#[derive(Debug, Default, Args)]
pub struct FunctionArgs {
    /// Also follow this function, which allocates: `FILE:FUNCTION(size=N)`
    ///
    /// For pools and arenas that hand out parts of larger blocks. FILE is the name (or, with a `/`, the path)
    /// of a file that the process maps, FUNCTION a symbol; both may be patterns. A file without symbols takes
    /// the function's offset in it: `libpool.so:+0x1a2b(size=0)`. N is the argument's position, 0 to 5; `count=N`
    /// may name a second factor of the size. The block is what the function returns, or with `->*N` is stored
    /// through the pointer in argument N by a function that returns 0. What pools give out lies in the heap or
    /// in mappings and is reported apart from those.
    #[arg(long, value_name = "SIGNATURE", value_parser = values::allocates, help_heading = help::FUNCTIONS)]
    pub alloc_fn: Vec<Signature>,
    /// Also follow this function, which frees: `FILE:FUNCTION(ptr=N)`
    #[arg(long, value_name = "SIGNATURE", value_parser = values::frees, help_heading = help::FUNCTIONS)]
    pub free_fn: Vec<Signature>,
    /// Also follow this function, which resizes: `FILE:FUNCTION(ptr=N,size=N)`
    #[arg(long, value_name = "SIGNATURE", value_parser = values::reallocates, help_heading = help::FUNCTIONS)]
    pub realloc_fn: Vec<Signature>,
    /// Read such functions from this file, one a line: `alloc`, `free` or `realloc` and the signature
    ///
    /// Lines that begin with `#` are comments.
    #[arg(long, value_name = "FILE", help_heading = help::FUNCTIONS)]
    pub allocators: Vec<PathBuf>,
}

/// Options of tracing, whoever is traced.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// Time between reports; 0 = only the final report [default: 10s]
    #[arg(short, long, value_name = "DUR", value_parser = values::duration,
          allow_negative_numbers = true, help_heading = help::TIME)]
    pub interval: Option<Duration>,
    /// Stop after this long [default: until Ctrl-C or the targets' end]
    #[arg(short, long, value_name = "DUR", value_parser = values::duration,
          allow_negative_numbers = true, help_heading = help::TIME)]
    pub duration: Option<Duration>,
    /// Stop after this many reports, the last being the final one
    #[arg(short, long, value_name = "N", value_parser = values::positive_count,
          allow_negative_numbers = true, help_heading = help::TIME)]
    pub count: Option<u64>,
    /// Sum blocks younger than this in a line of their own; 0 lists them [default: one interval,
    /// or 10s without intervals; 0 if the run is no longer than that]
    #[arg(long, value_name = "DUR", value_parser = values::duration,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub min_age: Option<Duration>,
    /// Show this many call stacks, or rows of a view; 0 = all [default: 10; with formats for other programs all]
    #[arg(short = 'T', long, value_name = "N", value_parser = values::count,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub top: Option<u64>,
    /// Leave out blocks smaller than this (they are summed in a line of their own)
    #[arg(short = 'z', long, value_name = "BYTES", value_parser = values::size,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub min_size: Option<u64>,
    /// Leave out blocks larger than this (they are summed in a line of their own)
    #[arg(short = 'Z', long, value_name = "BYTES", value_parser = values::size,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub max_size: Option<u64>,
    /// Which call stacks come first [default: growth]
    #[arg(short, long, value_name = "KEY", help_heading = help::CONTENT)]
    pub sort: Option<Sort>,
    /// Make every text report complete, not only the final one
    #[arg(long, help_heading = help::CONTENT)]
    pub full: bool,
    /// List the addresses of the N oldest blocks of each call stack, for a debugger
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::count,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub show_blocks: u64,
    /// Name functions in full, with parameters and the arguments of templates, however long
    #[arg(long, help_heading = help::CONTENT)]
    pub full_names: bool,
    /// List frames of allocators and start code, too (JSON reports always do, and mark them)
    #[arg(long, help_heading = help::CONTENT)]
    pub show_internals: bool,
    /// How closely to look
    #[arg(long, value_name = "TIER", default_value = "auto", help_heading = help::CONTENT)]
    pub tier: Tier,
    /// Growth of a process that is worth a closer look, with --tier watch [default: 1MiB/min]
    ///
    /// It is the median slope of anonymous memory, swapped or not, over a minute, seven minutes, an hour and eight
    /// hours; its interval of 95 % must leave nought out, the process have grown by 5 % in that time, and beyond
    /// what it had earlier. Four processes are looked at at once, for a minute at most each. Then a process is
    /// let alone for a minute, for two after the next look and so on, up to an hour, and again for a minute where
    /// something else grows.
    #[arg(long, value_name = "RATE", value_parser = values::rate, allow_negative_numbers = true,
          help_heading = help::CONTENT)]
    pub watch_growth: Option<Rate>,
    /// The measure of time of --tier watch: every other time of it is a multiple of this [default: 5s]
    ///
    /// A minute of those that --watch-growth speaks of is twelve times this.
    #[arg(long, value_name = "DUR", value_parser = values::duration, allow_negative_numbers = true,
          hide_short_help = true, help_heading = help::ADVANCED)]
    pub watch_pace: Option<Duration>,
    /// Account for allocators' blocks, for mappings, or for both
    #[arg(long, value_name = "WHICH", default_value = "both", help_heading = help::CONTENT)]
    pub ledger: Ledger,
    /// Fetch debug information that is not installed from the servers in `DEBUGINFOD_URLS`
    ///
    /// It is asked for by build-id, which tells the servers what is traced. Reports do not wait for it;
    /// the final one does, for at most `DEBUGINFOD_TIMEOUT` seconds (default: 90). Files are kept in
    /// `DEBUGINFOD_CACHE_PATH`, or in `debuginfod_client` in `XDG_CACHE_HOME` or ~/.cache; larger ones
    /// than `DEBUGINFOD_MAXSIZE` bytes (default: 1 GiB) are left. sudo drops such variables unless it is
    /// told `--preserve-env=DEBUGINFOD_URLS`.
    #[arg(long, help_heading = help::CONTENT)]
    pub debuginfod: bool,
    /// Show the targets' command lines, which may hold secrets
    #[arg(long, help_heading = help::CONTENT)]
    pub cmdline: bool,

    /// What views show.
    #[command(flatten)]
    pub view: ViewArgs,

    /// Functions that the user describes.
    #[command(flatten)]
    pub functions: FunctionArgs,

    /// When there is an alert, and what happens then.
    #[command(flatten)]
    pub alerts: AlertArgs,

    /// How to write reports [default: as the name of --output ends, or else text]
    ///
    /// Names that end in .json, .speedscope.json, .firefox.json, .pb.gz (for pprof), .folded, .csv, .svg, .html or .txt choose.
    /// If a format is given it is that one, whatever the name.
    #[arg(short, long, value_name = "FORMAT", help_heading = help::OUTPUT)]
    pub format: Option<Format>,
    /// Write reports to this file (mode 0600) instead of standard output
    ///
    /// Each report is appended to the file, or replaces it where --format says so. With {seq} or {time} in the name, each report becomes a
    /// file of its own, which appears under its name only once it is complete. {pid} stands for the
    /// target's number. `-` is standard output.
    #[arg(short, long, value_name = "FILE", help_heading = help::OUTPUT)]
    pub output: Option<OsString>,
    /// Also record everything to this new file (mode 0600), for `memtrace report`
    ///
    /// The recording is complete up to the last second, however memtrace ends. If it cannot be written any
    /// more, tracing goes on without it. A busy program makes some megabytes per million allocations.
    #[arg(long, value_name = "FILE", help_heading = help::OUTPUT)]
    pub record: Option<PathBuf>,
    /// Record a snapshot every so often instead of all events: a file that stays small for weeks
    ///
    /// Each is what a report of that moment needs; reports and marks have one of their own. What single blocks did
    /// between two is not in it (--view temporary, what is alive of a part of the run). When the file has the size of
    /// --record-limit [default: 64MiB] it is written anew, beside the old one, with older snapshots farther apart.
    #[arg(long, value_name = "DUR", value_parser = values::duration, requires = "record",
          conflicts_with = "record_files", allow_negative_numbers = true, help_heading = help::OUTPUT)]
    pub record_every: Option<Duration>,
    /// Let no file of a recording become larger than this; when it is full recording ends, and tracing goes on
    ///
    /// At least 64KiB. With --record-files further files begin; with --record-every older snapshots make room.
    #[arg(long, value_name = "BYTES", value_parser = values::size, requires = "record",
          allow_negative_numbers = true, help_heading = help::OUTPUT)]
    pub record_limit: Option<u64>,
    /// Go on in a new file when one is full, and keep the latest N
    ///
    /// Beside run.mtrace these are run.1.mtrace, run.2.mtrace and so on; the oldest are removed. Each can be read by
    /// itself: it begins with all that lives then, which counts as inherited, and knows what happens from there on.
    /// Telling that holds reports and signals up for a moment, the longer the more blocks live; events are read meanwhile,
    /// as far as an eighth of --max-memory holds them.
    #[arg(long, value_name = "N", value_parser = values::positive_count, requires = "record_limit",
          allow_negative_numbers = true, help_heading = help::OUTPUT)]
    pub record_files: Option<u64>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = help::OUTPUT)]
    pub color: Color,
    /// Say more on standard error; twice: much more
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = help::OUTPUT)]
    pub verbose: u8,
    /// Say only warnings, errors and that tracing has begun
    #[arg(short, long, help_heading = help::OUTPUT)]
    pub quiet: bool,

    /// Look at one allocation for so many bytes, on average; 0 = at every one [default: auto, with `run` 0]
    ///
    /// Larger blocks are surely taken, and what small ones stand for is estimated without bias: figures are shown
    /// with the range in which the true ones lie in 95 of 100 cases. Tracing costs about half then. 512KiB
    /// suits programs of gigabytes. `auto` looks at every allocation as long as that fits the budget
    /// (--overhead-budget), else at as many as fit it.
    #[arg(long, value_name = "BYTES", value_parser = values::sample_interval,
          allow_negative_numbers = true, help_heading = help::COST)]
    pub sample_interval: Option<SampleInterval>,
    /// Look at every allocation, whatever that costs the target: the same as --sample-interval 0. With --tier pages: at
    /// every page fault
    #[arg(long, help_heading = help::COST)]
    pub exact: bool,
    /// What tracing may cost, of the CPU time that the targets use otherwise [default: 10, if the interval is
    /// auto]
    ///
    /// It is held by looking at fewer allocations, if the interval is auto, and by watching blocks in windows where that
    /// does not suffice (never with --no-windows; by default not where a program's own probes are used). In the first second or two calls are only
    /// counted, so that the cost is known before it is paid. Where it is not held all the same tracing ends when it costs
    /// over twice this for 3 s, unless this is the default: memtrace detaches, reports and exits with 3. The default does
    /// not weigh what costs less than 5 % of a core.
    ///
    /// With --tier watch a look must be paid for before the next: what it cost is at most this part of the CPU time that
    /// the process uses until then.
    ///
    /// With --tier pages it is held by looking at the faults of some pages only, each of which stands for others, and the
    /// default is 2 % of each CPU: up to some 2,000 page faults per second are looked at one by one.
    #[arg(long, value_name = "PERCENT", value_parser = values::percent,
          allow_negative_numbers = true, help_heading = help::COST)]
    pub overhead_budget: Option<f64>,
    /// Watch blocks for so long, once in each period, such as 5s/60s; between, the targets run without probes
    ///
    /// What lived when a window closed is unknown from then on, until its free is seen in a later window or its
    /// address is given out again: it may have been freed meanwhile, and counts neither as live nor as a leak.
    /// Mappings, forks and ends are told all the time.
    #[arg(long, value_name = "ON/PERIOD", value_parser = values::window,
          allow_negative_numbers = true, help_heading = help::COST)]
    pub window: Option<Window>,
    /// Watch blocks all the time, also where the budget cannot be held so: what lives is known then, whatever that costs
    #[arg(long, conflicts_with = "window", help_heading = help::COST)]
    pub no_windows: bool,
    /// Memory that memtrace itself may use, kernel side included; young detail goes first
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = values::size,
          allow_negative_numbers = true, help_heading = help::COST)]
    pub max_memory: u64,

    /// How to find the callers of a function that allocates
    #[arg(long, value_name = "MODE", default_value = "auto", hide_short_help = true,
          help_heading = help::ADVANCED)]
    pub unwind: Unwind,
    /// Walk every stack, also one that is as it was the last time
    ///
    /// A walk by tables is not made again while all that it read is unchanged, which is compared word by
    /// word; one in 64 is made all the same, and differences are counted and reported.
    #[arg(long, hide_short_help = true, help_heading = help::ADVANCED)]
    pub no_walk_cache: bool,
    /// Use this kind of probe link and no other [default: the best that this kernel has]
    ///
    /// `memtrace doctor` shows which kinds work here.
    #[arg(long, value_name = "KIND", hide_short_help = true, help_heading = help::ADVANCED)]
    pub link: Option<Link>,
    /// For whom the probes of a library are: whether processes that are not traced pay for them
    #[arg(long, value_name = "WHOM", default_value = "auto", hide_short_help = true,
          help_heading = help::ADVANCED)]
    pub link_for: LinkFor,
    /// Do not use static probes by which programs tell of blocks that they sample themselves
    ///
    /// Probes `otel_memory:alloc` and `otel_memory:free` (USDT) are used wherever a target maps them. What they
    /// tell is reported apart, as the program's own estimate, and never added to the heap. They are not used where
    /// blocks may be watched in windows (--window, --overhead-budget).
    #[arg(long, hide_short_help = true, conflicts_with = "usdt_semaphores", help_heading = help::ADVANCED)]
    pub no_usdt: bool,
    /// Have the kernel raise the counters of static probes that fire only then: it writes to the target's memory
    ///
    /// Such a counter (semaphore) is a variable of the program; the kernel raises it while memtrace is attached,
    /// in the targets alone unless the probes are for all (--link-for), and lowers it afterwards. Without this
    /// option these probes are left alone and the report says so.
    #[arg(long, hide_short_help = true, help_heading = help::ADVANCED)]
    pub usdt_semaphores: bool,
    /// Bytes of the kernel-to-memtrace ring buffers, a power of two [default: chosen for you]
    ///
    /// A larger one loses fewer events when memtrace gets no CPU time for a while.
    #[arg(long, value_name = "BYTES", value_parser = values::size, allow_negative_numbers = true,
          hide_short_help = true, help_heading = help::ADVANCED)]
    pub ring_size: Option<u64>,
    /// Ring buffers that processes are shared out to, a power of two [default: by the number of CPUs]
    ///
    /// All CPUs that write to a ring queue up for its lock. So there is one for up to four CPUs, then one for
    /// every four, and 16 at most; --ring-size is that of all together. All events of a process go through one
    /// ring, and what the rings bring is put in order.
    #[arg(long, value_name = "N", value_parser = values::positive_count, allow_negative_numbers = true,
          hide_short_help = true, help_heading = help::ADVANCED)]
    pub rings: Option<u64>,
    /// Listen here for `memtrace ctl` [default: PID.sock in /run/memtrace, or for other users than root in memtrace
    /// in `XDG_RUNTIME_DIR`]
    ///
    /// The socket has mode 0600, and nobody but root and the user that traces is heard. It is removed at the end.
    #[arg(long, value_name = "PATH", hide_short_help = true, help_heading = help::ADVANCED)]
    pub control: Option<PathBuf>,
    /// Do not listen for `memtrace ctl`
    #[arg(long, conflicts_with = "control", hide_short_help = true, help_heading = help::ADVANCED)]
    pub no_control: bool,
    /// Log lines of the programs in the kernel; off costs nothing
    ///
    /// For debugging memtrace itself.
    #[arg(long, value_name = "LEVEL", default_value = "off", hide_short_help = true,
          help_heading = help::ADVANCED)]
    pub bpf_log: BpfLog,
}

impl TraceArgs {
    /// How reports are written.
    #[must_use]
    pub fn format(&self) -> Format {
        self.view.format(Format::chosen(self.format, self.output.as_deref()))
    }
}

/// Order of call stacks in a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Fastest growing first
    #[default]
    Growth,
    /// Most live bytes first
    Bytes,
    /// Most live blocks first
    Blocks,
    /// Oldest live block first
    Age,
}

impl From<Sort> for crate::report::Sort {
    fn from(typed: Sort) -> Self {
        match typed {
            Sort::Growth => Self::Growth,
            Sort::Bytes => Self::Bytes,
            Sort::Blocks => Self::Blocks,
            Sort::Age => Self::Age,
        }
    }
}

/// What is accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Ledger {
    /// Blocks alone. Useful for a process of hundreds of GiB with frequent reports: for the rest the kernel
    /// looks through all its pages each time, while calls of its own such as mmap may wait
    Heap,
    /// What was mapped, by whom, and what resident memory is. No function is probed: this works for every
    /// program, also a static or stripped one, and one whose allocator is not known
    Pages,
    /// Blocks, what was mapped, and what resident memory is, by kind of mapping. Useful when a process grows
    /// and its heap does not explain it
    #[default]
    Both,
}

/// Form of what doctor finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// For people
    #[default]
    Text,
    /// For programs: a JSON object
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Ways to walk a call stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Unwind {
    /// By the unwinding tables of programs and libraries; where there is none, by frame pointers
    #[default]
    Auto,
    /// By those tables alone
    Dwarf,
    /// By frame pointers alone: whole only where everything was built with them
    Fp,
}

/// Kinds of probe links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Link {
    /// One link for entry and return (Linux 6.13)
    Session,
    /// Two links, for entries and returns (Linux 6.6)
    Multi,
    /// One link per probe site (any Linux)
    Perf,
}

/// For whom probes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LinkFor {
    /// For all where no other process uses the library, or where many busy processes are traced and the
    /// others are idle; else for each
    #[default]
    Auto,
    /// For all processes that use the library: children are seen from their first instruction, and processes
    /// that are not traced pay about a microsecond per call. Useful with `run` for commands that start
    /// short-lived ones
    All,
    /// For each traced process by itself: others pay nothing, children are seen from a moment after their
    /// start on, and each call costs more the more processes are traced
    Each,
}

/// What the programs in the kernel log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum BpfLog {
    /// Nothing
    #[default]
    Off,
    /// Errors
    Error,
    /// … and warnings
    Warn,
    /// … and what happens rarely
    Info,
    /// … and what happens often
    Debug,
    /// Everything
    Trace,
}
