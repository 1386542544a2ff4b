//! What a guest boots into: the tests, what they need, and an init that runs them.

mod tree;

use crate::command::{find, output, read, root, target};
use crate::fixtures;
use crate::test::programs::{PATIENCE_VARIABLE, PRIVILEGED_VARIABLE, Privileged, Program};
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tree::Tree;

const INIT: &str = include_str!("init.sh");

/// Programs of this machine that the tests start or trace. Busybox stands in for those that are not
/// here, but it is linked statically, so there is no libc in it to trace.
const TOOLS: [&str; 10] =
    ["cat", "dash", "env", "ls", "setpriv", "sh", "sleep", "timeout", "true", "unshare"];

/// How much slower a guest is than this machine, for the tests' patience.
const PATIENCE: (&str, &str) = (PATIENCE_VARIABLE, "5");

/// Nothing runs in a guest but the tests: they may trace all of it.
const GUEST: (&str, &str) = ("MEMTRACE_TEST_GUEST", "1");

/// What the guests are to do.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// The groups of tests.
    pub(super) groups: &'a [&'a Program],
    /// All that was built.
    pub(super) built: &'a Privileged,
    /// Only tests whose names contain this.
    pub(super) filter: Option<&'a str>,
    /// The longest that one group may take.
    pub(super) limit: Duration,
}

/// A group's name, as people see it: `links` for `live_links`.
pub(super) fn group_name(program: &Program) -> &str {
    program.name.strip_prefix("live_").unwrap_or(&program.name)
}

/// Writes the archive; `work` is a folder for what has to be made on the way.
///
/// # Errors
/// When something that belongs into it is missing.
pub(super) fn write(file: &Path, work: &Path, job: &Job<'_>) -> Result<()> {
    let mut tree = Tree::default();
    add_system(&mut tree)?;
    for Program { file, .. } in job.groups {
        tree.add_from(file, &stripped(file, work)?)?;
        add_libraries(&mut tree, file)?;
    }
    let memtrace = &job.built.memtrace;
    tree.add_from(memtrace, &stripped(memtrace, work)?)?;
    add_libraries(&mut tree, memtrace)?;
    add_fixtures(&mut tree)?;
    let own_tmp = !tree.has_below(Path::new("/tmp"));
    tree.add_text("/memtrace/settings", settings(job, own_tmp)?)?;
    tree.add_text("/memtrace/groups", groups(job))?;
    let archive = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    tree.write(BufWriter::new(archive)).with_context(|| format!("cannot write {}", file.display()))
}

/// A system that init can bring up.
fn add_system(tree: &mut Tree) -> Result<()> {
    tree.add_script("/init", INIT)?;
    tree.add_from(Path::new("/memtrace/busybox"), &busybox()?)?;
    tree.add_text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")?;
    tree.add_text("/etc/group", "root:x:0:\n")?;
    for folder in
        ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/root", "/proc", "/sys", "/dev", "/tmp"]
    {
        tree.add_folder(folder)?;
    }
    for tool in TOOLS.iter().filter_map(|tool| find(tool)) {
        tree.add(&tool)?;
        add_libraries(tree, &tool)?;
    }
    Ok(())
}

/// A busybox that needs no libraries.
///
/// # Errors
/// When there is none, or only one that needs some.
pub(super) fn busybox() -> Result<PathBuf> {
    let Some(busybox) = find("busybox") else {
        bail!("busybox is missing: install the package busybox-static");
    };
    if !libraries(&busybox)?.is_empty() {
        bail!(
            "{} needs shared libraries: install the package busybox-static instead",
            busybox.display()
        );
    }
    Ok(busybox)
}

fn add_libraries(tree: &mut Tree, program: &Path) -> Result<()> {
    for library in libraries(program)? {
        tree.add(&library)?;
    }
    Ok(())
}

/// The shared libraries of a program of ours or of this machine, and its loader.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let mut ldd = Command::new("ldd");
    let listed = output(ldd.arg(program).env("LC_ALL", "C"))?;
    let text = String::from_utf8_lossy(&listed.stdout) + String::from_utf8_lossy(&listed.stderr);
    // Of a static program ldd says so, and fails.
    if text.contains("not a dynamic executable") {
        return Ok(Vec::new());
    }
    if !listed.status.success() || text.contains("not found") {
        bail!("ldd {} does not find all libraries:\n{}", program.display(), text.trim());
    }
    Ok(paths(&text))
}

/// The paths in what ldd says: `libc.so.6 => /lib/libc.so.6 (0x7f…)` or `/lib64/ld.so (0x7f…)`.
fn paths(ldd: &str) -> Vec<PathBuf> {
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    ldd.lines().filter_map(path).collect()
}

/// A copy of a program without debug information, of which a debug build has four times as much as
/// of all else, and which a guest would keep in memory.
fn stripped(program: &Path, work: &Path) -> Result<PathBuf> {
    let name = program.file_name().context("a program has no name")?;
    let copy = work.join(name);
    read(Command::new("strip").arg("-g").arg("-o").arg(&copy).arg(program))?;
    Ok(copy)
}

/// The C programs and their sources, where the tests look for them.
fn add_fixtures(tree: &mut Tree) -> Result<()> {
    let compiled = target().join("fixtures");
    for program in fixtures::compile_all()? {
        let name = program.strip_prefix(&compiled).context("a C program is out of place")?;
        tree.add_from(&guest_fixtures()?.join(name), &program)?;
        add_libraries(tree, &program)?;
    }
    add_all(tree, &package().join("tests/fixtures"))
}

fn add_all(tree: &mut Tree, folder: &Path) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if path.is_dir() { add_all(tree, &path)? } else { tree.add(&path)? }
    }
    Ok(())
}

fn package() -> PathBuf {
    root().join("memtrace")
}

/// Where the tests compile C programs to: cargo's `CARGO_TARGET_TMPDIR`.
fn guest_fixtures() -> Result<PathBuf> {
    let target = target();
    let target = std::path::absolute(&target)
        .with_context(|| format!("cannot find {}", target.display()))?;
    Ok(target.join("tmp/fixtures"))
}

/// What init is told, as lines of shell.
fn settings(job: &Job<'_>, own_tmp: bool) -> Result<String> {
    let limit = job.limit.as_secs().to_string();
    let (package, fixtures) = (package(), guest_fixtures()?);
    let variables = [PRIVILEGED_VARIABLE, PATIENCE, GUEST]
        .map(|(name, value)| format!("export {name}={value}\n"));
    let settings = [
        ("package", package.to_str().context("the work tree's path is not UTF-8")?),
        ("fixtures", fixtures.to_str().context("the target's path is not UTF-8")?),
        ("memtrace", job.built.memtrace.to_str().context("memtrace's path is not UTF-8")?),
        ("filter", job.filter.unwrap_or_default()),
        ("limit", &limit),
        ("own_tmp", if own_tmp { "yes" } else { "no" }),
    ];
    let settings = settings.map(|(name, value)| format!("{name}={}\n", quoted(value)));
    Ok(settings.concat() + &variables.concat())
}

/// The groups, a line each: name, program.
fn groups(job: &Job<'_>) -> String {
    let line = |program: &&Program| format!("{} {}\n", group_name(program), program.file.display());
    job.groups.iter().map(line).collect()
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{Job, Privileged, Program, groups, paths, quoted, settings};
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    #[test]
    fn libraries_and_loader_are_taken_from_ldd() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            paths(text),
            ["/lib/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from)
        );
    }

    #[test]
    fn init_is_told_what_to_run() {
        let program =
            |name: &str| Program { name: name.to_owned(), file: Path::new("/target").join(name) };
        let built = Privileged { tests: vec![program("live_links")], memtrace: "/target/m".into() };
        let chosen: Vec<&Program> = built.tests.iter().collect();
        let limit = Duration::from_secs(7);
        let job = Job { groups: &chosen, built: &built, filter: Some("it's"), limit };
        assert_eq!(groups(&job), "links /target/live_links\n");
        let text = settings(&job, true).unwrap();
        for line in [r"filter='it'\''s'", "limit='7'", "own_tmp='yes'", "memtrace='/target/m'"] {
            assert!(text.lines().any(|other| other == line), "{line} in {text}");
        }
        assert!(text.contains("export MEMTRACE_PRIVILEGED=1\n"));
        assert_eq!(quoted(""), "''");
    }
}
