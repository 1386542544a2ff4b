//! How deep inlined functions are nested in debug information, and how often its tables are read.
//!
//! The library (blazesym 0.2.7) follows them by calling itself, one level each, and a level may take
//! a single byte of a hostile file: millions would run over the end of our stack, which ends the
//! tracer. It also reads a unit's table of abbreviations for each unit anew: millions of units of
//! eleven bytes can share a table of megabytes. So a file is looked through first.

use super::weight::Weight;
use gimli::{
    Abbreviation, Abbreviations, DebugAbbrev, DebugInfo, LittleEndian, Reader as _, UnitHeader,
};
use std::collections::HashMap;

/// Bytes of abbreviations that may be read in all, each table as often as units refer to it; more
/// would take more than seconds.
const MAX_ABBREVIATIONS: usize = 512 << 20;
/// Most units; the library keeps some hundred bytes of each.
const MAX_UNITS: usize = 1 << 18;
/// Deepest nesting that is followed; compilers stay below a hundred.
const MAX_NESTING: usize = 512;

type Reader<'a> = gimli::EndianSlice<'a, LittleEndian>;

/// No inlined function in `.debug_info` is nested deeper than is followed, and what the library would
/// keep is not more than `weight` allows. What cannot be read does not count: the library stops at the
/// same place.
pub(super) fn is_bearable(info: &[u8], abbreviations: &[u8], weight: &mut Weight<'_>) -> bool {
    let tables = DebugAbbrev::new(abbreviations, LittleEndian);
    let mut units = DebugInfo::new(info, LittleEndian).units();
    let (mut last, mut left, mut lengths) = (None, MAX_ABBREVIATIONS, HashMap::new());
    let mut count = 0;
    while let Ok(Some(header)) = units.next() {
        let offset = header.debug_abbrev_offset();
        let length = lengths.entry(offset.0).or_insert_with(|| {
            table_length(abbreviations.get(offset.0..).unwrap_or_default(), left)
        });
        (count, left) = (count + 1, left.saturating_sub(*length));
        if left == 0 || count > MAX_UNITS {
            return false;
        }
        if last.as_ref().is_none_or(|(known, _)| *known != offset) {
            last = header.abbreviations(&tables).ok().map(|table| (offset, table));
        }
        let Some((_, table)) = &last else { continue };
        if nesting(&header, table, weight) > MAX_NESTING || weight.is_exceeded() {
            return false;
        }
    }
    true
}

/// Bytes of the table of abbreviations at the beginning of `bytes` (DWARF 5, section 7.5.3), of which at
/// most `limit` are looked at.
fn table_length(bytes: &[u8], limit: usize) -> usize {
    let bytes = bytes.get(..limit).unwrap_or(bytes);
    let mut rest = gimli::EndianSlice::new(bytes, LittleEndian);
    let _ = skip_table(&mut rest);
    bytes.len() - rest.len()
}

fn skip_table(rest: &mut Reader<'_>) -> gimli::Result<()> {
    // A code, 0 at the table's end; a tag; whether there are children; attributes.
    while rest.read_uleb128()? != 0 {
        rest.read_uleb128()?;
        rest.read_u8()?;
        loop {
            let (name, form) = (rest.read_uleb128()?, rest.read_uleb128()?);
            if form == u64::from(gimli::DW_FORM_implicit_const.0) {
                rest.read_sleb128()?;
            }
            if (name, form) == (0, 0) {
                break;
            }
        }
    }
    Ok(())
}

/// Deepest nesting in a unit, or the first that is too deep. Counts its lines and functions.
fn nesting(
    header: &UnitHeader<Reader<'_>>,
    table: &Abbreviations,
    weight: &mut Weight<'_>,
) -> usize {
    if let Some(program) = line_program(header, table) {
        weight.add_program(program);
    }
    let Ok(mut entries) = header.entries_raw(table, None) else { return 0 };
    // Depths of the inlined functions around the entry.
    let mut around: Vec<isize> = Vec::new();
    let mut deepest = 0;
    while !entries.is_empty() && deepest <= MAX_NESTING && !weight.is_exceeded() {
        let depth = entries.next_depth();
        let Ok(entry) = entries.read_abbreviation() else { break };
        let Some(entry) = entry else { continue };
        while around.last().is_some_and(|outer| *outer >= depth) {
            around.pop();
        }
        if is_code(entry) {
            weight.add_function();
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

/// A function, inlined or not, that is somewhere in the code; the library forgets others.
fn is_code(entry: &Abbreviation) -> bool {
    matches!(entry.tag(), gimli::DW_TAG_inlined_subroutine | gimli::DW_TAG_subprogram)
        && entry
            .attributes()
            .iter()
            .any(|attribute| matches!(attribute.name(), gimli::DW_AT_low_pc | gimli::DW_AT_ranges))
}

/// Where a compilation's line program is. Other units refer to those of compilations.
fn line_program(header: &UnitHeader<Reader<'_>>, table: &Abbreviations) -> Option<usize> {
    let mut entries = header.entries_raw(table, None).ok()?;
    let entry = entries.read_abbreviation().ok()??;
    if entry.tag() != gimli::DW_TAG_compile_unit {
        return None;
    }
    for attribute in entry.attributes() {
        let value = entries.read_attribute(*attribute).ok()?;
        if value.name() == gimli::DW_AT_stmt_list {
            return match value.value() {
                gimli::AttributeValue::DebugLineRef(offset) => Some(offset.0),
                other => usize::try_from(other.udata_value()?).ok(),
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{MAX_ABBREVIATIONS, MAX_NESTING, MAX_UNITS, is_bearable, table_length};
    use crate::symbolize::weight::Weight;
    use proptest::prelude::*;

    /// Abbreviations: 1 is a unit, 2 an inlined function, both with children and without attributes.
    const TABLE: [u8; 11] = [1, 0x11, 1, 0, 0, 2, 0x1d, 1, 0, 0, 0];

    fn is_shallow(info: &[u8], abbreviations: &[u8]) -> bool {
        is_bearable(info, abbreviations, &mut Weight::new(u64::MAX, &[]))
    }

    #[test]
    fn functions_with_code_have_weight() {
        // As `TABLE`, but an inlined function has a DW_AT_low_pc of DW_FORM_addrx1.
        let table = [1, 0x11, 1, 0, 0, 2, 0x1d, 1, 0x11, 0x29, 0, 0, 0];
        let info = unit(&[&[1][..], &[2, 7, 0].repeat(100), &[0]].concat());
        let bearable =
            |limit, table: &[u8]| is_bearable(&info, table, &mut Weight::new(limit, &[]));
        assert!(bearable(20_000, &table) && !bearable(10_000, &table));
        assert!(bearable(1, &TABLE), "without code nothing is kept");
    }

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

    #[test]
    fn tables_end_where_they_say() {
        assert_eq!(table_length(&TABLE, usize::MAX), TABLE.len());
        assert_eq!(table_length(&[&TABLE[..], &[1, 2, 3]].concat(), usize::MAX), TABLE.len());
        assert_eq!((table_length(&[], 9), table_length(&[1, 0x80], 9)), (0, 2));
        // An attribute with its value: name, DW_FORM_implicit_const, value.
        assert_eq!(table_length(&[1, 0x11, 0, 3, 0x21, 0x7f, 0, 0, 0, 9], usize::MAX), 9);
    }

    #[test]
    fn a_large_table_is_not_read_for_each_of_many_units() {
        let entry = |code: u8| [0x81 | code, 0x80, 0x80, 0, 0x11, 0, 0, 0];
        let table: Vec<u8> = (0..1 << 17).flat_map(|code: u32| entry(code as u8 & 0x7f)).collect();
        let units = unit(&[]).repeat(MAX_ABBREVIATIONS / table.len() + 1);
        assert!(is_shallow(&unit(&[]).repeat(3), &table));
        assert!(!is_shallow(&units, &table));
        assert!(!is_shallow(&unit(&[]).repeat(MAX_UNITS + 1), &TABLE));
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
