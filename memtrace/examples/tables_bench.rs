//! What building unwinding tables and writing them to the kernel side costs. What
//! `cargo xtask bench unwind` takes its figures from; prints one line of JSON.
//!
//! `cargo run --release -p memtrace --example tables_bench -- rounds N FILE`, as root: each round's times.
//!
//! `cargo run --release -p memtrace --example tables_bench -- memory FILE...`, as root: all together.

use anyhow::{Context as _, bail};
use memtrace::probe::live::code_tables::{CodeTables, FilePages};
use memtrace::probe::live::kernel_side::{KernelSide, LoadOptions};
use memtrace::unwind::{Rules, Table, UnwindError};
use memtrace_common::config::UnwindMode;
use memtrace_common::unwind::PageRows;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let found = match arguments.as_slice() {
        [what, rounds, file] if what == "rounds" => {
            time(Path::new(file), rounds.parse().context("N is no number")?)?
        }
        [what, files @ ..] if what == "memory" => measure(files)?,
        _ => bail!("usage: tables_bench rounds N FILE | memory FILE..."),
    };
    println!("{found}");
    Ok(())
}

fn load() -> anyhow::Result<KernelSide> {
    let options = LoadOptions { unwind: UnwindMode::Auto, ..LoadOptions::default() };
    Ok(KernelSide::load(options)?)
}

fn tables(kernel: &mut KernelSide) -> anyhow::Result<&mut CodeTables> {
    kernel.code_tables().context("no tables on the kernel side")
}

/// Writes a table to the kernel side.
fn add(kernel: &mut CodeTables, table: &Table, rules: &mut Rules) -> Option<FilePages> {
    let rows: Vec<u32> = table.rows_for(rules).collect();
    let pages: Vec<(u32, u32)> =
        table.pages.iter().map(|page| (page.first_row, page.count)).collect();
    kernel.add_file(rules.list(), &rows, &pages, table.first_page())
}

fn time(path: &Path, rounds: u32) -> anyhow::Result<serde_json::Value> {
    let (mut build, mut upload) = (Vec::new(), Vec::new());
    let mut table = Table::default();
    for _ in 0..rounds {
        // Empty ones each time: many copies of a large table would not fit.
        let (mut kernel, mut rules) = (load()?, Rules::default());
        let kernel = tables(&mut kernel)?;
        let began = Instant::now();
        table = Table::build(&File::open(path)?)?;
        build.push(milliseconds(began));
        let began = Instant::now();
        if add(kernel, &table, &mut rules).is_some() {
            upload.push(milliseconds(began));
        }
    }
    Ok(serde_json::json!({
        "text_bytes": table.text.end - table.text.start,
        "table_bytes": table.bytes(),
        "build_ms": build,
        "upload_ms": upload,
    }))
}

fn measure(files: &[String]) -> anyhow::Result<serde_json::Value> {
    let (mut kernel, mut rules) = (load()?, Rules::default());
    let kernel = tables(&mut kernel)?;
    let (mut tables, mut text, mut rows, mut pages, mut without_room) = (0, 0, 0, 0, 0);
    let mut build_ms = 0.0;
    let before = private_bytes()?;
    let mut kept = Vec::new();
    for path in files {
        let began = Instant::now();
        let table = match Table::build(&File::open(path)?) {
            Ok(table) => table,
            // Not a library, whatever its name.
            Err(UnwindError::Foreign | UnwindError::NoText) => continue,
            Err(error) => {
                eprintln!("{path}: {error}");
                continue;
            }
        };
        build_ms += milliseconds(began);
        tables += 1;
        text += table.text.end - table.text.start;
        rows += table.rows.len();
        pages += table.pages.len();
        let told = add(kernel, &table, &mut rules);
        without_room += usize::from(told.is_none());
        kept.push(told);
    }
    let kernel_bytes =
        rows * size_of::<u32>() + pages * size_of::<PageRows>() + size_of_val(rules.list());
    Ok(serde_json::json!({
        "tables": tables,
        "text_bytes": text,
        "rows": rows,
        "pages": pages,
        "rules": rules.list().len(),
        "build_ms": build_ms,
        "kernel_bytes": kernel_bytes,
        "daemon_bytes": private_bytes()?.saturating_sub(before),
        "without_room": without_room,
    }))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Resident memory of this process that is in no file and in no map of the kernel's, bytes.
fn private_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")).context("no RssAnon")?;
    Ok(kibibytes.trim().parse::<u64>()? * 1024)
}
