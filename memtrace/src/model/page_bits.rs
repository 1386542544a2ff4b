//! Which pages of a mapping are there: a bit for each.

use serde::{Deserialize, Serialize};

/// Bytes of a page on the machines that we support.
const PAGE: u64 = 4096;

/// A bit for each page of a mapping, from its first address on; pages behind the last one are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct PageBits {
    words: Vec<u64>,
    pages: u64,
    there: u64,
}

/// As it is kept: what follows from it is not.
#[derive(Serialize, Deserialize)]
struct Kept {
    words: Vec<u64>,
    pages: u64,
}

impl From<PageBits> for Kept {
    fn from(PageBits { words, pages, .. }: PageBits) -> Self {
        Self { words, pages }
    }
}

impl From<Kept> for PageBits {
    /// Of anything: there are no more pages than bits, and no bits behind the last page.
    fn from(Kept { mut words, pages }: Kept) -> Self {
        let pages = pages.min(words.len() as u64 * 64);
        words.truncate(pages.div_ceil(64) as usize);
        if let Some(last) = words.last_mut()
            && pages % 64 > 0
        {
            *last &= u64::MAX >> (64 - pages % 64);
        }
        let there = words.iter().map(|word| u64::from(word.count_ones())).sum();
        Self { words, pages, there }
    }
}

impl PageBits {
    /// Tells of the next page.
    pub fn push(&mut self, there: bool) {
        let bit = self.pages % 64;
        if bit == 0 {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(there) << bit;
        }
        self.pages += 1;
        self.there += u64::from(there);
    }

    /// Pages that were told of.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// Bytes that are there.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.there * PAGE
    }

    /// Bytes that are there of those from `from` up to, but not including, `to`, counted from the mapping's
    /// first address.
    #[must_use]
    pub fn bytes_between(&self, from: u64, to: u64) -> u64 {
        if from >= to {
            return 0;
        }
        let (first, last) = (from / PAGE, (to - 1) / PAGE);
        if first == last {
            return self.page(first) * (to - from);
        }
        let head = self.page(first) * (PAGE - from % PAGE);
        let tail = self.page(last) * ((to - 1) % PAGE + 1);
        head + tail + self.count(first + 1, last) * PAGE
    }

    /// 1 if the page is there.
    fn page(&self, number: u64) -> u64 {
        self.word(number / 64) >> (number % 64) & 1
    }

    /// Pages that are there from `first` up to, but not including, `end`.
    fn count(&self, first: u64, end: u64) -> u64 {
        let end = end.min(self.pages);
        if first >= end {
            return 0;
        }
        let (low, high) = (first / 64, (end - 1) / 64);
        (low..=high)
            .map(|number| {
                let mut word = self.word(number);
                if number == low {
                    word &= u64::MAX << (first % 64);
                }
                if number == high {
                    word &= u64::MAX >> (63 - (end - 1) % 64);
                }
                u64::from(word.count_ones())
            })
            .sum()
    }

    fn word(&self, number: u64) -> u64 {
        usize::try_from(number).ok().and_then(|at| self.words.get(at)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGE, PageBits};
    use proptest::prelude::*;

    #[test]
    fn what_was_kept_by_others_makes_sense_all_the_same() {
        let read = |text| serde_json::from_str::<PageBits>(text).unwrap();
        let bits = read(r#"{"words":[18446744073709551615],"pages":1000000}"#);
        assert_eq!((bits.pages(), bits.bytes()), (64, 64 * PAGE));
        let bits = read(r#"{"words":[255,255,255],"pages":3}"#);
        assert_eq!((bits.pages(), bits.bytes()), (3, 3 * PAGE));
    }

    proptest! {
        #[test]
        fn bytes_are_those_of_the_pages_that_are_there(
            pages in prop::collection::vec(any::<bool>(), 0..300),
            from in 0..310 * PAGE, length in 0..310 * PAGE,
        ) {
            let mut bits = PageBits::default();
            pages.iter().for_each(|there| bits.push(*there));
            let to = from + length;
            let naive: u64 = (0..)
                .zip(&pages)
                .filter(|(_, there)| **there)
                .map(|(page, _): (u64, _)| {
                    to.min((page + 1) * PAGE).saturating_sub(from.max(page * PAGE))
                })
                .sum();
            prop_assert_eq!(bits.bytes_between(from, to), naive);
            prop_assert_eq!(bits.bytes_between(0, u64::MAX), bits.bytes());
            prop_assert_eq!(bits.pages(), pages.len() as u64);
            let kept = serde_json::to_string(&bits).unwrap();
            prop_assert_eq!(serde_json::from_str::<PageBits>(&kept).unwrap(), bits);
        }
    }
}
