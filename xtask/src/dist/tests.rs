//! A release, of a program that only repeats what it was told.

use super::{archive, collect, completions, pages};
use crate::command::succeeds;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Prints its words; of `man --list` the names of two commands.
const ECHO: &str =
    "#!/bin/sh\nif [ \"$2\" = --list ]; then printf 'run\\nlive\\n'; else echo \"$@\"; fi\n";

fn program(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("program");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn there_is_a_page_for_each_command_and_a_script_for_each_shell() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder, ECHO);
    pages(&program, folder.path()).unwrap();
    completions(&program, folder.path()).unwrap();
    let files = [
        ("man/man1/memtrace.1", "man\n"),
        ("man/man1/memtrace-run.1", "man run\n"),
        ("man/man1/memtrace-live.1", "man live\n"),
        ("completions/memtrace.bash", "completions bash\n"),
        ("completions/_memtrace", "completions zsh\n"),
        ("completions/memtrace.fish", "completions fish\n"),
    ];
    for (name, expected) in files {
        assert_eq!(text(folder.path(), name), expected, "{name}");
    }
}

#[test]
fn a_program_that_prints_nothing_or_fails_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["#!/bin/sh\n", "#!/bin/sh\nexit 1\n"] {
        let program = program(&folder, text);
        assert!(pages(&program, folder.path()).is_err());
        assert!(completions(&program, folder.path()).is_err());
    }
}

#[test]
fn a_release_is_whole_and_its_sums_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder, ECHO);
    let dist = folder.path().join("dist");
    collect(&program, &dist.join("memtrace-1")).unwrap();
    let packed = archive::pack(&dist, "memtrace-1").unwrap();
    let first = fs::read(&packed).unwrap();
    archive::sums(&dist).unwrap();
    let check =
        || succeeds(Command::new("sha256sum").current_dir(&dist).args(["--check", "SHA256SUMS"]));
    assert!(check());
    let sums = text(&dist, "SHA256SUMS");
    for name in [
        "memtrace-1.tar.gz",
        "memtrace-1/memtrace",
        "memtrace-1/LICENSE-GPL2",
        "memtrace-1/README.md",
    ] {
        assert!(sums.lines().any(|line| line.ends_with(&format!("  {name}"))), "{name}: {sums}");
    }
    let unpacked = folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    assert!(succeeds(Command::new("tar").arg("-C").arg(&unpacked).arg("-xzf").arg(&packed)));
    assert_eq!(text(&unpacked, "memtrace-1/memtrace"), ECHO);
    archive::pack(&dist, "memtrace-1").unwrap();
    assert_eq!(fs::read(&packed).unwrap(), first, "packing is repeatable");
    fs::write(dist.join("memtrace-1/memtrace"), "other").unwrap();
    assert!(!check(), "a changed file is noticed");
}
