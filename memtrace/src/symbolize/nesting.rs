//! How deep inlined functions are nested in debug information.
//!
//! The library (blazesym 0.2.7) follows them by calling itself, one level each, and a level may take
//! a single byte of a hostile file: millions would run over the end of our stack, which ends the
//! tracer. So a file is looked through first.

use gimli::{Abbreviations, DebugAbbrev, DebugInfo, LittleEndian, UnitHeader};

/// Deepest nesting that is followed; compilers stay below a hundred.
const MAX_NESTING: usize = 512;

type Reader<'a> = gimli::EndianSlice<'a, LittleEndian>;

/// No inlined function in `.debug_info` is nested deeper than is followed. What cannot be read does
/// not count: the library stops at the same place.
pub(super) fn is_shallow(info: &[u8], abbreviations: &[u8]) -> bool {
    let tables = DebugAbbrev::new(abbreviations, LittleEndian);
    let mut units = DebugInfo::new(info, LittleEndian).units();
    let mut last = None;
    while let Ok(Some(header)) = units.next() {
        let offset = header.debug_abbrev_offset();
        if last.as_ref().is_none_or(|(known, _)| *known != offset) {
            last = header.abbreviations(&tables).ok().map(|table| (offset, table));
        }
        let Some((_, table)) = &last else { continue };
        if nesting(&header, table) > MAX_NESTING {
            return false;
        }
    }
    true
}

/// Deepest nesting in a unit, or the first that is too deep.
fn nesting(header: &UnitHeader<Reader<'_>>, table: &Abbreviations) -> usize {
    let Ok(mut entries) = header.entries_raw(table, None) else { return 0 };
    // Depths of the inlined functions around the entry.
    let mut around: Vec<isize> = Vec::new();
    let mut deepest = 0;
    while !entries.is_empty() && deepest <= MAX_NESTING {
        let depth = entries.next_depth();
        let Ok(entry) = entries.read_abbreviation() else { break };
        let Some(entry) = entry else { continue };
        while around.last().is_some_and(|outer| *outer >= depth) {
            around.pop();
        }
        if entry.tag() == gimli::DW_TAG_inlined_subroutine {
            around.push(depth);
            deepest = deepest.max(around.len());
        }
        if entries.skip_attributes(entry.attributes()).is_err() {
            break;
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::{MAX_NESTING, is_shallow};
    use proptest::prelude::*;

    /// Abbreviations: 1 is a unit, 2 an inlined function, both with children and without attributes.
    const TABLE: [u8; 11] = [1, 0x11, 1, 0, 0, 2, 0x1d, 1, 0, 0, 0];

    /// A unit of DWARF 4 with these entries.
    fn unit(entries: &[u8]) -> Vec<u8> {
        let mut unit = u32::try_from(7 + entries.len()).unwrap().to_le_bytes().to_vec();
        unit.extend([4, 0, 0, 0, 0, 0, 8]);
        unit.extend(entries);
        unit
    }

    fn nested(levels: usize) -> Vec<u8> {
        unit(&[&[1][..], &vec![2; levels], &vec![0; levels + 1]].concat())
    }

    #[test]
    fn nesting_is_counted() {
        assert!(is_shallow(&[], &[]));
        assert!(is_shallow(&nested(MAX_NESTING), &TABLE));
        assert!(!is_shallow(&nested(MAX_NESTING + 1), &TABLE));
        assert!(!is_shallow(&nested(1 << 20), &TABLE));
        let second = [nested(1), nested(MAX_NESTING + 1)].concat();
        assert!(!is_shallow(&second, &TABLE));
        // Beside each other, not in each other; and unfinished.
        assert!(is_shallow(&unit(&[&[1][..], &[2, 0].repeat(5000)].concat()), &TABLE));
        assert!(!is_shallow(&unit(&[&[1][..], &vec![2; MAX_NESTING + 1]].concat()), &TABLE));
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(
            entries in prop::collection::vec(0_u8..4, 0..200),
            table in prop::collection::vec(any::<u8>(), 0..40),
            any in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            is_shallow(&unit(&entries), &table);
            is_shallow(&any, &TABLE);
        }
    }
}
