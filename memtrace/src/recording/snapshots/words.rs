//! Values as rows of words: every number in a value, in order, LEB128. Nothing says what a word means, so a row is
//! read as what it was written as; neighbouring snapshots' rows differ in few words.

mod put;
mod take;

pub(super) use put::row;
pub(super) use take::read;

use std::fmt;

/// Why a value is no row, or a row no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordsError(pub(super) &'static str);

impl fmt::Display for WordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for WordsError {}

impl serde::ser::Error for WordsError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("a value that has no row")
    }
}

impl serde::de::Error for WordsError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("a row of a snapshot that makes no sense")
    }
}

#[cfg(test)]
mod tests {
    use super::{read, row};
    use crate::model::process::ProcessInfo;
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Any {
        Unit,
        One(u64),
        Pair(i64, f64),
        Named { text: String, flag: bool, maybe: Option<u8> },
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(Box<[u32]>);

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        any: Vec<Any>,
        array: [u16; 3],
        newtype: Newtype,
        nested: Option<Box<(u8, u64)>>,
    }

    fn any() -> impl Strategy<Value = Any> {
        let named = (".{0,9}", any_bool(), proptest::option::of(0_u8..))
            .prop_map(|(text, flag, maybe)| Any::Named { text, flag, maybe });
        let pair = (i64::MIN.., -1e300..1e300).prop_map(|(a, b)| Any::Pair(a, b));
        prop_oneof![Just(Any::Unit), (0_u64..).prop_map(Any::One), pair, named]
    }

    fn any_bool() -> impl Strategy<Value = bool> {
        proptest::bool::ANY
    }

    proptest! {
        #[test]
        fn a_value_comes_back(
            any in prop::collection::vec(any(), 0..5),
            array in proptest::array::uniform3(0_u16..),
            numbers in prop::collection::vec(0_u32.., 0..5),
            nested in proptest::option::of((0_u8.., 0_u64..)),
        ) {
            let all = All { any, array, newtype: Newtype(numbers.into()), nested: nested.map(Box::new) };
            let row = row(&all).unwrap();
            prop_assert_eq!(read::<All>(&row), Ok(all.clone()));
            for length in 0..row.len() {
                prop_assert!(read::<All>(&row[..length]).is_err(), "cut at {}", length);
            }
        }

        #[test]
        fn any_bytes_give_a_value_or_an_error(bytes in prop::collection::vec(0_u8.., 0..60)) {
            let _ = read::<All>(&bytes);
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let row = row(&300_u64).unwrap();
        assert_eq!(read::<u16>(&row), Ok(300));
        assert!(read::<u8>(&row).is_err());
        assert!(read::<bool>(&row).is_err());
        assert!(read::<Option<u8>>(&row).is_err());
        assert!(read::<Vec<u8>>(&row).is_err(), "more items than there are bytes");
    }

    #[test]
    fn numbers_that_are_none_come_back() {
        for number in [f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE] {
            assert_eq!(read::<f64>(&row(&number).unwrap()).map(f64::to_bits), Ok(number.to_bits()));
        }
        assert!(read::<f64>(&row(&f64::NAN).unwrap()).unwrap().is_nan());
    }

    #[test]
    fn paths_come_back_whatever_their_bytes() {
        for name in [Some(&b"/usr/bin/a b"[..]), Some(b"/tmp/\xff\xfe\n"), Some(b""), None] {
            let exe = name.map(|name| OsStr::from_bytes(name).into());
            let info = ProcessInfo { exe, comm: "é".to_owned(), ..ProcessInfo::default() };
            assert_eq!(read::<ProcessInfo>(&row(&info).unwrap()), Ok(info));
        }
    }
}
