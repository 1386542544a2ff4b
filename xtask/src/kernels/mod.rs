//! `cargo xtask kernels`: the privileged tests on other kernels, in qemu.

mod cache;
mod console;
mod follow;
mod guest;
mod initramfs;
mod list;
mod native;
mod packages;
mod pieces;
mod results;
mod table;
mod verifier;

use crate::command::{root, target};
use crate::test::complaints;
use crate::test::programs::{self, Privileged, Program};
use crate::test::tally::Tally;
use crate::{elevate, setup};
use anyhow::{Context as _, Result, bail};
use clap::value_parser;
use guest::Setting;
use initramfs::Job;
use list::{Kernel, Selection};
use pieces::Piece;
use results::Run;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

/// These groups trace other people's programs, and programs that they build, which are not in the
/// guests: they are about programs and files, not about kernels.
/// The crowd is about memory and time, of which guests have little, and the screen about a terminal.
const NOT_ABOUT_KERNELS: [&str; 7] = [
    "live_allocators",
    "live_crowd",
    "live_html",
    "live_judges",
    "live_names",
    "live_programs",
    "live_screen",
];

/// These groups are about files, users, words, and who is in which control group, more than about kernels, and take as
/// long as all others together: `cargo xtask test` leaves them to `cargo xtask kernels`.
const LEAVE_TIME: [&str; 3] = ["live_bad_input", "live_selection_groups", "live_selection_members"];

/// In these groups the kernel decides most of what memtrace does (its links, how its programs end with it, stacks,
/// what it is told of page faults): `cargo xtask test` runs them on each of its kernels, and the others on the oldest,
/// which allows least, and on this machine's. What the verifier says of the programs is asked on each in any case.
const ON_EACH_KERNEL: [&str; 5] =
    ["live_lifecycle", "live_links", "live_stacks", "live_tables", "live_touches"];

/// In these groups it decides nothing that it does not in others: they are about what the daemon makes of events,
/// and of files. `cargo xtask test` runs them on this machine's kernel alone.
const OF_THE_DAEMON: [&str; 13] = [
    "live_aggregated",
    "live_alerts",
    "live_diff",
    "live_indirect",
    "live_marks",
    "live_pools",
    "live_recording",
    "live_recording_files",
    "live_samples",
    "live_slack",
    "live_trends",
    "live_views",
    "live_zoom",
];

/// How many guests run at once where there are processors for them, and with how many each. A guest
/// waits about as much as it works, as the emulation of several processors has one thread.
const GUESTS: u8 = 3;
const PROCESSORS: u8 = 2;

/// What can be asked for.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Test only these kernels; `native` is the one that runs
    #[arg(long, value_name = "KERNEL,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Run only these groups of tests, such as `links` for `live_links`
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',')]
    group: Vec<String>,
    /// Keep what the guests boot into until the next run, and say how to boot it by hand
    #[arg(long)]
    keep: bool,
    /// Write the tables, of all kernels and all tests, to docs/kernels.md
    #[arg(long, conflicts_with_all = ["only", "group", "filter"])]
    write: bool,
    /// Download the kernels' newest packages, also where the cache has one
    #[arg(long)]
    refresh: bool,
    /// The longest that a guest may run
    #[arg(long, value_name = "SECONDS", default_value_t = LIMIT.as_secs(), value_parser = value_parser!(u64).range(1..=86_400))]
    limit: u64,
    /// The longest that a group of tests may run
    #[arg(long, value_name = "SECONDS", default_value_t = GROUP_LIMIT.as_secs(), value_parser = value_parser!(u64).range(1..=86_400))]
    group_limit: u64,
    /// Guests that run at once
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u8).range(1..=64))]
    guests: Option<u8>,
    /// Processors of each guest
    #[arg(long, value_name = "COUNT", default_value_t = PROCESSORS, value_parser = value_parser!(u8).range(1..=64))]
    processors: u8,
    /// More words for the guests' kernels
    #[arg(long, value_name = "WORDS", default_value = "", allow_hyphen_values = true)]
    append: String,
    /// Run only the tests whose names contain this
    #[arg(last = true)]
    filter: Option<String>,
}

const LIMIT: Duration = Duration::from_secs(2700);
const GROUP_LIMIT: Duration = Duration::from_secs(600);

impl Options {
    /// As `cargo xtask test` wants it.
    fn of_tests() -> Self {
        Self {
            only: Vec::new(),
            group: Vec::new(),
            keep: false,
            write: false,
            refresh: false,
            limit: LIMIT.as_secs(),
            group_limit: GROUP_LIMIT.as_secs(),
            guests: None,
            processors: PROCESSORS,
            append: String::new(),
            filter: None,
        }
    }
}

/// Runs the tests on the kernels that were asked for, and prints a table.
pub(crate) fn kernels(no_install: bool, options: &Options) -> Result<ExitCode> {
    let selection = Selection::of(&options.only)?;
    setup::ensure(purpose(&selection), no_install)?;
    let built = programs::build_privileged()?;
    let (runs, names) = run_all(&selection, &built, options, |_, _| true)?;
    print!("\n{}", table::terminal(&runs, &names));
    if options.write {
        let path = root().join("docs/kernels.md");
        fs::write(&path, table::document(&runs, &names))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("written to {}", path.display());
    }
    // A filter that matches nothing has shown nothing.
    let is_good = runs.iter().all(Run::is_good) && table::counted(&runs).passed > 0;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether this machine has what a guest needs.
pub(crate) fn can_boot() -> bool {
    guest::require_qemu().is_ok() && initramfs::busybox().is_ok()
}

fn purpose(selection: &Selection) -> setup::Purpose {
    if selection.kernels.is_empty() { setup::Purpose::Build } else { setup::Purpose::Kernels }
}

/// The stage of `cargo xtask test`: on this machine's kernel the tests have run already.
pub(crate) fn stage() -> Result<Tally> {
    let mut built = programs::build_privileged()?;
    let leaves_time = |name: &str| LEAVE_TIME.contains(&name) || OF_THE_DAEMON.contains(&name);
    built.tests.retain(|program| !leaves_time(program.name.as_str()));
    let selection = Selection::long_term()?;
    let oldest = selection.kernels.first().map(|kernel| kernel.name);
    let share = |kernel: &Kernel, group: &Program| {
        Some(kernel.name) == oldest || ON_EACH_KERNEL.contains(&group.name.as_str())
    };
    let (runs, names) = run_all(&selection, &built, &Options::of_tests(), share)?;
    print!("\n{}", table::terminal(&runs, &names));
    runs.iter().for_each(complain);
    Ok(table::counted(&runs))
}

/// Keeps what went wrong on one kernel for the end.
fn complain(run: &Run) {
    let kernel = &run.kernel;
    if let Some(trouble) = &run.trouble {
        complaints::note(format!("kernel {kernel}: {trouble}"));
    }
    for name in run.wanted.iter().filter(|name| run.group(name).is_none()) {
        complaints::note(format!("kernel {kernel}, {name}: it did not begin"));
    }
    for group in run.groups.iter().filter(|group| !group.is_good()) {
        let name = format!("kernel {kernel}, {}", group.name);
        complaints::note_tests(&name, group.output.iter().map(String::as_str));
        if let Some(trouble) = group.trouble() {
            complaints::note(format!("{name}: {trouble}"));
        }
    }
}

/// Runs everything, on other kernels the groups for which `share` says so; gives the results, and the groups'
/// names.
fn run_all<'a>(
    selection: &Selection,
    built: &'a Privileged,
    options: &Options,
    share: impl Fn(&Kernel, &Program) -> bool,
) -> Result<(Vec<Run>, Vec<&'a str>)> {
    let groups = groups(built, &options.group)?;
    let names = groups.iter().map(|program| initramfs::group_name(program)).collect();
    let limit = Duration::from_secs(options.group_limit);
    let job = Job { groups: &groups, built, filter: options.filter.as_deref(), limit };
    let folder = target().join("kernels");
    elevate::make_folder(&folder)?;
    // What may fail for want of a package fails before anything is run.
    let images = cache::images(&selection.kernels, options.refresh)?;
    let mut runs = Vec::new();
    if selection.native {
        runs.push(native::run(&job)?);
    }
    if !images.is_empty() {
        let setting = set_up(&folder, &job, options)?;
        let kernels = selection.kernels.iter().copied().zip(&images);
        let guests: Vec<Piece<'_>> = kernels
            .flat_map(|(kernel, image)| {
                let wanted = groups.iter().filter(|group| share(kernel, group));
                let names: Vec<_> = wanted.map(|group| initramfs::group_name(group)).collect();
                pieces::of(kernel, image, &names)
            })
            .collect();
        runs.extend(run_guests(&guests, &setting, options.guests.unwrap_or_else(guests_at_once))?);
        take_down(&setting, options.keep, &guests)?;
    }
    keep_output(&folder, &runs)?;
    elevate::give_back_target()?;
    Ok((runs, names))
}

/// The groups that are about kernels, or those of them that were asked for.
fn groups<'a>(built: &'a Privileged, wanted: &[String]) -> Result<Vec<&'a Program>> {
    let name = |program: &Program| initramfs::group_name(program).to_owned();
    let about_kernels =
        built.tests.iter().filter(|it| !NOT_ABOUT_KERNELS.contains(&it.name.as_str()));
    let all: Vec<&Program> = about_kernels.collect();
    if let Some(unknown) = wanted.iter().find(|it| all.iter().all(|group| name(group) != **it)) {
        let names: Vec<String> = all.iter().map(|group| name(group)).collect();
        bail!("no group of tests is called {unknown}; there are {}", names.join(", "));
    }
    let is_wanted = |group: &&Program| wanted.is_empty() || wanted.contains(&name(group));
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// Makes what all guests boot into, in a folder of this run.
fn set_up(folder: &Path, job: &Job<'_>, options: &Options) -> Result<Setting> {
    sweep(folder)?;
    let work = folder.join(format!("{WORK}{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let setting = Setting {
        initramfs: work.join("initramfs"),
        processors: options.processors,
        append: options.append.clone(),
        limit: Duration::from_secs(options.limit),
        folder: folder.to_owned(),
    };
    initramfs::write(&setting.initramfs, &work, job)?;
    Ok(setting)
}

/// What the folder of a run begins with; the number of its process follows.
const WORK: &str = "run-";

/// Removes the folders of runs that were interrupted, or were to be kept; each has a copy of all
/// programs.
fn sweep(folder: &Path) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(process) = name.and_then(|name| name.strip_prefix(WORK)) else { continue };
        if !Path::new("/proc").join(process).exists() {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn take_down(setting: &Setting, keep: bool, guests: &[Piece<'_>]) -> Result<()> {
    if keep {
        for piece in guests {
            println!("to boot it by hand: {}", guest::by_hand(piece, setting)?);
        }
        println!("the next run removes {}", setting.initramfs.display());
        return Ok(());
    }
    let Some(work) = setting.initramfs.parent() else { return Ok(()) };
    fs::remove_dir_all(work).with_context(|| format!("cannot remove {}", work.display()))
}

/// Each guest has as much to do on two processors as this machine can do on two.
fn guests_at_once() -> u8 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if processors >= 2 { GUESTS } else { 1 }
}

/// Boots all, so many at once, and gives what came of them, by kernel, in their order.
fn run_guests(guests: &[Piece<'_>], setting: &Setting, at_once: u8) -> Result<Vec<Run>> {
    let queue = Mutex::new(guests.iter().enumerate());
    let next = || queue.lock().ok()?.next();
    let work = || -> Result<Vec<(usize, Run)>> {
        let mut runs = Vec::new();
        while let Some((index, piece)) = next() {
            println!("kernel {}: booting {}", piece.kernel, piece.image.package);
            runs.push((index, guest::boot(piece, setting)?));
        }
        Ok(runs)
    };
    let mut runs = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let mut runs = Vec::new();
        for thread in threads {
            let Ok(done) = thread.join() else { bail!("a thread that ran guests has panicked") };
            runs.extend(done?);
        }
        Ok(runs)
    })?;
    runs.sort_by_key(|(index, _)| *index);
    Ok(pieces::joined(runs.into_iter().map(|(_, run)| run).collect()))
}

/// Keeps what each group printed, and says where that of those is that failed.
fn keep_output(folder: &Path, runs: &[Run]) -> Result<()> {
    for run in runs {
        let folder = folder.join(&run.kernel);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for group in &run.groups {
            let file = folder.join(format!("{}.log", group.name));
            fs::write(&file, group.output.join("\n") + "\n")
                .with_context(|| format!("cannot write {}", file.display()))?;
            if !group.is_good() {
                println!(
                    "kernel {}: {}: what it printed: {}",
                    run.kernel,
                    group.name,
                    file.display()
                );
            }
        }
    }
    Ok(())
}
