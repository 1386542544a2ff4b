//! A table as bytes on disk. All numbers are little-endian: the mark, [`VERSION`] and the CRC-32 of all
//! that follows; then the key, the numbers of pages, rows and rules, the text's bounds, the
//! statistics, and the pages, rows and rules themselves.

use super::Key;
use crate::unwind::stats::{Reason, Stats};
use crate::unwind::table::{Page, Table};
use memtrace_common::unwind::Rule;

const MARK: &[u8; 8] = b"memtr-uw";
/// To be raised whenever these bytes or the rules' meaning change, or the builder is improved.
const VERSION: u32 = 5;
/// Bytes of mark, version and checksum.
const HEAD: usize = 16;

/// The bytes of `table`'s entry for `key`.
pub(super) fn encode(table: &Table, key: &Key) -> Vec<u8> {
    let mut body = Vec::with_capacity(table.bytes() + 256);
    let id = key.build_id.bytes();
    let sizes = [id.len(), table.pages.len(), table.rows.len(), table.rules.len()];
    put(&mut body, sizes.map(|size| size as u32));
    body.extend_from_slice(id);
    for number in [key.length, table.text.start, table.text.end] {
        body.extend_from_slice(&number.to_le_bytes());
    }
    let Stats { functions, skipped, rows, unsupported, frame_lost, refused_rules } = table.stats;
    put(&mut body, [functions, skipped, rows, frame_lost, refused_rules]);
    put(&mut body, unsupported);
    put(&mut body, table.pages.iter().flat_map(|page| [page.first_row, page.count]));
    put(&mut body, table.rows.iter().copied());
    table.rules.iter().for_each(|rule| body.extend_from_slice(&rule.0.to_le_bytes()));
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend_from_slice(MARK);
    put(&mut bytes, [VERSION, crc32fast::hash(&body)]);
    bytes.extend_from_slice(&body);
    bytes
}

fn put(bytes: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>) {
    numbers.into_iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
}

/// The table in an entry, if the entry is whole, for `key`, and makes sense.
pub(super) fn decode(bytes: &[u8], key: &Key) -> Option<Table> {
    let mut reader = Reader(bytes);
    let sound = reader.take(MARK.len())? == MARK
        && reader.small()? == VERSION
        && reader.small()? == crc32fast::hash(reader.0);
    if !sound {
        return None;
    }
    let [id, pages, rows, rules] = [(); 4].map(|()| reader.small());
    let is_for_key =
        reader.take(id? as usize)? == key.build_id.bytes() && reader.large()? == key.length;
    if !is_for_key {
        return None;
    }
    let table = Table {
        text: reader.large()?..reader.large()?,
        stats: stats(&mut reader)?,
        pages: reader.list(pages?, |reader| {
            Some(Page { first_row: reader.small()?, count: reader.small()? })
        })?,
        rows: reader.list(rows?, Reader::small)?,
        rules: reader.list(rules?, |reader| reader.large().map(Rule))?,
    };
    (reader.0.is_empty() && table.is_sound()).then_some(table)
}

fn stats(reader: &mut Reader<'_>) -> Option<Stats> {
    let mut stats = Stats {
        functions: reader.small()?,
        skipped: reader.small()?,
        rows: reader.small()?,
        frame_lost: reader.small()?,
        refused_rules: reader.small()?,
        unsupported: [0; Reason::ALL.len()],
    };
    for count in &mut stats.unsupported {
        *count = reader.small()?;
    }
    Some(stats)
}

/// Bytes that are left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn small(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn large(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// So many items. Memory is taken only for what can be there.
    fn list<T>(&mut self, count: u32, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        if count as usize > self.0.len() {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }
}

/// The key that an entry is for, unchecked.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn key(bytes: &[u8]) -> Option<Key> {
    let mut reader = Reader(bytes.get(HEAD..)?);
    let [id, ..] = [(); 4].map(|()| reader.small());
    let build_id = crate::model::module::BuildId::new(reader.take(id? as usize)?)?;
    Some(Key { build_id, length: reader.large()? })
}

/// The same entry with mark, version and checksum as they should be.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn with_right_checksum(bytes: &[u8]) -> Option<Vec<u8>> {
    let body = bytes.get(HEAD..)?;
    let mut whole = MARK.to_vec();
    put(&mut whole, [VERSION, crc32fast::hash(body)]);
    whole.extend_from_slice(body);
    Some(whole)
}
