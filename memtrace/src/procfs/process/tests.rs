//! On this process itself, on children of its own, and on made-up `/proc` trees.

use super::{Process, ProcfsError, Seccomp};
use std::fs::{create_dir_all, write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A `/proc` with one process whose files have these contents.
fn fake(proc: &Path, id: u32, pid: u32, state: char, flags: u32, exe: &[u8]) {
    let directory = proc.join(id.to_string());
    create_dir_all(directory.join("task")).unwrap();
    write(directory.join("status"), format!("Name:\tx\nTgid:\t{pid}\nUid:\t7 0 0 0\n")).unwrap();
    let line = format!("{id} (x) {state} 1 1 1 0 -1 {flags} 0 0 0 0 2 1 0 0 20 0 1 0 55 0 0\n");
    write(directory.join("stat"), line).unwrap();
    write(directory.join("comm"), "x\u{1b}y\n").unwrap();
    if !exe.is_empty() {
        write(directory.join("program"), exe).unwrap();
        symlink("program", directory.join("exe")).unwrap();
    }
}

const ELF64: &[u8] = b"\x7fELF\x02 and so on";
const ELF32: &[u8] = b"\x7fELF\x01 and so on";

#[test]
fn this_process_is_known() {
    let opened = Process::open(std::process::id()).unwrap();
    assert_eq!(opened.resolved_from_thread, None);
    let process = opened.process;
    assert!(process.is_alive() && !process.leader_exited());
    assert_eq!(process.in_our_pid_namespace(), Some(true));
    assert_eq!(process.seccomp_mode().is_some(), Path::new("/proc/self/status").exists());
    let info = process.info(true).unwrap();
    assert_eq!(info.key, process.key());
    assert_eq!(info.exe, std::env::current_exe().ok());
    assert!(info.cmdline.is_some_and(|arguments| !arguments.is_empty()));
    assert!(info.started.is_some());
    assert_eq!(process.info(false).unwrap().cmdline, None);
}

#[test]
fn its_memory_is_known() {
    let process = Process::open(std::process::id()).unwrap().process;
    let usage = process.usage().unwrap();
    assert!(usage.resident > 0 && usage.resident_anonymous > 0);
    let mappings = process.mappings().unwrap();
    let here = this_function as *const () as u64;
    let own = mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&here)).unwrap();
    assert!(own.execute && own.is_file());
    assert_eq!(Some(own.path.clone()), std::env::current_exe().ok());
}

fn this_function() {}

#[test]
fn a_thread_is_resolved_to_its_process() {
    let (send, receive) = std::sync::mpsc::channel();
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        // SAFETY: gettid has no preconditions.
        send.send(unsafe { libc::gettid() } as u32).unwrap();
        let _ = wait.recv();
    });
    let id = receive.recv().unwrap();
    let opened = Process::open(id).unwrap();
    assert_eq!(opened.process.pid(), std::process::id());
    assert_eq!(opened.resolved_from_thread, Some(id));
    assert!(opened.process.threads().unwrap().contains(&id));
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn ids_without_a_process_say_so() {
    let error = Process::open(u32::MAX).unwrap_err();
    assert!(matches!(error, ProcfsError::NoSuchProcess { pid: u32::MAX }), "{error}");
    assert!(Process::open(0).is_err());
}

/// A child that waits for its standard input to close.
fn child() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_child_dies_becomes_a_zombie_and_goes() {
    let mut child = child();
    let process = Process::open(child.id()).unwrap().process;
    assert!(process.is_alive());
    child.kill().unwrap();
    // A zombie, until it is waited for: SIGKILL takes a moment.
    while process.is_alive() {
        std::thread::yield_now();
    }
    let error = Process::open(child.id()).unwrap_err();
    assert!(matches!(error, ProcfsError::Zombie { .. }), "{error}");
    child.wait().unwrap();
    let error = Process::open(child.id()).unwrap_err();
    assert!(matches!(error, ProcfsError::NoSuchProcess { .. }), "{error}");
    assert!(
        process.mappings().is_err() && process.usage().is_err() && process.info(false).is_err()
    );
}

#[test]
fn what_cannot_be_traced_is_refused() {
    let proc = tempfile::tempdir().unwrap();
    let proc = proc.path();
    fake(proc, 2, 2, 'S', 0x0020_0000, b"");
    fake(proc, 3, 3, 'Z', 0, b"");
    fake(proc, 4, 4, 'S', 0, ELF32);
    fake(proc, 5, 5, 'S', 0, ELF64);
    let open = |id| Process::open_in(proc, id);
    let error = open(2).unwrap_err();
    assert!(matches!(&error, ProcfsError::KernelThread { comm, .. } if comm == "x\\u{1b}y"));
    assert!(matches!(open(3).unwrap_err(), ProcfsError::Zombie { .. }));
    assert!(matches!(open(4).unwrap_err(), ProcfsError::Bits32 { .. }));
    assert_eq!(open(5).unwrap().process.key().start_time, 55);
    write(proc.join("5/status"), "Name:\tx\n").unwrap();
    assert!(matches!(open(5).unwrap_err(), ProcfsError::Malformed { .. }));
}

#[test]
fn a_process_lives_on_without_its_leader() {
    let proc = tempfile::tempdir().unwrap();
    let proc = proc.path();
    fake(proc, 9, 9, 'Z', 0, b"");
    write(proc.join("9/maps"), "").unwrap();
    let tasks = proc.join("9/task");
    fake(&tasks, 9, 9, 'Z', 0, b"");
    fake(&tasks, 11, 9, 'S', 0, ELF64);
    write(tasks.join("11/maps"), "1000-2000 r-xp 0 08:01 5 /bin/x\n").unwrap();
    write(tasks.join("11/cmdline"), "a\0b c\0").unwrap();
    let process = Process::open_in(proc, 9).unwrap().process;
    assert!(process.is_alive() && process.leader_exited());
    assert_eq!(process.mappings().unwrap().len(), 1);
    let info = process.info(true).unwrap();
    assert_eq!(info.cmdline, Some(vec!["a".to_owned(), "b c".to_owned()]));
    assert_eq!((info.exe.as_deref(), info.uid), (Some(Path::new("program")), Some(7)));
    assert_eq!(process.usage().unwrap().cpu % 10_000_000, 0);
}

#[test]
fn the_strictest_thread_decides() {
    let proc = tempfile::tempdir().unwrap();
    let proc = proc.path();
    fake(proc, 9, 9, 'S', 0, ELF64);
    for (thread, mode) in [(9, 0), (10, 2), (11, 0)] {
        create_dir_all(proc.join(format!("9/task/{thread}"))).unwrap();
        let status = format!("Tgid:\t9\nSeccomp:\t{mode}\n");
        write(proc.join(format!("9/task/{thread}/status")), status).unwrap();
    }
    let process = Process::open_in(proc, 9).unwrap().process;
    assert_eq!(process.seccomp_mode(), Some(Seccomp::Filter));
}
