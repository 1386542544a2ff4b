//! The built command: usage errors, exit codes, help, completion scripts, the manual page.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(arguments).stdin(Stdio::null()).env_remove("COLUMNS").env_remove("NO_COLOR");
    command
}

fn memtrace(arguments: &[&str]) -> Output {
    command(arguments).output().expect("memtrace starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// The one line on standard error of a call that must be refused as usage.
fn refused(arguments: &[&str]) -> String {
    let output = memtrace(arguments);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
    assert_eq!(errors.lines().count(), 1, "{arguments:?}: {errors}");
    assert!(errors.starts_with("memtrace: error: ") && errors.ends_with('\n'), "{errors}");
    errors.trim_end().to_owned()
}

fn printed(arguments: &[&str]) -> String {
    let output = memtrace(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    assert_eq!(output.stderr, b"", "{arguments:?}");
    text(&output.stdout).to_owned()
}

#[test]
fn usage_errors_are_one_line_each() {
    let lines: Vec<String> = [
        &[][..],
        &["1234"],
        &["doktor"],
        &["-p", "0"],
        &["-p", "-1"],
        &["-p", "12x"],
        &["-p", "1,"],
        &["-p", "99999999"],
        &["--pdi", "1"],
        &["-p", "1", "-q", "-v"],
        &["-p", "1", "-z", "2k", "-Z", "1k"],
        &["-p", "1", "-z", "64KB"],
        &["-p", "1", "-z", "17EiB"],
        &["-p", "1", "--exact", "--overhead-budget", "5"],
        &["-p", "1", "--overhead-budget", "NaN"],
        &["-p", "1", "-i", "0", "-c", "3"],
        &["-p", "1", "-i", "5", "5"],
        &["-p", "1", "-i", "5", "-f", "speedscope"],
        &["-p", "1", "-i", "5", "-f", "pprof", "-o", "-"],
        &["-p", "1", "-d", "-5"],
        &["-p", "1", "5", "3", "1"],
        &["-p", "1", "-f", "xml"],
        &["-p", "1", "-o", ""],
        &["-p", "1", "-o", "/tmp/"],
        &["-p", "1", "-o", "r-{host}"],
        &["-p", "1", "-o", "5000"],
        &["-p", "1", "--ring-size", "3MiB"],
        &["-p", "1", "--alert-live", "0"],
        &["-p", "1", "--alert-growth", "10MiB"],
        &["-p", "1", "--alert-growth", "10MiB/week"],
        &["-p", "1", "--alert-command", "true"],
        &["-p", "1", "--alert-rss", "1G", "--alert-command", "a 'b"],
        &["-p", "1", "--alert-live", "1G", "--ledger", "pages"],
        &["-p", "1", "-f", "svg", "--ledger", "pages"],
        &["-p", "1", "doctor"],
        &["--comm", "systemd-journald"],
        &["--comm", "["],
        &["--container", "a/b"],
        &["--pod", "front"],
        &["-p", "1", "--wait"],
        &["--all", "-o", "r-{pid}"],
        &["-p", "1", "--control", "x", "--no-control"],
        &["ctl"],
        &["ctl", "mark"],
        &["ctl", "mark", "a\nb"],
        &["ctl", "-p", "0", "status"],
        &["report", "x", "--all", "--at", "1s"],
        &["doctor", "-p", "0"],
        &["completions", "tcsh"],
        &["completions"],
    ]
    .into_iter()
    .map(|arguments| format!("{arguments:?}\n  {}", refused(arguments)))
    .collect();
    insta::assert_snapshot!("usage_errors", lines.join("\n"));
}

/// What is wrong with a description of a function is shown under it, from the command line and from a file.
#[test]
fn a_signature_is_shown_with_a_caret() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# pools\nfree libpool.so:pool_free(prt=0)\n").unwrap();
    for (option, value, place, words) in [
        ("--alloc-fn", "libpool.so:pool_alloc(siz=1)", 22, "expected the position of the size"),
        ("--free-fn", "libpool.so", 10, "expected `:` and the function"),
        (
            "--allocators",
            file.path().to_str().unwrap(),
            21,
            "line 2: expected the position of the block",
        ),
    ] {
        let output = memtrace(&["-p", "1", option, value]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        let lines: Vec<&str> = errors.lines().collect();
        assert_eq!(lines.len(), 3, "{errors}");
        assert!(lines[0].contains(words), "{errors}");
        assert_eq!(lines[2], format!("  {:place$}^", ""), "{errors}");
    }
}

#[test]
fn arguments_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\x1b[2J");
    let output = command(&["-p"]).arg(bytes).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stderr.contains(&0x1b));
}

#[test]
fn help_is_for_people() {
    insta::assert_snapshot!("short_help", printed(&["-h"]));
    insta::assert_snapshot!("long_help", printed(&["--help"]));
    insta::assert_snapshot!("doctor_help", printed(&["doctor", "--help"]));
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(printed(&["--version"]), concat!("memtrace ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn shells_get_completions() {
    for (shell, sign) in [
        ("bash", "complete -F _memtrace"),
        ("zsh", "#compdef memtrace"),
        ("fish", "complete -c memtrace"),
    ] {
        let script = printed(&["completions", shell]);
        assert!(script.contains(sign), "{shell}: {script}");
        assert!(script.contains("min-age") && script.contains("doctor"), "{shell}");
    }
}

#[test]
fn the_manual_page_has_all_its_sections() {
    let page = printed(&["man"]);
    for section in ["NAME", "SYNOPSIS", "\"WHAT TO TRACE\"", "COMMANDS", "\"EXIT STATUS\"", "NOTES"]
    {
        assert!(page.contains(&format!(".SH {section}\n")), "{section}");
    }
    assert!(page.contains("[uprobes]") && page.contains("memtrace doctor"));
}

#[test]
fn every_command_has_a_page_of_its_own() {
    let names = printed(&["man", "--list"]);
    for expected in ["run", "live", "report", "diff", "ctl", "doctor"] {
        assert!(names.lines().any(|name| name == expected), "{expected}");
    }
    for name in names.lines() {
        let page = printed(&["man", name]);
        assert!(page.contains(&format!("memtrace\\-{name}")), "{name}: {page:.300}");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "\"SEE ALSO\""] {
            assert!(page.contains(&format!(".SH {section}\n")), "{name}: {section}");
        }
        assert!(page.contains(&format!("memtrace {name}")), "{name}");
    }
    let output = memtrace(&["man", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no command \"nonsense\""));
}

#[test]
fn a_screen_needs_a_terminal() {
    let cases = [
        (&["live", "-p", "1"][..], 1, "standard output is not a terminal; leave out `live`"),
        (&["live"], 2, "no process given"),
        (&["live", "-p", "1", "-o", "x"], 2, "leave out --output and --format"),
        (&["live", "-p", "1", "-i", "0"], 2, "--interval"),
        (&["live", "-p", "1", "--replay", "x"], 2, "give only one"),
        (&["live", "--replay", "x", "--exact"], 2, "--exact"),
    ];
    for (arguments, code, part) in cases {
        let output = memtrace(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let errors = text(&output.stderr);
        assert!(errors.contains(part), "{arguments:?}: {errors}");
        assert_eq!((errors.lines().count(), text(&output.stdout)), (1, ""), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    for arguments in [&["man"][..], &["--help"], &["completions", "bash"], &["doctor"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_full_device_is_a_failure() {
    for arguments in [&["man"][..], &["--help"], &["completions", "bash"], &["doctor"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let errors = text(&output.stderr);
        assert!(errors.starts_with("memtrace: error: cannot write to standard output: No space"));
        assert_eq!(errors.lines().count(), 1);
    }
}

#[test]
fn a_closed_standard_error_does_no_harm() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = command(&["-p", "0"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let status = command(&["-p", "4194304", "-d", "5"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[cfg(not(feature = "live"))]
#[test]
fn without_the_live_feature_tracing_says_so() {
    let output = memtrace(&["-p", "4194304"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "memtrace: error: this memtrace was built without live tracing: build it with the default \
         feature `live`\n"
    );
}
