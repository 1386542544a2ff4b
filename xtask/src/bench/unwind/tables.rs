//! Building tables and writing them to the kernel side: time and memory.

use super::{Options, release};
use crate::bench::sample::Sample;
use crate::command::read;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Libraries that the memory of a system is measured with.
const LIBRARIES: usize = 1000;
const LIBRARY_FOLDER: &str = "/usr/lib";

/// Where libraries are, and what their large ones are called; the first that is there counts.
const FOLDERS: [&str; 4] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/bin"];
const FILES: [(&str, &[&str]); 4] = [
    ("libc", &["libc.so.6"]),
    ("libpython3.11", &["libpython3.11.so.1.0"]),
    ("node", &["node"]),
    ("libLLVM", &["libLLVM.so.22.1", "libLLVM-15.so.1", "libLLVM-14.so.1"]),
];

/// The section.
pub(super) fn section(options: &Options) -> Result<String> {
    let program = release("--example", "tables_bench")?;
    let mut text = String::from(
        "## Building tables\n\n\
         From opening the file, which the page cache holds, to the finished table (no cache of \
         tables); then writing it into the kernel's arrays.\n\n\
         | file | text, MB | build, ms | build, ms per MB | upload, ms per MB | table, KB per MB |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    let mut missing = Vec::new();
    for (name, candidates) in FILES {
        match find(candidates) {
            Some(file) => text.push_str(&row(&program, &file, options)?),
            None => missing.push(name),
        }
    }
    if !missing.is_empty() {
        let _ = writeln!(text, "\nNot installed here: {}.", missing.join(", "));
    }
    text.push_str(&memory(&program)?);
    Ok(text)
}

fn find(candidates: &[&str]) -> Option<PathBuf> {
    let places =
        candidates.iter().flat_map(|name| FOLDERS.map(|folder| Path::new(folder).join(name)));
    places.into_iter().find(|file| file.is_file())
}

/// A file's figures, from one run of the example.
fn row(program: &Path, file: &Path, options: &Options) -> Result<String> {
    let rounds = options.rounds.to_string();
    let said = read(Command::new(program).args(["rounds", &rounds]).arg(file))?;
    let found: Value = serde_json::from_str(&said).context("cannot read what tables_bench said")?;
    let megabytes = number(&found["text_bytes"])? / 1e6;
    let times = |key: &str| -> Result<Vec<f64>> {
        found[key].as_array().context("no list of times")?.iter().map(number).collect()
    };
    let (build, upload) = (times("build_ms")?, times("upload_ms")?);
    let sample =
        |times: &[f64], unit: f64| times.iter().map(|time| time / unit).collect::<Sample>();
    let kilobytes = number(&found["table_bytes"])? / 1e3 / megabytes;
    Ok(format!(
        "| {} | {megabytes:.1} | {} | {} | {} | {kilobytes:.1} |\n",
        file.file_name().unwrap_or_default().to_string_lossy(),
        sample(&build, 1.0).shown(1),
        sample(&build, megabytes).shown(2),
        sample(&upload, megabytes).shown(3),
    ))
}

/// What the tables of many libraries take together.
fn memory(program: &Path) -> Result<String> {
    let libraries = libraries();
    let said = read(Command::new(program).arg("memory").args(&libraries))?;
    let found: Value = serde_json::from_str(&said).context("cannot read what tables_bench said")?;
    let megabytes = |key: &str| Ok::<_, anyhow::Error>(number(&found[key])? / 1e6);
    Ok(format!(
        "\n## Memory of {} libraries\n\n\
         The first {} below {}, in order of their paths, {:.0} MB of text: {} tables built in {:.1} s on \
         one core, {} rows and {} pages on the kernel side, {:.1} MB ({} rules among them); the daemon \
         keeps {:.1} MB besides. What has no room is counted as \"without room\": {}.\n",
        libraries.len(),
        libraries.len(),
        LIBRARY_FOLDER,
        megabytes("text_bytes")?,
        number(&found["tables"])?,
        number(&found["build_ms"])? / 1e3,
        number(&found["rows"])?,
        number(&found["pages"])?,
        megabytes("kernel_bytes")?,
        number(&found["rules"])?,
        megabytes("daemon_bytes")?,
        number(&found["without_room"])?,
    ))
}

/// The first libraries of the system, by path.
fn libraries() -> Vec<PathBuf> {
    let mut files = Vec::new();
    below(Path::new(LIBRARY_FOLDER), &mut files);
    files.sort();
    files.truncate(LIBRARIES);
    files
}

/// Every library below a folder. Links are not followed; what cannot be listed has none.
fn below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => below(&entry.path(), files),
            Ok(kind) if kind.is_file() && is_library(&entry.file_name()) => {
                files.push(entry.path());
            }
            _ => {}
        }
    }
}

/// By its name: `libc.so.6`, `libm.so`.
fn is_library(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.ends_with(".so") || name.contains(".so.")
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().with_context(|| format!("{value} is no number"))
}
