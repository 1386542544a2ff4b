//! Functions that the user describes: found by symbol or offset in the files of a process, and planned as
//! the allocators' own are.

pub(super) mod begins;
pub(super) mod chosen;
mod error;
mod names;
mod plan;
pub(super) mod symbols;

#[cfg(test)]
mod tests;

use super::{FoundAllocator, MappedFile, PlannedFunction};
use crate::probe::function_table::AllocatorKind;
use crate::probe::living::Living;
use crate::probe::signature::Signature;
use chosen::Indirect;
pub use chosen::Slots;
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
    /// IFUNCs for which nothing is probed, as it is not known yet what they stand for.
    pub unbound: Vec<Unbound>,
}

/// An IFUNC that a signature means, and that the process may bind later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbound {
    indirect: Indirect,
    /// The signature's place among all.
    index: usize,
}

/// What a search uses, and adds to.
pub struct UserSearch<'a> {
    /// Numbers of functions.
    pub names: &'a mut UserNames,
    /// What is known of files' slots.
    pub slots: &'a mut Slots,
    /// The process that maps the files; `None` if it has not begun.
    pub living: Option<&'a dyn Living>,
}

/// Looks in `files` for the functions that `signatures` describe. `known` are the allocators found there,
/// whose own functions are left to them.
#[must_use]
pub fn find_user_functions(
    files: &[MappedFile],
    signatures: &[Signature],
    known: &[FoundAllocator],
    search: &mut UserSearch<'_>,
) -> UserDiscovery {
    let nowhere = || Some(Missing::file(files));
    let mut discovery = UserDiscovery {
        missing: signatures.iter().map(|_| nowhere()).collect(),
        ..UserDiscovery::default()
    };
    let mut seen = std::collections::BTreeSet::new();
    for file in files.iter().filter(|file| seen.insert((file.device, file.inode))) {
        let wanted: Vec<(usize, &Signature)> =
            signatures.iter().enumerate().filter(|(_, it)| it.is_in(&file.path)).collect();
        if wanted.is_empty() {
            continue;
        }
        let planned = plan(file, &wanted, known, None, search);
        discovery.take(file, planned);
    }
    discovery
}

/// Looks again at an IFUNC; nothing if it is not bound yet. `known` is all that is probed in the process.
#[must_use]
pub fn find_bound(
    unbound: &Unbound,
    signatures: &[Signature],
    known: &[FoundAllocator],
    search: &mut UserSearch<'_>,
) -> Option<UserDiscovery> {
    let Unbound { indirect, index } = unbound;
    // Cheaper than to plan, which reads the file's symbols.
    search.slots.chosen(indirect, search.living).ok()?;
    let wanted = [(*index, signatures.get(*index)?)];
    let mut discovery = UserDiscovery::default();
    discovery.missing.resize(signatures.len(), Some(Missing::File { mapped: Vec::new() }));
    discovery
        .take(&indirect.file, plan(&indirect.file, &wanted, known, Some(indirect.address), search));
    Some(discovery)
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
        self.unbound.extend(planned.unbound);
        if planned.functions.is_empty() {
            return;
        }
        let symbols: Vec<String> = planned.functions.iter().map(label).collect();
        let name = format!("{} of {}", brief(&symbols), file_name(file));
        self.allocators.push(FoundAllocator {
            name,
            kind: AllocatorKind::UserDefined,
            file: file.clone(),
            functions: planned.functions,
            skipped: planned.skipped,
            indirect: Vec::new(),
        });
    }
}

/// Another process may have chosen another one.
fn label(function: &PlannedFunction) -> String {
    match &function.implementation {
        Some(chosen) => format!("{} ({chosen})", function.symbol),
        None => function.symbol.clone(),
    }
}

/// The first names, and how many more there are.
fn brief(symbols: &[String]) -> String {
    const MOST: usize = 3;
    let mut text = symbols.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
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
