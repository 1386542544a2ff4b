//! Empty probes where memtrace would place its own: the floor of what tracing can cost. What
//! `cargo xtask bench overhead` compares memtrace with.
//!
//! `cargo run --release -p memtrace --example floor -- LINK PID`, as root
//!
//! LINK is session, multi or perf. Prints a line that begins `tracing` on its standard error once the
//! probes are in place, as memtrace does, and removes them when its standard input ends.

use anyhow::Context as _;
use memtrace::probe::allocator::{MappedFile, find};
use memtrace::probe::live::kernel_side::{KernelSide, LoadOptions};
use memtrace::probe::live::link::{Point, Purpose, close_all};
use memtrace::procfs::{ModuleTable, Process};
use memtrace_common::config::LinkKind;
use std::io::Read as _;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [link, pid] = arguments.as_slice() else { anyhow::bail!("usage: floor LINK PID") };
    let kinds = [LinkKind::Session, LinkKind::Multi, LinkKind::Perf];
    let link = kinds.into_iter().find(|kind| kind.name() == link).context("no such link")?;
    let process = Process::open(pid.parse().context("PID is no number")?)?;

    let kernel = KernelSide::load(LoadOptions { link: Some(link), ..LoadOptions::default() })?;
    let mut links = Vec::new();
    let mut places = 0;
    for allocator in find(&mapped_files(&process)?)?.allocators {
        let points: Vec<Point> = allocator.functions.iter().flat_map(Point::of).collect();
        let path = &allocator.file.open_path;
        let pid = Some(process.pid());
        links.extend(kernel.attach_for(Purpose::Nothing, path, &points, pid)?);
        places += points.len();
    }
    eprintln!("tracing nothing of pid {pid} at {places} places; {} link", link.name());

    std::io::stdin().read_to_end(&mut Vec::new()).context("cannot wait for the input's end")?;
    let began = Instant::now();
    close_all(links);
    eprintln!("removed the probes in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

/// The files with code that a process maps. The descriptors in them are those of the table, which is
/// therefore never dropped.
fn mapped_files(process: &Process) -> anyhow::Result<Vec<MappedFile>> {
    let modules = Box::leak(Box::new(ModuleTable::default()));
    let (_, code) = modules.scan(process, &process.mappings()?)?;
    Ok(code
        .iter()
        .filter_map(|mapping| modules.mapped_file(mapping.module))
        .map(|file| MappedFile {
            path: file.path,
            device: file.device,
            inode: file.inode,
            state: file.state,
            open_path: file.open_path,
        })
        .collect())
}
