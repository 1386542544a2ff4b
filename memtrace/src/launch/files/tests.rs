//! Forecasts held against what really is mapped.

use super::{files_below, files_of};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn nothing(_: &str) -> Option<OsString> {
    None
}

/// The files of which a process maps code.
fn mapped(pid: u32) -> BTreeSet<PathBuf> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let code = maps.lines().filter(|line| line.contains(" r-xp "));
    code.filter_map(|line| Some(PathBuf::from(&line[line.find('/')?..]))).collect()
}

#[test]
fn all_that_a_program_maps_is_foreseen() {
    let mut command = Command::new("cat");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // It answers only when all its code is mapped.
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let mapped = mapped(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    let files = files_of(OsStr::new("cat"), |name| std::env::var_os(name));
    assert!(mapped.contains(&files[0]), "{files:?}");
    let missing: Vec<PathBuf> = mapped.into_iter().filter(|file| !files.contains(file)).collect();
    assert_eq!(missing, [] as [PathBuf; 0], "foreseen: {files:?}");
}

#[test]
fn interpreters_of_scripts_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, first: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!{first}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let inner = script("inner", "/bin/sh -e");
    let outer = script("outer", inner.to_str().unwrap());
    let files = files_of(outer.as_os_str(), nothing);
    let shell = Path::new("/bin/sh").canonicalize().unwrap();
    assert_eq!(files[..2], [outer.canonicalize().unwrap(), inner.canonicalize().unwrap()]);
    assert!(files.contains(&shell), "{files:?}");
    assert!(files.iter().any(|file| file.to_string_lossy().contains("libc")), "{files:?}");
    // One that is its own interpreter comes to an end.
    let own = folder.path().join("own");
    script("own", own.to_str().unwrap());
    assert_eq!(files_of(own.as_os_str(), nothing).len(), 1);
}

#[test]
fn preloaded_and_preferred_libraries_are_foreseen() {
    let folder = tempfile::tempdir().unwrap();
    let all = files_of(OsStr::new("sh"), |name| (name == "PATH").then(|| "/bin".into()));
    let libc = all.iter().find(|file| file.ends_with("libc.so.6")).unwrap();
    let copy = folder.path().join("libc.so.6");
    fs::copy(libc, &copy).unwrap();
    let preloaded = folder.path().join("preloaded.so");
    fs::copy(libc, &preloaded).unwrap();
    let files = files_of(OsStr::new("/bin/sh"), |name| match name {
        "LD_LIBRARY_PATH" => Some(folder.path().into()),
        "LD_PRELOAD" => Some(preloaded.clone().into()),
        _ => None,
    });
    let [copy, preloaded] = [copy, preloaded].map(|file| file.canonicalize().unwrap());
    assert!(
        files.contains(&copy) && files.contains(&preloaded) && !files.contains(libc),
        "{files:?}"
    );
}

#[test]
fn another_root_has_its_own_files() {
    let root = tempfile::tempdir().unwrap();
    let shell = Path::new("/bin/sh").canonicalize().unwrap();
    let real = files_of(shell.as_os_str(), nothing);
    for file in &real {
        let place = root.path().join(file.strip_prefix("/").unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(file, place).unwrap();
    }
    // As the loader and the libraries are called in programs.
    for (link, target) in [("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        if !root.path().join(link).exists() {
            let _ = symlink(target, root.path().join(link));
        }
    }
    let files = files_below(root.path(), &shell, nothing);
    let base = root.path().canonicalize().unwrap();
    assert!(!files.is_empty() && files.iter().all(|file| file.starts_with(&base)), "{files:?}");
    assert!(files.iter().any(|file| file.ends_with("libc.so.6")), "{files:?}");
}

#[test]
fn what_is_not_there_has_no_files() {
    assert!(files_of(OsStr::new("/no/such/program"), nothing).is_empty());
    assert!(files_of(OsStr::new("no-such-program"), nothing).is_empty());
}
