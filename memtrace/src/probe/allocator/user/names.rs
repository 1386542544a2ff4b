//! Numbers of the functions that the user describes, for the records, and their names, for reports.

use memtrace_common::function::FunctionId;

/// Longest name that is kept, bytes; a longer one is cut.
const LONGEST: usize = 256;

/// The functions so far: one number for a name, whatever process or file it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserNames {
    names: Vec<String>,
}

impl UserNames {
    /// Most functions: what is left of a byte.
    pub const MOST: usize = 256 - FunctionId::FIRST_USER_DEFINED as usize;

    /// The number of the function `name`; `None` where there are too many.
    pub(super) fn number(&mut self, name: &str) -> Option<FunctionId> {
        let name = cut(name);
        let known = self.names.iter().position(|known| known == name);
        let index = known.unwrap_or(self.names.len());
        let number = u8::try_from(usize::from(FunctionId::FIRST_USER_DEFINED) + index).ok()?;
        if known.is_none() {
            self.names.push(name.to_owned());
        }
        Some(FunctionId(number))
    }

    /// Names by number, beginning with [`FunctionId::FIRST_USER_DEFINED`].
    #[must_use]
    pub fn all(&self) -> &[String] {
        &self.names
    }
}

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{FunctionId, UserNames};

    #[test]
    fn a_name_has_one_number() {
        let mut names = UserNames::default();
        assert_eq!(names.number("pool_alloc"), Some(FunctionId(128)));
        assert_eq!(names.number("pool_free"), Some(FunctionId(129)));
        assert_eq!(names.number("pool_alloc"), Some(FunctionId(128)));
        assert_eq!(names.all(), ["pool_alloc", "pool_free"]);
    }

    #[test]
    fn numbers_come_to_an_end() {
        let mut names = UserNames::default();
        for number in 0..UserNames::MOST {
            assert!(names.number(&number.to_string()).is_some());
        }
        assert_eq!(names.number("one more"), None);
        assert_eq!(names.number("0"), Some(FunctionId(128)));
        assert_eq!(names.all().len(), UserNames::MOST);
    }
}
