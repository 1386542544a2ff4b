//! What is behind the jumps and calls of a file's functions, as far as the dynamic linker's tables tell.

use crate::probe::elf::{Image, Kind, Symbol, Table};
use crate::probe::site::exits::{self, Around, Behind};
use crate::probe::site::{Code, flow};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

/// Functions that never return (libstdc++, libgcc and the C libraries).
const NEVER_RETURN: &[&str] = &[
    "abort",
    "exit",
    "_exit",
    "__assert_fail",
    "__stack_chk_fail",
    "__cxa_throw",
    "__cxa_rethrow",
    "__cxa_throw_bad_array_new_length",
    "_Unwind_Resume",
    "_ZSt17__throw_bad_allocv",
    "_ZSt28__throw_bad_array_new_lengthv",
    "_ZSt9terminatev",
];

/// Where a file's code leads.
pub(super) struct Ways {
    /// Pointers that the dynamic linker fills → name.
    slots: BTreeMap<u64, String>,
    /// Of the functions so named, those that the file defines itself.
    own: BTreeMap<String, u64>,
}

impl Ways {
    /// `slots` are the file's.
    pub(super) fn new(image: &Image<'_, File>, slots: BTreeMap<u64, String>) -> Self {
        let wanted: BTreeSet<&str> = slots.values().map(String::as_str).collect();
        let mut own = BTreeMap::new();
        let mut take = |symbol: Symbol<'_>| {
            let name = std::str::from_utf8(symbol.name).ok();
            if let Some(name) = name.filter(|name| wanted.contains(name))
                && symbol.kind == Kind::Function
            {
                own.insert(name.to_owned(), symbol.address);
            }
        };
        // What was found before an error is right.
        let _ = image.each_symbol(Table::Dynamic, &mut take);
        Self { slots, own }
    }

    /// Each pointer that the dynamic linker fills: its address, the function's name, and its address
    /// if the file defines it itself.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u64, &str, Option<u64>)> {
        let own = |name: &String| self.own.get(name).copied();
        self.slots.iter().map(move |(&slot, name)| (slot, name.as_str(), own(name)))
    }

    /// Addresses of the `ret`s of the function that `code` is; `is_probed` tells others that are
    /// probed by themselves.
    ///
    /// A name that the file defines is taken for its own function. Another file may take its place
    /// (preloading); a call that ends there is not seen then.
    pub(super) fn exits(
        &self,
        code: &Code<'_>,
        is_probed: &dyn Fn(u64) -> bool,
    ) -> Result<Vec<u64>, String> {
        let at = |address: u64| {
            if is_probed(address) { Behind::Probed } else { Behind::Code(address) }
        };
        let slot = |slot: u64| match self.slots.get(&slot).and_then(|name| self.own.get(name)) {
            Some(&address) => at(address),
            None => Behind::Unknown,
        };
        let never_returns = |address: u64| {
            let slot = flow::stub_slot(code, address).unwrap_or(address);
            self.slots.get(&slot).is_some_and(|name| NEVER_RETURN.contains(&name.as_str()))
        };
        let around = Around { target: &at, slot: &slot, never_returns: &never_returns };
        exits::exits(code, &around)
    }
}
