//! Which static probes of a process's files are used, and why the others are not.

use super::{PROVIDER, StaticProbe, StaticProbes, Tells, look_into};
use crate::model::module::FileState;
use crate::probe::allocator::MappedFile;
use std::collections::{BTreeMap, BTreeSet};

/// Files whose probes are remembered.
const MOST_KNOWN: usize = 4096;
/// Reasons that are remembered.
const MOST_REASONS: usize = 64;

/// The probes of one file that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundProbes {
    /// For people: `otel_memory of libexample.so`.
    pub name: String,
    /// The file.
    pub file: MappedFile,
    /// At least one on allocations.
    pub probes: Vec<StaticProbe>,
}

/// What was found in files, as many processes map the same ones.
#[derive(Debug, Default)]
pub struct StaticSearch {
    semaphores: bool,
    /// By device, inode and content.
    known: BTreeMap<((u32, u32), u64, FileState), Vec<StaticProbe>>,
    left: Vec<String>,
}

impl StaticSearch {
    /// Nothing was looked at yet. `semaphores`: probes with a counter are used, too.
    #[must_use]
    pub fn new(semaphores: bool) -> Self {
        Self { semaphores, ..Self::default() }
    }

    /// The probes in each of `files` that has some. A file that was looked at before is not looked at again.
    pub fn find(&mut self, files: &[MappedFile]) -> Vec<FoundProbes> {
        let mut seen = BTreeSet::new();
        let once = files.iter().filter(|file| seen.insert((file.device, file.inode)));
        once.filter_map(|file| self.find_in(file)).collect()
    }

    /// Why probes are not used: a sentence for each file and reason.
    #[must_use]
    pub fn left(&self) -> &[String] {
        &self.left
    }

    fn find_in(&mut self, file: &MappedFile) -> Option<FoundProbes> {
        let key = (file.device, file.inode, file.state);
        if !self.known.contains_key(&key) {
            if self.known.len() >= MOST_KNOWN {
                self.known.clear();
            }
            let usable = match look_into(file) {
                Ok(found) => self.choose(file, found),
                Err(error) => {
                    self.leave(error.to_string());
                    return None;
                }
            };
            self.known.insert(key, usable);
        }
        let probes = self.known.get(&key).filter(|probes| !probes.is_empty())?.clone();
        let shown = file.path.file_name().unwrap_or(file.path.as_os_str()).to_string_lossy();
        Some(FoundProbes { name: format!("{PROVIDER} of {shown}"), file: file.clone(), probes })
    }

    /// Those of a file that are used.
    fn choose(&mut self, file: &MappedFile, found: StaticProbes) -> Vec<StaticProbe> {
        let path = file.path.display();
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for refused in &found.refused {
            let reason =
                format!("{PROVIDER}:{} of {path} is not used: {}", refused.name, refused.reason);
            *reasons.entry(reason).or_default() += 1;
        }
        let mut usable = found.usable;
        if !self.semaphores {
            for probe in usable.extract_if(.., |probe| probe.semaphore.is_some()) {
                let name = probe.tells.name();
                let reason = format!(
                    "{PROVIDER}:{name} of {path} is not used: it fires only while a counter in the program's \
                     memory (its semaphore) is raised, and memtrace writes to no target; \
                     --usdt-semaphores lets the kernel raise it"
                );
                *reasons.entry(reason).or_default() += 1;
            }
        }
        for (reason, places) in reasons {
            self.leave(if places == 1 { reason } else { format!("{reason} ({places} places)") });
        }
        if found.more {
            self.leave(format!("{path} has more probes of {PROVIDER} than are read"));
        }
        let has = |tells| usable.iter().any(|probe| probe.tells == tells);
        match (has(Tells::Allocation), has(Tells::Free)) {
            (true, true) => usable,
            (true, false) => {
                self.leave(format!(
                    "{path} tells of allocations by {PROVIDER}:alloc and of no free: what it tells of seems to \
                     live for ever"
                ));
                usable
            }
            (false, _) => Vec::new(),
        }
    }

    fn leave(&mut self, reason: String) {
        if self.left.len() < MOST_REASONS && !self.left.contains(&reason) {
            tracing::warn!("{reason}");
            self.left.push(reason);
        }
    }
}
