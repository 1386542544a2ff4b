//! What is said of single targets when they are many.

use std::collections::HashSet;

/// So many different sentences somebody may still read.
const MOST: usize = 50;

/// Each sentence once, as thousands of processes may run the same interpreter. Of more than [`MOST`] the
/// first are kept and the others counted.
pub(super) fn told_once(notes: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut different: Vec<String> = notes.filter(|note| seen.insert(note.clone())).collect();
    let more = different.len().saturating_sub(MOST);
    if more > 0 {
        different.truncate(MOST);
        different.push(format!("{more} more notes about single processes are left out"));
    }
    different
}

#[cfg(test)]
mod tests {
    use super::{MOST, told_once};

    #[test]
    fn what_many_say_is_told_once() {
        let said = ["a", "b", "a", "a"].map(str::to_owned);
        assert_eq!(told_once(said.into_iter()), ["a", "b"]);
    }

    #[test]
    fn what_nobody_would_read_is_counted() {
        let told = told_once((0..MOST + 3).map(|number| format!("pid {number}")));
        assert_eq!(told.len(), MOST + 1);
        assert_eq!(told[MOST - 1], format!("pid {}", MOST - 1));
        assert_eq!(told[MOST], "3 more notes about single processes are left out");
    }

    #[test]
    fn as_many_as_there_is_room_for_are_all_told() {
        assert_eq!(told_once((0..MOST).map(|number| number.to_string())).len(), MOST);
    }
}
