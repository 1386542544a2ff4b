//! Commands that memtrace starts itself: seen from the first instruction, and ended as they ended.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use support::program::{compiled, copy_libc};
use support::report::{Accounts, Report};
use support::{let_it_look, may_trace};

fn run(options: &[&str], words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", env!("CARGO_BIN_EXE_memtrace"), "run"]).args(options).arg("--").args(words);
    command
}

/// Has the command do its work, and end when memtrace has had time to read where its files are: of one that lives for
/// milliseconds it may be late on a busy machine, and says so.
fn let_it_work(child: &mut Child) {
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"go\n").unwrap();
    let_it_look();
    input.write_all(b"go\n").unwrap();
}

fn output(options: &[&str], words: &[&str]) -> Output {
    run(options, words).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Everything that the program allocates is seen, what happens before its `main` included: no free is of
/// an unknown block.
fn whole(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    let program = compiled(program);
    let options = ["-f", "json", "--top", "0", "-o", file.to_str().unwrap()];
    let mut command = run(&options, &[program.to_str().unwrap()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let_it_work(&mut child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    let accounts = Accounts::read(&said);
    let report = Report::read(fs::read_to_string(&file).unwrap().trim_end());
    report.assert_nothing_lost();
    let processes = report.0["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1, "what memtrace was before is no account of the command's");
    let process = support::report::Process(&processes[0]);
    assert_eq!(process.0["state"], "exited");
    assert_eq!(process.0["exit_status"], 0);
    assert_eq!(process.heap("unknown_frees"), 0);
    assert!(process.heap("allocated_blocks") >= accounts.all.allocated_blocks);
    for (caller, account) in &accounts.callers {
        assert_eq!(process.callers().get(caller), Some(account), "{caller}");
    }
}

#[test]
fn a_command_is_seen_from_its_beginning() {
    if may_trace() {
        whole("two_sizes");
    }
}

#[test]
fn folded_stacks_have_what_is_alive() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("folded");
    let program = compiled("two_sizes");
    let options = ["-f", "folded", "-o", file.to_str().unwrap()];
    let mut command = run(&options, &[program.to_str().unwrap()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let_it_work(&mut child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let folded = fs::read_to_string(&file).unwrap();
    let sum = |caller: &str| -> u64 {
        let lines = folded.lines().filter_map(|line| line.rsplit_once(' '));
        let of_caller = lines.filter(|(stack, _)| stack.rsplit(';').next() == Some(caller));
        of_caller.map(|(_, bytes)| bytes.parse::<u64>().unwrap()).sum()
    };
    assert_eq!((sum("many_small"), sum("few_large"), sum("keeps_nothing")), (6400, 40960, 0));
    for line in folded.lines().filter(|line| line.contains("few_large")) {
        // Between them is start code, which has no name without libc's symbols.
        assert!(line.starts_with("two_sizes (") && line.contains(";main;few_large "), "{line}");
    }
}

/// Each view has what the program says it keeps, live and from a recording.
#[test]
fn views_have_what_is_alive() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [file, recording] = ["tree", "recording"].map(|name| folder.path().join(name));
    let (file, recording) = (file.to_str().unwrap(), recording.to_str().unwrap());
    let program = compiled("two_sizes");
    let options = ["-f", "tree", "-o", file, "--record", recording];
    let mut command = run(&options, &[program.to_str().unwrap()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let_it_work(&mut child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let tree = words(&fs::read_to_string(file).unwrap());
    for line in ["46.2 KiB in 110 blocks", "40.0 KiB 86.5 % 10 ├─ few_large", "100 └─ many_small"]
    {
        assert!(tree.contains(line), "{line}: {tree}");
    }
    assert!(!tree.contains("keeps_nothing"), "{tree}");
    let report = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
        let output = command.args(["report", recording]).args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        words(&text(&output.stdout))
    };
    assert_eq!(report(&["-f", "tree"]), tree, "a replay says the same");
    let table = report(&["-f", "summary", "--include", "few_*"]);
    for line in
        ["40.0 KiB 86.5 % 40.0 KiB 86.5 % 10 few_large", "6.25 KiB in 100 blocks of 1 stack"]
    {
        assert!(table.contains(line), "{line}: {table}");
    }
    let stats = report(&["-f", "stats"]);
    for line in ["6.25 KiB 13.5 % 100 64 B to 127 B", "296 KiB 1,110 250 KiB 46.2 KiB malloc"] {
        assert!(stats.contains(line), "{line}: {stats}");
    }
}

#[test]
fn output_and_status_are_the_commands() {
    if !may_trace() {
        return;
    }
    let output = output(&["-q"], &["sh", "-c", "echo out; exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "out\n");
    assert!(text(&output.stderr).contains("final report"), "{}", text(&output.stderr));
    let killed = self::output(&["-q"], &["sh", "-c", "kill -9 $$"]);
    assert_eq!(killed.status.code(), Some(137), "{}", text(&killed.stderr));
}

#[test]
fn what_cannot_be_executed_is_not_traced() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    fs::write(&closed, "").unwrap();
    let broken = folder.path().join("broken");
    fs::write(&broken, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    for (word, status) in
        [("no-such-command", 127), (closed.to_str().unwrap(), 126), (broken.to_str().unwrap(), 127)]
    {
        let output = output(&["-q"], &[word]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{errors}");
        assert!(!errors.contains("final report"), "{errors}");
    }
}

/// As under sudo, whose variables are not passed on.
#[test]
fn the_command_belongs_to_who_called_sudo() {
    if !may_trace() {
        return;
    }
    let script = "id -u; id -g; echo ${SUDO_UID-none}";
    let mut command = run(&["-q"], &["sh", "-c", script]);
    command.env("SUDO_UID", "64123").env("SUDO_GID", "64124").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!(text(&output.stdout), "64123\n64124\nnone\n", "{}", text(&output.stderr));
}

/// A user whom the machine knows has a home and a name; and nobody looks over the command's shoulder (`proc_pid_status(5)`).
#[test]
fn a_known_user_has_home_and_groups_and_no_tracer() {
    if !may_trace() {
        return;
    }
    let Ok(Some(user)) = nix::unistd::User::from_name("nobody") else {
        return support::not_run("there is no user nobody here");
    };
    let script = "id -u; id -G; echo $HOME $USER $LOGNAME ${SUDO_USER-none}; grep TracerPid: /proc/$$/status";
    let alone = Command::new("id").args(["-G", "nobody"]).output().unwrap();
    let mut command = run(&["-q"], &["sh", "-c", script]);
    command.env("SUDO_UID", user.uid.to_string()).env("SUDO_GID", user.gid.to_string());
    command
        .env("SUDO_USER", "nobody")
        .env("HOME", "/root")
        .env("USER", "root")
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let (groups, home) = (text(&alone.stdout), user.dir.display());
    let expected = format!("{}\n{groups}{home} nobody nobody none\nTracerPid:\t0\n", user.uid);
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
}

#[test]
fn the_environment_is_the_callers() {
    if !may_trace() {
        return;
    }
    let words = ["env", "-0"];
    let mut alone = Command::new(words[0]);
    alone.args(&words[1..]);
    let mut traced = run(&["-q"], &words);
    let [alone, traced] = [&mut alone, &mut traced].map(|command| {
        let command = command.env("A_NAME", "two\nlines").env("EMPTY", "").stdin(Stdio::null());
        command.env_remove("SUDO_UID").env_remove("SUDO_GID").output().unwrap()
    });
    assert!(!alone.stdout.is_empty());
    assert_eq!(text(&traced.stdout), text(&alone.stdout), "{}", text(&traced.stderr));
}

/// Which C library a program brings that another one starts with other variables is not to be foreseen: what it does
/// until that is probed is not seen, and how often that was is counted.
#[test]
fn an_unforeseen_library_is_a_blind_window() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    copy_libc(&folder.path().join("libc.so.6"));
    let variable = format!("LD_LIBRARY_PATH={}", folder.path().display());
    let report = folder.path().join("report");
    let options = ["-f", "json", "-o", report.to_str().unwrap()];
    let file = compiled("two_sizes");
    let words = ["env", &variable, file.to_str().unwrap()];
    let mut command = run(&options, &words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let_it_look();
    let_it_work(&mut child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = Report::read(fs::read_to_string(&report).unwrap().trim_end());
    let tracer = &report.0["tracer"];
    assert_eq!(tracer["blind_windows"], 1, "{tracer:#}");
    let notes = tracer["notes"].to_string();
    assert!(notes.contains("1 blind window in which"), "{notes}");
}

/// Whoever sends a signal to memtrace alone, as `timeout` does, has the command decide.
#[test]
fn signals_are_passed_on() {
    if may_trace() {
        for (name, signal) in [
            ("TERM", libc::SIGTERM),
            ("INT", libc::SIGINT),
            ("HUP", libc::SIGHUP),
            ("QUIT", libc::SIGQUIT),
        ] {
            is_passed_on(name, signal);
        }
    }
}

#[track_caller]
fn is_passed_on(name: &str, signal: libc::c_int) {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script =
        format!("trap 'exit 42' {name}; touch {}; while :; do sleep 0.05; done", ready.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(["run", "-q", "--", "sh", "-c", &script]).stdin(Stdio::null());
    let errors = folder.path().join("errors");
    command.stdout(Stdio::null()).stderr(fs::File::create(&errors).unwrap());
    // One that was ignored when memtrace began, as under nohup(1), would stay so.
    // SAFETY: `signal` is async-signal-safe (`signal-safety(7)`), and nothing else is called.
    unsafe {
        command.pre_exec(move || {
            libc::signal(signal, libc::SIG_DFL);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    support::wait_until("the command to begin", || ready.exists().then_some(()));
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: no memory is involved; the child has not been waited for, so its number is its own.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    let status = support::wait_until("the command's end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(42), "{name}: {}", fs::read_to_string(errors).unwrap());
}
