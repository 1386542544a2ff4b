//! How long tracing takes to begin with a program that has a hundred libraries.

use super::{Options, release};
use crate::bench::sample::Sample;
use crate::bench::sections::verdict;
use crate::command::{find, run, shown};
use anyhow::{Context as _, Result, bail};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// Libraries that the program has besides the C library.
const LIBRARIES: usize = 100;
/// Functions of each: about 400 KB of code, as a medium library has.
const FUNCTIONS: usize = 2000;
/// Where root's tables are kept between runs.
const CACHE: &str = "/var/cache/memtrace/unwind";
/// The longest that beginning may last, s, without and with tables from earlier runs.
const LONGEST: [f64; 2] = [1.0, 0.2];

/// Loads the libraries that it is told, and waits for its input to end.
const PROGRAM: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **words) {
    for (int word = 1; word < count; word++) {
        if (dlopen(words[word], RTLD_NOW | RTLD_LOCAL) == NULL) return puts(dlerror()), 1;
    }
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {}
    return 0;
}
"#;

/// The section.
pub(super) fn section(options: &Options) -> Result<String> {
    let memtrace = release("--bin", "memtrace")?;
    let workshop = Workshop::open()?;
    let mut figures = Figures::default();
    for round in 0..options.rounds {
        eprintln!("xtask: beginning to trace, round {} of {}", round + 1, options.rounds);
        let libraries = workshop.libraries(round)?;
        let _entries = Entries(&libraries.ids);
        let (full, bare) = (workshop.start(&libraries.files)?, workshop.start(&[])?);
        figures.cold.add(begin(&memtrace, &full, &[])?);
        figures.warm.add(begin(&memtrace, &full, &[])?);
        figures.without_tables.add(begin(&memtrace, &full, &["--unwind", "fp"])?);
        figures.bare.add(begin(&memtrace, &bare, &[])?);
    }
    Ok(figures.render(&workshop))
}

#[derive(Default)]
struct Figures {
    cold: Sample,
    warm: Sample,
    without_tables: Sample,
    bare: Sample,
}

impl Figures {
    fn render(&self, workshop: &Workshop) -> String {
        let mut text = format!(
            "## Beginning to trace\n\n\
             From starting memtrace to its line that says that it traces. The program has {LIBRARIES} \
             libraries of its own with {FUNCTIONS} functions each ({:.0} KB), which the page cache \
             holds. The rows without tables and without libraries show what else takes time: loading \
             the programs, measuring their cost, placing the probes.\n\n\
             | | s |\n|---|---:|\n",
            workshop.library_bytes() as f64 / 1e3
        );
        let [cold, warm] = LONGEST;
        for (name, sample, longest) in [
            ("no tables from earlier runs", &self.cold, Some(cold)),
            ("tables from an earlier run", &self.warm, Some(warm)),
            ("the same program without tables (`--unwind fp`)", &self.without_tables, None),
            ("a program without those libraries", &self.bare, None),
        ] {
            let verdict = longest.map_or_else(String::new, |longest| {
                let is_met = sample.median().is_some_and(|took| took < longest);
                format!("; target under {longest}: {}", verdict(is_met))
            });
            let _ = writeln!(text, "| {name} | {}{verdict} |", sample.shown(3));
        }
        text
    }
}

/// A folder in which libraries and programs are made.
struct Workshop {
    folder: TempDir,
    compiler: PathBuf,
}

/// The libraries of a round.
struct Libraries {
    files: Vec<PathBuf>,
    /// Their build-ids.
    ids: Vec<String>,
}

impl Workshop {
    fn open() -> Result<Self> {
        let compiler = find("gcc").context("this section needs gcc")?;
        let folder = tempfile::tempdir().context("cannot make a folder for libraries")?;
        let workshop = Self { folder, compiler };
        fs::write(workshop.path("library.c"), library())?;
        fs::write(workshop.path("program.c"), PROGRAM)?;
        workshop.compile(&["-O2", "-fPIC", "-c", "library.c"])?;
        workshop.compile(&["-O1", "-o", "program", "program.c", "-ldl"])?;
        Ok(workshop)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn compile(&self, words: &[&str]) -> Result<()> {
        run(Command::new(&self.compiler).current_dir(self.folder.path()).args(words))
    }

    fn library_bytes(&self) -> u64 {
        fs::metadata(self.path("library0.so")).map_or(0, |metadata| metadata.len())
    }

    /// Libraries that nobody has seen yet: each has a build-id of its own.
    fn libraries(&self, round: u32) -> Result<Libraries> {
        let mut libraries = Libraries { files: Vec::new(), ids: Vec::new() };
        for number in 0..LIBRARIES {
            let id = format!("{:08x}{round:08x}{number:024x}", std::process::id());
            let name = format!("library{number}.so");
            let option = format!("-Wl,--build-id=0x{id}");
            self.compile(&["-shared", "-o", &name, "library.o", &option])?;
            libraries.files.push(self.path(&name));
            libraries.ids.push(id);
        }
        Ok(libraries)
    }

    /// Starts the program with these libraries.
    fn start(&self, libraries: &[PathBuf]) -> Result<Program> {
        let mut command = Command::new(self.path("program"));
        command.args(libraries).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().with_context(|| format!("cannot run {}", shown(&command)))?;
        let mut program = Program(child);
        let output = program.0.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim() != "ready" {
            bail!("the program with {} libraries failed: {line}", libraries.len());
        }
        Ok(program)
    }
}

/// A library's source: functions with frames of many sizes.
fn library() -> String {
    let mut text = String::new();
    for number in 0..FUNCTIONS {
        let room = 16 + number % 61 * 8;
        let _ = writeln!(
            text,
            "int step_{number}(int (*next)(char *, int), int value) {{ char room[{room}]; \
             int first = next(room, value), second = next(room, value + {number}); \
             for (int i = 0; i < value; i++) first += next(room, second + i) * second; \
             return first + second + room[value & 15]; }}"
        );
    }
    text
}

/// Killed when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Already ended: both do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tables of these build-ids in root's cache, which nobody will want again. Removed when dropped.
struct Entries<'a>(&'a [String]);

impl Drop for Entries<'_> {
    fn drop(&mut self) {
        for entry in fs::read_dir(CACHE).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if self.0.iter().any(|id| name.to_string_lossy().starts_with(id.as_str())) {
                // What is left is evicted some day.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Seconds until memtrace says that it traces.
fn begin(memtrace: &Path, program: &Program, words: &[&str]) -> Result<f64> {
    let mut command = Command::new(memtrace);
    command.args(["--pid", &program.0.id().to_string(), "--exact", "--interval", "0"]).args(words);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot run {}", shown(&command)))?;
    let mut tracer = Program(child);
    let mut said = BufReader::new(tracer.0.stderr.take().context("no standard error")?);
    let mut before = String::new();
    loop {
        let mut line = String::new();
        if said.read_line(&mut line)? == 0 {
            bail!("memtrace ended before it traced: {before}");
        }
        if line.starts_with("tracing ") {
            break;
        }
        before.push_str(&line);
    }
    let took = began.elapsed().as_secs_f64();
    run(Command::new("kill").args(["-INT", &tracer.0.id().to_string()]))?;
    said.read_to_string(&mut before)?;
    tracer.0.wait()?;
    Ok(took)
}
