//! What `/proc` says of each process, for deciding whether it is meant.

use super::cgroup::{container, memberships, pod_uid};
use super::process::{KERNEL_THREAD, field, has_exited, lossy};
use crate::model::ids::{Pid, ProcessKey};
use crate::selection::{ExeFacts, Facts, FileId};
use procfs_core::FromRead as _;
use procfs_core::process::Stat;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Most processes that are looked at: as many as there can be (`PID_MAX_LIMIT` of `linux/threads.h`).
const MOST_PROCESSES: usize = 1 << 22;
/// Most bytes of a name.
const MOST_NAME: u64 = 64;
/// What the kernel appends to the path of a file whose name has gone.
const DELETED: &[u8] = b" (deleted)";

/// A `/proc`, of this machine or made up.
#[derive(Clone, Debug)]
pub struct ProcTree {
    root: PathBuf,
}

impl Default for ProcTree {
    fn default() -> Self {
        Self::at(Path::new("/proc"))
    }
}

impl ProcTree {
    /// The one that is mounted there.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Numbers of all processes, in order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn pids(&self) -> io::Result<Vec<Pid>> {
        let entries = fs::read_dir(&self.root)?.flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let mut pids: Vec<Pid> = entries.filter_map(number).take(MOST_PROCESSES).collect();
        pids.sort_unstable();
        Ok(pids)
    }

    /// Looks at every process that there is, one after the other and keeping none. One that ends
    /// meanwhile is left out.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn each(&self, mut look: impl FnMut(Facts)) -> io::Result<()> {
        for pid in self.pids()? {
            if let Some(facts) = self.facts(pid) {
                look(facts);
            }
        }
        Ok(())
    }

    /// The process that a thread with this number belongs to; a process's number is its first thread's.
    #[must_use]
    pub fn process_of(&self, number: u32) -> Option<Pid> {
        let status = lossy(&self.root.join(number.to_string()).join("status")).ok()?;
        field(&status, "Tgid:")?.parse().ok()
    }

    /// What is known of a process; `None` if there is none with this number, or if it was another one
    /// before we had finished.
    #[must_use]
    pub fn facts(&self, pid: Pid) -> Option<Facts> {
        let directory = self.root.join(pid.to_string());
        let stat = stat(&directory)?;
        let status = lossy(&directory.join("status")).unwrap_or_default();
        let cgroups = memberships(&lossy(&directory.join("cgroup")).unwrap_or_default());
        let ids = |name| field(&status, name).unwrap_or_default().split_ascii_whitespace();
        let mut uids = ids("Uid:").map_while(|uid| uid.parse().ok());
        let facts = Facts {
            key: ProcessKey { pid, start_time: stat.starttime },
            parent: u32::try_from(stat.ppid).unwrap_or(0),
            comm: comm(&directory)?,
            exe: exe(&directory),
            uid: uids.next(),
            effective_uid: uids.next(),
            container: container(&cgroups),
            pod_uid: pod_uid(&cgroups),
            cgroups,
            inner_pids: ids("NSpid:").map_while(|pid| pid.parse().ok()).collect(),
            kernel_thread: stat.flags & KERNEL_THREAD != 0,
            // A main thread that has ended counts as long as others live on.
            zombie: has_exited(&stat) && stat.num_threads <= 1,
        };
        (self::stat(&directory)?.starttime == facts.key.start_time).then_some(facts)
    }
}

fn stat(directory: &Path) -> Option<Stat> {
    Stat::from_read(fs::File::open(directory.join("stat")).ok()?).ok()
}

/// Any bytes but the line's end, which the kernel appends.
fn comm(directory: &Path) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    fs::File::open(directory.join("comm")).ok()?.take(MOST_NAME).read_to_end(&mut name).ok()?;
    if name.last() == Some(&b'\n') {
        name.pop();
    }
    Some(name)
}

fn exe(directory: &Path) -> Option<ExeFacts> {
    let link = directory.join("exe");
    let path = fs::read_link(&link).ok()?;
    let bytes = path.as_os_str().as_bytes();
    let stripped = bytes.strip_suffix(DELETED);
    Some(ExeFacts {
        path: PathBuf::from(OsStr::from_bytes(stripped.unwrap_or(bytes))),
        deleted: stripped.is_some(),
        // The link leads to the file whatever its name says (`proc_pid_exe(5)`).
        file: fs::metadata(&link).ok().map(|it| FileId { device: it.dev(), inode: it.ino() }),
    })
}

#[cfg(test)]
mod tests {
    use super::ProcTree;
    use crate::selection::{Facts, Runtime};
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// As `/proc/PID/stat` has it; the fields behind are not looked at.
    fn stat(comm: &str, state: char, flags: u32, threads: u32, start: u64) -> String {
        format!(
            "7 ({comm}) {state} 3 7 7 0 -1 {flags} 0 0 0 0 1 2 0 0 20 0 {threads} 0 {start} {}\n",
            "0 ".repeat(30)
        )
    }

    fn write(root: &Path, pid: u32, name: &str, bytes: &[u8]) {
        let directory = root.join(pid.to_string());
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(name), bytes).unwrap();
    }

    #[test]
    fn everything_is_read() {
        let tree = tempfile::tempdir().unwrap();
        let program = tree.path().join("program (deleted)");
        fs::write(&program, "x").unwrap();
        let id = "ab".repeat(32);
        write(tree.path(), 7, "stat", stat("a) b", 'S', 0, 2, 99).as_bytes());
        write(tree.path(), 7, "comm", b"a) b\xff\n\n");
        write(tree.path(), 7, "status", b"Name:\tx\nUid:\t5\t6\t5\t5\nNSpid:\t7\t1\n");
        write(tree.path(), 7, "cgroup", format!("2:memory:/docker/{id}\n0::/\n").as_bytes());
        symlink(&program, tree.path().join("7/exe")).unwrap();
        let facts = ProcTree::at(tree.path()).facts(7).unwrap();
        assert_eq!((facts.key.pid, facts.key.start_time, facts.parent), (7, 99, 3));
        assert_eq!(facts.comm, b"a) b\xff\n");
        assert_eq!((facts.uid, facts.effective_uid), (Some(5), Some(6)));
        assert_eq!(facts.inner_pids, [7, 1]);
        let container = facts.container.unwrap();
        assert_eq!((container.runtime, container.id), (Runtime::Docker, id));
        let exe = facts.exe.unwrap();
        assert_eq!(exe.path, tree.path().join("program"));
        assert!(exe.deleted && exe.file.is_some());
        assert!(!facts.kernel_thread && !facts.zombie);
    }

    #[test]
    fn kernel_threads_and_zombies_are_told() {
        let tree = tempfile::tempdir().unwrap();
        for (pid, state, flags, threads) in
            [(1, 'I', 0x0020_0000, 1), (2, 'Z', 0, 1), (3, 'Z', 0, 2)]
        {
            write(tree.path(), pid, "stat", stat("x", state, flags, threads, 1).as_bytes());
            write(tree.path(), pid, "comm", b"x\n");
        }
        let tree = ProcTree::at(tree.path());
        let told = |pid| tree.facts(pid).map(|facts| (facts.kernel_thread, facts.zombie)).unwrap();
        assert_eq!([told(1), told(2), told(3)], [(true, false), (false, true), (false, false)]);
    }

    #[test]
    fn the_walk_leaves_out_what_is_no_process_or_has_gone() {
        let tree = tempfile::tempdir().unwrap();
        for pid in 1..=300 {
            write(tree.path(), pid, "comm", b"x\n");
            if pid % 3 != 0 {
                write(tree.path(), pid, "stat", stat("x", 'S', 0, 1, 1).as_bytes());
            }
        }
        fs::create_dir(tree.path().join("self")).unwrap();
        write(tree.path(), 301, "stat", b"nonsense");
        let mut seen = Vec::new();
        ProcTree::at(tree.path()).each(|facts: Facts| seen.push(facts.key.pid)).unwrap();
        assert_eq!(seen.len(), 200);
        assert!(seen.is_sorted() && !seen.contains(&3));
    }

    #[test]
    fn this_process_is_seen() {
        let facts = ProcTree::default().facts(std::process::id()).unwrap();
        let exe = std::env::current_exe().unwrap();
        assert_eq!(facts.exe.unwrap().path, exe);
        // SAFETY: no preconditions.
        assert_eq!(facts.uid, Some(unsafe { libc::getuid() }));
        assert!(!facts.cgroups.is_empty() || !Path::new("/proc/self/cgroup").exists());
    }
}
