//! Plans the probes of the functions that signatures mean in one file.

mod indirect;

use super::super::examine::Definition;
use super::super::leave::Ways;
use super::super::plan::{MAX_FUNCTION, MAY_THROW};
use super::super::span::Span;
use super::super::{FoundAllocator, MappedFile, PlannedFunction, Skipped, open};
use super::begins::{Begin, address_of, begin};
use super::error::Missing;
use super::symbols::{Meant, Symbols, nearest};
use super::{Unbound, UserNames, UserSearch, file_name};
use crate::probe::elf::{Binding, Image, Kind};
use crate::probe::signature::{Signature, Which};
use crate::probe::site::{Arguments, Code, DEFAULT_BYTES, Need, PlannedSite, flow, plan_with};
use memtrace_common::site::{Role, Site};
use std::collections::BTreeSet;
use std::fs::File;

/// Most functions of one file that a pattern may mean.
const MOST_FUNCTIONS: usize = UserNames::MOST;
/// Libraries without which nothing can throw: exceptions of C++ and panics of Rust pass through them.
const UNWINDERS: [&str; 3] = ["libstdc++.so", "libc++", "libgcc_s.so"];

/// What one file brought.
#[derive(Debug, Default)]
pub(super) struct Planned {
    pub(super) functions: Vec<PlannedFunction>,
    pub(super) skipped: Vec<Skipped>,
    /// By the signature's number: what is missing here.
    pub(super) missing: Vec<(usize, Option<Missing>)>,
    /// IFUNCs of which it is not known yet what they stand for.
    pub(super) unbound: Vec<Unbound>,
}

/// Plans what `wanted` means in `file`; if `only` is given, of that the function at this address alone.
pub(super) fn plan(
    file: &MappedFile,
    wanted: &[(usize, &Signature)],
    known: &[FoundAllocator],
    only: Option<u64>,
    search: &mut UserSearch<'_>,
) -> Planned {
    let name = file_name(file);
    let unreadable = |reason: String| {
        let missing = Missing::Refused { function: name.clone(), reason };
        let missing = wanted.iter().map(|(index, _)| (*index, Some(missing.clone())));
        Planned { missing: missing.collect(), ..Planned::default() }
    };
    let handle = match open(file) {
        Ok(handle) => handle,
        Err(error) => return unreadable(error.to_string()),
    };
    match Image::open(&handle) {
        Ok(image) => {
            let planner = Planner::new(file, &handle, &image, wanted, known);
            Planner { only, ..planner }.run(wanted, search)
        }
        Err(error) => unreadable(error.to_string()),
    }
}

struct Planner<'a> {
    file: &'a MappedFile,
    name: String,
    handle: &'a File,
    image: &'a Image<'a, File>,
    symbols: Symbols,
    ways: Ways,
    /// Exceptions or panics may pass through the file's functions.
    throws: bool,
    /// Where functions of allocators begin in the file, bytes, with the allocator.
    known: Vec<(u64, &'a str)>,
    done: BTreeSet<u64>,
    only: Option<u64>,
    planned: Planned,
}

impl<'a> Planner<'a> {
    fn new(
        file: &'a MappedFile,
        handle: &'a File,
        image: &'a Image<'a, File>,
        wanted: &[(usize, &Signature)],
        known: &'a [FoundAllocator],
    ) -> Self {
        let same = |found: &&FoundAllocator| {
            (found.file.device, found.file.inode) == (file.device, file.inode)
        };
        let begins = |found: &'a FoundAllocator| {
            let begin = |it: &PlannedFunction| it.file_offset - u64::from(it.offset_in_function);
            found.functions.iter().map(move |it| (begin(it), found.name.as_str()))
        };
        Self {
            file,
            name: file_name(file),
            handle,
            image,
            symbols: Symbols::read(handle, image, wanted),
            ways: Ways::new(image, image.slots().unwrap_or_default()),
            throws: may_throw(image),
            known: known.iter().filter(same).flat_map(begins).collect(),
            done: BTreeSet::new(),
            only: None,
            planned: Planned::default(),
        }
    }

    fn run(mut self, wanted: &[(usize, &Signature)], search: &mut UserSearch<'_>) -> Planned {
        for (place, (index, signature)) in wanted.iter().enumerate() {
            let missing = self.signature(place, *index, signature, search).err();
            self.planned.missing.push((*index, missing));
        }
        self.set_spans();
        self.planned
    }

    /// Plans all that a signature means; why there is nothing, if so.
    fn signature(
        &mut self,
        place: usize,
        index: usize,
        signature: &Signature,
        search: &mut UserSearch<'_>,
    ) -> Result<(), Missing> {
        let mut missing = None;
        let mut any = false;
        for meant in self.meant(place, signature)?.into_iter().take(MOST_FUNCTIONS) {
            if self.only.is_some_and(|only| meant.definition.address != only) {
                continue;
            }
            match self.in_process(meant, index, search) {
                Ok(all) => {
                    for meant in all {
                        let planned = self.take(signature, meant, search.names);
                        any |= planned.is_ok();
                        missing = missing.or(planned.err());
                    }
                }
                Err(untold) => missing = missing.or(Some(untold)),
            }
        }
        missing.filter(|_| !any).map_or(Ok(()), Err)
    }

    /// Plans one function, unless an earlier signature means it: then it is as that one says.
    fn take(
        &mut self,
        signature: &Signature,
        meant: Meant,
        names: &mut UserNames,
    ) -> Result<(), Missing> {
        if !self.done.insert(meant.definition.address) {
            return Ok(());
        }
        match self.function(signature, &meant, names) {
            Ok(planned) => {
                self.planned.functions.push(planned);
                Ok(())
            }
            Err(reason) => {
                let function = meant.names.into_iter().next().unwrap_or_default();
                let skipped = Skipped { name: function.clone(), reason: reason.clone() };
                self.planned.skipped.push(skipped);
                Err(Missing::Refused { function, reason })
            }
        }
    }

    /// The functions that a signature means.
    fn meant(&mut self, place: usize, signature: &Signature) -> Result<Vec<Meant>, Missing> {
        let pattern = match &signature.function {
            Which::At(offset) => return self.at(*offset).map(|meant| vec![meant]),
            Which::Named(pattern) => pattern.to_string(),
        };
        let found = self.symbols.meant.get_mut(place).map(std::mem::take).unwrap_or_default();
        if !found.is_empty() {
            return Ok(found.into_values().collect());
        }
        let stripped = self.symbols.functions.entries.is_empty().then(|| self.image.is_static());
        let near = nearest(self.handle, self.image, &pattern);
        Err(Missing::Function { file: self.name.clone(), near, stripped })
    }

    /// The function that begins at an offset in the file.
    fn at(&self, offset: u64) -> Result<Meant, Missing> {
        let name = format!("{}+{offset:#x}", self.name);
        let refused =
            |reason: &str| Missing::Refused { function: name.clone(), reason: reason.into() };
        let address = address_of(self.image, offset)
            .filter(|&address| !self.image.code(address, 1).is_empty())
            .ok_or_else(|| refused("there is no code at this offset of the file"))?;
        let size = match begin(self.image, address) {
            Begin::Function(size) => size,
            _ if self.symbols.is_named(address) => 0,
            Begin::Nothing => {
                return Err(refused(
                    "no function begins there, as the file's unwinding tables say; the offset is that in \
                     the file, which is not always the address that a disassembler shows",
                ));
            }
            Begin::Unknown => {
                return Err(refused(
                    "the file has neither symbols nor unwinding tables, so that it is not known whether a \
                     function begins there",
                ));
            }
        };
        let definition =
            Definition { address, size, kind: Kind::Function, binding: Binding::Local };
        Ok(Meant { definition, names: vec![name], implementation: None })
    }

    fn function(
        &self,
        signature: &Signature,
        meant: &Meant,
        names: &mut UserNames,
    ) -> Result<PlannedFunction, String> {
        let address = meant.definition.address;
        let begin = self.image.file_offset(address).ok_or("its code is not in the file")?;
        if let Some(name) = &meant.implementation {
            self.check_begin(address).map_err(|why| {
                format!("an IFUNC, for which {name} stands in the process, where {why}")
            })?;
        }
        if let Some((_, allocator)) = self.known.iter().find(|(known, _)| *known == begin) {
            return Err(format!("it belongs to {allocator}, which is traced anyway"));
        }
        if self.image.section(".gopclntab").is_some() {
            return Err(
                "the program is written in Go, whose stacks move, which a probe would not \
                        survive"
                    .into(),
            );
        }
        let bytes = self.image.code(address, self.length(&meant.definition) as usize);
        let outside = |address, length| self.image.code(address, length);
        let code = Code { address, bytes: &bytes, outside: &outside };
        let is_entry = |address| self.symbols.functions.is_entry(address);
        let returns = signature.role != Role::Free;
        let need = Need { returns, arguments: Arguments::of(&signature.places.arguments()) };
        let site = plan_with(&code, need, &is_entry, &flow::explore(&code, &is_entry))
            .map_err(|error| error.to_string())?;
        let exits = if returns && self.throws { self.exits(&code)? } else { Vec::new() };
        let mut all = meant.names.iter();
        let symbol = all.next().cloned().unwrap_or_default();
        let function = names
            .number(&symbol)
            .ok_or_else(|| format!("there are more than {} functions already", UserNames::MOST))?;
        Ok(PlannedFunction {
            symbol,
            aliases: all.cloned().collect(),
            implementation: meant.implementation.clone(),
            offset_in_function: site.offset_in_function,
            file_offset: begin + u64::from(site.offset_in_function),
            site: Site { function, ..cookie(signature, &site, !exits.is_empty()) },
            wants_return: returns,
            exits,
            emulated: site.emulated,
            instruction: site.instruction,
        })
    }

    /// File offsets of the `ret`s of a function that may throw.
    fn exits(&self, code: &Code<'_>) -> Result<Vec<u64>, String> {
        let found = self.ways.exits(code, &|_| false).map_err(|why| format!("{MAY_THROW}{why}"))?;
        let offset = |address: u64| self.image.file_offset(address);
        let offsets: Option<Vec<u64>> = found.into_iter().map(offset).collect();
        offsets.filter(|all| !all.is_empty()).ok_or_else(|| "it never returns".to_owned())
    }

    /// Bytes of the function's body.
    fn length(&self, definition: &Definition) -> u64 {
        let next = || self.symbols.functions.next_entry(definition.address);
        match definition.size {
            0 => next()
                .map_or(DEFAULT_BYTES as u64, |next| next - definition.address)
                .min(DEFAULT_BYTES as u64),
            size => size.min(MAX_FUNCTION),
        }
    }

    /// The pool's own code is taken to lie between the first and the last of its functions in the file:
    /// what these call of each other is no call of the program's.
    fn set_spans(&mut self) {
        let ends = |it: &PlannedFunction| it.file_offset;
        let functions = &mut self.planned.functions;
        let Some(low) = functions.iter().map(ends).min() else { return };
        let high = functions.iter().map(ends).max().unwrap_or(low);
        // Of the last one as much as functions usually have.
        let span = Span { low: low.saturating_sub(16), high: high.saturating_add(LAST) };
        for function in functions {
            let (below, above) = span.units_from(function.file_offset);
            function.site.span_below = below;
            function.site.span_above = above;
        }
    }
}

/// Bytes that the last function of a file is taken to have.
const LAST: u64 = 256;

fn cookie(signature: &Signature, site: &PlannedSite, exits: bool) -> Site {
    let places = signature.places;
    Site {
        function: memtrace_common::function::FunctionId::NONE,
        role: signature.role,
        classes: memtrace_common::classes::SizeClasses::UNKNOWN,
        size: places.size,
        count: places.count,
        pointer: places.pointer,
        result_by_pointer: places.result_by_pointer,
        // One function of a pool may call another one; which do is not known.
        nests: signature.role != Role::Free,
        exits,
        pushed: site.pushed,
        aligned: memtrace_common::site::Aligned::No,
        span_below: 0,
        span_above: 0,
    }
}

/// Whether exceptions or panics may pass through the file's functions: it needs what throws them, or has
/// tables of handlers for them.
fn may_throw(image: &Image<'_, File>) -> bool {
    let needed = image.needed().unwrap_or_default();
    let throws = |name: &String| UNWINDERS.iter().any(|library| name.starts_with(library));
    needed.iter().any(throws) || image.section(".gcc_except_table").is_some()
}
