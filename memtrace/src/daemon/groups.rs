//! Control groups, containers and pods that come and go while processes are looked for: a container is
//! started again, a pod gets a second one. The kernel side lets their processes in by the numbers of groups
//! (`memtrace-ebpf/src/probes/admission.rs`), so it is told of those that are made.
//!
//! The first process that executes a program in a group or is moved there is told of as a candidate, and
//! leads to the group. What was missed so the slow look at all processes repairs, which also tells of groups
//! that have gone. Containers and pods are known by name in files of runtimes and of kubelet only: these are
//! read again when somebody is met who belongs to one that was not met before.

use crate::containers::Catalogue;
use crate::procfs::UnifiedTree;
use crate::selection::{ContainerRef, Facts, Hierarchy, Selection};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Between two readings of the files passes so many times as long as the last one took …
const REST: u32 = 100;
/// … and at least this long.
const LEAST_REST: Duration = Duration::from_secs(1);
/// Containers and pods that were met and are remembered, so that the files are not read for them again.
const MOST_MET: usize = 4096;

/// What the kernel side is to be told of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupNews {
    /// Its processes satisfy this much ([`memtrace_common::admission::satisfied`]).
    Worth(u64, u64),
    /// It has gone, or means nothing any more.
    Gone(u64),
}

/// The groups that the kernel side knows, and who was met.
pub(super) struct Groups {
    tree: UnifiedTree,
    told: BTreeMap<u64, u64>,
    room: usize,
    news: Vec<GroupNews>,
    read: fn() -> Catalogue,
    met: BTreeSet<String>,
    /// When the files may be read again.
    next_reading: Instant,
    /// Somebody was met since they were read.
    is_behind: bool,
}

impl Groups {
    /// With room for so many at the kernel side.
    pub(super) fn new(room: usize) -> Self {
        Self {
            tree: UnifiedTree::mounted(),
            told: BTreeMap::new(),
            room,
            news: Vec::new(),
            read: Catalogue::read,
            met: BTreeSet::new(),
            next_reading: Instant::now(),
            is_behind: false,
        }
    }

    /// What is to be told, of this and of earlier calls.
    pub(super) fn take_news(&mut self) -> Vec<GroupNews> {
        std::mem::take(&mut self.news)
    }

    /// Looks at all groups that there are.
    pub(super) fn look_at_all(&mut self, selection: &Selection) {
        if !selection.asks_for_groups() {
            return;
        }
        let there = selection.groups_wanted(&self.tree.groups());
        let there: BTreeMap<u64, u64> = there.into_iter().collect();
        let gone: Vec<u64> =
            self.told.keys().copied().filter(|group| !there.contains_key(group)).collect();
        for group in gone {
            self.told.remove(&group);
            self.news.push(GroupNews::Gone(group));
        }
        there.into_iter().for_each(|(group, worth)| self.tell(group, worth));
    }

    /// Looks at the group of a process, which may be new. It does not matter whether the process is meant:
    /// the next one in its group may be.
    pub(super) fn meet(&mut self, selection: &mut Selection, facts: &Facts) {
        if !selection.asks_for_groups() {
            return;
        }
        if self.is_stranger(selection, facts) {
            self.is_behind = true;
            self.learn(selection);
        }
        if selection.worth_of_group(facts) == 0 {
            return;
        }
        let unified = facts.cgroups.iter().find(|place| place.hierarchy == Hierarchy::Unified);
        let around = unified.map(|place| self.tree.around(&place.path)).unwrap_or_default();
        for (group, worth) in selection.groups_wanted(&around) {
            self.tell(group, worth);
        }
    }

    /// Reads names if somebody was met since. Gives whether there are new ones.
    pub(super) fn learn(&mut self, selection: &mut Selection) -> bool {
        let began = Instant::now();
        if !self.is_behind || began < self.next_reading {
            return false;
        }
        self.is_behind = false;
        let catalogue = (self.read)();
        let mut is_news = false;
        for container in &mut selection.containers {
            is_news |= container.learn(catalogue.ids_of(&container.typed));
        }
        for pod in &mut selection.pods {
            let (uids, containers) = catalogue.pod(&pod.namespace, &pod.name);
            is_news |= pod.learn(uids, containers);
        }
        self.next_reading = began + LEAST_REST.max(began.elapsed() * REST);
        is_news
    }

    /// Whether its container or pod was not met before, and may have one of the names.
    fn is_stranger(&mut self, selection: &Selection, facts: &Facts) -> bool {
        let by_name = selection.containers.iter().any(ContainerRef::is_by_name);
        if !by_name && selection.pods.is_empty() {
            return false;
        }
        if self.met.len() >= MOST_MET {
            self.met.clear();
        }
        let container = facts.container.iter().map(|container| &container.id);
        let mut is_new = false;
        for id in container.chain(&facts.pod_uid) {
            is_new |= self.met.insert(id.clone());
        }
        is_new
    }

    fn tell(&mut self, group: u64, worth: u64) {
        let known = self.told.get(&group);
        // What does not fit is decided by user space.
        if known == Some(&worth) || known.is_none() && self.told.len() >= self.room {
            return;
        }
        self.told.insert(group, worth);
        self.news.push(GroupNews::Worth(group, worth));
    }
}

#[cfg(test)]
mod tests {
    use super::{GroupNews, Groups, UnifiedTree};
    use crate::containers::{Catalogue, Known};
    use crate::selection::{
        CgroupSelector, Container, ContainerRef, Facts, Hierarchy, Membership, Runtime, Selection,
    };
    use memtrace_common::admission::satisfied;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;
    use std::sync::atomic::{AtomicU32, Ordering};

    static READINGS: AtomicU32 = AtomicU32::new(0);

    fn read() -> Catalogue {
        READINGS.fetch_add(1, Ordering::Relaxed);
        let web = Known { id: id('b'), names: vec!["web".to_owned()], pod: None, pod_uid: None };
        Catalogue { known: vec![web], ..Catalogue::default() }
    }

    fn id(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn groups(root: &Path) -> Groups {
        let tree = UnifiedTree::of(&format!("2 0 0:2 / {} rw - cgroup2 x rw\n", root.display()));
        Groups { tree, read, ..Groups::new(2) }
    }

    fn made(root: &Path, path: &str) -> u64 {
        fs::create_dir_all(root.join(path)).unwrap();
        fs::metadata(root.join(path)).unwrap().ino()
    }

    fn member(path: &str, container: Option<char>) -> Facts {
        let place = Membership { hierarchy: Hierarchy::Unified, path: path.to_owned() };
        let container =
            container.map(|digit| Container { runtime: Runtime::Docker, id: id(digit) });
        Facts { cgroups: vec![place], container, ..Facts::default() }
    }

    #[test]
    fn a_group_that_is_made_again_is_told_of_and_the_old_one_leaves() {
        let root = tempfile::tempdir().unwrap();
        let old = made(root.path(), "a");
        let mut groups = groups(root.path());
        let cgroups = vec![CgroupSelector { hierarchy: Hierarchy::Unified, path: "/a".into() }];
        let mut selection = Selection { cgroups, ..Selection::default() };
        groups.look_at_all(&selection);
        assert_eq!(groups.take_news(), [GroupNews::Worth(old, satisfied::CGROUP)]);
        // Beside it first, so that it does not get the old one's inode.
        fs::rename(root.path().join("a"), root.path().join("gone")).unwrap();
        let new = made(root.path(), "a");
        groups.meet(&mut selection, &member("/b", None));
        assert_eq!(groups.take_news(), []);
        groups.meet(&mut selection, &member("/a/inner", None));
        groups.meet(&mut selection, &member("/a", None));
        assert_eq!(groups.take_news(), [GroupNews::Worth(new, satisfied::CGROUP)]);
        groups.look_at_all(&selection);
        assert_eq!(groups.take_news(), [GroupNews::Gone(old)]);
    }

    #[test]
    fn what_does_not_fit_is_not_told() {
        let root = tempfile::tempdir().unwrap();
        let paths = ["/a", "/b", "/c"];
        for path in paths {
            made(root.path(), &path[1..]);
        }
        let mut groups = groups(root.path());
        let selector = |path: &&str| CgroupSelector {
            hierarchy: Hierarchy::Unified,
            path: (*path).to_owned(),
        };
        let cgroups = paths.iter().map(selector).collect();
        groups.look_at_all(&Selection { cgroups, ..Selection::default() });
        assert_eq!(groups.take_news().len(), 2);
    }

    #[test]
    fn a_container_that_gets_the_name_later_is_met() {
        let root = tempfile::tempdir().unwrap();
        let path = format!("docker-{}.scope", id('b'));
        let new = made(root.path(), &path);
        let mut groups = groups(root.path());
        let named = ContainerRef { typed: "web".to_owned(), ids: vec![id('a')] };
        let mut selection = Selection { containers: vec![named], ..Selection::default() };
        groups.meet(&mut selection, &member("/", None));
        assert_eq!(READINGS.load(Ordering::Relaxed), 0, "it is in no container");
        let member = member(&format!("/{path}"), Some('b'));
        groups.meet(&mut selection, &member);
        assert_eq!(groups.take_news(), [GroupNews::Worth(new, satisfied::CONTAINER)]);
        assert_eq!(selection.containers[0].ids, [id('a'), id('b')]);
        groups.meet(&mut selection, &member);
        assert!(!groups.learn(&mut selection));
        assert_eq!(READINGS.load(Ordering::Relaxed), 1);
    }
}
