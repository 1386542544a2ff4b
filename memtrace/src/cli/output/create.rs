//! A file that is made new.

use super::OutputError;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Creates `path` with mode 0600. A file that is there already is left as it is, whatever it is: it may be a
/// recording that is wanted still, or a link that leads elsewhere.
///
/// # Errors
/// One line that names the file, the reason and the remedy.
pub fn create(path: &Path) -> Result<File, OutputError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => OutputError::Exists(path.to_owned()),
        _ => OutputError::open(path, source),
    })
}
