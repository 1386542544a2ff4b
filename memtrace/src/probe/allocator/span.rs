//! Where an allocator's own code lies in its file.
//!
//! A call whose return address lies there was made by the allocator for itself: when a thread exits,
//! glibc's `__malloc_arena_thread_freeres` gives the blocks of the thread's cache to `free`, though
//! the program has freed them already. A C library's `malloc` is one object file, hence contiguous;
//! in glibc 2.36 that function lies between `free` and `realloc`. The functions around it belong to
//! others that call `free` in earnest (`obstack_free` begins 0xb0 bytes behind the last one), so the
//! span ends at the next exported function that is not the allocator's. Static functions in front of
//! the first exported one cannot be told from others': they are included within [`BELOW`].

use super::examine::Functions;
use super::identify::Identity;
use memtrace_common::site::SPAN_UNIT;
use std::collections::BTreeSet;

/// Most bytes included before the first function known, and behind the last.
const BELOW: u64 = 16 << 10;
const ABOVE: u64 = 4 << 10;

/// Addresses `low..high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) low: u64,
    pub(super) high: u64,
}

impl Span {
    /// The code around the allocator's function at `anchor`.
    pub(super) fn around(anchor: u64, functions: &Functions, identity: &Identity) -> Self {
        let own = own_addresses(functions, identity);
        let others = || functions.global.iter().filter(|(address, _)| !own.contains(address));
        // The nearest foreign functions bound the run of the allocator's own ones.
        let before = others()
            .filter(|(address, _)| *address <= anchor)
            .map(|&(_, end)| end)
            .max()
            .map_or(0, |end| end.min(anchor));
        let behind = others().map(|&(address, _)| address).find(|&address| address > anchor);
        let behind = behind.unwrap_or(u64::MAX);
        let run = functions
            .global
            .iter()
            .filter(|(address, _)| own.contains(address) && (before..behind).contains(address));
        let (low, high) = run.fold((anchor, anchor), |(low, high), &(address, end)| {
            (low.min(address), high.max(end))
        });
        Self {
            low: low.min(anchor.saturating_sub(BELOW)).max(before),
            high: high.saturating_add(ABOVE).min(behind),
        }
    }

    /// All code that the file maps: a library that is nothing but an allocator.
    pub(super) fn whole(code: impl Iterator<Item = (u64, u64)>) -> Self {
        let (low, high) = code.fold((u64::MAX, 0), |(low, high), (address, size)| {
            (low.min(address), high.max(address.saturating_add(size)))
        });
        Self { low: low.min(high), high }
    }

    /// How far the span reaches below and above `address`, in [`SPAN_UNIT`]s, at most 4 MiB.
    pub(super) fn units_from(self, address: u64) -> (u16, u16) {
        let units = |bytes: u64| u16::try_from(bytes.div_ceil(SPAN_UNIT)).unwrap_or(u16::MAX);
        (units(address.saturating_sub(self.low)), units(self.high.saturating_sub(address)))
    }
}

fn own_addresses(functions: &Functions, identity: &Identity) -> BTreeSet<u64> {
    let inner = functions.inner.iter().filter(|(kind, _)| *kind == identity.kind);
    let rows = identity.kind.rows().map(|row| row.name);
    let left_alone = identity.kind.left_alone().iter().map(|&(name, _)| name);
    rows.chain(left_alone)
        .chain(identity.kind.neighbours().iter().copied())
        .filter_map(|name| functions.known.get(&identity.symbol(name)))
        .flatten()
        .map(|definition| definition.address)
        .chain(inner.map(|&(_, address)| address))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Functions, Identity, Span};
    use crate::probe::allocator::classes::Quantum;
    use crate::probe::allocator::examine::Definition;
    use crate::probe::elf::{Binding, Kind};
    use crate::probe::function_table::AllocatorKind;

    fn functions(list: &[(&str, u64, u64)]) -> Functions {
        let mut functions = Functions::default();
        for &(name, address, size) in list {
            let definition =
                Definition { address, size, kind: Kind::Function, binding: Binding::Global };
            functions.known.entry(name.into()).or_default().push(definition);
            functions.global.push((address, address + size));
        }
        functions
    }

    const GLIBC: Identity = Identity {
        kind: AllocatorKind::Glibc,
        prefix: "",
        version: None,
        standard: true,
        quantum: Quantum::Untold,
        mallocng: false,
    };

    #[test]
    fn foreign_functions_bound_the_span() {
        // As in glibc 2.36: reallocarray lies in an object file of its own.
        let functions = functions(&[
            ("timer_settime", 0x944f0, 0x10),
            ("__default_morecore", 0x96030, 0x33),
            ("malloc", 0x98930, 0x317),
            ("free", 0x98ef0, 0x101),
            ("realloc", 0x99130, 0x4df),
            ("malloc_info", 0x9a300, 0x36),
            ("mcheck_check_all", 0x9a340, 1),
            ("reallocarray", 0x9a7e0, 33),
        ]);
        let span = Span::around(0x98930, &functions, &GLIBC);
        assert_eq!(span, Span { low: 0x94930, high: 0x9a340 });
        assert_eq!(span.units_from(0x98930), (0x100, 0x69));
    }

    /// As in a program with an archive, where what libraries hide is global.
    #[test]
    fn what_belongs_to_an_allocator_by_its_name_is_its_own() {
        let mut functions = functions(&[
            ("main", 0x1000, 0x100),
            ("free", 0x2000, 0x80),
            ("mi_heap_visit_blocks", 0x2100, 0x80),
            ("posix_memalign", 0x2200, 0x80),
            ("work", 0x2300, 0x80),
        ]);
        let kind = AllocatorKind::Mimalloc;
        let mimalloc = Identity { kind, ..GLIBC };
        assert_eq!(Span::around(0x2000, &functions, &mimalloc).high, 0x2100);
        functions.inner.push((kind, 0x2100));
        assert_eq!(Span::around(0x2000, &functions, &mimalloc), Span { low: 0x1100, high: 0x2300 });
        assert_eq!(Span::around(0x2000, &functions, &GLIBC).high, 0x2100);
    }

    #[test]
    fn without_neighbours_the_span_is_bounded() {
        let functions = functions(&[("malloc", 0x10_0000, 0x100), ("free", 0x10_0200, 0x80)]);
        let span = Span::around(0x10_0200, &functions, &GLIBC);
        assert_eq!(span, Span { low: 0x10_0200 - 0x4000, high: 0x10_1280 });
        assert_eq!(Span { low: 0, high: u64::MAX }.units_from(1 << 40), (u16::MAX, u16::MAX));
    }
}
