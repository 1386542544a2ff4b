//! Files that are mapped into processes.

use super::ids::ModuleId;
use std::fmt;
use std::path::PathBuf;

/// A GNU build-id: the fingerprint that the linker gave a file (usually 20 bytes, at most 32 kept).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId(Box<[u8]>);

impl BuildId {
    /// Longest id that is kept; SHA-256 is the longest in use.
    pub const MAX: usize = 32;

    /// A build-id of these bytes. `None` when empty or longer than [`Self::MAX`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=Self::MAX).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildId({self})")
    }
}

/// A mapped file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its number.
    pub id: ModuleId,
    /// Path as the process sees it, without the kernel's " (deleted)". Not to be opened: the
    /// process may live in another mount namespace.
    pub path: PathBuf,
    /// Its build-id, where it has one and could be read.
    pub build_id: Option<BuildId>,
}

impl Module {
    /// The last part of the path, which reports show.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(
            || self.path.to_string_lossy().into_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }
}
