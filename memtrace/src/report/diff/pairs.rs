//! Which process of one report is which of the other.
//!
//! 1. Where each has one process these are compared, whatever they are called.
//! 2. Same pid, same start, same name: the same process, at two moments.
//! 3. Others by name, in the order in which they started: the first `worker` with the first `worker`.
//! 4. What is left is in one report only.

use super::side::{Process, Side};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A process before and after, and its name.
#[derive(Clone, Debug)]
pub(super) struct Pair<'a> {
    pub(super) label: String,
    pub(super) before: Option<&'a Process>,
    pub(super) after: Option<&'a Process>,
}

/// All processes of both, each once.
pub(super) fn pairs<'a>(before: &'a Side, after: &'a Side) -> Vec<Pair<'a>> {
    let (mut before, mut after) = (in_order(before), in_order(after));
    let mut found = Vec::new();
    if let ([one], [other]) = (before.as_slice(), after.as_slice()) {
        return labelled(vec![(Some(*one), Some(*other))]);
    }
    meet(&mut before, &mut after, &mut found, |it| (it.pid, it.start_time, it.comm.as_str()));
    meet(&mut before, &mut after, &mut found, |it| it.comm.as_str());
    found.extend(before.into_iter().map(|process| (Some(process), None)));
    found.extend(after.into_iter().map(|process| (None, Some(process))));
    labelled(found)
}

fn in_order(side: &Side) -> Vec<&Process> {
    let mut processes: Vec<&Process> = side.processes.iter().collect();
    processes.sort_by_key(|process| (process.start_time, process.pid));
    processes
}

type Both<'a> = (Option<&'a Process>, Option<&'a Process>);

/// Takes out of both those that have the same key, the first with the first.
fn meet<'a, K: Eq + Hash>(
    before: &mut Vec<&'a Process>,
    after: &mut Vec<&'a Process>,
    found: &mut Vec<Both<'a>>,
    key: impl Fn(&'a Process) -> K,
) {
    let mut waiting: HashMap<K, VecDeque<usize>> = HashMap::new();
    for (place, process) in before.iter().enumerate() {
        waiting.entry(key(process)).or_default().push_back(place);
    }
    let mut met = vec![false; before.len()];
    after.retain(|process| {
        let place = waiting.get_mut(&key(process)).and_then(VecDeque::pop_front);
        if let Some(place) = place {
            met[place] = true;
            found.push((Some(before[place]), Some(process)));
        }
        place.is_none()
    });
    let mut met = met.into_iter();
    before.retain(|_| met.next() == Some(false));
}

/// Names of which no two are the same.
fn labelled(found: Vec<Both<'_>>) -> Vec<Pair<'_>> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut pairs = Vec::with_capacity(found.len());
    for (before, after) in found {
        let mut label = label(before, after);
        if let Some(workload) = after.or(before).and_then(|it| it.workload.as_ref()) {
            label = format!("{label}, {workload}");
        }
        let count = seen.entry(label.clone()).or_default();
        *count += 1;
        if *count > 1 {
            label = format!("{label} #{count}");
        }
        pairs.push(Pair { label, before, after });
    }
    pairs
}

fn label(before: Option<&Process>, after: Option<&Process>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before.comm != after.comm => {
            format!("{} ({}) → {} ({})", before.comm, before.pid, after.comm, after.pid)
        }
        (Some(before), Some(after)) if before.pid != after.pid => {
            format!("{} ({} → {})", after.comm, before.pid, after.pid)
        }
        (Some(one), _) | (None, Some(one)) => format!("{} ({})", one.comm, one.pid),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Process, Side, pairs};

    fn side(processes: &[(u32, u64, &str)]) -> Side {
        let process = |&(pid, start_time, comm): &(u32, u64, &str)| Process {
            pid,
            start_time,
            comm: comm.to_owned(),
            ..Process::default()
        };
        Side { processes: processes.iter().map(process).collect(), ..Side::default() }
    }

    fn labels(before: &[(u32, u64, &str)], after: &[(u32, u64, &str)]) -> Vec<String> {
        pairs(&side(before), &side(after)).into_iter().map(|pair| pair.label).collect()
    }

    #[test]
    fn two_single_processes_are_compared_whatever_they_are_called() {
        assert_eq!(labels(&[(7, 1, "old")], &[(9, 5, "new")]), ["old (7) → new (9)"]);
        assert_eq!(labels(&[(7, 1, "a")], &[(9, 5, "a")]), ["a (7 → 9)"]);
        assert_eq!(labels(&[(7, 1, "a")], &[(7, 1, "a")]), ["a (7)"]);
        assert_eq!(labels(&[], &[(7, 1, "a")]), ["a (7)"]);
    }

    #[test]
    fn the_same_process_comes_first_then_names_in_order_of_their_start() {
        let before = [(7, 10, "worker"), (3, 5, "worker"), (4, 1, "gone")];
        let after = [(8, 30, "worker"), (7, 10, "worker"), (6, 40, "worker")];
        assert_eq!(
            labels(&before, &after),
            ["worker (7)", "worker (3 → 8)", "gone (4)", "worker (6)"]
        );
    }

    #[test]
    fn programs_that_one_process_ran_have_different_names() {
        let twice = [(7, 10, "sh"), (7, 10, "sh")];
        assert_eq!(labels(&twice, &twice), ["sh (7)", "sh (7) #2"]);
    }
}
