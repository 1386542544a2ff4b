//! The lines of a perf map → ranges with names.

use std::collections::BTreeMap;

/// Longest line, bytes; the rest of a longer one is not used.
const MAX_LINE: usize = 4096;
/// Most ranges that are kept.
const MAX_RANGES: usize = 400_000;

/// Ranges with names, none of which overlap: memory that is used again has its latest name.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// End and name by start.
    ranges: BTreeMap<u64, (u64, Box<str>)>,
    /// A line that has not ended yet.
    line: Vec<u8>,
}

impl Table {
    /// Takes the next bytes of the file.
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.append(&bytes[..end]);
            let line = std::mem::take(&mut self.line);
            if let Some((start, size, name)) = parse(&line) {
                self.insert(start, size, name);
            }
            bytes = &bytes[end + 1..];
        }
        self.append(bytes);
    }

    /// The name of the range that holds `address`.
    pub(super) fn find(&self, address: u64) -> Option<&str> {
        let (_, (end, name)) = self.ranges.range(..=address).next_back()?;
        (address < *end).then_some(name)
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.line.len().min(MAX_LINE);
        self.line.extend(&bytes[..bytes.len().min(room)]);
    }

    fn insert(&mut self, start: u64, size: u64, name: &str) {
        let Some(end) = start.checked_add(size).filter(|end| *end > start) else { return };
        let covered: Vec<u64> = self.ranges.range(start..end).map(|(start, _)| *start).collect();
        for old in covered {
            if let Some((old_end, name)) = self.ranges.remove(&old)
                && old_end > end
            {
                self.ranges.insert(end, (old_end, name));
            }
        }
        if let Some((_, (before, _))) = self.ranges.range_mut(..start).next_back() {
            *before = (*before).min(start);
        }
        if self.ranges.len() < MAX_RANGES {
            self.ranges.insert(start, (end, name.into()));
        }
    }
}

/// Start, size and name of a line. Some runtimes write `0x` before the numbers.
fn parse(line: &[u8]) -> Option<(u64, u64, &str)> {
    let line = str::from_utf8(line).ok()?.trim_end_matches('\r');
    let mut words = line.splitn(3, ' ');
    let mut number = || {
        let word = words.next()?;
        u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok()
    };
    let (start, size) = (number()?, number()?);
    let name = words.next()?.trim();
    (!name.is_empty()).then_some((start, size, name))
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINE, Table};
    use proptest::prelude::*;

    fn table(text: &str) -> Table {
        let mut table = Table::default();
        table.add(text.as_bytes());
        table
    }

    #[test]
    fn lines_are_ranges() {
        let table =
            table("1000 20 a b\n0x1020 0x10 c\nnonsense\n1 2\nffffffffffffffff 2 end\n5 0 x\n");
        let found = [0xfff, 0x1000, 0x101f, 0x1020, 0x102f, 0x1030].map(|at| table.find(at));
        assert_eq!(found, [None, Some("a b"), Some("a b"), Some("c"), Some("c"), None]);
        assert_eq!(table.find(u64::MAX), None);
    }

    #[test]
    fn the_latest_name_counts() {
        let table = table("1000 100 old\n1040 10 new\n1050 8 newer\n2000 10 x\n1f00 110 over\n");
        let found = [0x103f, 0x1040, 0x104f, 0x1050, 0x1058, 0x2005].map(|at| table.find(at));
        assert_eq!(
            found,
            [Some("old"), Some("new"), Some("new"), Some("newer"), None, Some("over")]
        );
    }

    #[test]
    fn endless_lines_are_cut() {
        let mut table = table(&format!("1000 10 {}\n", "x".repeat(10 * MAX_LINE)));
        assert!(table.find(0x1000).unwrap().len() < MAX_LINE);
        table.add(&[0; 1 << 20]);
        assert!(table.line.len() <= MAX_LINE);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            bytes in prop::collection::vec(prop::sample::select(b"0123f xz\n".to_vec()), 0..400),
            cut in 0_usize..400,
        ) {
            let cut = cut.min(bytes.len());
            let (mut whole, mut pieces) = (Table::default(), Table::default());
            whole.add(&bytes);
            pieces.add(&bytes[..cut]);
            pieces.add(&bytes[cut..]);
            prop_assert_eq!(&whole.ranges, &pieces.ranges);
            // None overlap.
            let starts: Vec<u64> = whole.ranges.keys().copied().skip(1).collect();
            for ((start, (end, _)), next) in whole.ranges.iter().zip(starts) {
                prop_assert!(start < end && *end <= next);
            }
        }
    }
}
