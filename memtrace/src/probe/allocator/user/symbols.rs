//! The symbols of a file that signatures may mean.

use super::super::examine::{Definition, Functions};
use super::error::Nearest;
use crate::probe::elf::{Image, Kind, Symbol, Table};
use crate::probe::signature::{Signature, Which};
use crate::probe::split;
use std::collections::BTreeMap;
use std::fs::File;

/// Functions of a file: where all begin, and those that each signature means, by address, with their names.
pub(super) struct Symbols {
    pub(super) functions: Functions,
    /// By the signature's place among those wanted.
    pub(super) meant: Vec<BTreeMap<u64, Meant>>,
}

/// A function that is meant.
#[derive(Clone, Debug)]
pub(super) struct Meant {
    pub(super) definition: Definition,
    /// Its names, the first one found in front.
    pub(super) names: Vec<String>,
    /// Where these are of an IFUNC: the name of the function for which it stands in a process, or its offset.
    pub(super) implementation: Option<String>,
}

impl Symbols {
    /// Reads both symbol tables: pools are often local to their file.
    /// Where one is missing in them, what was split off the file is read as well.
    pub(super) fn read(
        file: &File,
        image: &Image<'_, File>,
        wanted: &[(usize, &Signature)],
    ) -> Self {
        let mut symbols = Self {
            functions: Functions::default(),
            meant: wanted.iter().map(|_| BTreeMap::new()).collect(),
        };
        each_function(image, &mut |symbol| symbols.take(symbol, wanted));
        if symbols.lacks_any(wanted) {
            each_split_function(file, image, &mut |symbol| symbols.take(symbol, wanted));
        }
        symbols.functions.entries.sort_unstable();
        symbols.functions.entries.dedup();
        symbols
    }

    /// Whether there is nothing for one of those that are wanted by name.
    fn lacks_any(&self, wanted: &[(usize, &Signature)]) -> bool {
        let is_named = |signature: &Signature| matches!(signature.function, Which::Named(_));
        let mut all = wanted.iter().zip(&self.meant);
        all.any(|((_, signature), meant)| meant.is_empty() && is_named(signature))
    }

    fn take(&mut self, symbol: &Symbol<'_>, wanted: &[(usize, &Signature)]) {
        self.functions.entries.push(symbol.address);
        for ((_, signature), meant) in wanted.iter().zip(&mut self.meant) {
            let Which::Named(pattern) = &signature.function else { continue };
            if pattern.matches(symbol.name) {
                let name = String::from_utf8_lossy(symbol.name).into_owned();
                add(meant, symbol, name);
            }
        }
    }

    /// The function with a symbol at this address.
    pub(super) fn is_named(&self, address: u64) -> bool {
        self.functions.is_entry(address)
    }
}

fn add(meant: &mut BTreeMap<u64, Meant>, symbol: &Symbol<'_>, name: String) {
    let Symbol { address, size, kind, binding, .. } = *symbol;
    let definition = Definition { address, size, kind, binding };
    let entry = meant.entry(address).or_insert_with(|| Meant {
        definition,
        names: Vec::new(),
        implementation: None,
    });
    if !entry.names.contains(&name) {
        entry.names.push(name);
    }
}

/// A name of the function that begins at `address`.
pub(in crate::probe::allocator) fn name_at(
    file: &File,
    image: &Image<'_, File>,
    address: u64,
) -> Option<String> {
    let mut found = None;
    let mut take = |symbol: &Symbol<'_>| {
        if symbol.address == address && symbol.kind == Kind::Function {
            found.get_or_insert_with(|| String::from_utf8_lossy(symbol.name).into_owned());
        }
    };
    each_function(image, &mut take);
    each_split_function(file, image, &mut take);
    found
}

/// The names in the file that are most like `wanted`.
pub(super) fn nearest(file: &File, image: &Image<'_, File>, wanted: &str) -> Vec<String> {
    let mut nearest = Nearest::new(wanted);
    let mut offer = |symbol: &Symbol<'_>| {
        if let Ok(name) = std::str::from_utf8(symbol.name) {
            nearest.offer(name);
        }
    };
    each_function(image, &mut offer);
    each_split_function(file, image, &mut offer);
    nearest.names()
}

fn each_function(image: &Image<'_, File>, visit: &mut dyn FnMut(&Symbol<'_>)) {
    for table in [Table::Dynamic, Table::Static] {
        let mut take = |symbol: Symbol<'_>| {
            if symbol.kind != Kind::Other {
                visit(&symbol);
            }
        };
        // What was found before an error is right.
        let _ = image.each_symbol(table, &mut take);
    }
}

fn each_split_function(file: &File, image: &Image<'_, File>, visit: &mut dyn FnMut(&Symbol<'_>)) {
    let mut take = |symbol: Symbol<'_>| {
        if symbol.kind != Kind::Other {
            visit(&symbol);
        }
    };
    // As above.
    let _ = split::each_symbol(file, image, &mut take);
}
