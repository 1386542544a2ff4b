//! What a block takes: the bytes that `malloc_usable_size` would say of it.
//!
//! Pure arithmetic after each allocator's own sources. Where those leave it open the result is an estimate,
//! and [`is_exact`] says so.

mod glibc;
mod jemalloc;
mod mimalloc;
mod musl;
mod tcmalloc;
mod total;

pub use total::Usable;

use memtrace_common::classes::{SizeClasses, Sizing};

/// Largest size asked for whose class is looked for; no address space has room for more.
const MOST: u64 = 1 << 47;

/// Bytes that the block at `address` takes, of which `size` were asked for; `None` where that is not known.
#[must_use]
pub fn usable(sizing: Sizing, address: u64, size: u64) -> Option<u64> {
    let alignment = sizing.alignment.bytes()?;
    if size > MOST {
        return None;
    }
    if alignment > 1 {
        return aligned(sizing.classes, alignment, address, size);
    }
    match sizing.classes {
        SizeClasses::GLIBC => Some(glibc::usable(address, size)),
        SizeClasses::JEMALLOC => Some(jemalloc::usable(size, 16)),
        SizeClasses::JEMALLOC_QUANTUM_8 => Some(jemalloc::usable(size, 8)),
        SizeClasses::TCMALLOC => Some(tcmalloc::usable(size)),
        SizeClasses::MIMALLOC => mimalloc::usable(size),
        SizeClasses::MALLOCNG => Some(musl::mallocng(size)),
        SizeClasses::OLDMALLOC => Some(musl::oldmalloc(size)),
        _ => None,
    }
}

/// As [`usable`], of a block that is to be aligned to so many bytes. What lies around a block of the C
/// library's is given back, whatever the alignment.
fn aligned(classes: SizeClasses, alignment: u64, address: u64, size: u64) -> Option<u64> {
    match classes {
        SizeClasses::GLIBC => Some(glibc::usable(address, size)),
        SizeClasses::JEMALLOC => Some(jemalloc::aligned(size, alignment, 16)),
        SizeClasses::JEMALLOC_QUANTUM_8 => Some(jemalloc::aligned(size, alignment, 8)),
        SizeClasses::TCMALLOC => Some(tcmalloc::aligned(size, alignment)),
        SizeClasses::MIMALLOC => mimalloc::aligned(size, alignment),
        SizeClasses::MALLOCNG => Some(musl::mallocng_aligned(size, alignment)),
        SizeClasses::OLDMALLOC => Some(musl::oldmalloc(size)),
        _ => None,
    }
}

/// Whether the size asked for settles what a block takes, as long as the allocator was built in the usual way.
#[must_use]
pub const fn is_exact(classes: SizeClasses) -> bool {
    matches!(classes, SizeClasses::JEMALLOC | SizeClasses::JEMALLOC_QUANTUM_8)
}

/// `size` rounded up to a multiple of `step`, which is a power of two.
const fn round_up(size: u64, step: u64) -> u64 {
    size.saturating_add(step - 1) & !(step - 1)
}

#[cfg(test)]
mod tests {
    use super::{MOST, SizeClasses, Sizing, usable};
    use memtrace_common::classes::Alignment;
    use proptest::prelude::*;

    #[test]
    fn what_has_no_classes_or_no_room_is_not_known() {
        assert_eq!(usable(Sizing::default(), 16, 100), None);
        for classes in SizeClasses::KNOWN {
            for alignment in all_alignments() {
                let sizing = Sizing { classes, alignment };
                assert_eq!(usable(sizing, 16, MOST + 1), None);
                assert_eq!(usable(sizing, 16, u64::MAX), None);
            }
            let unknown = Sizing { classes, alignment: Alignment::UNKNOWN };
            assert_eq!(usable(unknown, 16, 100), None);
        }
    }

    fn all_alignments() -> impl Iterator<Item = Alignment> {
        (0..48).map(Alignment::from_power)
    }

    fn size() -> impl Strategy<Value = u64> {
        prop_oneof![0..5000_u64, 0..(1_u64 << 22), 0..=MOST]
    }

    proptest! {
        #[test]
        fn a_block_has_room_for_what_was_asked_for_and_not_much_more(
            size in size(), page in any::<u32>(), in_page in 0..256_u64
        ) {
            let address = u64::from(page) << 12 | in_page << 4;
            for classes in SizeClasses::KNOWN {
                if let Some(takes) = usable(Sizing::of(classes), address, size) {
                    prop_assert!(takes >= size, "{classes:?}: {size} in {takes}");
                    // A fifth of the class, a page, or the smallest block; and musl's class of 63 units
                    // follows one of 50 (`size_classes` in `mallocng/malloc.c`).
                    let share = if classes == SizeClasses::MALLOCNG { size * 26 / 100 } else { size / 4 };
                    let most = size + share.max(32).max(if size > 100_000 { 8192 } else { 0 });
                    prop_assert!(takes <= most, "{classes:?}: {size} in {takes}");
                }
            }
        }

        #[test]
        fn an_aligned_block_has_room_and_no_more_than_one_with_the_alignment_beside_it(
            size in size(), power in 0..48_u8
        ) {
            let alignment = Alignment::from_power(power);
            let bytes = alignment.bytes().unwrap();
            for classes in SizeClasses::KNOWN {
                if let Some(takes) = usable(Sizing { classes, alignment }, bytes, size) {
                    prop_assert!(takes >= size, "{classes:?}: {size} in {takes}");
                    let most = size + bytes.max(16 << 10);
                    prop_assert!(takes <= most + most / 4, "{classes:?}: {size} at {bytes} in {takes}");
                }
            }
        }

        #[test]
        fn a_larger_block_takes_no_less(
            size in size(), more in 0..5000_u64, power in 0..16_u8
        ) {
            let alignment = Alignment::from_power(power);
            // One of mimalloc's need not, where a smaller one has no place that is aligned.
            let all = SizeClasses::KNOWN.into_iter();
            for classes in all.filter(|it| power == 0 || *it != SizeClasses::MIMALLOC) {
                let takes = |size| usable(Sizing { classes, alignment }, 0x20, size);
                if let (Some(one), Some(other)) = (takes(size), takes(size + more)) {
                    prop_assert!(one <= other, "{classes:?}: {size} in {one}, {} in {other}", size + more);
                }
            }
        }

        #[test]
        fn a_class_is_its_own(size in size()) {
            // What jemalloc rounds to it does not round again.
            let jemalloc = Sizing::of(SizeClasses::JEMALLOC);
            let takes = usable(jemalloc, 0, size).unwrap();
            prop_assert_eq!(usable(jemalloc, 0, takes), Some(takes).filter(|it| *it <= MOST));
        }
    }
}
