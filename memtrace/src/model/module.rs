//! Files that are mapped into processes.

use super::ids::ModuleId;
use super::path_bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A GNU build-id: the fingerprint that the linker gave a file (usually 20 bytes, at most 32 kept).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>")]
pub struct BuildId(Box<[u8]>);

impl BuildId {
    /// Longest id that is kept; SHA-256 is the longest in use.
    pub const MAX: usize = 32;

    /// A build-id of these bytes. `None` when empty or longer than [`Self::MAX`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=Self::MAX).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// The build-id among ELF notes (a `PT_NOTE` segment's bytes, little-endian), where there is one.
    ///
    /// A note is three 4-byte words (name size, descriptor size, type), the name and the descriptor,
    /// both padded to 4 bytes; `NT_GNU_BUILD_ID` is type 3 of the name `GNU\0` (elf(5)).
    #[must_use]
    pub fn from_notes(mut notes: &[u8]) -> Option<Self> {
        const HEADER: usize = 12;
        loop {
            let word = |at: usize| {
                let bytes = notes.get(at..at + 4)?.try_into().ok()?;
                Some(u32::from_le_bytes(bytes))
            };
            let (name_size, size, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
            let descriptor = HEADER.checked_add(name_size.checked_next_multiple_of(4)?)?;
            let name = notes.get(HEADER..HEADER.checked_add(name_size)?)?;
            let bytes = notes.get(descriptor..descriptor.checked_add(size)?)?;
            if kind == 3 && name == b"GNU\0" {
                return Self::new(bytes);
            }
            notes = notes.get(descriptor.checked_add(size.checked_next_multiple_of(4)?)?..)?;
        }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for BuildId {
    type Error = &'static str;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        Self::new(&bytes).ok_or("a build-id of an impossible length")
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its number.
    pub id: ModuleId,
    /// Path as the process sees it, without the kernel's " (deleted)". Not to be opened: the
    /// process may live in another mount namespace.
    #[serde(with = "path_bytes")]
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

/// What tells contents of a file apart that were written one over the other, which keeps its device and inode: what
/// was found in one means nothing in the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileState {
    /// Bytes.
    pub size: u64,
    /// When it was written last, seconds and nanoseconds since 1970 (`inode(7)`, mtime). Unlike the time of its last
    /// change it stays where a file only gets another name or other permissions. Its owner can set it back, and would
    /// harm nobody but programs of their own.
    pub written: (i64, i64),
}

#[cfg(test)]
mod tests {
    use super::BuildId;

    fn note(name: &[u8], kind: u8, descriptor: &[u8]) -> Vec<u8> {
        let mut note = vec![name.len() as u8, 0, 0, 0, descriptor.len() as u8, 0, 0, 0];
        note.extend([kind, 0, 0, 0]);
        for part in [name, descriptor] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn the_build_id_is_found_among_notes() {
        let mut notes = note(b"GNU\0", 5, &[1; 16]);
        notes.extend(note(b"Go\0\0", 3, b"abc"));
        notes.extend(note(b"GNU\0", 3, &[0xab; 20]));
        let id = BuildId::from_notes(&notes).unwrap();
        assert_eq!(id.to_string(), "ab".repeat(20));
    }

    #[test]
    fn broken_notes_have_none() {
        let good = note(b"GNU\0", 3, &[0xab; 20]);
        for length in 0..good.len() {
            assert_eq!(BuildId::from_notes(&good[..length]), None, "{length}");
        }
        assert_eq!(BuildId::from_notes(&[0xff; 64]), None);
        assert_eq!(BuildId::from_notes(&note(b"GNU\0", 3, &[])), None);
        assert_eq!(BuildId::from_notes(&[0; 64]), None);
    }
}
