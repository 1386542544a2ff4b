//! The program whose processes are traced, with copies of the C library of its own, so that nobody else
//! pays for the probes.

use crate::command::{find, run, shown};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// Copies of the C library that there are.
pub(super) const LIBRARIES: usize = 3;

/// The compiled program and its libraries.
pub(super) struct Crowd {
    folder: TempDir,
}

impl Crowd {
    pub(super) fn compile() -> Result<Self> {
        let compiler = find("gcc").context("this benchmark needs gcc")?;
        let folder = tempfile::tempdir().context("cannot make a folder for the program")?;
        let crowd = Self { folder };
        let source = crowd.folder.path().join("crowd.c");
        fs::write(&source, include_str!("crowd.c"))?;
        run(Command::new(compiler).args(["-O1", "-o"]).arg(crowd.program()).arg(&source))?;
        let libc = own_libc()?;
        for number in 0..LIBRARIES {
            let library = crowd.library(number);
            fs::create_dir(&library)?;
            fs::copy(&libc, library.join("libc.so.6"))
                .with_context(|| format!("cannot copy {}", libc.display()))?;
        }
        Ok(crowd)
    }

    pub(super) fn program(&self) -> PathBuf {
        self.folder.path().join("crowd")
    }

    /// The program under another name.
    pub(super) fn named(&self, name: &str) -> Result<PathBuf> {
        let file = self.folder.path().join(name);
        fs::copy(self.program(), &file).context("cannot copy the program")?;
        Ok(file)
    }

    /// A shell script that starts processes that wait until all in their PID namespace end.
    pub(super) fn waiting_inside(&self, processes: usize) -> String {
        let folder = self.folder.path().display();
        format!(
            "[ -p {folder}/never ] || mkfifo {folder}/never; exec 3<>{folder}/never; i=0; while [ $i -lt {processes} ]; do \
             LD_LIBRARY_PATH={folder}/library$((i % {LIBRARIES})) {} wait <&3 >/dev/null & i=$((i+1)); done",
            self.program().display()
        )
    }

    pub(super) fn library(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("library{}", number % LIBRARIES))
    }

    /// Starts a process, and waits until it is ready; `number` says which library it has.
    pub(super) fn start(&self, number: usize, words: &[&str]) -> Result<Member> {
        self.start_file(&self.program(), number, words)
    }

    /// As [`Crowd::start`], from another file.
    pub(super) fn start_file(&self, file: &Path, number: usize, words: &[&str]) -> Result<Member> {
        let mut command = Command::new(file);
        command.args(words).env("LD_LIBRARY_PATH", self.library(number));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("cannot run {}", shown(&command)))?;
        let output = child.stdout.take().context("no standard output");
        let mut member = Member { child, output: BufReader::new(output?) };
        let line = member.line()?;
        if line != "ready" {
            bail!("{} said {line:?}", shown(&command));
        }
        Ok(member)
    }

    /// Many processes that wait.
    pub(super) fn waiting(&self, processes: usize) -> Result<Vec<Member>> {
        (0..processes).map(|number| self.start(number, &["wait"])).collect()
    }
}

/// One process; killed when dropped.
pub(super) struct Member {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Member {
    pub(super) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Lets it begin.
    pub(super) fn go(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().context("no standard input")?;
        input.write_all(b"go\n").context("the program has ended")
    }

    /// What it says next.
    pub(super) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line).context("cannot read what the program says")?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Already ended: both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The C library that this process has.
pub(in crate::bench) fn own_libc() -> Result<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").context("cannot read /proc/self/maps")?;
    let paths = maps.lines().filter_map(|line| line.split_once('/').map(|(_, path)| path));
    let mut paths = paths.map(|path| Path::new("/").join(path));
    paths.find(|path| path.ends_with("libc.so.6")).context("this program has no libc.so.6")
}
