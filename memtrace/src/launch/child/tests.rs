//! Children that wait, go, end and fail.

use super::{Launched, Order};
use crate::launch::signals::Ignored;
use crate::launch::user::Runner;
use crate::launch::{LaunchError, find_program};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Listening for signals concerns the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn order(words: &[&str]) -> Order {
    Order {
        program: find_program(OsStr::new(words[0]), Some(OsStr::new("/bin:/usr/bin"))).unwrap(),
        words: words.iter().map(OsString::from).collect(),
        runner: None,
        ignored: Ignored::now(),
    }
}

fn shell(script: &str) -> Launched {
    Launched::prepare(&order(&["sh", "-c", script])).unwrap()
}

#[test]
fn nothing_happens_before_it_is_let_go() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("done");
    let mut launched = shell(&format!("echo $$ > {}; exit 7", file.display()));
    let link = fs::read_link(format!("/proc/{}/exe", launched.pid())).unwrap();
    assert_eq!(link, std::env::current_exe().unwrap());
    assert!(!file.exists());
    let pid = launched.pid();
    launched.go();
    launched.executed().unwrap();
    assert_eq!(launched.wait().unwrap(), 7);
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), pid.to_string());
}

#[test]
fn one_that_is_not_wanted_any_more_ends_and_is_waited_for() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("done");
    let launched = shell(&format!("touch {}", file.display()));
    let pid = launched.pid();
    drop(launched);
    assert!(!Path::new(&format!("/proc/{pid}")).exists() && !file.exists());
}

#[test]
fn deaths_are_told_as_by_a_shell() {
    let _alone = alone();
    assert_eq!(shell("kill -9 $$").wait().unwrap(), 137);
    assert_eq!(shell("exit 255").wait().unwrap(), 255);
}

#[test]
fn what_cannot_be_executed_says_so_after_all() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let order = Order { program, ..order(&["sh"]) };
    let mut launched = Launched::prepare(&order).unwrap();
    launched.go();
    assert!(launched.watcher().has_failed());
    let error = launched.wait().unwrap_err();
    assert!(matches!(error, LaunchError::NotExecutable { .. }), "{error}");
    assert_eq!(error.status(), 127);
}

#[test]
fn signals_that_others_send_are_passed_on() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script = format!(
        "trap 'exit 40' TERM; trap 'exit 41' INT; touch {}; while :; do sleep 0.05; done",
        ready.display()
    );
    for (signal, status) in [("-TERM", 40), ("-INT", 41)] {
        let mut launched = shell(&script);
        launched.go();
        launched.executed().unwrap();
        while !ready.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // To this very process, which must outlive it.
        let us = std::process::id().to_string();
        assert!(Command::new("kill").args([signal, &us]).status().unwrap().success());
        assert_eq!(launched.wait().unwrap(), status, "{signal}");
        fs::remove_file(&ready).unwrap();
    }
}

#[test]
fn it_runs_as_the_user() {
    let _alone = alone();
    let runner = Runner { name: None, uid: 64125, gid: 64126, groups: vec![64127], home: None };
    let script =
        "test $(id -u) = 64125 && test $(id -g) = 64126 && test \"$(id -G)\" = '64126 64127'";
    let order = Order { runner: Some(runner.clone()), ..order(&["sh", "-c", script]) };
    match Launched::prepare(&order) {
        Ok(launched) => assert_eq!(launched.wait().unwrap(), 0),
        // Only root may.
        Err(error) => {
            assert!(error.to_string().contains("as uid 64125"), "{error}");
            assert_eq!(error.status(), 125);
            // SAFETY: no preconditions.
            assert_ne!(unsafe { libc::geteuid() }, 0);
        }
    }
}
