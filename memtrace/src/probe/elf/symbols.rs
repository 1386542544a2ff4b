//! Symbol tables.

use super::ElfError;
use super::image::{Image, Section, records, string_at};
use super::source::{Source, read};
use object::LittleEndian as LE;
use object::elf;

/// Strings of the largest debug builds of browsers are about 100 MB.
const MAX_STRINGS: u64 = 256 << 20;
/// Symbols are read this many bytes at a time (a multiple of their 24), so they need no limit in
/// memory; the file's size limits their number.
const PIECE: u64 = 24 << 12;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `.dynsym`: what the dynamic linker sees.
    Dynamic,
    /// `.symtab`: everything, unless the file is stripped.
    Static,
}

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `STT_FUNC`.
    Function,
    /// `STT_GNU_IFUNC`: a function that chooses the function when the program starts.
    IndirectFunction,
    /// Anything else.
    Other,
}

/// Who sees a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Only its own object file.
    Local,
    /// Everybody (global, weak, unique).
    Global,
}

/// A symbol that the file defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name, without a version.
    pub name: &'a [u8],
    /// Virtual address.
    pub address: u64,
    /// Bytes; 0 where it is not known.
    pub size: u64,
    /// What it stands for.
    pub kind: Kind,
    /// Who sees it.
    pub binding: Binding,
}

impl<S: Source + ?Sized> Image<'_, S> {
    /// Shows every symbol that the table defines to `visit`. A file without the table has none.
    ///
    /// # Errors
    /// When the table cannot be read; symbols shown before are good.
    pub fn each_symbol(
        &self,
        table: Table,
        visit: &mut dyn FnMut(Symbol<'_>),
    ) -> Result<(), ElfError> {
        let kind = match table {
            Table::Dynamic => elf::SHT_DYNSYM,
            Table::Static => elf::SHT_SYMTAB,
        };
        let Some(section) = self.sections().iter().find(|section| section.kind == kind) else {
            return Ok(());
        };
        let strings = self.strings_of(section)?;
        let mut done = 0;
        while done < section.size {
            let size = PIECE.min(section.size - done);
            let what = "a symbol table";
            let at = section.offset.checked_add(done).ok_or(ElfError::Malformed { what })?;
            let bytes = read(self.source, what, at, size, PIECE)?;
            records(&bytes, what)?
                .iter()
                .filter_map(|symbol| defined(symbol, &strings))
                .for_each(&mut *visit);
            done += size;
        }
        Ok(())
    }

    /// The string table that belongs to `section`.
    pub(super) fn strings_of(&self, section: &Section) -> Result<Vec<u8>, ElfError> {
        let what = "a string table";
        let index = usize::try_from(section.link).map_err(|_| ElfError::Malformed { what })?;
        let strings = self.sections().get(index).ok_or(ElfError::Malformed { what })?;
        read(self.source, what, strings.offset, strings.size, MAX_STRINGS)
    }
}

fn defined<'a>(symbol: &elf::Sym64<LE>, strings: &'a [u8]) -> Option<Symbol<'a>> {
    let name = string_at(strings, symbol.st_name.get(LE));
    if symbol.st_shndx.get(LE) == elf::SHN_UNDEF || name.is_empty() {
        return None;
    }
    Some(Symbol {
        name,
        address: symbol.st_value.get(LE),
        size: symbol.st_size.get(LE),
        kind: match symbol.st_type() {
            elf::STT_FUNC => Kind::Function,
            elf::STT_GNU_IFUNC => Kind::IndirectFunction,
            _ => Kind::Other,
        },
        binding: match symbol.st_bind() {
            elf::STB_LOCAL => Binding::Local,
            _ => Binding::Global,
        },
    })
}
