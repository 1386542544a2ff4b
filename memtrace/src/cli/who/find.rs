//! The processes that match now.

use super::look_up::{LookedUp, look_up};
use super::users::nearest;
use super::wishes::Wishes;
use crate::model::ids::Pid;
use crate::procfs::ProcTree;
use crate::selection::{Decision, Exclusion, Facts, Selection};
use anyhow::{Context as _, bail};
use memtrace_common::limits::MAX_TARGETS;
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

/// How often is looked for a process that may come.
const LOOK: Duration = Duration::from_secs(1);
/// Names of processes that are kept for suggestions.
const MOST_NAMES: usize = 10_000;

/// Processes that match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Their numbers.
    pub pids: Vec<Pid>,
    /// What was looked for, if they were not just named by number.
    pub selection: Option<Selection>,
    /// How many more match than can be traced at once.
    pub beyond: usize,
}

/// Finds the processes that are wished; with `--wait`, once there are any. `say` is told what is waited
/// for.
///
/// # Errors
/// One line that says what was looked for, and what to do.
pub fn find(wishes: &Wishes, say: &mut dyn FnMut(&str)) -> anyhow::Result<Found> {
    if !wishes.is_search() {
        return Ok(Found { pids: named(wishes)?, selection: None, beyond: 0 });
    }
    let mut said = false;
    loop {
        match look(wishes)? {
            Ok(found) => return Ok(found),
            Err(missing) if !wishes.wait => {
                bail!("{missing}; --wait waits for a process that matches");
            }
            Err(missing) => {
                if !std::mem::replace(&mut said, true) {
                    say(&format!("waiting: {missing}"));
                }
                sleep(LOOK);
            }
        }
    }
}

/// Those that were named by number and not excluded. Whether they can be traced shows later.
fn named(wishes: &Wishes) -> anyhow::Result<Vec<Pid>> {
    let exclusions = Selection {
        exclude_comms: wishes.exclude_comms.clone(),
        exclude_pids: wishes.exclude_pids.clone(),
        ..Selection::default()
    };
    if exclusions.exclude_comms.is_empty() && exclusions.exclude_pids.is_empty() {
        return Ok(wishes.pids.clone());
    }
    let tree = ProcTree::default();
    let stays = |number: &u32| {
        let facts = tree.process_of(*number).and_then(|pid| tree.facts(pid));
        let decision = facts.map(|facts| exclusions.decide(&facts, 0));
        !matches!(decision, Some(Decision::Excluded(Exclusion::Comm | Exclusion::Pid)))
    };
    let pids: Vec<Pid> = wishes.pids.iter().copied().filter(stays).collect();
    if pids.is_empty() {
        bail!("all processes that --pid names are excluded by --exclude-pid or --exclude-comm");
    }
    Ok(pids)
}

/// What a look at all processes has shown.
#[derive(Debug, Default)]
struct Look {
    meant: Vec<Pid>,
    /// How many more are meant than can be traced.
    beyond: usize,
    seen: usize,
    excluded: usize,
    names: BTreeSet<String>,
}

impl Look {
    fn take(&mut self, selection: &Selection, facts: &Facts) {
        match selection.decide(facts, std::process::id()) {
            Decision::Meant if self.meant.len() < MAX_TARGETS as usize => {
                self.meant.push(facts.key.pid);
            }
            Decision::Meant => self.beyond += 1,
            Decision::Excluded(Exclusion::Comm | Exclusion::Pid) => self.excluded += 1,
            Decision::Excluded(_) => return,
            Decision::NotMeant(_) => {}
        }
        self.seen += 1;
        if self.names.len() < MOST_NAMES {
            self.names.insert(String::from_utf8_lossy(&facts.comm).into_owned());
        }
    }

    fn nobody(&self, selection: &Selection) -> String {
        let mut line = format!("none of {} processes matches {selection}", self.seen);
        if self.excluded > 0 {
            line += &format!(" ({} were excluded)", self.excluded);
        }
        let alike = |name: &String| nearest(name, self.names.iter().map(String::as_str));
        let names = selection.comms.iter().map(ToString::to_string);
        let near: BTreeSet<String> = names.flat_map(|name| alike(&name)).collect();
        let near: Vec<String> = near.into_iter().collect();
        if !near.is_empty() {
            line += &format!("; names like that: {}", near.join(", "));
        }
        line
    }
}

fn look(wishes: &Wishes) -> anyhow::Result<Result<Found, String>> {
    let selection = match look_up(wishes)? {
        LookedUp::Selection(selection) => selection,
        LookedUp::Missing(missing) => return Ok(Err(missing)),
    };
    let mut look = Look::default();
    ProcTree::default()
        .each(|facts| look.take(&selection, &facts))
        .context("cannot list processes in /proc; mount it")?;
    Ok(if look.meant.is_empty() {
        Err(look.nobody(&selection))
    } else {
        Ok(Found { pids: look.meant, selection: Some(selection), beyond: look.beyond })
    })
}
