//! Control groups: the memory of a process's group (v1's memory controller where it is in use, else
//! v2), and groups, containers and pods by name.

mod find;
mod mounts;
mod names;
mod unified;

pub use find::{CgroupError, FoundCgroup, find_cgroup};
pub(super) use mounts::memberships;
pub(super) use names::{container, pod_uid};
pub use unified::UnifiedTree;

use crate::selection::{Hierarchy, Membership};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Limits above this mean "none": v1 says 2⁶³ rounded down to pages.
const UNLIMITED: u64 = 1 << 62;

/// A control group's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroup {
    /// Path within the hierarchy.
    pub(super) path: String,
    /// Where the hierarchy is mounted.
    mount: PathBuf,
    /// Empty where the group is not mounted.
    directory: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Cgroup {
    /// The group that accounts for the memory, from the groups of a process and our mounts.
    pub(super) fn find(places: &[Membership], mountinfo: &str) -> Option<Self> {
        let place = accounting(places)?;
        let mounts = mounts::mounts(mountinfo, places);
        let mount = mounts.into_iter().find(|mount| {
            mount.hierarchy == place.hierarchy && mount.directory(Path::new(&place.path)).is_some()
        });
        let version = match place.hierarchy {
            Hierarchy::Unified => Version::Two,
            Hierarchy::Legacy(_) => Version::One,
        };
        let directory = mount.as_ref().and_then(|mount| mount.directory(Path::new(&place.path)));
        Some(Self {
            path: place.path.clone(),
            mount: mount.map(|mount| mount.point).unwrap_or_default(),
            directory: directory.unwrap_or_default(),
            version,
        })
    }

    /// Bytes charged now.
    pub(super) fn current(&self) -> Option<u64> {
        number(&self.directory.join(match self.version {
            Version::One => "memory.usage_in_bytes",
            Version::Two => "memory.current",
        }))
    }

    /// The lowest limit of the group and its ancestors, bytes.
    pub(super) fn limit(&self) -> Option<u64> {
        let name = match self.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        self.directory
            .ancestors()
            .take_while(|ancestor| ancestor.starts_with(&self.mount))
            .filter_map(|ancestor| number(&ancestor.join(name)))
            .filter(|limit| *limit < UNLIMITED)
            .min()
    }

    /// Processes of the group that the kernel killed for want of memory.
    pub(super) fn oom_kills(&self) -> Option<u64> {
        let file = self.directory.join(match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        });
        let text = fs::read_to_string(file).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    }
}

/// The memory of control groups at one moment: each is read once, however many processes are in it.
#[derive(Debug, Default)]
pub struct GroupReadings(BTreeMap<PathBuf, GroupReading>);

/// What a control group says of its memory, where it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupReading {
    /// Bytes charged.
    pub(super) current: Option<u64>,
    /// Processes that were killed.
    pub(super) oom_kills: Option<u64>,
}

impl GroupReadings {
    pub(super) fn of(&mut self, cgroup: &Cgroup) -> GroupReading {
        if let Some(reading) = self.0.get(&cgroup.directory) {
            return *reading;
        }
        let reading = GroupReading { current: cgroup.current(), oom_kills: cgroup.oom_kills() };
        self.0.insert(cgroup.directory.clone(), reading);
        reading
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The group in the hierarchy that accounts for memory.
fn accounting(places: &[Membership]) -> Option<&Membership> {
    let accounts = |place: &&Membership| match &place.hierarchy {
        Hierarchy::Legacy(controllers) => controllers.iter().any(|name| name == "memory"),
        Hierarchy::Unified => false,
    };
    let unified = |place: &&Membership| place.hierarchy == Hierarchy::Unified;
    places.iter().find(accounts).or_else(|| places.iter().find(unified))
}

#[cfg(test)]
mod tests {
    use super::{Cgroup, GroupReading, GroupReadings, Version, memberships};
    use std::fs;
    use std::path::Path;

    const MOUNTS: &str = "\
30 20 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw
33 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
34 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn the_accounting_hierarchy_is_chosen() {
        let find = |text: &str| Cgroup::find(&memberships(text), MOUNTS);
        let one = find("4:memory:/a/b\n0::/c\n").unwrap();
        assert_eq!((one.path.as_str(), one.version), ("/a/b", Version::One));
        assert_eq!(one.directory, Path::new("/sys/fs/cgroup/memory/a/b"));
        let two = find("1:name=systemd:/x\n0::/c:d\n").unwrap();
        assert_eq!(two.directory, Path::new("/sys/fs/cgroup/unified/c:d"));
        assert!(Cgroup::find(&memberships("nonsense\n:::\n"), MOUNTS).is_none());
    }

    #[test]
    fn the_lowest_limit_of_all_ancestors_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(root.path().join("a/memory.max"), "4096\n").unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        fs::write(inner.join("memory.current"), "17\n").unwrap();
        fs::write(inner.join("memory.events"), "low 0\noom 3\noom_kill 2\n").unwrap();
        let mount = root.path().to_owned();
        let cgroup = Cgroup { path: "/a/b".into(), mount, directory: inner, version: Version::Two };
        assert_eq!(cgroup.limit(), Some(4096));
        let mut readings = GroupReadings::default();
        let expected = GroupReading { current: Some(17), oom_kills: Some(2) };
        assert_eq!(readings.of(&cgroup), expected);
        fs::write(cgroup.directory.join("memory.current"), "18\n").unwrap();
        assert_eq!(readings.of(&cgroup), expected, "of the same moment");
        assert_eq!(GroupReadings::default().of(&cgroup).current, Some(18));
    }
}
