//! The program that a command's first word means.

use super::error::LaunchError;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What `execvp(3)` takes where there is no PATH; the current directory is not in it since glibc 2.24.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Finds the program as `execvp(3)` would: a word with a slash is a path, another is looked for in the
/// directories of `path`. What is found is a file that somebody may execute.
///
/// # Errors
/// When there is none.
pub fn find_program(word: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, LaunchError> {
    if word.as_bytes().contains(&b'/') {
        let program = PathBuf::from(word);
        return match executable(&program) {
            Ok(()) => Ok(program),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                Err(LaunchError::NotFound(program, ""))
            }
            Err(source) => Err(LaunchError::NotExecutable { command: program, source }),
        };
    }
    let mut refused = None;
    for folder in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        // An empty entry is the current directory.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        let program = folder.join(word);
        match executable(&program) {
            Ok(()) => return Ok(program),
            // A directory of that name is passed over.
            Err(source)
                if source.kind() == io::ErrorKind::PermissionDenied && !program.is_dir() =>
            {
                refused = refused.or(Some((program, source)));
            }
            _ => {}
        }
    }
    Err(match refused {
        Some((command, source)) => LaunchError::NotExecutable { command, source },
        None => {
            LaunchError::NotFound(word.into(), " (sudo replaces it: see secure_path in sudoers(5))")
        }
    })
}

fn executable(program: &Path) -> io::Result<()> {
    let metadata = fs::metadata(program)?;
    // A directory has the bits, too; execve(2) says EACCES to it.
    if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        return Ok(());
    }
    Err(io::Error::from(io::ErrorKind::PermissionDenied))
}

#[cfg(test)]
mod tests {
    use super::{LaunchError, find_program};
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn programs_are_found_as_shells_find_them() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        for (directory, name, mode) in
            [(&first, "tool", 0o644), (&second, "tool", 0o755), (&first, "closed", 0o600)]
        {
            fs::create_dir_all(directory).unwrap();
            fs::write(directory.join(name), "").unwrap();
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(directory.join(name), permissions).unwrap();
        }
        let path = std::env::join_paths([&first, &second]).unwrap();
        let find = |word: &str| find_program(OsStr::new(word), Some(&path));
        assert_eq!(find("tool").unwrap(), second.join("tool"));
        assert_eq!(find(second.join("tool").to_str().unwrap()).unwrap(), second.join("tool"));
        for (word, status) in [
            ("nothing", 127),
            ("", 127),
            ("closed", 126),
            ("./nothing", 127),
            (folder.path().to_str().unwrap(), 126),
        ] {
            assert_eq!(find(word).unwrap_err().status(), status, "{word:?}");
        }
        assert!(matches!(find("nothing"), Err(LaunchError::NotFound(..))));
        assert!(find_program(OsStr::new("sh"), None).is_ok());
    }
}
