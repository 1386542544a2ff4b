//! The readers of what a traced process controls, for fuzzing: any bytes must do no harm.

use super::allocator::{self, MappedFile};
use super::elf::{Image, Kind, Table};
use super::runtime;
use super::site::{self, Arguments, Code, DEFAULT_BYTES, Need};
use super::usdt;
use crate::model::module::FileState;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

/// Functions of one file that are planned for.
const MOST_FUNCTIONS: usize = 64;

/// An ELF file: its tables, a probe site in each function, its static probes, its allocators, its runtime.
pub(crate) fn program(bytes: &[u8]) {
    if let Ok(image) = Image::open(bytes) {
        let _ = (image.needed(), image.soname(), image.interpreter(), image.build_id());
        let _ = (image.slots(), image.is_static());
        static_probes(&image);
        for function in functions(&image) {
            plan(&image, function);
        }
    }
    let mut file = tempfile::tempfile().ok().filter(|_| !bytes.is_empty());
    if let Some(file) = &mut file
        && file.write_all(bytes).is_ok()
    {
        look_into(file);
    }
}

fn static_probes(image: &Image<'_, [u8]>) {
    let Ok(found) = usdt::find(image) else { return };
    for probe in found.usable {
        assert_eq!(probe.operands.len(), probe.tells.arguments());
    }
}

fn functions(image: &Image<'_, [u8]>) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for table in [Table::Dynamic, Table::Static] {
        let _ = image.each_symbol(table, &mut |symbol| {
            if symbol.kind == Kind::Function && found.len() < MOST_FUNCTIONS {
                found.push((symbol.address, symbol.size));
            }
        });
    }
    found
}

fn plan(image: &Image<'_, [u8]>, (address, size): (u64, u64)) {
    let length = usize::try_from(size).unwrap_or(DEFAULT_BYTES).min(DEFAULT_BYTES);
    let bytes = image.code(address, length);
    let outside = |address, length| image.code(address, length);
    let code = Code { address, bytes: &bytes, outside: &outside };
    for returns in [false, true] {
        let need = Need { returns, arguments: Arguments::of(&[0, 1]) };
        if let Ok(site) = site::plan(&code, need, &|_| false) {
            assert!((site.offset_in_function as usize) < bytes.len());
        }
    }
}

/// As if it were the C library, jemalloc, and Python.
fn look_into(file: &File) {
    let open_path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    for (inode, name) in ["libc.so.6", "libjemalloc.so.2", "python3.11"].iter().enumerate() {
        let (path, inode) = (PathBuf::from(name), inode as u64 + 1);
        let (state, open_path) = (FileState::default(), open_path.clone());
        let file = MappedFile { path, device: (0, 0), inode, state, open_path };
        let _ = allocator::find(std::slice::from_ref(&file));
        let _ = runtime::detect(std::slice::from_ref(&file));
    }
}
