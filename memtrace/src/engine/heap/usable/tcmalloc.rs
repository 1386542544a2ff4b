//! gperftools' size classes (`SizeMap::Init` in `src/common.cc`, version 2.10), computed as it does.
//!
//! They depend on the size of its pages, which is 8 KiB unless it was configured otherwise, and on how many
//! blocks are moved at once, 32 unless the environment says otherwise (`TCMALLOC_TRANSFER_NUM_OBJ`).

use super::round_up;
use std::sync::LazyLock;

const PAGE: u64 = 8 << 10;
/// `kMaxSize`: larger blocks have whole pages.
const MOST: u64 = 256 << 10;
/// `kAlignment` and `kMinAlign`.
const LEAST_STEP: u64 = 8;
const USUAL_STEP: u64 = 16;
/// `FLAGS_tcmalloc_transfer_num_objects`.
const MOST_MOVED: u64 = 32;

static CLASSES: LazyLock<Vec<u64>> = LazyLock::new(classes);

/// Bytes that a block takes, about.
pub(super) fn usable(size: u64) -> u64 {
    let class = CLASSES.get(CLASSES.partition_point(|&class| class < size));
    class.copied().unwrap_or_else(|| round_up(size, PAGE))
}

/// Bytes that a block takes that is to be aligned to so many (`memalign_fast_path` and `memalign_pages` in
/// `src/tcmalloc.cc`): up to a page it is one of a multiple, else what lies around it is given back.
pub(super) fn aligned(size: u64, alignment: u64) -> u64 {
    if alignment > PAGE {
        return round_up(size, PAGE).max(PAGE);
    }
    usable(round_up(size, alignment).max(alignment))
}

/// All classes, in order.
fn classes() -> Vec<u64> {
    let mut classes: Vec<u64> = Vec::new();
    // Pages and blocks of the spans of the last class.
    let mut last = (0, 0);
    let mut size = LEAST_STEP;
    while size <= MOST {
        let pages = span_pages(size);
        let span = (pages, pages * PAGE / size);
        if span == last {
            // The same number of blocks fits: the class before grows.
            classes.pop();
        }
        classes.push(size);
        last = span;
        size += step(size);
    }
    classes
}

/// `AlignmentForSize`: at most an eighth is lost to it.
const fn step(size: u64) -> u64 {
    if size < USUAL_STEP {
        return LEAST_STEP;
    }
    if size < 128 {
        return USUAL_STEP;
    }
    let eighth = (1 << size.ilog2()) / 8;
    if eighth < PAGE { eighth } else { PAGE }
}

/// Pages of a span, of which at most an eighth is left over, and which holds a quarter of the blocks that are
/// moved at once.
const fn span_pages(size: u64) -> u64 {
    let moved = moved_at_once(size) / 4;
    let mut bytes = 0;
    loop {
        bytes += PAGE;
        while bytes % size > bytes / 8 {
            bytes += PAGE;
        }
        if bytes / size >= moved {
            return bytes / PAGE;
        }
    }
}

/// `NumMoveSize`.
const fn moved_at_once(size: u64) -> u64 {
    match (64 << 10) / size {
        0 | 1 => 2,
        many if many > MOST_MOVED => MOST_MOVED,
        some => some,
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, aligned, classes, usable};

    #[test]
    fn classes_ascend_to_the_largest() {
        let classes = classes();
        assert!(classes.is_sorted_by(|one, other| one < other));
        assert_eq!((classes.first(), classes.last()), (Some(&8), Some(&MOST)));
        assert!(classes.len() < 128, "kClassSizesMax: {}", classes.len());
        assert_eq!([0, 9, 17, MOST + 1].map(usable), [8, 16, 32, MOST + 8192]);
    }

    #[test]
    fn aligned_blocks_are_multiples() {
        assert_eq!([0, 1, 65].map(|size| aligned(size, 64)), [64, 64, 128]);
        assert_eq!([0, 1, 8193].map(|size| aligned(size, 1 << 16)), [8192, 8192, 16_384]);
        assert_eq!(aligned(100, 1), usable(100));
    }
}
