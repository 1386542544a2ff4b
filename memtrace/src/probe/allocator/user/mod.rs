//! Functions that the user describes: found by symbol or offset in the files of a process, and planned as
//! the allocators' own are.

mod begins;
mod error;
mod names;
mod plan;
mod symbols;

#[cfg(test)]
mod tests;

use super::{FoundAllocator, MappedFile};
use crate::probe::function_table::AllocatorKind;
use crate::probe::signature::Signature;
pub use error::{Missing, UserFunctionError};
pub use names::UserNames;
use plan::{Planned, plan};

/// What the search brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserDiscovery {
    /// The functions to probe, by file.
    pub allocators: Vec<FoundAllocator>,
    /// For each signature why there is nothing to probe; `None`: there is.
    pub missing: Vec<Option<Missing>>,
}

/// Looks in `files` for the functions that `signatures` describe. `known` are the allocators found there,
/// whose own functions are left to them. New functions get numbers from `names`.
#[must_use]
pub fn find_user_functions(
    files: &[MappedFile],
    signatures: &[Signature],
    known: &[FoundAllocator],
    names: &mut UserNames,
) -> UserDiscovery {
    let nowhere = || Some(Missing::file(files));
    let mut discovery = UserDiscovery {
        allocators: Vec::new(),
        missing: signatures.iter().map(|_| nowhere()).collect(),
    };
    let mut seen = std::collections::BTreeSet::new();
    for file in files.iter().filter(|file| seen.insert((file.device, file.inode))) {
        let wanted: Vec<(usize, &Signature)> =
            signatures.iter().enumerate().filter(|(_, it)| it.is_in(&file.path)).collect();
        if wanted.is_empty() {
            continue;
        }
        let planned = plan(file, &wanted, known, names);
        discovery.take(file, planned);
    }
    discovery
}

impl UserDiscovery {
    fn take(&mut self, file: &MappedFile, planned: Planned) {
        for (index, missing) in planned.missing {
            let Some(entry) = self.missing.get_mut(index) else { continue };
            // One of several files may have it.
            if entry.is_some() {
                *entry = missing;
            }
        }
        if planned.functions.is_empty() {
            return;
        }
        let symbols: Vec<&str> = planned.functions.iter().map(|it| it.symbol.as_str()).collect();
        let name = format!("{} of {}", brief(&symbols), file_name(file));
        self.allocators.push(FoundAllocator {
            name,
            kind: AllocatorKind::UserDefined,
            file: file.clone(),
            functions: planned.functions,
            skipped: planned.skipped,
        });
    }
}

/// The first names, and how many more there are.
fn brief(symbols: &[&str]) -> String {
    const MOST: usize = 3;
    let mut text = symbols.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if symbols.len() > MOST {
        text.push_str(&format!(" and {} more", symbols.len() - MOST));
    }
    text
}

/// The last part of the file's path.
fn file_name(file: &MappedFile) -> String {
    let name = file.path.file_name().unwrap_or(file.path.as_os_str());
    name.to_string_lossy().into_owned()
}
