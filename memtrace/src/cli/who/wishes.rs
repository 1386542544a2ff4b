//! What was typed about whom to trace, as far as it can be judged without looking at the machine.

use super::super::exit::UsageError;
use super::args::SelectArgs;
use crate::selection::{Pattern, PatternError, PodRef, is_id_prefix};
use memtrace_common::limits::MAX_TARGETS;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Longest name of a container that is looked for.
const LONGEST_NAME: usize = 255;

/// Whom to trace, in the user's words. Plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// Processes or threads by number, without duplicates, in the order given.
    pub pids: Vec<u32>,
    /// Every process.
    pub all: bool,
    /// Names.
    pub comms: Vec<Pattern>,
    /// Programs.
    pub exes: Vec<ExeWish>,
    /// Users, by name or number.
    pub users: Vec<String>,
    /// Control groups.
    pub cgroups: Vec<PathBuf>,
    /// Containers, by id or name.
    pub containers: Vec<String>,
    /// Pods.
    pub pods: Vec<PodRef>,
    /// Names that are not meant.
    pub exclude_comms: Vec<Pattern>,
    /// Numbers that are not meant.
    pub exclude_pids: Vec<u32>,
    /// Children are meant, too.
    pub follow: bool,
    /// Wait until a process matches.
    pub wait: bool,
}

/// A program.
#[derive(Clone, Debug, PartialEq)]
pub enum ExeWish {
    /// By its path.
    Path(PathBuf),
    /// By a pattern of paths.
    Like(Pattern),
}

impl Wishes {
    /// The wishes that were typed.
    ///
    /// # Errors
    /// One line that names what makes no sense and the remedy.
    pub fn new(args: &SelectArgs) -> Result<Self, UsageError> {
        let wishes = Self {
            pids: pids(&args.pids)?,
            all: args.all,
            comms: patterns("--comm", &args.comms)?,
            exes: args.exes.iter().map(|path| exe(path)).collect::<Result<_, _>>()?,
            users: users(&args.users)?,
            cgroups: args.cgroups.clone(),
            containers: containers(&args.containers)?,
            pods: args.pods.iter().map(|text| pod(text)).collect::<Result<_, _>>()?,
            exclude_comms: patterns("--exclude-comm", &args.exclude_comms)?,
            exclude_pids: args.exclude_pids.clone(),
            follow: !args.no_follow,
            wait: args.wait,
        };
        if wishes.wait && !wishes.is_search() && !wishes.pids.is_empty() {
            return usage(
                "--wait waits for a process that matches, but any process may get the number after \
                 --pid: select by --comm, --exe, --uid, --cgroup, --container or --pod",
            );
        }
        Ok(wishes)
    }

    /// Whether processes are looked for, and not only named by number.
    #[must_use]
    pub const fn is_search(&self) -> bool {
        self.all
            || !(self.comms.is_empty()
                && self.exes.is_empty()
                && self.users.is_empty()
                && self.cgroups.is_empty()
                && self.containers.is_empty()
                && self.pods.is_empty())
    }

    /// Whether nothing is wished.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pids.is_empty() && !self.is_search()
    }
}

fn usage<T>(message: impl Into<String>) -> Result<T, UsageError> {
    Err(UsageError(message.into()))
}

fn pids(typed: &[u32]) -> Result<Vec<u32>, UsageError> {
    let mut pids: Vec<u32> = Vec::with_capacity(typed.len());
    let mut seen = HashSet::new();
    pids.extend(typed.iter().filter(|pid| seen.insert(**pid)));
    if pids.len() > MAX_TARGETS as usize {
        return usage(format!(
            "{} processes were named with --pid, but at most {MAX_TARGETS} can be traced at once: \
             name fewer",
            pids.len()
        ));
    }
    Ok(pids)
}

fn of_option(option: &str, error: &PatternError) -> UsageError {
    UsageError(format!("{option}: {error}"))
}

fn patterns(option: &str, typed: &[String]) -> Result<Vec<Pattern>, UsageError> {
    let pattern = |text: &String| Pattern::of_comm(text).map_err(|error| of_option(option, &error));
    typed.iter().map(pattern).collect()
}

fn exe(path: &Path) -> Result<ExeWish, UsageError> {
    match path.to_str() {
        // A file may be called like a pattern.
        Some(text) if Pattern::is_one(text) && !path.exists() => {
            let pattern = Pattern::of_path(text).map_err(|error| of_option("--exe", &error))?;
            Ok(ExeWish::Like(pattern))
        }
        _ => Ok(ExeWish::Path(path.to_owned())),
    }
}

fn users(typed: &[String]) -> Result<Vec<String>, UsageError> {
    if typed.iter().any(String::is_empty) {
        return usage("--uid is empty: give a user's name or number, such as www-data or 33");
    }
    Ok(typed.to_vec())
}

fn containers(typed: &[String]) -> Result<Vec<String>, UsageError> {
    let is_name = |word: &String| {
        !word.is_empty()
            && word.len() <= LONGEST_NAME
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    match typed.iter().find(|word| !is_name(word)) {
        Some(wrong) => usage(format!(
            "--container {wrong:?} is neither the beginning of an id (at least 4 hexadecimal digits, as \
             in `docker ps`) nor a name (letters, digits, `_`, `.`, `-`)"
        )),
        None => Ok(typed.iter().map(|word| id_or_name(word)).collect()),
    }
}

/// Ids are compared in lower case.
fn id_or_name(word: &str) -> String {
    if is_id_prefix(word) { word.to_ascii_lowercase() } else { word.to_owned() }
}

fn pod(text: &str) -> Result<PodRef, UsageError> {
    PodRef::read(text).ok_or_else(|| {
        UsageError(format!(
            "--pod {text:?} is no NAMESPACE/NAME, such as default/web-0: `kubectl get pods -A` lists them"
        ))
    })
}
