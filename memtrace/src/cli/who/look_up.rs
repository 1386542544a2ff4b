//! Holds wishes against this machine: users, files, control groups, containers and pods that there are.

use super::users;
use super::wishes::{ExeWish, Wishes};
use crate::containers::Catalogue;
use crate::procfs::{ProcTree, find_cgroup};
use crate::selection::{
    CgroupSelector, Container, ContainerRef, ExeSelector, FileId, PodRef, Selection, is_id_prefix,
};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Most containers that a message lists.
const MOST_LISTED: usize = 8;

/// What became of wishes.
pub(super) enum LookedUp {
    /// This is what is meant, and all that was named is there.
    Selection(Selection),
    /// Something that was named is not there yet: which, and what can be done.
    Missing(String),
}

/// Finds what was named.
///
/// # Errors
/// When something was named that cannot come to be meant by waiting, in one line.
pub(super) fn look_up(wishes: &Wishes) -> anyhow::Result<LookedUp> {
    let mut selection = Selection {
        pids: wishes.pids.iter().map(|number| process_of(*number)).collect(),
        all: wishes.all,
        comms: wishes.comms.clone(),
        exes: wishes.exes.iter().map(exe).collect(),
        uids: wishes.users.iter().map(|word| users::uid(word)).collect::<anyhow::Result<_>>()?,
        exclude_comms: wishes.exclude_comms.clone(),
        exclude_pids: wishes.exclude_pids.clone(),
        follow: wishes.follow,
        wait: wishes.wait,
        ..Selection::default()
    };
    match cgroups(wishes) {
        Ok(cgroups) => selection.cgroups = cgroups,
        Err(missing) => return Ok(LookedUp::Missing(missing)),
    }
    if wishes.containers.is_empty() && wishes.pods.is_empty() {
        return Ok(LookedUp::Selection(selection));
    }
    let there = containers_there()?;
    let mut catalogue = None;
    for word in &wishes.containers {
        match container(word, &there, &mut catalogue)? {
            Ok(found) => selection.containers.push(found),
            Err(missing) => return Ok(LookedUp::Missing(missing)),
        }
    }
    for wished in &wishes.pods {
        match pod(wished, catalogue.get_or_insert_with(Catalogue::read)) {
            Ok(found) => selection.pods.push(found),
            Err(missing) => return Ok(LookedUp::Missing(missing)),
        }
    }
    Ok(LookedUp::Selection(selection))
}

/// The process that a number means, if it is a thread's.
fn process_of(number: u32) -> u32 {
    ProcTree::default().process_of(number).unwrap_or(number)
}

fn exe(wish: &ExeWish) -> ExeSelector {
    match wish {
        ExeWish::Like(pattern) => ExeSelector::Like(pattern.clone()),
        ExeWish::Path(path) => {
            // The file counts that is behind all links, as in /proc/PID/exe.
            let path = path.canonicalize().unwrap_or_else(|_| path.clone());
            ExeSelector::File { file: file_id(&path), path }
        }
    }
}

fn file_id(path: &Path) -> Option<FileId> {
    let metadata = path.metadata().ok()?;
    metadata.is_file().then(|| FileId { device: metadata.dev(), inode: metadata.ino() })
}

fn cgroups(wishes: &Wishes) -> Result<Vec<CgroupSelector>, String> {
    let found = wishes.cgroups.iter().map(|path| {
        let group = find_cgroup(path).map_err(|error| error.to_string())?;
        if group.members().is_empty() {
            let directory = group.directory.display();
            return Err(format!(
                "control group {directory} is empty: no process is in it or in a group below it"
            ));
        }
        Ok(group.selector)
    });
    found.collect()
}

/// The containers that processes of this machine are in.
fn containers_there() -> anyhow::Result<Vec<Container>> {
    let mut containers = BTreeSet::new();
    ProcTree::default()
        .each(|facts| containers.extend(facts.container))
        .map_err(|error| anyhow::anyhow!("cannot list processes in /proc: {error}; mount it"))?;
    Ok(containers.into_iter().collect())
}

fn container(
    word: &str,
    there: &[Container],
    catalogue: &mut Option<Catalogue>,
) -> anyhow::Result<Result<ContainerRef, String>> {
    let mut named = ContainerRef::named(word);
    let ambiguous = |candidates: Vec<String>| {
        anyhow::anyhow!("--container {word} could be {}: give more digits", candidates.join(" or "))
    };
    if named.settle(there).map_err(ambiguous)? {
        return Ok(Ok(named));
    }
    let catalogue = catalogue.get_or_insert_with(Catalogue::read);
    let ids = catalogue.ids_of(word);
    let running: Vec<&Container> = there.iter().filter(|it| ids.contains(&it.id)).collect();
    match running.as_slice() {
        [] => Ok(Err(unknown_container(word, ids.len(), there, catalogue))),
        [one] => Ok(Ok(ContainerRef { typed: word.to_owned(), ids: vec![one.id.clone()] })),
        several => {
            let names: Vec<String> =
                several.iter().take(MOST_LISTED).map(ToString::to_string).collect();
            anyhow::bail!(
                "{} containers are called {word:?}: {}; give an id",
                several.len(),
                names.join(", ")
            )
        }
    }
}

fn unknown_container(
    word: &str,
    called: usize,
    there: &[Container],
    catalogue: &Catalogue,
) -> String {
    if called > 0 {
        return format!("container {word:?} is known, but none of its processes runs");
    }
    let with_name = |container: &Container| match catalogue.name_of(&container.id) {
        Some(name) => format!("{name}, {container}"),
        None => container.to_string(),
    };
    let listed: Vec<String> = there.iter().take(MOST_LISTED).map(with_name).collect();
    let there = match listed.as_slice() {
        [] => "no process of this machine is in a container".to_owned(),
        listed => format!("there are {}", listed.join("; ")),
    };
    if is_id_prefix(word) {
        return format!("no container's id begins with {word}: {there}");
    }
    format!(
        "no container is called {word:?}: {there}; names were looked for in {}; give the id, which needs \
         no such file",
        catalogue.describe_tried()
    )
}

fn pod(wished: &PodRef, catalogue: &Catalogue) -> Result<PodRef, String> {
    let (uids, containers) = catalogue.pod(&wished.namespace, &wished.name);
    if uids.is_empty() && containers.is_empty() {
        return Err(format!(
            "no pod {}/{} is known: looked in {}; `kubectl get pod -n {0} {1} -o \
             jsonpath='{{.metadata.uid}}'` tells its uid, and --cgroup takes the group with that in its name",
            wished.namespace,
            wished.name,
            catalogue.describe_tried()
        ));
    }
    Ok(PodRef { uids, containers, ..wished.clone() })
}
