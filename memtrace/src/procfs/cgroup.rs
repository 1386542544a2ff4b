//! The memory control group of a process: path, limit, usage, kills (cgroups(7)).

use super::text;
use std::path::{Component, Path, PathBuf};

/// Hosts of many containers have tens of thousands of mounts.
const MAX_MOUNTS: u64 = 16 << 20;
/// A v1 group without a limit says "9223372036854771712", the largest page-aligned value.
const V1_NO_LIMIT: u64 = 1 << 62;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// A hierarchy of the memory controller alone.
    V1,
    /// The unified hierarchy.
    V2,
}

/// A process's memory control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroup {
    version: Version,
    /// As `/proc/PID/cgroup` names it.
    pub(super) path: String,
    /// The group's directory, then its ancestors' up to the mount point.
    directories: Vec<PathBuf>,
}

impl Cgroup {
    /// The group of the process whose `/proc` directory is `process`. With both hierarchies mounted
    /// it is the one that has the memory controller.
    pub(super) fn of(proc: &Path, process: &Path) -> Option<Self> {
        let text = text::small(&process.join("cgroup")).ok()?;
        let (version, path) = memory_group(&text)?;
        let directories = text::read(&proc.join("self/mountinfo"), MAX_MOUNTS)
            .ok()
            .flatten()
            .map(|mounts| directories(&String::from_utf8_lossy(&mounts), version, path))
            .unwrap_or_default();
        Some(Self { version, path: text::printable(path), directories })
    }

    /// The limit of the nearest group, from this one upwards, that has one, bytes.
    pub(super) fn limit(&self) -> Option<u64> {
        let file = self.name("memory.limit_in_bytes", "memory.max");
        self.directories
            .iter()
            .filter_map(|directory| number(&directory.join(file)))
            .find(|&limit| limit < V1_NO_LIMIT)
    }

    /// Memory charged to the nearest group that counts it, bytes.
    pub(super) fn current(&self) -> Option<u64> {
        let file = self.name("memory.usage_in_bytes", "memory.current");
        self.directories.iter().find_map(|directory| number(&directory.join(file)))
    }

    /// Processes killed in the group for want of memory.
    pub(super) fn oom_kills(&self) -> Option<u64> {
        let file = self.name("memory.oom_control", "memory.events");
        self.directories.iter().find_map(|directory| {
            let text = text::small(&directory.join(file)).ok()?;
            text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        })
    }

    const fn name(&self, v1: &'static str, v2: &'static str) -> &'static str {
        match self.version {
            Version::V1 => v1,
            Version::V2 => v2,
        }
    }
}

fn number(file: &Path) -> Option<u64> {
    text::small(file).ok()?.trim().parse().ok()
}

/// The group in a cgroup file's lines "id:controllers:path"; the unified hierarchy has id 0 and no
/// controllers.
fn memory_group(text: &str) -> Option<(Version, &str)> {
    let find = |wanted: &str| {
        text.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            controllers.split(',').any(|name| name == wanted).then_some(path)
        })
    };
    find("memory")
        .map(|path| (Version::V1, path))
        .or_else(|| find("").map(|path| (Version::V2, path)))
}

/// The directories of the group `path` and its ancestors, by a mountinfo file's lines
/// "id parent major:minor root mount-point options … - type source super-options".
fn directories(mounts: &str, version: Version, path: &str) -> Vec<PathBuf> {
    let found = mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut system = system.split(' ');
        let (kind, options) = (system.next()?, system.nth(1)?);
        let fits = match version {
            Version::V1 => kind == "cgroup" && options.split(',').any(|name| name == "memory"),
            Version::V2 => kind == "cgroup2",
        };
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (unescape(mount.next()?), unescape(mount.next()?));
        let inside = Path::new(path).strip_prefix(&root).ok()?;
        // A group outside of our own cgroup namespace is written with "..".
        let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        (fits && plain).then(|| (PathBuf::from(&point).join(inside), PathBuf::from(point)))
    });
    let Some((directory, top)) = found else { return Vec::new() };
    directory.ancestors().take_while(|part| part.starts_with(&top)).map(Into::into).collect()
}

/// Undoes mountinfo's escapes: blank, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::{Cgroup, Version, directories, memory_group};
    use std::fs::{create_dir_all, write};
    use std::path::{Path, PathBuf};

    #[test]
    fn the_group_with_the_memory_controller_is_taken() {
        assert_eq!(memory_group("0::/a/b\n"), Some((Version::V2, "/a/b")));
        let hybrid = "5:cpu,cpuacct:/x\n4:memory:/m:n\n0::/u\n";
        assert_eq!(memory_group(hybrid), Some((Version::V1, "/m:n")));
        assert_eq!(memory_group("3:cpu:/x\n"), None);
        assert_eq!(memory_group("nonsense"), None);
    }

    #[test]
    fn directories_lead_up_to_the_mount_point() {
        let mounts = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
                      31 1 0:27 /box /sys/fs/my\\040memory rw shared:1 - cgroup none rw,memory\n";
        let v2 = directories(mounts, Version::V2, "/a/b");
        let expected = ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"];
        assert_eq!(v2, expected.map(PathBuf::from));
        let v1 = directories(mounts, Version::V1, "/box/c");
        assert_eq!(v1, ["/sys/fs/my memory/c", "/sys/fs/my memory"].map(PathBuf::from));
        assert_eq!(directories(mounts, Version::V1, "/elsewhere"), [] as [PathBuf; 0]);
        assert_eq!(directories(mounts, Version::V2, "/../x"), [] as [PathBuf; 0]);
    }

    /// A `/proc` whose process 1 is in the group `/a/b` of a hierarchy mounted in `root/cg`.
    fn tree(root: &Path, mount: &str, group: &str) {
        create_dir_all(root.join("proc/self")).unwrap();
        create_dir_all(root.join("proc/1")).unwrap();
        create_dir_all(root.join("cg/a/b")).unwrap();
        let point = root.join("cg");
        let mounts = format!("30 1 0:26 / {} rw - {mount}\n", point.display());
        write(root.join("proc/self/mountinfo"), mounts).unwrap();
        write(root.join("proc/1/cgroup"), group).unwrap();
    }

    fn group(root: &Path) -> Cgroup {
        Cgroup::of(&root.join("proc"), &root.join("proc/1")).unwrap()
    }

    #[test]
    fn version_2_is_read() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        tree(root, "cgroup2 cgroup2 rw", "0::/a/b\n");
        write(root.join("cg/a/b/memory.max"), "max\n").unwrap();
        write(root.join("cg/a/memory.max"), "4096\n").unwrap();
        write(root.join("cg/a/b/memory.current"), "123\n").unwrap();
        write(root.join("cg/a/b/memory.events"), "oom 9\noom_kill 3\noom_group_kill 1\n").unwrap();
        let group = group(root);
        assert_eq!(group.path, "/a/b");
        let values = (group.limit(), group.current(), group.oom_kills());
        assert_eq!(values, (Some(4096), Some(123), Some(3)));
    }

    #[test]
    fn version_1_is_read() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        tree(root, "cgroup cgroup rw,memory", "4:memory:/a/b\n");
        write(root.join("cg/a/b/memory.limit_in_bytes"), "9223372036854771712\n").unwrap();
        write(root.join("cg/memory.limit_in_bytes"), "8192\n").unwrap();
        write(root.join("cg/a/b/memory.usage_in_bytes"), "77\n").unwrap();
        write(root.join("cg/a/b/memory.oom_control"), "under_oom 0\noom_kill 2\n").unwrap();
        let group = group(root);
        let values = (group.limit(), group.current(), group.oom_kills());
        assert_eq!(values, (Some(8192), Some(77), Some(2)));
    }

    #[test]
    fn nothing_known_is_none() {
        let root = tempfile::tempdir().unwrap();
        tree(root.path(), "tmpfs none rw", "0::/a/b\n");
        let group = group(root.path());
        assert_eq!((group.limit(), group.current(), group.oom_kills()), (None, None, None));
    }
}
