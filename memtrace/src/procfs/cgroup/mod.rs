//! Memory of a process's control group: v1's memory controller where it is in use, else v2.

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
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Cgroup {
    /// The group that accounts for the memory, from `/proc/PID/cgroup` and our mounts.
    pub(super) fn find(cgroups: &str, mountinfo: &str) -> Option<Self> {
        let (path, version) = memory_path(cgroups)?;
        let mount = mount_point(mountinfo, version).unwrap_or_default();
        Some(Self { path, mount, version })
    }

    fn directory(&self) -> PathBuf {
        self.mount.join(self.path.trim_start_matches('/'))
    }

    /// Bytes charged now.
    pub(super) fn current(&self) -> Option<u64> {
        number(&self.directory().join(match self.version {
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
        let directory = self.directory();
        directory
            .ancestors()
            .take_while(|ancestor| ancestor.starts_with(&self.mount))
            .filter_map(|ancestor| number(&ancestor.join(name)))
            .filter(|limit| *limit < UNLIMITED)
            .min()
    }

    /// Processes of the group that the kernel killed for want of memory.
    pub(super) fn oom_kills(&self) -> Option<u64> {
        let file = self.directory().join(match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        });
        let text = fs::read_to_string(file).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The path in the hierarchy that accounts for memory. Lines are `number:controllers:path`.
fn memory_path(cgroups: &str) -> Option<(String, Version)> {
    let parts = || {
        cgroups.lines().filter_map(|line| line.splitn(3, ':').collect::<Vec<_>>().try_into().ok())
    };
    let one = parts().find(|[_, controllers, _]: &[&str; 3]| {
        controllers.split(',').any(|controller| controller == "memory")
    });
    if let Some([_, _, path]) = one {
        return Some((path.to_owned(), Version::One));
    }
    let [_, _, path] =
        parts().find(|[number, controllers, _]| *number == "0" && controllers.is_empty())?;
    Some((path.to_owned(), Version::Two))
}

/// Where a hierarchy is mounted: fields of `proc_pid_mountinfo(5)`.
fn mount_point(mountinfo: &str, version: Version) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut kind = filesystem.split(' ');
        let matches = match (kind.next()?, version) {
            ("cgroup2", Version::Two) => true,
            ("cgroup", Version::One) => kind.nth(1)?.split(',').any(|option| option == "memory"),
            _ => false,
        };
        matches.then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::{Cgroup, Version, memory_path};
    use std::fs;
    use std::path::Path;

    const MOUNTS: &str = "\
30 20 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw
33 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
34 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn the_accounting_hierarchy_is_chosen() {
        let one = Cgroup::find("4:cpu,memory:/a/b\n0::/c\n", MOUNTS).unwrap();
        assert_eq!((one.path.as_str(), one.version), ("/a/b", Version::One));
        assert_eq!(one.directory(), Path::new("/sys/fs/cgroup/memory/a/b"));
        let two = Cgroup::find("1:name=systemd:/x\n0::/c:d\n", MOUNTS).unwrap();
        assert_eq!(two.directory(), Path::new("/sys/fs/cgroup/unified/c:d"));
        assert_eq!(memory_path("nonsense\n:::\n"), None);
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
        let cgroup = Cgroup { path: "/a/b".into(), mount, version: Version::Two };
        assert_eq!(cgroup.limit(), Some(4096));
        assert_eq!((cgroup.current(), cgroup.oom_kills()), (Some(17), Some(2)));
    }
}
