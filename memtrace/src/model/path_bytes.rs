//! Paths in recordings: as text where they are, and as their bytes where they are not UTF-8, so that each comes
//! back as it was. Where text and bytes are told apart by whoever reads them (in words, not in JSON) they are bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

#[derive(Serialize)]
#[serde(untagged)]
enum Given<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Text(String),
    Bytes(Vec<u8>),
}

fn given(path: &Path) -> Given<'_> {
    path.to_str().map_or_else(|| Given::Bytes(path.as_os_str().as_bytes()), Given::Text)
}

fn path(read: Read) -> PathBuf {
    match read {
        Read::Text(text) => text.into(),
        Read::Bytes(bytes) => OsString::from_vec(bytes).into(),
    }
}

pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    given(path).serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    if !from.is_human_readable() {
        return Vec::deserialize(from).map(|bytes| path(Read::Bytes(bytes)));
    }
    Read::deserialize(from).map(path)
}

/// The same for one that may be missing.
pub(super) mod optional {
    use super::{Deserialize as _, Deserializer, PathBuf, Read, Serialize as _, Serializer, given};

    #[expect(clippy::ref_option, reason = "what serde hands over")]
    pub(crate) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_deref().map(given).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        if !from.is_human_readable() {
            let bytes = Option::<Vec<u8>>::deserialize(from);
            return bytes.map(|bytes| bytes.map(|bytes| super::path(Read::Bytes(bytes))));
        }
        Option::<Read>::deserialize(from).map(|read| read.map(super::path))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::process::ProcessInfo;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn any_path_comes_back() {
        for name in [Some(&b"/usr/bin/a b"[..]), Some(b"/tmp/\xff\xfe\n"), Some(b""), None] {
            let exe = name.map(|name| OsStr::from_bytes(name).into());
            let info = ProcessInfo { exe, ..ProcessInfo::default() };
            let kept = serde_json::to_string(&info).unwrap();
            assert_eq!(serde_json::from_str::<ProcessInfo>(&kept).unwrap(), info, "{kept}");
        }
    }
}
