//! Functions with their rows, in any order and overlapping → one sorted list without holes.

use super::collect::{Change, Collected, Function};
use super::interner::Rules;
use std::ops::Range;

/// Compilers and assemblers align functions so. What lies between a function's end and a next one
/// that begins at the very next multiple is padding that is never executed.
const ALIGNMENT: u64 = 16;

/// Gives all changes in order of their offsets to `emit`, from the text's first byte on. Code without
/// unwind information is a gap.
///
/// Where functions overlap the one that begins last counts, and of two that begin at the same place
/// the first in the file, as in the search table by which the C library finds them.
pub(super) fn merge(found: &mut Collected, text: Range<u64>, mut emit: impl FnMut(Change)) {
    let functions = &mut found.functions;
    functions.sort_by_key(|function| function.start);
    functions.dedup_by_key(|function| function.start);
    let gap = |offset: u64| Change { offset: offset as u32, rule: Rules::GAP };
    emit(gap(text.start));
    for (index, function) in functions.iter().enumerate() {
        let next = functions.get(index + 1).map_or(text.end, |next| u64::from(next.start));
        let end = function.end.min(next);
        changes(&found.changes, function, end, &mut emit);
        let is_padding = next < text.end && end.next_multiple_of(ALIGNMENT) == next;
        if end < next && !is_padding {
            emit(gap(end));
        }
    }
}

fn changes(all: &[Change], function: &Function, end: u64, emit: &mut impl FnMut(Change)) {
    let range = function.changes.start as usize..function.changes.end as usize;
    let own = all.get(range).unwrap_or_default();
    own.iter().take_while(|change| u64::from(change.offset) < end).for_each(|change| emit(*change));
}

#[cfg(test)]
mod tests {
    use super::super::collect::{Change, Collected, Function};
    use super::merge;

    /// Merges functions, each with a rule that begins at its start and one in its middle.
    fn merged(functions: &[(u32, u64)], end: u64) -> Vec<(u32, u16)> {
        let mut found = Collected::default();
        for (number, (start, end)) in functions.iter().enumerate() {
            let first = found.changes.len() as u32;
            let rule = 10 * (number as u16 + 1);
            found.changes.push(Change { offset: *start, rule });
            found.changes.push(Change { offset: start + 8, rule: rule + 1 });
            let changes = first..first + 2;
            found.functions.push(Function { start: *start, end: *end, changes, entry: 0 });
        }
        let mut all = Vec::new();
        merge(&mut found, 64..end, |change| all.push((change.offset, change.rule)));
        all
    }

    #[test]
    fn what_lies_between_functions_is_a_gap_unless_it_is_padding() {
        let found = merged(&[(96, 125), (128, 160), (192, 200)], 256);
        let first = [(64, 0), (96, 10), (104, 11)];
        let rest = [(128, 20), (136, 21), (160, 0), (192, 30), (200, 0)];
        assert_eq!(found, [&first[..], &rest].concat());
        // Behind the last function nothing begins.
        assert_eq!(merged(&[(64, 75)], 80), [(64, 0), (64, 10), (72, 11), (75, 0)]);
    }

    #[test]
    fn of_overlapping_functions_the_last_that_begins_counts() {
        let found = merged(&[(100, 140), (64, 128), (100, 160)], 170);
        assert_eq!(found, [(64, 0), (64, 20), (72, 21), (100, 10), (108, 11), (140, 0)]);
        assert_eq!(merged(&[(64, 200), (68, 70)], 200), [(64, 0), (64, 10), (68, 20), (70, 0)]);
    }

    #[test]
    fn without_functions_all_is_a_gap() {
        assert_eq!(merged(&[], 100), [(64, 0)]);
    }
}
