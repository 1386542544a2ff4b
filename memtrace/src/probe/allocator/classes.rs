//! Which size classes the blocks of a function have, as far as its file tells.

use super::identify::Identity;
use crate::probe::elf::{Image, Symbol, Table};
use crate::probe::function_table::{AllocatorKind, Row};
use memtrace_common::classes::SizeClasses;
use memtrace_common::site::Role;
use std::fs::File;

/// Versions of jemalloc whose classes are known. Later ones may round large blocks to pages instead.
const JEMALLOC_KNOWN: [&str; 4] = ["5.0.", "5.1.", "5.2.", "5.3.0"];

/// redis, whose build has another quantum, is the best known program that has jemalloc under this prefix: where
/// the file does not tell, it is not known.
const JEMALLOC_OTHER_QUANTUM: &str = "je_";
/// End of the name of jemalloc's table of classes, behind whatever the program puts in front of hidden names
/// (`--with-private-namespace`).
const TABLE: &[u8] = b"je_sz_index2size_tab";
/// Sizes of that table, 8 bytes for each class (`SC_NSIZES` in `sc.h` for 48- and 64-bit machines), and the
/// quantum to which each belongs.
const TABLES: [(u64, u64); 2] = [(8 * 232, 16), (8 * 235, 8)];

/// What is known of the quantum of the jemallocs in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantum {
    /// The file does not tell.
    Untold,
    /// Bytes.
    Told(u64),
    /// It tells of one that we do not know, or of several.
    Strange,
}

impl Quantum {
    /// As the size of jemalloc's table of classes tells, if the file still has its symbol.
    pub(super) fn of(image: &Image<'_, File>) -> Self {
        let mut told = Self::Untold;
        let mut take = |symbol: Symbol<'_>| {
            if symbol.name.ends_with(TABLE) {
                let quantum = TABLES.iter().find(|(size, _)| *size == symbol.size);
                let this = quantum.map_or(Self::Strange, |&(_, quantum)| Self::Told(quantum));
                told = if told == Self::Untold || told == this { this } else { Self::Strange };
            }
        };
        // What could not be read tells nothing.
        let _ = image.each_symbol(Table::Static, &mut take);
        told
    }
}

impl Identity {
    /// The size classes of the blocks that this function of the allocator gives.
    pub(super) fn classes(&self, row: &Row) -> SizeClasses {
        // `pvalloc` rounds up to pages before anything else does.
        if row.role == Role::Free || row.name.ends_with("pvalloc") {
            return SizeClasses::UNKNOWN;
        }
        match self.kind {
            AllocatorKind::Glibc => SizeClasses::GLIBC,
            AllocatorKind::Jemalloc => self.jemalloc_classes(),
            AllocatorKind::Tcmalloc => SizeClasses::TCMALLOC,
            AllocatorKind::Mimalloc => SizeClasses::MIMALLOC,
            AllocatorKind::Musl => self.musl_classes(),
            // What drivers give of their devices is their affair.
            AllocatorKind::UserDefined | AllocatorKind::CudaRuntime | AllocatorKind::CudaDriver => {
                SizeClasses::UNKNOWN
            }
        }
    }

    /// 1.2.1 was the first version with mallocng, which is taken unless the library is built otherwise
    /// (`--with-malloc`). A library does not tell, but by its version; a program that has it inside has no version,
    /// but symbols.
    fn musl_classes(&self) -> SizeClasses {
        if self.mallocng {
            return SizeClasses::MALLOCNG;
        }
        let Some(version) = &self.version else { return SizeClasses::UNKNOWN };
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        match (next(), next(), next()) {
            (Some(major), Some(minor), Some(patch)) if (major, minor, patch) >= (1, 2, 1) => {
                SizeClasses::MALLOCNG
            }
            (Some(_), Some(_), Some(_)) => SizeClasses::OLDMALLOC,
            _ => SizeClasses::UNKNOWN,
        }
    }

    fn jemalloc_classes(&self) -> SizeClasses {
        let version = self.version.as_deref().unwrap_or_default();
        let is_known = JEMALLOC_KNOWN.iter().any(|known| version.starts_with(known));
        match self.quantum {
            _ if !is_known => SizeClasses::UNKNOWN,
            Quantum::Told(8) => SizeClasses::JEMALLOC_QUANTUM_8,
            Quantum::Told(_) => SizeClasses::JEMALLOC,
            Quantum::Untold if self.prefix != JEMALLOC_OTHER_QUANTUM => SizeClasses::JEMALLOC,
            Quantum::Untold | Quantum::Strange => SizeClasses::UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::identify::Identity;
    use super::{AllocatorKind, Quantum};
    use memtrace_common::classes::SizeClasses;

    fn classes(
        kind: AllocatorKind,
        prefix: &'static str,
        version: &str,
        quantum: Quantum,
        name: &str,
    ) -> SizeClasses {
        let version = Some(version.to_owned());
        let identity = Identity {
            kind,
            prefix,
            version,
            standard: prefix.is_empty(),
            quantum,
            mallocng: false,
        };
        identity.classes(kind.rows().find(|row| row.name == name).unwrap())
    }

    #[test]
    fn only_what_the_file_tells_is_known() {
        let jemalloc = |prefix, version, name| {
            let untold = Quantum::Untold;
            let classes = classes(AllocatorKind::Jemalloc, prefix, version, untold, name);
            classes == SizeClasses::JEMALLOC
        };
        assert!(jemalloc("", "5.3.0", "malloc"));
        assert!(jemalloc("_rjem_", "5.2.1", "realloc"));
        assert!(jemalloc("", "5.3.0", "_Znwm"));
        assert!(!jemalloc("je_", "5.3.0", "malloc"));
        assert!(!jemalloc("", "5.3.1", "malloc"));
        assert!(!jemalloc("", "5.3.0", "free"));
        for name in ["mallocx", "rallocx", "aligned_alloc", "valloc", "_ZnwmSt11align_val_t"] {
            assert!(jemalloc("", "5.3.0", name), "{name}");
        }
        assert!(!jemalloc("", "5.3.0", "pvalloc"));
        let libc = |kind, name| classes(kind, "", "2.36", Quantum::Untold, name);
        for name in ["malloc", "posix_memalign", "valloc"] {
            assert_eq!(libc(AllocatorKind::Glibc, name), SizeClasses::GLIBC);
        }
        assert_eq!(libc(AllocatorKind::Glibc, "pvalloc"), SizeClasses::UNKNOWN);
        let musl = |version| classes(AllocatorKind::Musl, "", version, Quantum::Untold, "malloc");
        for (version, its) in [
            ("1.1.24", SizeClasses::OLDMALLOC),
            ("1.2.0", SizeClasses::OLDMALLOC),
            ("1.2.1", SizeClasses::MALLOCNG),
            ("1.3.0", SizeClasses::MALLOCNG),
            ("1.2", SizeClasses::UNKNOWN),
        ] {
            assert_eq!(musl(version), its, "{version}");
        }
    }

    #[test]
    fn what_the_file_tells_of_the_quantum_counts() {
        let jemalloc =
            |prefix, quantum| classes(AllocatorKind::Jemalloc, prefix, "5.3.0", quantum, "malloc");
        for prefix in ["", "je_"] {
            assert_eq!(jemalloc(prefix, Quantum::Told(16)), SizeClasses::JEMALLOC);
            assert_eq!(jemalloc(prefix, Quantum::Told(8)), SizeClasses::JEMALLOC_QUANTUM_8);
            assert_eq!(jemalloc(prefix, Quantum::Strange), SizeClasses::UNKNOWN);
        }
    }
}
