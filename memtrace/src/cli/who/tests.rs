//! From what is typed to processes.

use super::find::find;
use super::{Wishes, users};
use crate::cli::args::Cli;
use clap::Parser as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn wishes(words: &[&str]) -> Result<Wishes, String> {
    let cli = Cli::try_parse_from(std::iter::once("memtrace").chain(words.iter().copied()));
    Wishes::new(&cli.map_err(|error| error.to_string())?.select).map_err(|error| error.to_string())
}

fn found(words: &[&str]) -> Result<Vec<u32>, String> {
    let found = find(&wishes(words)?, &mut |_| ());
    found.map(|found| found.pids).map_err(|error| error.to_string())
}

fn refused(words: &[&str], parts: &[&str]) {
    let message = found(words).expect_err(&words.join(" "));
    for part in parts {
        assert!(message.contains(part), "{words:?}: {message:?} lacks {part:?}");
    }
}

/// A process that waits, from a copy of cat with this name.
struct Waiting(Child, std::path::PathBuf);

impl Waiting {
    fn start(folder: &Path, name: &str) -> Self {
        let file = folder.join(name);
        if !file.exists() {
            std::fs::copy("/bin/cat", &file).unwrap();
        }
        let mut command = Command::new(&file);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        Self(command.spawn().unwrap(), file)
    }

    fn path(&self) -> &str {
        self.1.to_str().unwrap()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It has ended already, or nothing else can be done about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn programs_are_found_by_file_and_by_pattern() {
    let folder = tempfile::tempdir().unwrap();
    let first = Waiting::start(folder.path(), "mt-first");
    let second = Waiting::start(folder.path(), "mt-second");
    std::fs::hard_link(first.path(), folder.path().join("other-name")).unwrap();
    std::os::unix::fs::symlink(first.path(), folder.path().join("link")).unwrap();
    for name in ["mt-first", "other-name", "link"] {
        let path = folder.path().join(name);
        assert_eq!(found(&["--exe", path.to_str().unwrap()]), Ok(vec![first.0.id()]), "{name}");
    }
    let mut both = vec![first.0.id(), second.0.id()];
    both.sort_unstable();
    let pattern = format!("{}/mt-*", folder.path().canonicalize().unwrap().display());
    assert_eq!(found(&["--exe", &pattern]), Ok(both));
    let excluded = ["--exe", &pattern, "--exclude-pid", &first.0.id().to_string()];
    assert_eq!(found(&excluded), Ok(vec![second.0.id()]));
    assert_eq!(found(&["--exe", &pattern, "--comm", "*-second"]), Ok(vec![second.0.id()]));
    refused(&["--exe", &pattern, "--exclude-comm", "mt-*"], &["were excluded", "--wait"]);
}

#[test]
fn numbers_are_taken_as_they_are_unless_excluded() {
    assert_eq!(found(&["-p", "4194304,7"]), Ok(vec![4_194_304, 7]));
    let ours = std::process::id().to_string();
    assert_eq!(found(&["-p", &ours, "-p", "4194304", "--exclude-pid", &ours]), Ok(vec![4_194_304]));
    refused(&["-p", &ours, "--exclude-pid", &ours], &["excluded"]);
    refused(&["-p", "1", "--wait"], &["--wait", "--comm"]);
}

#[test]
fn what_matches_nothing_says_what_was_looked_for() {
    refused(&["--comm", "no-such-name"], &["comm no-such-name", "--wait", "processes"]);
    refused(&["--exe", "/no/such/file"], &["exe /no/such/file"]);
    refused(&["--cgroup", "no/such/group"], &["no control group", "no/such/group"]);
    refused(&["--container", "ffffffffffff"], &["no container's id begins with ffffffffffff"]);
    refused(
        &["--container", "web"],
        &["no container is called \"web\"", "docker/containers", "id"],
    );
    refused(&["--pod", "shop/front"], &["no pod shop/front", "k8s.io", "kubectl"]);
    refused(&["--uid", "rooot"], &["no user \"rooot\"", "root"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    refused(&["--comm", "systemd-journald"], &["15 bytes", "systemd-journal"]);
    refused(&["--exclude-comm", "["], &["--exclude-comm", "makes no sense"]);
    refused(&["--comm", ""], &["empty"]);
    refused(&["--uid", ""], &["--uid is empty"]);
    refused(&["--container", "a/b"], &["neither"]);
    refused(&["--container", "\u{1b}[2J"], &["neither"]);
    refused(&["--pod", "front"], &["NAMESPACE/NAME"]);
}

#[test]
fn options_arrive() {
    let typed =
        wishes(&["--all", "--wait", "--no-follow", "--uid", "0", "--container", "ABCD"]).unwrap();
    assert!(typed.all && typed.wait && !typed.follow && typed.is_search());
    assert_eq!(typed.containers, ["abcd"]);
    assert!(wishes(&["-p", "1"]).unwrap().follow);
    assert!(wishes(&["-p", "1", "--no-follow", "--follow"]).unwrap().follow);
}

#[test]
fn names_of_users_are_near_or_not() {
    let near = |word| users::nearest(word, ["root", "www-data", "daemon", "root"].into_iter());
    assert_eq!(near("rot"), ["root"]);
    assert_eq!(near("wwwdata"), ["www-data"]);
    assert_eq!(near("zzz"), [] as [&str; 0]);
}
