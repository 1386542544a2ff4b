//! Which size classes the blocks of a function have, as far as its file tells.

use super::identify::Identity;
use crate::probe::function_table::{AllocatorKind, Row};
use memtrace_common::classes::SizeClasses;
use memtrace_common::site::Role;

/// Versions of jemalloc whose classes are known. Later ones may round large blocks to pages instead.
const JEMALLOC_KNOWN: [&str; 4] = ["5.0.", "5.1.", "5.2.", "5.3.0"];

/// redis, whose build has another quantum, is the best known program that has jemalloc under this prefix.
const JEMALLOC_OTHER_QUANTUM: &str = "je_";

impl Identity {
    /// The size classes of the blocks that this function of the allocator gives.
    pub(super) fn classes(&self, row: &Row) -> SizeClasses {
        if row.role == Role::Free || is_aligned(row.name) {
            return SizeClasses::UNKNOWN;
        }
        match self.kind {
            AllocatorKind::Glibc => SizeClasses::GLIBC,
            AllocatorKind::Jemalloc if self.has_usual_quantum() => SizeClasses::JEMALLOC,
            AllocatorKind::Tcmalloc => SizeClasses::TCMALLOC,
            AllocatorKind::Mimalloc => SizeClasses::MIMALLOC,
            // musl's slots depend on what it holds already (`mal0_clear`, `alloc_slot` of mallocng), and which
            // of its two allocators a library has is not in its file.
            // What drivers give of their devices is their affair.
            AllocatorKind::Jemalloc
            | AllocatorKind::Musl
            | AllocatorKind::UserDefined
            | AllocatorKind::CudaRuntime
            | AllocatorKind::CudaDriver => SizeClasses::UNKNOWN,
        }
    }

    fn has_usual_quantum(&self) -> bool {
        let version = self.version.as_deref().unwrap_or_default();
        self.prefix != JEMALLOC_OTHER_QUANTUM
            && JEMALLOC_KNOWN.iter().any(|known| version.starts_with(known))
    }
}

/// Whether a function of this name is given an alignment, or flags that may hold one. How it is met depends on
/// it, and it is not in the records.
fn is_aligned(name: &str) -> bool {
    name.contains("align") || matches!(name, "valloc" | "pvalloc" | "mallocx" | "rallocx")
}

#[cfg(test)]
mod tests {
    use super::super::identify::Identity;
    use super::AllocatorKind;
    use memtrace_common::classes::SizeClasses;

    fn classes(
        kind: AllocatorKind,
        prefix: &'static str,
        version: &str,
        name: &str,
    ) -> SizeClasses {
        let version = Some(version.to_owned());
        let identity = Identity { kind, prefix, version, standard: prefix.is_empty() };
        identity.classes(kind.rows().find(|row| row.name == name).unwrap())
    }

    #[test]
    fn only_what_the_file_tells_is_known() {
        let jemalloc = |prefix, version, name| {
            classes(AllocatorKind::Jemalloc, prefix, version, name) == SizeClasses::JEMALLOC
        };
        assert!(jemalloc("", "5.3.0", "malloc"));
        assert!(jemalloc("_rjem_", "5.2.1", "realloc"));
        assert!(jemalloc("", "5.3.0", "_Znwm"));
        assert!(!jemalloc("je_", "5.3.0", "malloc"));
        assert!(!jemalloc("", "5.3.1", "malloc"));
        assert!(!jemalloc("", "5.3.0", "free"));
        for name in ["mallocx", "rallocx", "aligned_alloc", "valloc", "_ZnwmSt11align_val_t"] {
            assert!(!jemalloc("", "5.3.0", name), "{name}");
        }
        assert_eq!(classes(AllocatorKind::Glibc, "", "2.36", "malloc"), SizeClasses::GLIBC);
        assert_eq!(classes(AllocatorKind::Musl, "", "1.2.3", "malloc"), SizeClasses::UNKNOWN);
    }
}
