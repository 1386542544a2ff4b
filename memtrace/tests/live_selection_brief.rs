//! Processes that match what is looked for and end at once: the kernel side lets them in before their first
//! instruction, so that every allocation is counted.
#![cfg(feature = "live")]

mod support;

use std::os::unix::process::CommandExt as _;
use support::brief::{Folder, all_of_them, name};
use support::may_trace;

#[test]
fn those_with_a_name() {
    if may_trace() {
        let folder = Folder::new();
        all_of_them(
            &["--comm", &name("?e*")],
            &mut folder.stay(),
            &mut folder.starter("yes", "no"),
            &mut folder.starter("not", "no"),
        );
    }
}

#[test]
fn those_that_run_a_file() {
    if may_trace() {
        let folder = Folder::new();
        all_of_them(
            &["--exe", folder.file("yes").to_str().unwrap()],
            &mut folder.stay(),
            &mut folder.starter("yes", "no"),
            &mut folder.starter("not", "no"),
        );
    }
}

#[test]
fn those_of_a_user() {
    if may_trace() {
        let folder = Folder::new();
        // Nobody's numbers.
        all_of_them(
            &["--uid", "64125"],
            folder.stay().uid(64_125).gid(64_125),
            folder.starter("yes", "no").uid(64_125).gid(64_125),
            folder.starter("yes", "no").uid(64_126).gid(64_126),
        );
    }
}
