//! For whom a library's probes are: chosen by who would pay, shown, and gone with the last that is traced.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::may_trace;
use support::program::{Program, compiled, copy_libc};
use support::report::{Report, number};
use support::tracer::{Tracer, exact};
use support::wait_until;
use tempfile::TempDir;

/// What the report says of the C library's links.
#[track_caller]
fn links(report: &Report) -> &Value {
    let links = report.0["tracer"]["links"].as_array().unwrap();
    let [links] = links.as_slice() else { panic!("{links:?}") };
    links
}

fn others(report: &Report) -> u64 {
    number(&links(report)["other_processes"])
}

/// A program that is found by its name, with the copy of libc in `folder`.
fn named(folder: &Path, name: &str) -> Program {
    let (file, libc) = (folder.join(name), folder.join("libc.so.6"));
    if !libc.exists() {
        copy_libc(&libc);
    }
    if !file.exists() {
        fs::copy(compiled("two_sizes"), &file).unwrap();
    }
    Program::launch(name, Command::new(file).env("LD_LIBRARY_PATH", folder))
}

#[test]
fn who_would_pay_decides_and_a_wish_overrides() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut target = Program::start_with_libc("two_sizes", &[], folder.path());
    let alone = exact(&mut target, &[]);
    assert_eq!((links(&alone)["for"].as_str(), others(&alone)), (Some("all"), 0));
    assert!(target.end().success());

    let stranger = Program::start_with_libc("two_sizes", &[], folder.path());
    let code = stranger.libc_code();
    let mut target = Program::start_with_libc("two_sizes", &[], folder.path());
    let tracer = Tracer::of(&[&target]);
    assert_eq!(stranger.libc_code(), code, "a stranger pays");
    let accounts = target.work();
    let beside = tracer.stop().only_report();
    beside.process(target.pid()).assert_exactly(&accounts);
    assert_eq!((links(&beside)["for"].as_str(), others(&beside)), (Some("each"), 0));
    assert!(target.end().success());

    let mut target = Program::start_with_libc("two_sizes", &[], folder.path());
    let tracer = Tracer::with(&[&target], &["--link-for", "all"]);
    assert_ne!(stranger.libc_code(), code, "its links are not for all");
    assert!(
        tracer.announcement.contains("for all that use it, 1 other pays"),
        "{}",
        tracer.announcement
    );
    let accounts = target.work();
    let wished = tracer.stop().only_report();
    wished.process(target.pid()).assert_exactly(&accounts);
    assert_eq!((links(&wished)["for"].as_str(), others(&wished)), (Some("all"), 1));
}

#[test]
fn many_busy_targets_share_links_with_one_that_rests() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let _stranger = Program::start_with_libc("two_sizes", &[], folder.path());
    let start = || Program::start_with_libc("churn", &["60"], folder.path());
    let mut busy: [Program; 4] = std::array::from_fn(|_| start());
    busy.iter_mut().for_each(Program::tell);
    let tracer = Tracer::of(&busy.each_ref());
    assert!(
        tracer.announcement.contains("for all that use it, 1 other pays"),
        "{}",
        tracer.announcement
    );
    drop(tracer);
    let tracer = Tracer::with(&busy.each_ref(), &["--link-for", "each"]);
    assert!(tracer.announcement.contains("probed for each of 4"), "{}", tracer.announcement);
}

/// Nobody who is traced maps the library any more: the others get rid of the probes. Who comes then is
/// traced again, by what is right then.
#[test]
fn links_go_with_the_last_and_come_back() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let name = |word: &str| format!("mt{}{word}", std::process::id());
    let mut first = named(folder.path(), &name("a"));
    let mut tracer = Tracer::with(&[], &["--comm", &name("?")]);
    let of_first = first.work();
    let stranger = named(folder.path(), &name("other"));
    wait_until("the stranger being counted", || {
        tracer.signal(libc::SIGUSR1);
        (others(&tracer.report()) == 1).then_some(())
    });
    let probed = stranger.libc_code();
    let pid_of_first = first.pid();
    assert!(first.end().success());
    wait_until("the end of the probes", || (stranger.libc_code() != probed).then_some(()));

    let mut later = named(folder.path(), &name("b"));
    assert_eq!(later.libc_code().len(), probed.len());
    wait_until("the second one being traced", || {
        tracer.signal(libc::SIGUSR1);
        (!tracer.report().processes(later.pid()).is_empty()).then_some(())
    });
    let of_later = later.work();
    let mut run = tracer.stop();
    let report = run.reports.pop().unwrap();
    report.assert_nothing_lost();
    report.process(pid_of_first).assert_exactly(&of_first);
    for (caller, account) in &of_later.callers {
        assert_eq!(report.process(later.pid()).callers().get(caller), Some(account), "{caller}");
    }
    assert_eq!(links(&report)["for"], "each");
    let file = fs::read(folder.path().join("libc.so.6")).unwrap();
    let code = stranger.libc_code();
    assert!(file.windows(code.len()).any(|part| part == code), "breakpoints are left");
}
