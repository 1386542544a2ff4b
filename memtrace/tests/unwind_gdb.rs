//! Call stacks by our tables against gdb's, frame for frame, in programs without frame pointers:
//! stock ones, and one that gcc builds here and now. Attaches to nothing but its own children.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use memtrace::unwind::Table;
use memtrace::unwind::reference::{Code, End, Means, Walk, walk};
use memtrace_common::unwind::{CfaKind, Registers, Rule};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program of ours: what it does is its first argument.
const FRAMELESS: &str = include_str!("fixtures/unwind/frameless.c");
/// What gdb is told to tell.
const SCRIPT: &str = include_str!("fixtures/unwind/stacks.py");

/// A child that waits. Killed at the end of the test.
struct Target(Child);

impl Target {
    fn start(program: impl AsRef<Path>, arguments: &[&str]) -> Self {
        let mut command = Command::new(program.as_ref());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: prctl is safe between fork and exec. Where Yama restricts ptrace to ancestors, gdb
        // is none; this lets it attach all the same. Without Yama it fails, which is as good.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY);
                Ok(())
            });
        }
        let program = program.as_ref().display();
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot start {program}: {error}")))
    }

    /// Waits until all its threads, at least so many, sleep.
    fn wait_for_threads(&self, threads: usize) {
        let begun = Instant::now();
        let folder = format!("/proc/{}/task", self.0.id());
        let asleep = |task: &PathBuf| {
            let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
        };
        let mut before = 0;
        while before < 5 {
            assert!(begun.elapsed() < Duration::from_secs(60), "the program never waits");
            let tasks: Vec<PathBuf> =
                fs::read_dir(&folder).unwrap().map(|task| task.unwrap().path()).collect();
            let waits = tasks.len() >= threads && tasks.iter().all(asleep);
            before = if waits { before + 1 } else { 0 };
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The tables of a process's files, and where the files are mapped.
struct Space {
    tables: HashMap<String, Table>,
    mappings: Vec<(u64, u64, u64, String)>,
}

impl Space {
    fn of(pid: u32) -> Self {
        let mut space = Self { tables: HashMap::new(), mappings: Vec::new() };
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        for line in maps.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [range, permissions, offset, _, _, path] = fields[..] else { continue };
            if !permissions.contains('x') || path == "[vsyscall]" {
                continue;
            }
            let (start, end) = range.split_once('-').unwrap();
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            let (start, end) = (number(start), number(end));
            let table = || Self::table(pid, path, start, end);
            space.tables.entry(path.to_owned()).or_insert_with(table);
            space.mappings.push((start, end, number(offset), path.to_owned()));
        }
        space
    }

    fn table(pid: u32, path: &str, start: u64, end: u64) -> Table {
        if path != "[vdso]" {
            return Table::build(&File::open(path).unwrap()).unwrap();
        }
        let mut bytes = vec![0; (end - start) as usize];
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        memory.read_exact_at(&mut bytes, start).unwrap();
        Table::build_from_bytes(&bytes).unwrap()
    }

    fn code(&self) -> Vec<Code<'_>> {
        let code = |(start, end, offset, path): &(u64, u64, u64, String)| Code {
            start: *start,
            end: *end,
            offset: *offset,
            table: &self.tables[path],
        };
        self.mappings.iter().map(code).collect()
    }
}

/// What gdb saw of one thread at one moment.
struct Seen {
    registers: Registers,
    /// Instruction pointer and function of each frame, innermost first.
    frames: Vec<(u64, String)>,
    /// Pieces of the stack: where each begins, and its bytes.
    memory: Vec<(u64, Vec<u8>)>,
}

impl Seen {
    fn from_json(thread: &Value) -> Self {
        let number = |value: &Value| value.as_u64().unwrap();
        let frame = |frame: &Value| (number(&frame[0]), frame[1].as_str().unwrap().to_owned());
        let bytes = |text: &str| -> Vec<u8> {
            let digits: Vec<u8> =
                text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
            digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
        };
        let piece = |piece: &Value| (number(&piece[0]), bytes(piece[1].as_str().unwrap()));
        Self {
            registers: Registers {
                instruction: number(&thread["rip"]),
                stack: number(&thread["rsp"]),
                frame: number(&thread["rbp"]),
            },
            frames: thread["frames"].as_array().unwrap().iter().map(frame).collect(),
            memory: thread["memory"].as_array().unwrap().iter().map(piece).collect(),
        }
    }

    fn read(&self, address: u64) -> Option<u64> {
        self.memory.iter().find_map(|(start, bytes)| {
            let inside = usize::try_from(address.checked_sub(*start)?).ok()?;
            let word = bytes.get(inside..inside.checked_add(8)?)?;
            Some(u64::from_le_bytes(word.try_into().unwrap()))
        })
    }

    fn walk(&self, code: &[Code<'_>], means: Means) -> Walk {
        walk(code, self.registers, means, 1000, |address| self.read(address))
    }

    fn text(&self) -> String {
        let lines = self.frames.iter().map(|(pc, name)| format!("  {pc:#x} {name}\n"));
        lines.collect()
    }

    /// Ours is gdb's, to the outermost function.
    fn assert_same(&self, code: &[Code<'_>]) {
        let walk = self.walk(code, Means::Tables);
        self.assert_same_frames(&walk);
        assert_eq!(walk.end, End::Complete, "gdb's:\n{}", self.text());
    }

    fn assert_same_frames(&self, walk: &Walk) {
        let theirs: Vec<u64> = self.frames.iter().map(|(pc, _)| *pc).collect();
        let ours = &walk.frames;
        assert_eq!(*ours, theirs, "ours {ours:#x?} ended {:?}, gdb's:\n{}", walk.end, self.text());
    }

    fn has(&self, function: &str) -> bool {
        self.frames.iter().any(|(_, name)| name == function)
    }
}

/// Attaches gdb, has it look once and then after each of so many single steps.
fn look(target: &Target, steps: u32) -> Vec<Vec<Seen>> {
    let folder = tempfile::tempdir().unwrap();
    let (script, answer) = (folder.path().join("stacks.py"), folder.path().join("answer"));
    fs::write(&script, SCRIPT).unwrap();
    let output = Command::new("timeout")
        .args(["120", "gdb", "-nx", "-batch", "-p", &target.0.id().to_string(), "-x"])
        .arg(&script)
        .env("STACKS_OUTPUT", &answer)
        .env("STACKS_STEPS", steps.to_string())
        .env_remove("DEBUGINFOD_URLS")
        .output()
        .unwrap();
    let answer = fs::read_to_string(&answer).unwrap_or_else(|error| {
        panic!("gdb (apt install gdb) gave nothing, {error}: {output:#?}");
    });
    let moments: Vec<Value> =
        answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(moments.len(), 1 + steps as usize, "{output:#?}");
    let threads = |moment: &Value| moment.as_array().unwrap().iter().map(Seen::from_json).collect();
    moments.iter().map(threads).collect()
}

/// Looks at a waiting program once; every thread must be the same.
fn assert_waiting_is_same(target: &Target, threads: usize) -> Vec<Seen> {
    target.wait_for_threads(threads);
    let seen = look(target, 0).remove(0);
    let space = Space::of(target.0.id());
    assert!(seen.len() >= threads);
    for thread in &seen {
        thread.assert_same(&space.code());
    }
    seen
}

const UNWIND_TABLES: &str = "-fasynchronous-unwind-tables";
const WITHOUT_FRAME_POINTERS: [&str; 2] = ["-fomit-frame-pointer", UNWIND_TABLES];

fn compile(folder: &Path, flags: [&str; 2]) -> PathBuf {
    fs::write(folder.join("frameless.c"), FRAMELESS).unwrap();
    let status = Command::new("gcc")
        .args(["-O2", "-Wall", "-pthread", "-Wl,-z,lazy", "-o", "frameless", "frameless.c"])
        .args(flags)
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(status.success());
    folder.join("frameless")
}

/// Looks at our program while it does `what`.
fn ours(what: &str, threads: usize) -> Vec<Seen> {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::start(compile(folder.path(), WITHOUT_FRAME_POINTERS), &[what]);
    assert_waiting_is_same(&target, threads)
}

#[test]
fn deep_in_frames_of_every_shape() {
    let seen = &ours("deep", 1)[0];
    assert!(seen.frames.len() > 60, "{}", seen.text());
    for function in ["plain", "variable", "aligned", "large", "compare", "main"] {
        assert!(seen.has(function), "no {function} in\n{}", seen.text());
    }
}

#[test]
fn in_a_signal_handler() {
    let seen = &ours("signal", 1)[0];
    assert!(seen.has("handler") && seen.has("crash"), "{}", seen.text());
}

#[test]
fn in_a_signal_handler_on_a_stack_of_its_own() {
    let seen = &ours("other_stack", 1)[0];
    assert!(seen.has("handler") && seen.has("crash"), "{}", seen.text());
}

#[test]
fn in_a_thread() {
    let seen = ours("thread", 3);
    assert_eq!(seen.iter().filter(|thread| thread.has("in_thread")).count(), 2);
}

/// Every instruction of prologues, epilogues, the linkage table and the vDSO. In the dynamic linker's
/// trampoline the frame address follows from rbx, and where a function has just begun to align its stack
/// from r10: rules cannot express these for the innermost frame, and the walk ends there. What the
/// trampoline calls saves rbx, and from there the walk goes on.
#[test]
fn at_every_instruction() {
    const STEPS: u32 = 2500;
    let folder = tempfile::tempdir().unwrap();
    let target = Target::start(compile(folder.path(), WITHOUT_FRAME_POINTERS), &["steps"]);
    std::thread::sleep(Duration::from_millis(100));
    let moments = look(&target, STEPS);
    let space = Space::of(target.0.id());
    let code = space.code();
    let (mut complete, mut resolving, mut linkage, mut vdso) = (0, 0, 0, 0);
    for thread in moments.iter().flatten() {
        let walk = thread.walk(&code, Means::Tables);
        let last = walk.frames.len() - 1;
        let function = thread.frames[last].1.as_str();
        let resolver = function.starts_with("_dl_runtime_resolve");
        if walk.end == End::Unsupported && last == 0 && (resolver || function == "aligned") {
            continue;
        }
        thread.assert_same(&code);
        complete += 1;
        let resolves = |(_, name): &(u64, String)| name.starts_with("_dl_runtime_resolve");
        resolving += u32::from(thread.frames.iter().skip(1).any(resolves));
        let at = thread.registers.instruction;
        let mapping = space.mappings.iter().find(|mapping| (mapping.0..mapping.1).contains(&at));
        vdso += u32::from(mapping.is_some_and(|mapping| mapping.3 == "[vdso]"));
        let rule = mapping.map(|(start, _, offset, path)| {
            space.tables[path].rule_at(at - start + offset).cfa_kind()
        });
        linkage += u32::from(rule == Some(CfaKind::Plt));
    }
    eprintln!(
        "{complete} complete of {}, {resolving} below the resolver's trampoline, {linkage} in the \
         linkage table, {vdso} in the vDSO",
        moments.len()
    );
    assert!(resolving > 100, "{resolving} below the resolver's trampoline");
    assert!(linkage > 2 && vdso > 20, "{linkage} in the linkage table, {vdso} in the vDSO");
}

/// As in a just-in-time compiler's code: frame pointers, but no unwind information, which only gdb is
/// left with here. The frames of the C library between have it the other way round. In `_start` there
/// is no frame pointer, so the walk does not know that it is the end.
#[test]
fn by_frame_pointers_where_tables_know_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), ["-fno-omit-frame-pointer", UNWIND_TABLES]);
    let target = Target::start(&program, &["deep"]);
    target.wait_for_threads(1);
    let seen = look(&target, 0).remove(0).remove(0);
    let mut space = Space::of(target.0.id());
    let table = space.tables.get_mut(program.to_str().unwrap()).unwrap();
    table.rules.fill(Rule::GAP);
    assert_eq!(seen.walk(&space.code(), Means::Tables).end, End::Gap);
    let walk = seen.walk(&space.code(), Means::TablesThenFramePointers);
    seen.assert_same_frames(&walk);
    assert_eq!(walk.end, End::NoFramePointer, "{}", seen.text());
    let (all, by_pointer) = (walk.frames.len(), walk.by_frame_pointer);
    assert!(all > 60 && by_pointer > 40 && by_pointer < all - 10, "{by_pointer} of {all}");
}

#[test]
fn sqlite3() {
    let target = Target::start("/usr/bin/sqlite3", &[]);
    assert_waiting_is_same(&target, 1);
}

#[test]
fn python3() {
    let nested = "def f(n):\n import time\n (lambda: f(n - 1))() if n else time.sleep(600)\nf(9)";
    let target = Target::start("/usr/bin/python3", &["-c", nested]);
    assert_waiting_is_same(&target, 1);
}

#[test]
fn perl() {
    let nested = "sub f { my $n = shift; $n ? (sort { f($n - 1) } 2, 1)[0] : sleep 600 } f(9)";
    let target = Target::start("/usr/bin/perl", &["-e", nested]);
    let seen = &assert_waiting_is_same(&target, 1)[0];
    assert!(seen.frames.len() > 30, "{}", seen.text());
}

/// Reads a line from within nested calls of an expansion.
#[test]
fn bash() {
    let nested = "f() { if [ $1 = 0 ]; then read -r line; else f $(($1 - 1)); fi; }; f 9";
    let target = Target::start("/bin/bash", &["-c", nested]);
    let seen = &assert_waiting_is_same(&target, 1)[0];
    assert!(seen.frames.len() > 30, "{}", seen.text());
}

/// Waits for objects' names.
#[test]
fn git() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().to_str().unwrap();
    let made = Command::new("git").args(["init", "-q", "--bare", repository]).status().unwrap();
    assert!(made.success());
    let waiting = ["-C", repository, "cat-file", "--batch-check"];
    assert_waiting_is_same(&Target::start("/usr/bin/git", &waiting), 1);
}

#[test]
fn redis_server() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket").display().to_string();
    let target = Target::start(
        "/usr/bin/redis-server",
        &["--port", "0", "--save", "", "--unixsocket", &socket],
    );
    assert_waiting_is_same(&target, 5);
}
