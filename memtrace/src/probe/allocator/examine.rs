//! Looks into one file: are there allocators, and which?

use super::identify::{self, Identity};
use super::plan::plan;
use super::{FoundAllocator, MappedFile, open};
use crate::probe::elf::{Binding, Image, Kind, Symbol, Table};
use crate::probe::function_table::AllocatorKind;
use crate::probe::names::Names;
use crate::probe::split;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::LazyLock;

/// Part of the reason given for a static program without symbols.
pub(super) const STATIC_WITHOUT_SYMBOLS: &str = "statically linked and stripped";

/// Why a file brought no allocator.
#[derive(Clone, Debug)]
pub(super) enum Miss {
    /// It holds none.
    NothingHere(String),
    /// It holds one that cannot be probed.
    NotProbed(String),
    /// Nobody knows: it could not be opened, which the next process's way to it may allow.
    Unopened(String),
}

/// A function that a file defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) kind: Kind,
    pub(super) binding: Binding,
}

/// The functions of a file.
#[derive(Debug, Default)]
pub(super) struct Functions {
    /// Those whose names some table knows.
    pub(super) known: BTreeMap<String, Vec<Definition>>,
    /// Entry and end of every global function, known or not, in order of address.
    pub(super) global: Vec<(u64, u64)>,
    /// Entries of global functions that belong to an allocator by their names.
    pub(super) inner: Vec<(AllocatorKind, u64)>,
    /// Entries of all functions, in order.
    pub(super) entries: Vec<u64>,
}

impl Functions {
    pub(super) fn defines(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// Whether both names are defined, at one address.
    pub(super) fn same_code(&self, one: &str, other: &str) -> bool {
        let address = |name| self.visible(name).ok()?.first().map(|found| found.address);
        address(one).is_some_and(|found| address(other) == Some(found))
    }

    /// The definitions of `name` that callers reach: the global ones. The linker makes most symbols
    /// of a static program local, so a local one counts if there is no other.
    pub(super) fn visible(&self, name: &str) -> Result<Vec<Definition>, &'static str> {
        let all = self.known.get(name).ok_or("not defined here")?;
        let global = all.iter().filter(|definition| definition.binding == Binding::Global);
        let global: Vec<Definition> = global.copied().collect();
        match (global.is_empty(), all.as_slice()) {
            (false, _) => Ok(global),
            (true, [only]) => Ok(vec![*only]),
            (true, _) => {
                Err("several local functions of this name: it is not known which is meant")
            }
        }
    }

    /// The next function's entry behind `address`.
    pub(super) fn next_entry(&self, address: u64) -> Option<u64> {
        let index = self.entries.partition_point(|&entry| entry <= address);
        self.entries.get(index).copied()
    }

    pub(super) fn is_entry(&self, address: u64) -> bool {
        self.entries.binary_search(&address).is_ok()
    }
}

/// Finds and plans the allocators in `file`.
pub(super) fn examine(file: &MappedFile) -> Result<Vec<FoundAllocator>, Miss> {
    let nothing = |reason: String| Miss::NothingHere(reason);
    let unopened = |error| Miss::Unopened(format!("cannot be opened: {error}"));
    let handle = open(file).map_err(unopened)?;
    let image = Image::open(&handle).map_err(|error| nothing(error.to_string()))?;
    let (functions, identities) = look(file, &handle, &image).map_err(nothing)?;
    if identities.is_empty() {
        return Err(why_none(&image, &functions));
    }
    let planned: Vec<FoundAllocator> =
        identities.iter().map(|identity| plan(file, &image, &functions, identity)).collect();
    let (probed, empty): (Vec<_>, Vec<_>) =
        planned.into_iter().partition(|it| !it.functions.is_empty() || !it.indirect.is_empty());
    match empty.first() {
        Some(found) if probed.is_empty() => Err(Miss::NotProbed(format!(
            "{}: none of its functions can be probed ({})",
            found.name,
            found.skipped.first().map_or("no reason", |skipped| &skipped.reason)
        ))),
        _ => Ok(probed),
    }
}

/// The file's functions, and the allocators that they are of.
pub(super) fn look(
    file: &MappedFile,
    handle: &File,
    image: &Image<'_, File>,
) -> Result<(Functions, Vec<Identity>), String> {
    let mut functions = functions(image)?;
    let mut identities = identify::identify(file, image, &functions);
    if identities.is_empty() && image.is_program() {
        // What was found before an error is right.
        let _ = split::each_symbol(handle, image, &mut |symbol| functions.take(symbol));
        functions.sort();
        identities = identify::identify(file, image, &functions);
    }
    Ok((functions, identities))
}

fn why_none(image: &Image<'_, File>, functions: &Functions) -> Miss {
    if functions.defines("malloc") && functions.defines("free") && !identify::is_linker(image) {
        return Miss::NotProbed(
            "defines malloc and free, but is no allocator that memtrace knows".into(),
        );
    }
    Miss::NothingHere(if image.is_static() && functions.entries.is_empty() {
        STATIC_WITHOUT_SYMBOLS.into()
    } else {
        "none of them defined".into()
    })
}

/// The functions of a file: what it exports and, for a program, whatever else it has.
fn functions(image: &Image<'_, File>) -> Result<Functions, String> {
    let mut functions = Functions::default();
    let mut take = |symbol: Symbol<'_>| functions.take(symbol);
    image.each_symbol(Table::Dynamic, &mut take).map_err(|error| error.to_string())?;
    // A shared library's own symbols are all exported; a program's are not, as nobody else needs
    // them.
    if image.is_program() {
        let mut take = |symbol: Symbol<'_>| functions.take(symbol);
        image.each_symbol(Table::Static, &mut take).map_err(|error| error.to_string())?;
    }
    functions.sort();
    Ok(functions)
}

impl Functions {
    fn sort(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup();
        self.global.sort_unstable();
        self.global.dedup();
    }

    fn take(&mut self, symbol: Symbol<'_>) {
        if symbol.kind == Kind::Other {
            return;
        }
        self.entries.push(symbol.address);
        if symbol.binding == Binding::Global {
            self.global.push((symbol.address, symbol.address.saturating_add(symbol.size)));
            self.inner.extend(inner_of(symbol.name).map(|kind| (kind, symbol.address)));
        }
        let Some(name) = KNOWN.get(symbol.name) else { return };
        let definition = Definition {
            address: symbol.address,
            size: symbol.size,
            kind: symbol.kind,
            binding: symbol.binding,
        };
        let definitions = self.known.entry(name.to_owned()).or_default();
        if !definitions.iter().any(|other| other.address == definition.address) {
            definitions.push(definition);
        }
    }
}

/// The allocator to whose own code a function of this name belongs.
fn inner_of(name: &[u8]) -> Option<AllocatorKind> {
    let is_its = |kind: &AllocatorKind| {
        kind.inner_prefixes().iter().any(|start| name.starts_with(start.as_bytes()))
    };
    AllocatorKind::ALL.into_iter().find(is_its)
}

/// Each symbol of each file is looked for here.
static KNOWN: LazyLock<Names> = LazyLock::new(known_names);

fn known_names() -> Names {
    let mut names: Vec<String> = identify::MARKS.iter().map(|&name| name.to_owned()).collect();
    for kind in AllocatorKind::ALL {
        for prefix in kind.prefixes() {
            let rows = kind.rows().map(|row| row.name);
            let left_alone = kind.left_alone().iter().map(|&(name, _)| name);
            let all = rows.chain(left_alone).chain(kind.neighbours().iter().copied());
            names.extend(all.flat_map(|name| [format!("{prefix}{name}"), name.to_owned()]));
        }
    }
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{Binding, Definition, Functions, Kind};

    fn definition(address: u64, binding: Binding) -> Definition {
        Definition { address, size: 8, kind: Kind::Function, binding }
    }

    #[test]
    fn callers_reach_global_functions_or_the_only_local_one() {
        let mut functions = Functions::default();
        let (local, global) = (definition(1, Binding::Local), definition(2, Binding::Global));
        functions.known.insert("both".into(), vec![local, global]);
        functions.known.insert("one".into(), vec![local]);
        functions.known.insert("two".into(), vec![local, definition(3, Binding::Local)]);
        assert_eq!(functions.visible("both"), Ok(vec![global]));
        assert_eq!(functions.visible("one"), Ok(vec![local]));
        assert!(functions.visible("two").is_err());
        assert_eq!(functions.visible("none"), Err("not defined here"));
    }

    #[test]
    fn the_next_entry_lies_behind() {
        let functions = Functions { entries: vec![5, 9], ..Functions::default() };
        assert_eq!(functions.next_entry(4), Some(5));
        assert_eq!(functions.next_entry(5), Some(9));
        assert_eq!(functions.next_entry(9), None);
    }
}
