//! The process that a perf map belongs to: its identity, users, code, and the map's file.

use super::Refusal;
use crate::lookup::{Links, below, by_name, own_path};
use crate::model::ids::ProcessKey;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Most of a file of `/proc` that is read, bytes: 65,530 mappings (`vm.max_map_count`) of 100 each.
const MAX_FILE: u64 = 16 << 20;

/// A process that runs.
#[derive(Debug)]
pub(super) struct Target {
    /// `/proc/PID`.
    directory: PathBuf,
    /// Its number in its own pid namespace.
    own_number: u32,
    /// Its real and effective users.
    users: Vec<u32>,
}

impl Target {
    /// The process, if it is still that one and not another under its number.
    pub(super) fn open(proc: &Path, process: ProcessKey) -> Option<Self> {
        let directory = proc.join(process.pid.to_string());
        let status = text(&directory.join("status"))?;
        let numbers = |name: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
            line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
        };
        let users = numbers("Uid:").into_iter().take(2).collect();
        let own_number = numbers("NSpid:").last().copied().unwrap_or(process.pid);
        let target = Self { directory, own_number, users };
        (target.start_time()? == process.start_time).then_some(target)
    }

    /// Field 22 of `/proc/PID/stat`; the name before it may hold blanks and brackets.
    fn start_time(&self) -> Option<u64> {
        let stat = text(&self.directory.join("stat"))?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
    }

    /// Ranges of executable memory without a file.
    pub(super) fn anonymous_code(&self) -> Vec<(u64, u64)> {
        let maps = text(&self.directory.join("maps")).unwrap_or_default();
        anonymous_code_of(&maps)
    }

    /// The map, open; `None` if there is none.
    pub(super) fn map(&self) -> Result<Option<File>, Refusal> {
        let Ok(root) = by_name(&self.directory.join("root")) else { return Ok(None) };
        let path = PathBuf::from(format!("tmp/perf-{}.map", self.own_number));
        let handle = match below(&root, &path, Links::Refused) {
            Ok(handle) => handle,
            Err(error) => {
                return match error.raw_os_error() {
                    Some(libc::ENOENT | libc::ENOTDIR) => Ok(None),
                    Some(libc::ELOOP) => Err(Refusal::Link),
                    _ => Err(Refusal::Unreadable),
                };
            }
        };
        let metadata = handle.metadata().map_err(|_| Refusal::Unreadable)?;
        if !metadata.is_file() {
            return Err(Refusal::NotRegular);
        }
        if metadata.uid() != 0 && !self.users.contains(&metadata.uid()) {
            return Err(Refusal::Owner);
        }
        File::open(own_path(&handle)).map(Some).map_err(|_| Refusal::Unreadable)
    }
}

/// Ranges of executable memory without a file, in `/proc/PID/maps`.
pub(super) fn anonymous_code_of(maps: &str) -> Vec<(u64, u64)> {
    maps.lines().filter_map(anonymous_code).collect()
}

/// A line of `/proc/PID/maps`: range, rights, offset, device, inode, name (`proc_pid_maps(5)`).
fn anonymous_code(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let (inode, name) = (words.nth(2)?, words.next().unwrap_or(""));
    // [vdso] and [vsyscall] are the kernel's; [anon:…] is a name that the process gave.
    let anonymous = inode == "0" && (name.is_empty() || name.starts_with("[anon:"));
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    (anonymous && rights.as_bytes().get(2) == Some(&b'x')).then_some((number(start)?, number(end)?))
}

fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
