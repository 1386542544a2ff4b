//! Plans the probes of one allocator in one file.

use super::chosen::IndirectFunction;
use super::examine::{Definition, Functions};
use super::identify::Identity;
use super::leave::Ways;
use super::span::Span;
use super::{FoundAllocator, MappedFile, PlannedFunction, Skipped};
use crate::probe::elf::{Image, Kind};
use crate::probe::function_table::Row;
use crate::probe::site::flow::{self, Flow};
use crate::probe::site::{Arguments, Code, DEFAULT_BYTES, Need, PlannedSite, plan_with};
use memtrace_common::function::FunctionId;
use memtrace_common::site::Site;
use std::collections::BTreeMap;
use std::fs::File;

/// Why a function of standard name is not the allocator's.
const NOT_ITS_OWN: &str = "not defined here";
/// How the reason begins for which a function that may throw is not probed.
pub(crate) const MAY_THROW: &str = "may throw, which a return probe would make the program's end, and not all of its ways out are \
     known: ";

/// Most bytes of one function that are decoded; jemalloc's largest has 10 KB.
pub(super) const MAX_FUNCTION: u64 = 64 << 10;

/// Plans all functions of the allocator `identity` in `file`.
pub(super) fn plan(
    file: &MappedFile,
    image: &Image<'_, File>,
    functions: &Functions,
    identity: &Identity,
) -> FoundAllocator {
    let mut planner = Planner::new(image, functions, identity);
    let mut done = Done::new();
    for row in identity.kind.rows() {
        planner.row(row, &mut done);
    }
    planner.skip_what_lacks_its_other_half();
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
        indirect: planner.indirect,
    }
}

pub(super) fn name_of(identity: &Identity) -> String {
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

/// Address of each function dealt with → its index among the planned ones, or why it is not.
type Done = BTreeMap<u64, Result<usize, String>>;

pub(super) struct Planner<'a> {
    image: &'a Image<'a, File>,
    functions: &'a Functions,
    identity: &'a Identity,
    /// Addresses of the table's functions → name.
    targets: BTreeMap<u64, String>,
    /// Pointers that the dynamic linker fills with the table's functions → name.
    slots: BTreeMap<u64, String>,
    ways: Ways,
    span: Option<Span>,
    planned: Vec<PlannedFunction>,
    skipped: Vec<Skipped>,
    indirect: Vec<IndirectFunction>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        image: &'a Image<'a, File>,
        functions: &'a Functions,
        identity: &'a Identity,
    ) -> Self {
        let mut targets = BTreeMap::new();
        for row in identity.kind.rows().filter(|row| identity.owns(row.name)) {
            let symbol = identity.symbol(row.name);
            for definition in functions.visible(&symbol).into_iter().flatten() {
                targets.entry(definition.address).or_insert_with(|| symbol.clone());
            }
        }
        let is_row = |name: &str| identity.kind.rows().any(|row| row.name == name);
        let ways = Ways::new(image, image.slots().unwrap_or_default());
        // Libraries also call their functions by other names of the same code (`tc_free`).
        let slots = ways.slots().filter(|(_, name, own)| {
            is_row(name.strip_prefix(identity.prefix).unwrap_or(name))
                || own.is_some_and(|address| targets.contains_key(&address))
        });
        let slots = slots.map(|(slot, name, _)| (slot, name.to_owned())).collect();
        let anchor = ["free", "malloc"]
            .iter()
            .find_map(|name| functions.known.get(&identity.symbol(name))?.first());
        let span = anchor.map(|anchor| {
            if image.is_program() {
                Span::around(anchor.address, functions, identity)
            } else {
                Span::whole(image.code_segments())
            }
        });
        let (planned, skipped, indirect) = (Vec::new(), Vec::new(), Vec::new());
        Self { image, functions, identity, targets, slots, ways, span, planned, skipped, indirect }
    }

    fn skip(&mut self, name: &str, reason: String) {
        self.skipped.push(Skipped { name: self.identity.symbol(name), reason });
    }

    /// Plans the row wherever the file defines it.
    fn row(&mut self, row: &'static Row, done: &mut Done) {
        if !self.identity.owns(row.name) {
            self.skip(row.name, NOT_ITS_OWN.into());
            return;
        }
        let symbol = self.identity.symbol(row.name);
        let definitions = match self.functions.visible(&symbol) {
            Ok(definitions) => definitions,
            Err(reason) => {
                self.skip(row.name, reason.into());
                return;
            }
        };
        for definition in &definitions {
            if definition.kind == Kind::IndirectFunction {
                self.indirect(row, definition.address, &symbol);
                continue;
            }
            match done.get(&definition.address) {
                Some(Ok(index)) => {
                    if let Some(planned) = self.planned.get_mut(*index) {
                        planned.aliases.push(symbol.clone());
                    }
                }
                Some(Err(reason)) => self.skip(row.name, reason.clone()),
                None => {
                    let index = self.definition(row, definition);
                    done.insert(definition.address, index);
                }
            }
        }
    }

    /// Takes note of an IFUNC. Of several names of one the first stands for all.
    fn indirect(&mut self, row: &'static Row, address: u64, symbol: &str) {
        match self.indirect.iter_mut().find(|it| it.address == address) {
            Some(known) => known.names.push(symbol.to_owned()),
            None => {
                let names = vec![symbol.to_owned()];
                self.indirect.push(IndirectFunction { row, address, names });
            }
        }
    }

    /// Plans the function for which an IFUNC stands in some process, which may be no function's beginning.
    pub(super) fn chosen(
        &mut self,
        indirect: &IndirectFunction,
        definition: &Definition,
        named: String,
    ) {
        let begins = definition.size > 0 || self.functions.is_entry(definition.address);
        let planned = if begins {
            self.try_definition(indirect.row, definition)
        } else {
            Err(format!(
                "no function is known to begin at {named}, which was chosen for this IFUNC"
            ))
        };
        match planned {
            Ok(planned) => self.planned.push(PlannedFunction {
                aliases: indirect.names.iter().skip(1).cloned().collect(),
                implementation: Some(named),
                ..planned
            }),
            Err(reason) => self.skip(indirect.row.name, reason),
        }
    }

    /// What was planned, and what cannot be probed.
    pub(super) fn done(self) -> (Vec<PlannedFunction>, Vec<Skipped>) {
        (self.planned, self.skipped)
    }

    /// Plans one function; its index among the planned ones, or why it is not.
    fn definition(&mut self, row: &'static Row, definition: &Definition) -> Result<usize, String> {
        match self.try_definition(row, definition) {
            Ok(planned) => {
                self.planned.push(planned);
                Ok(self.planned.len() - 1)
            }
            Err(reason) => {
                self.skip(row.name, reason.clone());
                Err(reason)
            }
        }
    }

    fn try_definition(
        &self,
        row: &'static Row,
        definition: &Definition,
    ) -> Result<PlannedFunction, String> {
        let bytes = self.image.code(definition.address, self.length(definition) as usize);
        let outside = |address, length| self.image.code(address, length);
        let code = Code { address: definition.address, bytes: &bytes, outside: &outside };
        let is_entry = |address| self.functions.is_entry(address);
        let flow = flow::explore(&code, &is_entry);
        if let Some(target) = self.forwards_to(&flow) {
            return Err(format!("ends in {target}, which is probed"));
        }
        let may_nest = self.may_nest(&code, &flow);
        if may_nest && self.image.is_program() && row.name.starts_with("_Z") {
            return Err("calls a function of the C allocator, which is probed".into());
        }
        let row = Row { nests: row.nests || may_nest, ..*row };
        let need = Need { returns: row.wants_return(), arguments: Arguments::of(&row.arguments()) };
        let site = plan_with(&code, need, &is_entry, &flow).map_err(|error| error.to_string())?;
        let exits = if row.throws { self.exits(&code)? } else { Vec::new() };
        self.function(&row, definition, &site, exits)
    }

    /// File offsets of the `ret`s of a function that may throw.
    fn exits(&self, code: &Code<'_>) -> Result<Vec<u64>, String> {
        let planned = |address: u64| {
            let offset = self.image.file_offset(address);
            self.planned
                .iter()
                .any(|it| Some(it.file_offset - u64::from(it.offset_in_function)) == offset)
        };
        let found = self.ways.exits(code, &planned).map_err(|why| format!("{MAY_THROW}{why}"))?;
        if found.is_empty() {
            return Err("ends in another function, which is probed".into());
        }
        let offset = |address: u64| self.image.file_offset(address);
        found
            .into_iter()
            .map(offset)
            .collect::<Option<_>>()
            .ok_or_else(|| "its code is not in the file".to_owned())
    }

    /// Leaves out `operator delete` where no `operator new` is probed: each call would be one of an
    /// unknown block.
    fn skip_what_lacks_its_other_half(&mut self) {
        let news = [FunctionId::OPERATOR_NEW, FunctionId::OPERATOR_NEW_ARRAY];
        let refused = self.skipped.iter().find(|it| it.reason.starts_with(MAY_THROW));
        let any_new = self.planned.iter().any(|it| news.contains(&it.site.function));
        if any_new || refused.is_none() {
            return;
        }
        let deletes = [FunctionId::OPERATOR_DELETE, FunctionId::OPERATOR_DELETE_ARRAY];
        let (left, kept) = std::mem::take(&mut self.planned)
            .into_iter()
            .partition(|it| deletes.contains(&it.site.function));
        self.planned = kept;
        let left: Vec<PlannedFunction> = left;
        let skipped = left.into_iter().map(|it| Skipped {
            name: it.symbol,
            reason: "frees what `operator new` gave, which is not seen".into(),
        });
        self.skipped.extend(skipped);
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
        row: &Row,
        definition: &Definition,
        site: &PlannedSite,
        exits: Vec<u64>,
    ) -> Result<PlannedFunction, String> {
        let address = definition.address.saturating_add(u64::from(site.offset_in_function));
        let file_offset = self.image.file_offset(address).ok_or("its code is not in the file")?;
        let (span_below, span_above) = self.span.map_or((0, 0), |span| span.units_from(address));
        Ok(PlannedFunction {
            symbol: self.identity.symbol(row.name),
            aliases: Vec::new(),
            implementation: None,
            offset_in_function: site.offset_in_function,
            file_offset,
            site: Site {
                function: row.function,
                role: row.role,
                classes: self.identity.classes(row),
                size: row.size,
                count: row.count,
                pointer: row.pointer,
                result_by_pointer: row.result_by_pointer,
                nests: row.nests,
                exits: !exits.is_empty(),
                pushed: site.pushed,
                aligned: row.aligned,
                span_below,
                span_above,
            },
            wants_return: row.wants_return(),
            exits,
            emulated: site.emulated,
            instruction: site.instruction.clone(),
        })
    }
}
