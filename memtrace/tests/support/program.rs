//! The small C programs of `tests/fixtures`: compiled once, started, told to go. The protocol is
//! described in `fixture.h`.

#[path = "../fixtures/recipe.rs"]
mod recipe;

use super::container::Container;
use super::lines::Lines;
use super::report::Accounts;
use super::{wait_for_end, wait_until};
use recipe::Recipe;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;

/// One compilation at a time in a test program.
static COMPILING: Mutex<()> = Mutex::new(());

/// A running program. It is killed when dropped.
pub struct Program {
    name: String,
    child: Child,
    /// Its number, if the child is but its parent.
    pid: Option<u32>,
    input: Option<ChildStdin>,
    output: Lines,
    errors: Lines,
}

impl Program {
    /// Starts the program and waits until it is ready.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        Self::launch(name, Command::new(compiled(name)).args(arguments))
    }

    /// Starts the program with the copy of libc in `folder`, so that probes in it concern nobody
    /// else. Makes the copy if there is none.
    pub fn start_with_libc(name: &str, arguments: &[&str], folder: &Path) -> Self {
        Self::start_file_with_libc(&compiled(name), arguments, folder)
    }

    /// As [`Self::start_with_libc`], from another file.
    pub fn start_file_with_libc(file: &Path, arguments: &[&str], folder: &Path) -> Self {
        let libc = folder.join("libc.so.6");
        if !libc.exists() {
            copy_libc(&libc);
        }
        let mut command = Command::new(file);
        command.args(arguments).env("LD_LIBRARY_PATH", folder);
        let program = Self::launch(file.to_str().unwrap(), &mut command);
        let path = libc.canonicalize().unwrap();
        let path = path.to_str().unwrap();
        assert!(program.maps().iter().any(|line| line.ends_with(path)), "it does not use {path}");
        program
    }

    /// Starts the program from another file.
    pub fn start_file(file: &Path, arguments: &[&str]) -> Self {
        Self::launch(file.to_str().unwrap(), Command::new(file).args(arguments))
    }

    /// Starts a shell, with namespaces of its own as `namespaces` tells unshare(1), that runs `script`.
    /// There `$1` is the program, `$2` is `folder`, and the rest are `arguments`. It must become the
    /// program in the end.
    pub fn start_apart(
        name: &str,
        namespaces: &[&str],
        script: &str,
        folder: &Path,
        arguments: &[&str],
    ) -> Self {
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-ec", script, "sh"]).arg(compiled(name)).arg(folder);
        let mut program = Self::launch(name, command.args(arguments));
        if namespaces.contains(&"--fork") {
            program.pid = Some(only_child(program.child.id()));
        }
        program
    }

    /// Starts `command`, which becomes the program and says that it is ready.
    pub fn launch(name: &str, command: &mut Command) -> Self {
        Self::launch_and_hear(name, command).0
    }

    /// As [`Self::launch`], with what it said until it was ready.
    pub fn launch_and_hear(name: &str, command: &mut Command) -> (Self, Vec<String>) {
        let spawned = piped(command).spawn();
        Self::hear(name, spawned.unwrap_or_else(|error| panic!("cannot run {name}: {error}")))
    }

    /// Starts the program in `container`, with the copy of libc in `folder`, which is made if need be.
    pub fn start_in(container: &Container, name: &str, arguments: &[&str], folder: &Path) -> Self {
        let libc = folder.join("libc.so.6");
        if !libc.exists() {
            copy_libc(&libc);
        }
        let mut command = Command::new(compiled(name));
        command.args(arguments).env("LD_LIBRARY_PATH", folder);
        Self::spawn_in(container, name, &mut command)
    }

    /// Starts `command`, which becomes the program, in `container`.
    pub fn spawn_in(container: &Container, name: &str, command: &mut Command) -> Self {
        Self::hear(name, container.spawn(piped(command))).0
    }

    /// Waits until the program, a child with pipes, says that it is ready.
    fn hear(name: &str, mut child: Child) -> (Self, Vec<String>) {
        let mut program = Self {
            name: name.to_owned(),
            input: child.stdin.take(),
            output: Lines::of(name, child.stdout.take().unwrap()),
            errors: Lines::of(name, child.stderr.take().unwrap()),
            child,
            pid: None,
        };
        let said = program.wait_for("ready");
        (program, said)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.unwrap_or(self.child.id())
    }

    /// Lines of its output, up to the one that begins with `start`.
    pub fn wait_for(&mut self, start: &str) -> Vec<String> {
        let errors = &mut self.errors;
        self.output.until(start, || errors.rest().join("\n"))
    }

    /// Gives it the line that it waits for.
    pub fn tell(&mut self) {
        let input = self.input.as_mut().unwrap();
        input.write_all(b"go\n").unwrap_or_else(|error| panic!("{} is gone: {error}", self.name));
    }

    /// Lets it work; gives what it says a tracer must have counted.
    pub fn work(&mut self) -> Accounts {
        self.tell();
        self.accounts_until("done")
    }

    /// What it says a tracer must have counted, up to the line that begins with `start`.
    pub fn accounts_until(&mut self, start: &str) -> Accounts {
        Accounts::read(&self.wait_for(start))
    }

    /// Lets it end after its work.
    pub fn end(mut self) -> ExitStatus {
        self.tell();
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for_end(&self.name, &mut self.child)
    }

    /// Has it not ended?
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until its first thread has ended.
    pub fn wait_for_zombie(&self) {
        let path = format!("/proc/{0}/task/{0}/stat", self.pid());
        wait_until("the end of the first thread", || {
            let stat = std::fs::read_to_string(&path).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('Z').then_some(())
        });
    }

    /// The code of libc as it is in its memory now.
    pub fn libc_code(&self) -> Vec<u8> {
        let maps = self.maps();
        let is_code = |line: &&String| line.contains(" r-xp ") && line.ends_with("/libc.so.6");
        let range = maps.iter().find(is_code).unwrap().split(' ').next().unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut code = vec![0; usize::try_from(end - start).unwrap()];
        let memory = File::open(format!("/proc/{}/mem", self.pid())).unwrap();
        memory.read_exact_at(&mut code, start).unwrap();
        code
    }

    /// Its threads' ids.
    pub fn threads(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let name = |task: std::io::Result<std::fs::DirEntry>| task.unwrap().file_name();
        tasks.map(|task| name(task).to_str().unwrap().parse().unwrap()).collect()
    }

    /// Its mappings, also when its first thread has ended.
    pub fn maps(&self) -> Vec<String> {
        let path = |thread| format!("/proc/{}/task/{thread}/maps", self.pid());
        let maps = self.threads().into_iter().map(|thread| std::fs::read_to_string(path(thread)));
        let text = maps.filter_map(Result::ok).find(|text| !text.is_empty()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, or nothing else can be done about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// The program's file, compiled anew if its source is younger. Where it is not, no compiler is needed.
pub fn compiled(name: &str) -> PathBuf {
    let _one_at_a_time = COMPILING.lock();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let recipe =
        Recipe::new(name, &sources, &Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures"));
    if recipe.is_done() {
        return recipe.program;
    }
    std::fs::create_dir_all(recipe.program.parent().unwrap()).unwrap();
    // Under another name first: another test program may be compiling it, too, or running it.
    let half = recipe.program.with_extension(std::process::id().to_string());
    let (compiler, source) = (recipe.compiler(), recipe.source.display());
    let status =
        Command::new(&compiler).args(recipe.arguments().unwrap()).arg("-o").arg(&half).status();
    let status = status.unwrap_or_else(|error| panic!("cannot run {compiler}: {error}"));
    assert!(status.success(), "{compiler} does not compile {source}");
    std::fs::rename(half, &recipe.program).unwrap();
    recipe.program
}

/// The one process whose parent this is.
pub fn only_child(parent: u32) -> u32 {
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything: the state, then the parent (proc_pid_stat(5)).
        let mut rest = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        rest.nth(1) == Some(&parent.to_string())
    };
    let all = std::fs::read_dir("/proc").unwrap();
    let numbers = all.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let children: Vec<u32> = numbers.filter(is_child).collect();
    let [child] = children[..] else { panic!("{parent} has the children {children:?}") };
    child
}

/// Copies the libc that this test program uses, for a process that is to have one of its own.
pub fn copy_libc(to: &Path) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with("/libc.so.6")).unwrap();
    std::fs::copy(&line[line.find('/').unwrap()..], to).unwrap();
}
