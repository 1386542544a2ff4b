//! Programs that a target executed, and that were gone before their mappings could be read.

use crate::model::event::Exec;
use std::collections::BTreeMap;

/// Different files that are told apart; what comes later is only counted.
const MOST_FILES: usize = 8;

/// Those of one process.
#[derive(Clone, Debug, Default)]
pub(super) struct Unseen {
    count: u64,
    files: BTreeMap<String, u64>,
}

impl Unseen {
    /// One more, whose file has this path if that is known from elsewhere.
    pub(super) fn add(&mut self, program: Exec, path: Option<String>) {
        self.count += 1;
        let name = path.or_else(|| by_number(program));
        if let Some(name) = name
            && (self.files.contains_key(&name) || self.files.len() < MOST_FILES)
        {
            *self.files.entry(name).or_default() += 1;
        }
    }

    /// Their names, as far as they are known.
    pub(super) fn list(&self) -> String {
        let names: Vec<String> = self
            .files
            .iter()
            .map(
                |(name, count)| if *count > 1 { format!("{name} ({count})") } else { name.clone() },
            )
            .collect();
        let named = self.files.values().sum::<u64>();
        let others = (named < self.count).then(|| format!("{} others", self.count - named));
        names.into_iter().chain(others).collect::<Vec<_>>().join(", ")
    }

    /// What the reader of a report must know.
    pub(super) fn note(&self, pid: u32) -> Option<String> {
        (self.count > 0).then(|| {
            format!(
                "{} programs that pid {pid} executed were gone before their mappings could be read, so \
                 their stacks have no names: {}",
                self.count,
                self.list()
            )
        })
    }
}

/// Major and minor number.
pub(super) const fn device_numbers(device: u64) -> (u32, u32) {
    ((device >> 20) as u32, (device & 0xf_ffff) as u32)
}

/// The file by what identifies it: `find DIRECTORY -xdev -inum INODE` gives its path.
fn by_number(program: Exec) -> Option<String> {
    let Exec { device, inode } = program;
    let (major, minor) = device_numbers(device);
    (inode != 0).then(|| format!("inode {inode} of device {major}:{minor}"))
}

#[cfg(test)]
mod tests {
    use super::{Exec, Unseen};

    #[test]
    fn files_are_named_as_far_as_they_are_known() {
        let mut unseen = Unseen::default();
        assert_eq!(unseen.note(7), None);
        let program = Exec { device: 8 << 20 | 1, inode: 77 };
        unseen.add(program, Some("/usr/bin/true".to_owned()));
        unseen.add(program, Some("/usr/bin/true".to_owned()));
        unseen.add(program, None);
        unseen.add(Exec { device: 0, inode: 0 }, None);
        let note = unseen.note(7).unwrap();
        assert!(note.starts_with("4 programs that pid 7 executed"), "{note}");
        assert!(note.ends_with(": /usr/bin/true (2), inode 77 of device 8:1, 1 others"), "{note}");
    }

    #[test]
    fn the_list_is_short() {
        let mut unseen = Unseen::default();
        (1..=20).for_each(|inode| unseen.add(Exec { device: 0, inode }, None));
        assert!(unseen.note(7).unwrap().ends_with(", 12 others"));
    }
}
