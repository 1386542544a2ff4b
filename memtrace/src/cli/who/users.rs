//! Users by name.

use nix::unistd::User;
use std::fs;

/// Where names are looked for that are like an unknown one. Other sources (LDAP and the like) know users,
/// too, but listing them may take minutes.
const PASSWD: &str = "/etc/passwd";
/// Most bytes of that which are read.
const MOST_BYTES: usize = 4 << 20;
/// Most names that are suggested.
const MOST_NAMES: usize = 3;
/// How alike names must be to be suggested.
const ALIKE: f64 = 0.75;

/// A user that there is.
///
/// # Errors
/// One line that says what there is instead.
pub fn find(word: &str) -> anyhow::Result<User> {
    let found = match word.parse::<u32>() {
        Ok(uid) => User::from_uid(uid.into()),
        Err(_) => User::from_name(word),
    };
    match found {
        Ok(Some(user)) => Ok(user),
        Ok(None) => anyhow::bail!("no user {word:?} on this machine{}", suggestion(word)),
        Err(error) => {
            anyhow::bail!("cannot look for user {word:?}: {error}; give the number instead")
        }
    }
}

/// The number of a user, who may be unknown as long as the number is what was given: users of containers
/// have no names here.
///
/// # Errors
/// As [`find`].
pub(super) fn uid(word: &str) -> anyhow::Result<u32> {
    match word.parse() {
        Ok(uid) => Ok(uid),
        Err(_) => Ok(find(word)?.uid.as_raw()),
    }
}

fn suggestion(word: &str) -> String {
    let text = fs::read_to_string(PASSWD).unwrap_or_default();
    let names = text.get(..text.len().min(MOST_BYTES)).unwrap_or_default().lines();
    let names = names.filter_map(|line| line.split(':').next());
    match nearest(word, names).as_slice() {
        [] => format!(" ({PASSWD} lists those of the machine itself)"),
        near => format!(": is {} meant?", near.join(" or ")),
    }
}

/// The names that are most like a word, best first.
pub(super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut alike: Vec<(f64, &str)> = names
        .filter(|name| !name.is_empty())
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    alike.dedup();
    alike.into_iter().take(MOST_NAMES).map(|(_, name)| name.to_owned()).collect()
}
