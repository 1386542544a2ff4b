//! A folder with all that the programs work on. It belongs to the person who builds, and is made anew.

use crate::command::{run, target};
use crate::elevate;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Commits of the repository.
const COMMITS: usize = 300;
/// Functions of the source for a compiler.
const FUNCTIONS: usize = 200;

/// See the file's head.
pub(super) struct Workshop(PathBuf);

impl Workshop {
    /// An empty one.
    pub(super) fn new() -> Result<Self> {
        let folder = std::path::absolute(target().join("stacks")).context("no current folder")?;
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        elevate::make_folder(&folder)?;
        Ok(Self(folder))
    }

    /// Where a file of this name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file.
    pub(super) fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Compiles a program with a compiler that knows `-o`.
    pub(super) fn compiled(&self, name: &str, text: &str, compiler: &[&str]) -> Result<PathBuf> {
        let source = self.file(name, text)?;
        let program = self.path(&name.replace('.', "_"));
        let [compiler, arguments @ ..] = compiler else { anyhow::bail!("no compiler for {name}") };
        let mut command = elevate::as_user(compiler)?;
        // Go asks C compilers only where it is told to.
        command.args(arguments).arg("-o").arg(&program).arg(source).env("CGO_ENABLED", "1");
        run(&mut command)?;
        Ok(program)
    }

    /// A git repository with some history.
    pub(super) fn repository(&self) -> Result<String> {
        let folder = utf8(&self.path("repository"))?;
        run(elevate::as_user("/usr/bin/git")?.args(["init", "-q", "--bare", &folder]))?;
        let mut import = elevate::as_user("/usr/bin/git")?;
        import.args(["-C", &folder, "fast-import", "--quiet"]).stdin(Stdio::piped());
        let mut import = import.spawn().context("cannot run git fast-import")?;
        let mut input = import.stdin.take().context("git has no input")?;
        input.write_all(history().as_bytes()).context("git fast-import ended early")?;
        drop(input);
        let status = import.wait().context("cannot wait for git")?;
        anyhow::ensure!(status.success(), "git fast-import failed: {status}");
        run(elevate::as_user("/usr/bin/git")?.args([
            "-C",
            &folder,
            "symbolic-ref",
            "HEAD",
            "refs/heads/main",
        ]))?;
        Ok(folder)
    }

    /// A C source of some size.
    pub(super) fn source(&self) -> Result<String> {
        utf8(&self.file("work.c", &functions())?)
    }
}

fn utf8(path: &Path) -> Result<String> {
    Ok(path.to_str().context("the folder's path is not UTF-8")?.to_owned())
}

/// Commits that each change a line in each of some files (`git-fast-import(1)`).
fn history() -> String {
    let mut text = String::new();
    for commit in 0..COMMITS {
        let message = format!("Change {commit}\n");
        let _ = write!(
            text,
            "commit refs/heads/main\ncommitter A <a@example.org> {} +0000\ndata {}\n{message}",
            1_700_000_000 + commit,
            message.len()
        );
        for file in 0..5 {
            let lines = (0..200).map(|line| {
                let changes = (line + file * 7) % COMMITS == commit % 200;
                format!("line {line} of file {file}{}\n", if changes { ", changed" } else { "" })
            });
            let lines: String = lines.collect();
            let _ = write!(text, "M 644 inline folder/file{file}\ndata {}\n{lines}\n", lines.len());
        }
    }
    text
}

/// Functions with what keeps a compiler busy: loops, structures, branches, inlining.
fn functions() -> String {
    let mut text = String::from(
        "struct item { int kind; double weight; struct item *next; char name[24]; };\n\
         extern int use(const char *, double);\n",
    );
    for number in 0..FUNCTIONS {
        let _ = writeln!(
            text,
            "static inline double weigh{number}(const struct item *item) {{\n\
             \x20   return item->weight * {number}.5 + item->kind;\n}}\n\
             int visit{number}(struct item *items, int count) {{\n\
             \x20   double sum = {number};\n\
             \x20   for (int i = 0; i < count; i++) {{\n\
             \x20       switch (items[i].kind % 7) {{\n\
             \x20       case 0: sum += weigh{number}(&items[i]); break;\n\
             \x20       case 1: for (struct item *it = &items[i]; it; it = it->next) sum -= it->weight; break;\n\
             \x20       case 4: sum *= use(items[i].name, sum); break;\n\
             \x20       default: items[i].weight = sum / (i + {number} + 1);\n\
             \x20       }}\n\
             \x20   }}\n\
             \x20   return use(\"function {number}\", sum);\n}}"
        );
    }
    text
}
