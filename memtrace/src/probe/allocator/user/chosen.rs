//! Which function an IFUNC stands for in a process: its memory tells, where something is bound to it.
//!
//! The resolver's answer is kept in the slots that calls go through: those that relocations by the IFUNC's
//! name fill in any module (`R_X86_64_JUMP_SLOT`, `R_X86_64_GLOB_DAT`), and those that its own file fills
//! without a name (`R_X86_64_IRELATIVE`, whose addend is the resolver). Only slots in the `.got` count: a
//! pointer among a program's data may have been changed by it. Of slots that differ all are taken, because a
//! resolver may answer differently from one module's binding to the next, and each answer is what somebody
//! calls. What a slot holds is believed only if it lies in the IFUNC's own file: by name, a slot may just as
//! well be bound to another library's function.

use crate::probe::allocator::{MappedFile, open};
use crate::probe::elf::{Filling, Image, Segment};
use crate::probe::living::{Living, MappedCode};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

/// Files of a process whose slots are looked at.
const MOST_FILES: usize = 4096;
/// Slots of a file for one function; a linker makes two at most, and some for each version.
const MOST_SLOTS: usize = 64;
/// Mappings of one file's code that are taken to be of another copy (`dlmopen(3)`).
const MOST_COPIES: usize = 16;
/// Words of a process that are read for one function.
const MOST_WORDS: usize = 4096;
/// Functions that one IFUNC may stand for.
const MOST_CHOSEN: usize = 8;
/// Files that are remembered for the functions bound in them.
const MOST_KNOWN: usize = 4096;
const PAGE: u64 = 4096;

/// Device and inode.
type FileKey = ((u32, u32), u64);

fn key(file: &MappedFile) -> FileKey {
    (file.device, file.inode)
}

/// An IFUNC of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::probe::allocator) struct Indirect {
    /// The file that defines it.
    pub(in crate::probe::allocator) file: MappedFile,
    /// Virtual address of its resolver.
    pub(in crate::probe::allocator) address: u64,
    /// Its names.
    pub(in crate::probe::allocator) names: Vec<String>,
}

/// Why it is not known what an IFUNC stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::probe::allocator) enum Untold {
    /// There is no process yet.
    #[error("which happens when the process begins")]
    NotBegun,
    /// Nothing is bound to it by way of a slot.
    #[error("and no file of the process has a slot for it, which would tell what was chosen")]
    NoSlot,
    /// Slots are there, but empty.
    #[error(
        "and the process has not called it yet, so that it is not bound; LD_BIND_NOW=1 binds at the start"
    )]
    NotBound,
    /// Slots hold what is no function of its file.
    #[error("and what the process has in its slots is no code of this file")]
    Elsewhere,
}

/// Slots of files that were looked at before, as most processes map the same ones.
#[derive(Debug, Default)]
pub struct Slots {
    known: BTreeMap<(FileKey, FileKey, u64), Arc<Importer>>,
}

/// What a file has of an IFUNC.
#[derive(Debug, Default)]
struct Importer {
    /// Segments with code.
    code: Vec<Segment>,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Virtual address.
    address: u64,
    /// What the file has there: the way to the dynamic linker, until the function is bound.
    unbound: u64,
}

impl Slots {
    /// Offsets in the IFUNC's file of the functions for which it stands in the process, in order.
    pub(in crate::probe::allocator) fn chosen(
        &mut self,
        indirect: &Indirect,
        living: Option<&dyn Living>,
    ) -> Result<Vec<u64>, Untold> {
        let living = living.ok_or(Untold::NotBegun)?;
        let code = living.code();
        let mut words = Vec::new();
        let mut any = false;
        for file in living.files().iter().take(MOST_FILES) {
            let importer = self.importer(file, indirect);
            for (bias, slot) in importer.placed(&code_of(&code, key(file))) {
                any = true;
                if words.len() < MOST_WORDS {
                    words.extend(slot.bound(bias, living));
                }
            }
        }
        if words.is_empty() {
            return Err(if any { Untold::NotBound } else { Untold::NoSlot });
        }
        let own = code_of(&code, key(&indirect.file));
        let offsets: BTreeSet<u64> = words.iter().filter_map(|word| offset(&own, *word)).collect();
        if offsets.is_empty() {
            return Err(Untold::Elsewhere);
        }
        Ok(offsets.into_iter().take(MOST_CHOSEN).collect())
    }

    fn importer(&mut self, file: &MappedFile, indirect: &Indirect) -> Arc<Importer> {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        let known = self.known.entry((key(file), key(&indirect.file), indirect.address));
        Arc::clone(known.or_insert_with(|| Arc::new(Importer::read(file, indirect))))
    }
}

impl Importer {
    /// What cannot be read has none.
    fn read(file: &MappedFile, indirect: &Indirect) -> Self {
        let Ok(handle) = open(file) else { return Self::default() };
        let Ok(image) = Image::open(&handle) else { return Self::default() };
        let is_own = key(file) == key(&indirect.file);
        let mut slots = Vec::new();
        let mut take = |address, filling: Filling<'_>| {
            let is_its = match filling {
                Filling::Named(name) => indirect.names.iter().any(|its| its.as_bytes() == name),
                Filling::ChosenBy(resolver) => is_own && resolver == indirect.address,
            };
            if is_its && slots.len() < MOST_SLOTS && is_for_calls(&image, address) {
                slots.push(Slot { address, unbound: image.word(address).unwrap_or(0) });
            }
        };
        // What was found before an error is right.
        let _ = image.each_slot(&mut take);
        let is_code =
            |it: &&Segment| it.kind == object::elf::PT_LOAD && it.flags & object::elf::PF_X != 0;
        Self { code: image.segments().iter().filter(is_code).copied().collect(), slots }
    }

    /// Each slot with what is added to its address where the file is mapped as `code` says.
    fn placed(&self, code: &[MappedCode]) -> impl Iterator<Item = (u64, Slot)> {
        let biases: BTreeSet<u64> = if self.slots.is_empty() {
            BTreeSet::new()
        } else {
            code.iter().filter_map(|mapped| bias(&self.code, mapped)).take(MOST_COPIES).collect()
        };
        biases.into_iter().flat_map(|bias| self.slots.iter().map(move |slot| (bias, *slot)))
    }
}

impl Slot {
    /// What it holds, if that is not what it begins with.
    fn bound(self, bias: u64, living: &dyn Living) -> Option<u64> {
        let word = living.word(self.address.wrapping_add(bias))?;
        let begins = [0, self.unbound, self.unbound.wrapping_add(bias)];
        (!begins.contains(&word)).then_some(word)
    }
}

/// Whether the linker made this slot for calls: it lies in a section of such slots.
fn is_for_calls(image: &Image<'_, File>, address: u64) -> bool {
    let Some(offset) = image.file_offset(address) else { return false };
    image.sections().iter().any(|section| {
        let inside = offset.checked_sub(section.offset);
        inside.is_some_and(|inside| inside < section.size)
            && [".got", ".igot"].iter().any(|start| section.name.starts_with(start))
    })
}

fn code_of(code: &[MappedCode], file: FileKey) -> Vec<MappedCode> {
    code.iter().filter(|mapped| (mapped.device, mapped.inode) == file).copied().collect()
}

/// What the process adds to the file's addresses. Mappings begin at whole pages, segments need not.
fn bias(segments: &[Segment], mapped: &MappedCode) -> Option<u64> {
    let segment = segments.iter().find(|segment| {
        let begin = segment.offset & !(PAGE - 1);
        mapped.offset >= begin
            && segment.offset.checked_add(segment.file_size).is_some_and(|end| mapped.offset < end)
    })?;
    let address = segment.address.wrapping_sub(segment.offset).wrapping_add(mapped.offset);
    Some(mapped.start.wrapping_sub(address))
}

/// The offset in the file of what is mapped at `address`.
fn offset(own: &[MappedCode], address: u64) -> Option<u64> {
    own.iter().find_map(|mapped| {
        (mapped.start..mapped.end)
            .contains(&address)
            .then(|| mapped.offset.checked_add(address - mapped.start))?
    })
}

#[cfg(test)]
mod tests;
