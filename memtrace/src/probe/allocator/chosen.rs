//! Functions of allocators that are IFUNCs: what they stand for differs between processes, so it is planned for
//! each, apart from what the file alone tells.

use super::examine::{Definition, look};
use super::plan::{Planner, name_of};
use super::user::begins::{Begin, address_of, begin};
use super::user::chosen::{Indirect, Untold};
use super::user::symbols::name_at;
use super::{FoundAllocator, MappedFile, PlannedFunction, Search, Skipped, open};
use crate::probe::elf::{Binding, Image, Kind};
use crate::probe::function_table::Row;
use crate::probe::living::Living;
use std::collections::BTreeMap;
use std::fs::File;

/// Processes' choices that are remembered.
const MOST_KNOWN: usize = 4096;

/// A function of an allocator that is an IFUNC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndirectFunction {
    pub(super) row: &'static Row,
    /// Virtual address of its resolver.
    pub(super) address: u64,
    /// Its names.
    pub(super) names: Vec<String>,
}

/// What the IFUNCs of an allocator stand for in a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// What can be probed of it. An allocator of its own: another process may have chosen otherwise.
    pub allocator: Option<FoundAllocator>,
    /// The same allocator with those IFUNCs alone of which it is not known yet, and why.
    pub unbound: Option<(FoundAllocator, String)>,
}

/// By file, name of the allocator, and what each IFUNC stands for: resolver, and offset in the file.
pub(super) type KnownChoices =
    BTreeMap<(super::FileKey, String, Vec<(u64, u64)>), Option<FoundAllocator>>;

impl Search {
    /// Looks for what the IFUNCs of `found` stand for in a process, if it has begun.
    pub fn chosen(&mut self, found: &FoundAllocator, living: Option<&dyn Living>) -> Chosen {
        let mut choices = Vec::new();
        let mut waiting = Vec::new();
        let mut why = None;
        for function in &found.indirect {
            match self.slots.chosen(&function.in_file(&found.file), living) {
                Ok(offsets) => choices.extend(offsets.into_iter().map(|at| (function.address, at))),
                Err(untold) => {
                    why.get_or_insert((function, untold));
                    waiting.push(function.clone());
                }
            }
        }
        let unbound = why.map(|(first, untold)| {
            let reason = reason(first, untold);
            let rest = FoundAllocator { indirect: waiting, functions: Vec::new(), ..found.clone() };
            (rest, reason)
        });
        Chosen { allocator: self.planned(found, choices), unbound }
    }

    fn planned(
        &mut self,
        found: &FoundAllocator,
        choices: Vec<(u64, u64)>,
    ) -> Option<FoundAllocator> {
        if choices.is_empty() {
            return None;
        }
        if self.choices.len() >= MOST_KNOWN {
            self.choices.clear();
        }
        let key = (super::key(&found.file), found.name.clone(), choices);
        let planned = match self.choices.get(&key) {
            Some(known) => known.clone(),
            None => {
                let planned = plan(found, &key.2);
                self.choices.entry(key).or_insert(planned).clone()
            }
        };
        // Each process has its own path to the file.
        planned.map(|it| FoundAllocator { file: found.file.clone(), ..it })
    }
}

fn reason(function: &IndirectFunction, untold: Untold) -> String {
    let name = function.names.first().map_or("", String::as_str);
    format!("{name}: an IFUNC: its code is chosen when the program starts, {untold}")
}

impl IndirectFunction {
    fn in_file(&self, file: &MappedFile) -> Indirect {
        Indirect { file: file.clone(), address: self.address, names: self.names.clone() }
    }
}

/// Plans what was chosen; nothing where nothing of it can be probed.
fn plan(found: &FoundAllocator, choices: &[(u64, u64)]) -> Option<FoundAllocator> {
    let handle = open(&found.file).ok()?;
    let image = Image::open(&handle).ok()?;
    let (functions, identities) = look(&found.file, &handle, &image).ok()?;
    let identity = identities.iter().find(|identity| name_of(identity) == found.name)?;
    let mut planner = Planner::new(&image, &functions, identity);
    for (resolver, offset) in choices {
        if let Some(function) = found.indirect.iter().find(|it| it.address == *resolver) {
            let definition = definition(&image, *offset);
            let named = name_at(&handle, &image, definition.address)
                .unwrap_or_else(|| format!("+{offset:#x}"));
            planner.chosen(function, &definition, named);
        }
    }
    let (functions, skipped) = planner.done();
    (!functions.is_empty() || !skipped.is_empty()).then(|| FoundAllocator {
        name: name(found, &functions, &skipped),
        kind: found.kind,
        file: found.file.clone(),
        functions,
        skipped,
        indirect: Vec::new(),
    })
}

/// The function at this offset in the file. Its size is 0 if nothing says that one begins there.
fn definition(image: &Image<'_, File>, offset: u64) -> Definition {
    let address = address_of(image, offset).unwrap_or_default();
    let size = match begin(image, address) {
        Begin::Function(size) => size,
        Begin::Nothing | Begin::Unknown => 0,
    };
    Definition { address, size, kind: Kind::Function, binding: Binding::Global }
}

/// With what was chosen, which tells processes apart that have chosen differently.
fn name(found: &FoundAllocator, functions: &[PlannedFunction], skipped: &[Skipped]) -> String {
    let label = |it: &PlannedFunction| {
        format!("{} ({})", it.symbol, it.implementation.as_deref().unwrap_or_default())
    };
    let labels = functions.iter().map(label).chain(skipped.iter().map(|it| it.name.clone()));
    format!("{}: {}", found.name, labels.collect::<Vec<_>>().join(", "))
}
