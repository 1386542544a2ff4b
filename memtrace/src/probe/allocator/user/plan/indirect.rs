//! IFUNCs: their symbols are those of resolvers, and what is planned is what these chose in the process.

use super::super::begins::{Begin, address_of, begin};
use super::super::chosen::Indirect;
use super::super::error::Missing;
use super::super::symbols::{Meant, name_at};
use super::super::{Unbound, UserSearch};
use super::Planner;
use crate::probe::allocator::examine::Definition;
use crate::probe::elf::Kind;

impl Planner<'_> {
    /// The function itself, or those that it stands for in the process if it is an IFUNC.
    pub(super) fn in_process(
        &mut self,
        meant: Meant,
        index: usize,
        search: &mut UserSearch<'_>,
    ) -> Result<Vec<Meant>, Missing> {
        if meant.definition.kind != Kind::IndirectFunction {
            return Ok(vec![meant]);
        }
        let (file, address) = (self.file.clone(), meant.definition.address);
        let indirect = Indirect { file, address, names: meant.names.clone() };
        match search.slots.chosen(&indirect, search.living) {
            Ok(offsets) => {
                Ok(offsets.into_iter().map(|offset| self.implementation(&meant, offset)).collect())
            }
            Err(untold) => {
                let reason = format!(
                    "an IFUNC: its code is chosen when the program starts, {untold}; give the offset of                      the function that is chosen instead, as in {}:+0x1a2b(…)",
                    self.name
                );
                let function = meant.names.into_iter().next().unwrap_or_default();
                self.planned.unbound.push(Unbound { indirect, index });
                Err(Missing::Unbound { function, reason })
            }
        }
    }

    /// The function at this offset in the file, for which an IFUNC stands. Its address is 0 if there is none.
    fn implementation(&self, meant: &Meant, offset: u64) -> Meant {
        let address = address_of(self.image, offset).unwrap_or_default();
        let named = name_at(self.handle, self.image, address);
        let size = match begin(self.image, address) {
            Begin::Function(size) => size,
            _ => 0,
        };
        Meant {
            definition: Definition { address, size, kind: Kind::Function, ..meant.definition },
            names: meant.names.clone(),
            implementation: Some(named.unwrap_or_else(|| format!("+{offset:#x}"))),
        }
    }

    /// What a process has in its memory may be no function's beginning.
    pub(super) fn check_begin(&self, address: u64) -> Result<(), &'static str> {
        match begin(self.image, address) {
            Begin::Function(_) => Ok(()),
            _ if self.symbols.is_named(address) => Ok(()),
            Begin::Nothing => Err("no function begins, as the file's unwinding tables say"),
            Begin::Unknown => Err("no symbol or unwinding table says that a function begins"),
        }
    }
}
