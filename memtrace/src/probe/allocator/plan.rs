//! Plans the probes of one allocator in one file.

use super::examine::{Definition, Functions};
use super::identify::Identity;
use super::span::Span;
use super::{FoundAllocator, MappedFile, PlannedFunction, Skipped};
use crate::probe::elf::{Image, Kind};
use crate::probe::function_table::Row;
use crate::probe::site::flow::{self, Flow};
use crate::probe::site::{Arguments, Code, DEFAULT_BYTES, Need, PlannedSite, plan_with};
use memtrace_common::site::{Role, Site};
use std::collections::BTreeMap;
use std::fs::File;

/// Most bytes of one function that are decoded; jemalloc's largest has 10 KB.
const MAX_FUNCTION: u64 = 64 << 10;

/// Plans all functions of the allocator `identity` in `file`.
pub(super) fn plan(
    file: &MappedFile,
    image: &Image<'_, File>,
    functions: &Functions,
    identity: &Identity,
) -> FoundAllocator {
    let mut planner = Planner::new(image, functions, identity);
    let mut done: BTreeMap<u64, Option<usize>> = BTreeMap::new();
    for row in identity.kind.rows() {
        planner.row(row, &mut done);
    }
    for &(name, reason) in identity.kind.left_alone() {
        if functions.defines(&identity.symbol(name)) {
            planner.skip(name, reason.into());
        }
    }
    FoundAllocator {
        name: name_of(identity),
        kind: identity.kind,
        file: file.clone(),
        functions: planner.planned,
        skipped: planner.skipped,
    }
}

fn name_of(identity: &Identity) -> String {
    let mut name = identity.kind.name().to_owned();
    if let Some(version) = &identity.version {
        name.push(' ');
        name.push_str(version);
    }
    if !identity.prefix.is_empty() {
        name.push_str(&format!(" ({}*)", identity.prefix));
    }
    name
}

struct Planner<'a> {
    image: &'a Image<'a, File>,
    functions: &'a Functions,
    identity: &'a Identity,
    /// Addresses of the table's functions → name.
    targets: BTreeMap<u64, String>,
    /// Pointers that the dynamic linker fills with the table's functions → name.
    slots: BTreeMap<u64, String>,
    span: Option<Span>,
    planned: Vec<PlannedFunction>,
    skipped: Vec<Skipped>,
}

impl<'a> Planner<'a> {
    fn new(image: &'a Image<'a, File>, functions: &'a Functions, identity: &'a Identity) -> Self {
        let mut targets = BTreeMap::new();
        for row in identity.kind.rows() {
            let symbol = identity.symbol(row.name);
            for definition in functions.visible(&symbol).into_iter().flatten() {
                targets.entry(definition.address).or_insert_with(|| symbol.clone());
            }
        }
        let is_row = |name: &str| identity.kind.rows().iter().any(|row| row.name == name);
        let mut slots = image.slots().unwrap_or_default();
        slots.retain(|_, name| is_row(name.strip_prefix(identity.prefix).unwrap_or(name)));
        let anchor = ["free", "malloc"]
            .iter()
            .find_map(|name| functions.known.get(&identity.symbol(name))?.first());
        let span = anchor.map(|anchor| Span::around(anchor.address, functions, identity));
        let (planned, skipped) = (Vec::new(), Vec::new());
        Self { image, functions, identity, targets, slots, span, planned, skipped }
    }

    fn skip(&mut self, name: &str, reason: String) {
        self.skipped.push(Skipped { name: self.identity.symbol(name), reason });
    }

    /// Plans the row wherever the file defines it.
    fn row(&mut self, row: &'static Row, done: &mut BTreeMap<u64, Option<usize>>) {
        let symbol = self.identity.symbol(row.name);
        let definitions = match self.functions.visible(&symbol) {
            Ok(definitions) => definitions,
            Err(reason) => {
                self.skip(row.name, reason.into());
                return;
            }
        };
        for definition in &definitions {
            match done.get(&definition.address) {
                Some(Some(index)) => {
                    if let Some(planned) = self.planned.get_mut(*index) {
                        planned.aliases.push(symbol.clone());
                    }
                }
                Some(None) => self.skip(row.name, "the same code as one not probed".into()),
                None => {
                    let index = self.definition(row, definition);
                    done.insert(definition.address, index);
                }
            }
        }
    }

    /// Plans one function; its index among the planned ones.
    fn definition(&mut self, row: &'static Row, definition: &Definition) -> Option<usize> {
        match self.try_definition(row, definition) {
            Ok(planned) => {
                self.planned.push(planned);
                Some(self.planned.len() - 1)
            }
            Err(reason) => {
                self.skip(row.name, reason);
                None
            }
        }
    }

    fn try_definition(
        &self,
        row: &'static Row,
        definition: &Definition,
    ) -> Result<PlannedFunction, String> {
        if definition.kind == Kind::IndirectFunction {
            return Err("an IFUNC: its code is chosen when the program starts".into());
        }
        let bytes = self.image.code(definition.address, self.length(definition) as usize);
        let outside = |address, length| self.image.code(address, length);
        let code = Code { address: definition.address, bytes: &bytes, outside: &outside };
        let is_entry = |address| self.functions.is_entry(address);
        let flow = flow::explore(&code, &is_entry);
        if let Some(target) = self.forwards_to(&flow) {
            return Err(format!("ends in {target}, which is probed"));
        }
        let need = Need { returns: row.wants_return(), arguments: Arguments::of(&row.arguments()) };
        let site = plan_with(&code, need, &is_entry, &flow).map_err(|error| error.to_string())?;
        self.function(row, definition, &site, self.may_nest(&code, &flow))
    }

    /// Bytes of the function's body: as its symbol says, else up to the next function.
    fn length(&self, definition: &Definition) -> u64 {
        match definition.size {
            0 => self
                .functions
                .next_entry(definition.address)
                .map_or(DEFAULT_BYTES as u64, |next| next - definition.address)
                .min(DEFAULT_BYTES as u64),
            size => size.min(MAX_FUNCTION),
        }
    }

    /// The function of the table in which this one ends, if it does nothing else that matters.
    fn forwards_to(&self, flow: &Flow) -> Option<&str> {
        if !flow.only_shuffles || !flow.complete || flow.indirect {
            return None;
        }
        let jumps = flow.tail_jumps.iter().map(|address| self.targets.get(address));
        let through = flow.slots.iter().map(|slot| self.slots.get(slot));
        let targets: Option<Vec<&String>> = jumps.chain(through).collect();
        targets?.first().map(|name| name.as_str())
    }

    /// Whether the function calls or jumps to another one of the table.
    fn may_nest(&self, code: &Code<'_>, flow: &Flow) -> bool {
        let direct = flow
            .calls
            .iter()
            .chain(&flow.tail_jumps)
            .any(|address| *address != code.address && self.targets.contains_key(address));
        let stubs = flow.calls.iter().filter_map(|&address| flow::stub_slot(code, address));
        direct || flow.slots.iter().copied().chain(stubs).any(|slot| self.slots.contains_key(&slot))
    }

    fn function(
        &self,
        row: &'static Row,
        definition: &Definition,
        site: &PlannedSite,
        may_nest: bool,
    ) -> Result<PlannedFunction, String> {
        let address = definition.address.saturating_add(u64::from(site.offset_in_function));
        let file_offset = self.image.file_offset(address).ok_or("its code is not in the file")?;
        let (span_below, span_above) = self.span.map_or((0, 0), |span| span.units_from(address));
        Ok(PlannedFunction {
            row,
            symbol: self.identity.symbol(row.name),
            aliases: Vec::new(),
            offset_in_function: site.offset_in_function,
            file_offset,
            site: Site {
                function: row.function,
                role: row.role,
                size: row.size,
                count: row.count,
                pointer: row.pointer,
                result_by_pointer: row.result_by_pointer,
                nests: row.nests || (may_nest && row.role != Role::Free),
                pushed: site.pushed,
                span_below,
                span_above,
            },
            wants_return: row.wants_return(),
            emulated: site.emulated,
            instruction: site.instruction.clone(),
        })
    }
}
