//! The readers of what a traced process controls, for fuzzing: any bytes must do no harm.

use super::blaze::BlazeSymbolizer;
use super::demangle::{MAX_NAME, demangle, short};
use super::elf::ElfFile;
use super::perf_map;
use crate::debug_files::build_id_path;
use crate::engine::ports::Symbolizer as _;
use crate::model::ids::ModuleId;
use crate::model::module::Module;
use std::fs;
use std::path::{Path, PathBuf};

/// A name in a symbol table.
pub(crate) fn name(bytes: &[u8]) {
    let symbol = String::from_utf8_lossy(bytes);
    assert!(demangle(&symbol).len() <= MAX_NAME);
    let _ = short(&symbol);
}

/// A map of generated code, in pieces as it grows, and the mappings that it counts in.
pub(crate) fn generated_names(bytes: &[u8]) {
    perf_map::hostile(bytes);
}

/// An ELF file and a file with its debug information: four bytes say how long the first is. The second
/// one is wherever the first may say: by build-id, by a link, shared.
pub(crate) fn debug_files(bytes: &[u8]) {
    let Some((length, files)) = bytes.split_first_chunk::<4>() else { return };
    let length = (u32::from_le_bytes(*length) as usize).min(files.len());
    let (program, separate) = files.split_at(length);
    // In memory where there is such a folder: this happens hundreds of times a second.
    let in_memory = || tempfile::tempdir_in("/dev/shm");
    let Ok(directory) = in_memory().or_else(|_| tempfile::tempdir()) else { return };
    if let Some(path) = lay_out(directory.path(), program, separate) {
        look_up(path, directory.path().join("debug"));
    }
}

/// Where the seeds' links lead.
const LINKED: &str = "separate";

fn lay_out(directory: &Path, program: &[u8], separate: &[u8]) -> Option<PathBuf> {
    let path = directory.join("program");
    fs::write(&path, program).ok()?;
    fs::write(directory.join(LINKED), separate).ok()?;
    if let Some(build_id) = ElfFile::open(&path).ok().and_then(|elf| elf.build_id) {
        let path = directory.join("debug").join(build_id_path(&build_id));
        fs::create_dir_all(path.parent()?).ok()?;
        fs::write(path, separate).ok()?;
    }
    Some(path)
}

fn look_up(path: PathBuf, debug: PathBuf) {
    let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![debug]);
    let module = Module { id: ModuleId(1), path: PathBuf::new(), build_id: None };
    symbolizer.register(module.id, path);
    let offsets: Vec<u64> = (0x1000..0x1200).step_by(8).chain([0, 1, u64::MAX]).collect();
    assert_eq!(symbolizer.resolve(&module, &offsets).len(), offsets.len());
}
