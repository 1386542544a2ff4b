//! The kernels that memtrace is tested on, and where Debian has them.

use anyhow::{Result, bail};

/// A kernel of the matrix.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// Its series, such as `6.1`: what its packages' names go on with after `linux-image-`.
    pub(super) name: &'static str,
    /// Debian's suites that have it.
    pub(super) suites: &'static [&'static str],
}

/// One line per kernel, oldest first.
const KERNELS: [Kernel; 5] = [
    Kernel { name: "5.10", suites: &["bullseye", "bullseye-security"] },
    Kernel { name: "6.1", suites: &["bookworm", "bookworm-security"] },
    Kernel { name: "6.12", suites: &["trixie", "trixie-security"] },
    Kernel { name: "6.18", suites: &["trixie-backports"] },
    Kernel { name: "7.2", suites: &["trixie-backports"] },
];

/// The machine's own kernel, as `--only` calls it.
pub(super) const NATIVE: &str = "native";

/// What `cargo xtask test` boots: the long-term kernels that people have.
const LONG_TERM: [&str; 3] = ["5.10", "6.1", "6.12"];

/// What is to be tested.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) native: bool,
    pub(super) kernels: Vec<&'static Kernel>,
}

impl Selection {
    /// Everything, or only what is named.
    ///
    /// # Errors
    /// When there is no such kernel.
    pub(super) fn of(only: &[String]) -> Result<Self> {
        static ALL: [Kernel; KERNELS.len()] = KERNELS;
        let is_wanted = |name: &str| only.is_empty() || only.iter().any(|word| word == name);
        let exists = |name: &String| name == NATIVE || ALL.iter().any(|kernel| kernel.name == name);
        if let Some(unknown) = only.iter().find(|name| !exists(name)) {
            let names: Vec<_> = ALL.iter().map(|kernel| kernel.name).collect();
            bail!(
                "there is no kernel {unknown:?} in the list; there are {NATIVE}, {}",
                names.join(", ")
            );
        }
        let kernels = ALL.iter().filter(|kernel| is_wanted(kernel.name)).collect();
        Ok(Self { native: is_wanted(NATIVE), kernels })
    }

    /// The kernels of `cargo xtask test`.
    pub(super) fn long_term() -> Result<Self> {
        Self::of(&LONG_TERM.map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::{LONG_TERM, Selection};

    fn names(selection: &Selection) -> Vec<&str> {
        selection.kernels.iter().map(|kernel| kernel.name).collect()
    }

    #[test]
    fn all_are_taken_unless_some_are_named() {
        let all = Selection::of(&[]).unwrap();
        assert!(all.native && names(&all).contains(&"7.2"));
        let some = Selection::of(&["6.1".to_owned(), "5.10".to_owned()]).unwrap();
        assert!(!some.native);
        assert_eq!(names(&some), ["5.10", "6.1"]);
        assert_eq!(names(&Selection::long_term().unwrap()), LONG_TERM);
    }

    #[test]
    fn an_unknown_kernel_is_told_which_there_are() {
        let error = Selection::of(&["4.4".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("\"4.4\"") && error.contains("native, 5.10, 6.1,"), "{error}");
    }
}
