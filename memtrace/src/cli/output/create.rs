//! A file that is made new.

use super::OutputError;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

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

/// The name of a later file of several: `run.mtrace` → `run.3.mtrace`.
pub fn numbered(first: &Path, number: u64) -> PathBuf {
    let mut name = first.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = first.extension() {
        name.push(".");
        name.push(extension);
    }
    first.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::numbered;
    use std::path::Path;

    #[test]
    fn a_number_goes_before_the_extension() {
        for (first, third) in [
            ("run.mtrace", "run.3.mtrace"),
            ("/a.b/run", "/a.b/run.3"),
            ("a.b.mtrace", "a.b.3.mtrace"),
            (".run", ".run.3"),
        ] {
            assert_eq!(numbered(Path::new(first), 3), Path::new(third));
        }
    }
}
