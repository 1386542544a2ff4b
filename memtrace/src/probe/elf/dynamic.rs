//! What a file tells the dynamic linker: needed libraries, its own name, and the slots to be filled.

use super::ElfError;
use super::image::{Image, records, string_at};
use super::source::{Source, read};
use object::LittleEndian as LE;
use object::elf;
use std::collections::BTreeMap;

const MAX_DYNAMIC: u64 = 1 << 20;
/// Of all tables together. Large programs have a few hundred thousand relocations of 24 bytes, nearly all
/// without symbols.
const MAX_RELOCATIONS: u64 = 64 << 20;
const MAX_DYNAMIC_SYMBOLS: u64 = 64 << 20;

/// What the dynamic linker, or a static program for itself, fills a slot with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling<'a> {
    /// The function of this name (`R_X86_64_JUMP_SLOT`, `R_X86_64_GLOB_DAT`).
    Named(&'a [u8]),
    /// What the resolver at this virtual address of the same file gives (`R_X86_64_IRELATIVE`).
    ChosenBy(u64),
}

impl<S: Source + ?Sized> Image<'_, S> {
    /// The names under `DT_NEEDED`, in the dynamic linker's search order.
    ///
    /// # Errors
    /// When the dynamic section cannot be read.
    pub fn needed(&self) -> Result<Vec<String>, ElfError> {
        self.dynamic_strings(i64::from(elf::DT_NEEDED))
    }

    /// The name under which the library is needed by others.
    ///
    /// # Errors
    /// When the dynamic section cannot be read.
    pub fn soname(&self) -> Result<Option<String>, ElfError> {
        Ok(self.dynamic_strings(i64::from(elf::DT_SONAME))?.into_iter().next())
    }

    /// Whether the linker marked the file as a position-independent program.
    pub(super) fn is_marked_as_program(&self) -> bool {
        let flags = self.dynamic_values(i64::from(elf::DT_FLAGS_1)).unwrap_or_default();
        flags.iter().any(|flags| flags & u64::from(elf::DF_1_PIE) != 0)
    }

    fn dynamic_strings(&self, tag: i64) -> Result<Vec<String>, ElfError> {
        let values = self.dynamic_values(tag)?;
        let section = self.sections().iter().find(|section| section.kind == elf::SHT_DYNAMIC);
        let Some(section) = section.filter(|_| !values.is_empty()) else { return Ok(Vec::new()) };
        let strings = self.strings_of(section)?;
        Ok(values
            .into_iter()
            .filter_map(|at| u32::try_from(at).ok())
            .map(|at| String::from_utf8_lossy(string_at(&strings, at)).into_owned())
            .collect())
    }

    /// The values under `tag` in the dynamic section.
    fn dynamic_values(&self, tag: i64) -> Result<Vec<u64>, ElfError> {
        let section = self.sections().iter().find(|section| section.kind == elf::SHT_DYNAMIC);
        let Some(section) = section else { return Ok(Vec::new()) };
        let what = "the dynamic section";
        let bytes = read(self.source, what, section.offset, section.size, MAX_DYNAMIC)?;
        let entries: &[elf::Dyn64<LE>] = records(&bytes, what)?;
        let under_tag = entries.iter().filter(|entry| entry.d_tag.get(LE) as i64 == tag);
        Ok(under_tag.map(|entry| entry.d_val.get(LE)).collect())
    }

    /// The pointers that the dynamic linker fills with functions' addresses: address of the pointer
    /// → name of the function. PLT stubs jump through them.
    ///
    /// # Errors
    /// When relocations or symbols cannot be read.
    pub fn slots(&self) -> Result<BTreeMap<u64, String>, ElfError> {
        let mut slots = BTreeMap::new();
        self.each_slot(&mut |address, filling| {
            if let Filling::Named(name) = filling {
                slots.insert(address, String::from_utf8_lossy(name).into_owned());
            }
        })?;
        Ok(slots)
    }

    /// Shows the address of each pointer that is filled with a function's address when the file is loaded,
    /// or at the first call, and what it is filled with.
    ///
    /// # Errors
    /// When relocations or symbols cannot be read; slots shown before are good.
    pub fn each_slot(&self, visit: &mut dyn FnMut(u64, Filling<'_>)) -> Result<(), ElfError> {
        let dynamic = self.sections().iter().find(|section| section.kind == elf::SHT_DYNSYM);
        let (symbols, strings) = match dynamic {
            Some(section) => {
                let what = "the dynamic symbol table";
                let (at, size) = (section.offset, section.size);
                let bytes = read(self.source, what, at, size, MAX_DYNAMIC_SYMBOLS)?;
                (bytes, self.strings_of(section)?)
            }
            // A static program has none, but chooses functions for itself.
            None => (Vec::new(), Vec::new()),
        };
        let symbols: &[elf::Sym64<LE>] = records(&symbols, "the dynamic symbol table")?;
        let mut room = MAX_RELOCATIONS;
        for section in self.sections().iter().filter(|section| section.kind == elf::SHT_RELA) {
            let what = "a relocation table";
            let bytes = read(self.source, what, section.offset, section.size, room)?;
            room -= section.size;
            for relocation in records::<elf::Rela64<LE>>(&bytes, what)? {
                if let Some(filling) = filling(relocation, symbols, &strings) {
                    visit(relocation.r_offset.get(LE), filling);
                }
            }
        }
        Ok(())
    }
}

fn filling<'a>(
    relocation: &elf::Rela64<LE>,
    symbols: &[elf::Sym64<LE>],
    strings: &'a [u8],
) -> Option<Filling<'a>> {
    match relocation.r_type(LE, false) {
        elf::R_X86_64_JUMP_SLOT | elf::R_X86_64_GLOB_DAT => {
            let symbol = symbols.get(relocation.r_sym(LE, false) as usize)?;
            Some(Filling::Named(string_at(strings, symbol.st_name.get(LE))))
        }
        elf::R_X86_64_IRELATIVE => {
            Some(Filling::ChosenBy(relocation.r_addend.get(LE).cast_unsigned()))
        }
        _ => None,
    }
}
