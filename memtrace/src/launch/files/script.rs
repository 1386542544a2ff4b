//! Scripts and who runs them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// As much of a file as the kernel looks at (`BINPRM_BUF_SIZE` of `linux/binfmts.h`).
const LOOKED_AT: u64 = 256;
/// Who runs what is neither a program nor says who does (`execvp(3)`, on ENOEXEC).
const SHELL: &str = "/bin/sh";

/// The interpreter of a script; `None` for a program, or what cannot be read.
pub(super) fn interpreter(file: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    File::open(file).ok()?.take(LOOKED_AT).read_to_end(&mut start).ok()?;
    if start.starts_with(b"\x7fELF") || start.is_empty() {
        return None;
    }
    let Some(line) = start.strip_prefix(b"#!") else { return Some(PathBuf::from(SHELL)) };
    let line = line.split(|byte| *byte == b'\n').next()?;
    let line = line.trim_ascii_start();
    let word = line.split(|byte| matches!(byte, b' ' | b'\t' | 0)).next()?;
    (!word.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    use super::interpreter;
    use std::path::PathBuf;

    #[test]
    fn first_lines_are_read_as_the_kernel_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script");
        for (text, expected) in [
            ("#!/bin/sh\nexit", Some("/bin/sh")),
            ("#! \t/usr/bin/env python3 -E\n", Some("/usr/bin/env")),
            ("#!/bin/awk", Some("/bin/awk")),
            ("#!\n/bin/sh", None),
            ("exit 3\n", Some("/bin/sh")),
            ("\x7fELF", None),
            ("", None),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(interpreter(&file), expected.map(PathBuf::from), "{text:?}");
        }
        assert_eq!(interpreter(folder.path()), None);
    }
}
