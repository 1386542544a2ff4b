//! What walking a stack costs: memtrace's walks beside the kernel's own, at several depths. What
//! `cargo xtask bench unwind` shows.
//!
//! `cargo run --release -p memtrace --example walk_cost -- BARE KEPT [ROUNDS]`, as root
//!
//! BARE and KEPT are `tests/fixtures/plain/deep` and `deep_kept`: the same program without and with
//! frame pointers. Prints a line per depth and way: functions, way, frames that the walks found, and a
//! figure per round, ns of CPU time per pair of malloc and free with a probe at malloc's return.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark stops where anything is wrong"
)]

use memtrace::model::ids::ModuleId;
use memtrace::probe::allocator::{MappedFile, find};
use memtrace::probe::live::code_tables::CodeTables;
use memtrace::probe::live::kernel_side::{KernelSide, LoadOptions};
use memtrace::probe::live::link::{Part, Point, Purpose};
use memtrace::procfs::{ModuleTable, Process};
use memtrace::unwind::{Rules, Table};
use memtrace_common::config::{LinkKind, UnwindMode};
use memtrace_common::limits::MAX_COUNTED_SITES;
use memtrace_common::unwind::CodeRange;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Functions between main and malloc; what starts a program adds four frames.
const DEPTHS: [u32; 4] = [12, 27, 60, 116];
/// Pairs per measurement.
const PAIRS: u32 = 20_000;

/// A mapping of code: where it is, its offset in its file, and a path to that.
struct Code {
    start: u64,
    end: u64,
    offset: u64,
    path: PathBuf,
}

/// A program that waits, its code, and where its allocators' calls return.
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    code: Vec<Code>,
    sites: Vec<(PathBuf, Vec<Point>)>,
    /// Keeps the paths valid.
    _modules: ModuleTable,
}

impl Program {
    fn start(path: &str, depth: u32) -> Self {
        let mut command = Command::new(path);
        command.arg(depth.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // Now its libraries are there.
        pairs(&mut input, &mut output, 1);
        let process = Process::open(child.id()).unwrap();
        let mut modules = ModuleTable::default();
        let (_, code) = modules.scan(&process, &process.mappings().unwrap()).unwrap();
        let code: Vec<Code> = code
            .iter()
            .map(|mapping| Code {
                start: mapping.start,
                end: mapping.end,
                offset: mapping.file_offset,
                path: modules.open_path(mapping.module).unwrap(),
            })
            .collect();
        let files = (0..).map_while(|id| modules.mapped_file(ModuleId(id)));
        let files: Vec<MappedFile> = files
            .map(|file| MappedFile {
                path: file.path,
                device: file.device,
                inode: file.inode,
                state: file.state,
                open_path: file.open_path,
            })
            .collect();
        Self { child, input, output, code, sites: sites(&files), _modules: modules }
    }

    /// What a pair costs with these programs at malloc's return, ns.
    fn measure(&mut self, kernel: &KernelSide, purpose: Purpose) -> f64 {
        let pid = self.child.id();
        let attach = |(path, points): &(PathBuf, Vec<Point>)| {
            kernel.attach_for(purpose, path, points, Some(pid)).unwrap()
        };
        let links: Vec<_> = self.sites.iter().map(attach).collect();
        pairs(&mut self.input, &mut self.output, PAIRS / 10);
        let cost = pairs(&mut self.input, &mut self.output, PAIRS);
        drop(links);
        cost
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has the program do so many pairs; gives the time, ns per pair.
fn pairs(input: &mut ChildStdin, output: &mut impl BufRead, count: u32) -> f64 {
    writeln!(input, "{count}").unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let took = line.split(' ').next().and_then(|word| word.parse::<f64>().ok());
    took.expect("a time") / f64::from(count)
}

fn sites(files: &[MappedFile]) -> Vec<(PathBuf, Vec<Point>)> {
    let allocators = find(files).unwrap().allocators.into_iter();
    let sites = allocators.map(|allocator| {
        let wanted = allocator.functions.iter().filter(|function| function.wants_return);
        let point = |offset| Point { offset, cookie: 0, part: Part::Call, semaphore: None };
        let points = wanted.map(|function| point(function.file_offset)).collect();
        (allocator.file.open_path, points)
    });
    sites.collect()
}

/// Loads the kernel side and tells it of the programs' code.
fn load(unwind: UnwindMode, cache_walks: bool, programs: &[&Program]) -> KernelSide {
    let link = Some(LinkKind::Multi);
    let options = LoadOptions { link, unwind, cache_walks, ..LoadOptions::default() };
    let mut kernel = KernelSide::load(options).expect("the kernel side loads");
    for program in programs {
        kernel.add_target(program.child.id()).unwrap();
    }
    let Some(tables) = kernel.code_tables() else { return kernel };
    let mut rules = Rules::default();
    for (program, number) in programs.iter().zip((1..).step_by(64)) {
        let mut ranges: Vec<CodeRange> = (number..)
            .zip(&program.code)
            .map(|(number, code)| range(tables, &mut rules, number, code))
            .collect();
        ranges.sort_by_key(|range| range.start);
        tables.set_ranges(program.child.id(), &ranges, 0).unwrap();
    }
    kernel
}

/// Tells of a file, as number `file`.
fn range(tables: &mut CodeTables, rules: &mut Rules, file: u32, code: &Code) -> CodeRange {
    let table = Table::build(&File::open(&code.path).unwrap()).unwrap();
    let rows = table.rows_for(rules);
    let pages = table.pages.iter().map(|page| page.count);
    let pages = tables.add_file(rules.list(), rows, pages, table.first_page()).unwrap();
    CodeRange {
        start: code.start,
        end: code.end,
        to_offset: code.offset.wrapping_sub(code.start),
        file,
        first_page: pages.first,
        low_page: pages.low,
        pages: pages.count,
    }
}

/// A way of walking and what it cost.
struct Way<'a> {
    name: &'static str,
    kernel: &'a KernelSide,
    purpose: Purpose,
    /// In the program with frame pointers.
    keeps: bool,
    costs: Vec<f64>,
}

/// The length that most walks had.
fn frames(kernel: &KernelSide, before: &[u64]) -> usize {
    let since = walks(kernel).into_iter().zip(before).map(|(after, before)| after - before);
    since.enumerate().max_by_key(|(_, count)| *count).map_or(0, |(frames, _)| frames)
}

/// Walks of each length so far.
fn walks(kernel: &KernelSide) -> Vec<u64> {
    (0..MAX_COUNTED_SITES).map(|frames| kernel.hits(frames).unwrap()).collect()
}

fn compare(bare: &str, kept: &str, depth: u32, rounds: u32) {
    let mut bare = Program::start(bare, depth);
    let mut kept = Program::start(kept, depth);
    let tables = load(UnwindMode::Tables, false, &[&bare, &kept]);
    let cached = load(UnwindMode::Tables, true, &[&bare, &kept]);
    let pointers = load(UnwindMode::FramePointers, false, &[&bare, &kept]);
    let way =
        |name, kernel, purpose, keeps| Way { name, kernel, purpose, keeps, costs: Vec::new() };
    let mut ways = [
        way("nothing", &tables, Purpose::Nothing, false),
        way("kernel", &tables, Purpose::KernelWalk, true),
        way("fp", &pointers, Purpose::Walk, true),
        way("tables", &tables, Purpose::Walk, false),
        way("cached", &cached, Purpose::Walk, false),
    ];
    let mut lengths = [0; 5];
    for _ in 0..rounds {
        for (way, length) in ways.iter_mut().zip(&mut lengths) {
            let program = if way.keeps { &mut kept } else { &mut bare };
            let before = walks(way.kernel);
            way.costs.push(program.measure(way.kernel, way.purpose));
            *length = frames(way.kernel, &before);
        }
    }
    for (way, length) in ways.iter().zip(lengths) {
        let length = if way.purpose == Purpose::Nothing { 0 } else { length };
        let costs: Vec<String> = way.costs.iter().map(|cost| format!("{cost:.0}")).collect();
        println!("{depth} {} {length} {}", way.name, costs.join(" "));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bare, kept, rest @ ..] = arguments.as_slice() else {
        panic!("usage: walk_cost BARE KEPT [ROUNDS]")
    };
    let rounds = rest.first().map_or(9, |rounds| rounds.parse().expect("a number of rounds"));
    for depth in DEPTHS {
        compare(bare, kept, depth, rounds);
    }
}
