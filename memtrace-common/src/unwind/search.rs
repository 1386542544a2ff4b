//! Finding the row that holds, in a way that the kernel's verifier follows in one pass.

/// Text is cut into pages of 2 to this power, bytes. A page's entry costs as much as two rows, and a
/// kibibyte of ordinary code has some 16: few enough that finding one takes four steps.
pub const PAGE_BITS: u32 = 10;

/// Bytes of a page.
pub const PAGE_BYTES: u64 = 1 << PAGE_BITS;

/// Halvings that bring the most rows that a page can have, one per byte, down to one.
pub const SEARCH_STEPS: u32 = PAGE_BITS;

/// The number of the rule that holds at `low`, the low 16 bits of a file offset, in the page whose
/// `count` rows begin at `first`: the last row that begins at or before `low`, or the first one if
/// none does.
///
/// `rows` gives the row at an index, whatever the index: where `first` and `count` come from an
/// untrusted table it masks or checks them. Which half is taken is no branch, or the verifier
/// would follow each way through the steps.
#[inline(always)]
pub fn search(rows: impl Fn(u32) -> u32, first: u32, count: u32, low: u16) -> u16 {
    let mut base = first;
    let mut length = count;
    for _ in 0..SEARCH_STEPS {
        // Most pages have about a thousand rows, so this saves a third of the steps.
        if length <= 1 {
            break;
        }
        let half = length >> 1;
        let middle = base.wrapping_add(half);
        base = base.wrapping_add(half & mask_if_not_after(rows(middle) as u16, low));
        length -= half;
    }
    (rows(base) >> 16) as u16
}

/// All ones if `begin` is at or before `low`, else 0.
#[inline(always)]
const fn mask_if_not_after(begin: u16, low: u16) -> u32 {
    // Negative, and so all ones when the sign is spread, exactly if begin < low + 1.
    ((begin as i32 - low as i32 - 1) >> 31) as u32
}

#[cfg(test)]
mod tests {
    use super::{PAGE_BYTES, search};
    use crate::unwind::Row;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    /// The same, by looking at every row.
    fn naive(rows: &[u32], low: u16) -> u16 {
        let mut found = Row(rows[0]);
        for row in rows.iter().map(|row| Row(*row)).filter(|row| row.low() <= low) {
            found = row;
        }
        found.rule()
    }

    fn page(lows: impl IntoIterator<Item = u16>) -> Vec<u32> {
        let rows = lows.into_iter().enumerate();
        rows.map(|(number, low)| Row::new(low, number as u16 ^ 0x5555).0).collect()
    }

    proptest! {
        #[test]
        fn finds_what_looking_at_every_row_finds(
            lows in btree_set(any::<u16>(), 1..300), before in 0..9_u32, low: u16,
        ) {
            let rows = page(lows.iter().copied());
            let get = |index: u32| rows[(index - before) as usize];
            for low in lows.iter().copied().chain([low, 0, u16::MAX]) {
                prop_assert_eq!(search(get, before, rows.len() as u32, low), naive(&rows, low));
            }
        }

        #[test]
        fn any_rows_and_any_bounds_end(rows in vec(any::<u32>(), 64), first: u32, count: u32, low: u16) {
            let found = search(|index| rows[(index & 63) as usize], first, count, low);
            prop_assert!(rows.iter().any(|row| Row(*row).rule() == found));
        }
    }

    #[test]
    fn a_page_with_a_row_for_every_byte_is_searched_to_the_end() {
        let bytes = PAGE_BYTES as u16;
        let rows = page(bytes..2 * bytes);
        for low in bytes..2 * bytes {
            let found = search(|index| rows[index as usize], 0, PAGE_BYTES as u32, low);
            assert_eq!(found, (low - bytes) ^ 0x5555);
        }
    }
}
