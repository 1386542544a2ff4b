//! A set of symbol names, made for being asked about every symbol of every file.

use std::collections::HashSet;

/// The longest length that is told apart from longer ones.
const LONGEST: usize = 63;

/// Names to look for.
#[derive(Debug)]
pub(super) struct Names {
    all: HashSet<String>,
    /// For each first byte a bit for each length: nearly all that is asked for ends here, without being
    /// hashed.
    lengths: [u64; 256],
}

impl Names {
    /// The name, if it is in the set.
    pub(super) fn get(&self, name: &[u8]) -> Option<&str> {
        let first = usize::from(*name.first()?);
        if self.lengths.get(first)? & length_bit(name) == 0 {
            return None;
        }
        self.all.get(std::str::from_utf8(name).ok()?).map(String::as_str)
    }
}

impl<S: Into<String>> FromIterator<S> for Names {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let all: HashSet<String> = names.into_iter().map(Into::into).collect();
        let mut lengths = [0; 256];
        for name in all.iter().map(String::as_bytes) {
            let first = name.first().copied().map_or(0, usize::from);
            if let Some(bits) = lengths.get_mut(first) {
                *bits |= length_bit(name);
            }
        }
        Self { all, lengths }
    }
}

fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::Names;
    use proptest::prelude::*;

    #[test]
    fn there_is_no_name_without_letters() {
        let names: Names = ["", "free"].into_iter().collect();
        assert_eq!((names.get(b""), names.get(b"free")), (None, Some("free")));
        assert_eq!((names.get(b"fred"), names.get(b"\xff")), (None, None));
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            held in prop::collection::hash_set("[ab]{1,3}|a{60,70}", 0..8),
            asked in prop::collection::vec("[ab]{1,3}|a{60,70}", 0..16),
        ) {
            let names: Names = held.iter().cloned().collect();
            for name in held.iter().chain(&asked) {
                prop_assert_eq!(names.get(name.as_bytes()).is_some(), held.contains(name));
            }
        }
    }
}
