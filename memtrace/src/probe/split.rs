//! Symbols of a stripped file that were split off it, or are packed into it (`MiniDebugInfo`).

use super::elf::{ElfError, Image, Symbol, Table};
use crate::debug_files::{Part, SYSTEM, build_id_path, linked, unpack};
use crate::lookup::{by_name, own_path};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Most bytes that packed symbols may have; those of distributions have some 100 KiB.
const MAX_PACKED: u64 = 64 << 20;
/// Longest contents of a section that says where another file is, bytes.
const MAX_LINK: u64 = 4096;

/// Shows the symbols of the stripped file `image` that are elsewhere to `visit`; none if it has a symbol table of
/// its own, or there is no other that is surely its own.
///
/// # Errors
/// When a table that is there cannot be read.
pub(super) fn each_symbol(
    file: &File,
    image: &Image<'_, File>,
    visit: &mut dyn FnMut(Symbol<'_>),
) -> Result<(), ElfError> {
    if image.section(".symtab").is_some() {
        return Ok(());
    }
    if let Some(other) = separate(file, image) {
        return Image::open(&other)?.each_symbol(Table::Static, visit);
    }
    match packed(file, image) {
        Some(bytes) => Image::open(bytes.as_slice())?.each_symbol(Table::Static, visit),
        None => Ok(()),
    }
}

/// The file that has the same build-id. Without one there is none: a checksum over gigabytes is too dear where
/// nobody asked for it.
fn separate(file: &File, image: &Image<'_, File>) -> Option<File> {
    let build_id = image.build_id()?;
    let system = [PathBuf::from(SYSTEM)];
    let own = fs::read_link(own_path(file)).ok()?;
    let by_id = [system[0].join(build_id_path(&build_id))].into_iter();
    let name = link(image);
    let by_link = name.iter().filter_map(|name| Some((own.parent()?, OsStr::from_bytes(name))));
    let by_link = by_link.flat_map(|(directory, name)| linked(directory, name, &system));
    by_id.chain(by_link).filter(|path| *path != own).find_map(|path| {
        let found = open_regular(&path)?;
        let its = Image::open(&found).ok()?.section_build_id()?;
        (its == build_id).then_some(found)
    })
}

/// The name in `.gnu_debuglink`.
fn link(image: &Image<'_, File>) -> Option<Vec<u8>> {
    let bytes = image.section_bytes(image.section(".gnu_debuglink")?, MAX_LINK).ok()?;
    let name = bytes.split(|&byte| byte == 0).next()?;
    let plain = !name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..";
    plain.then(|| name.to_vec())
}

/// Opens a file without setting off anything but a regular one would.
fn open_regular(path: &Path) -> Option<File> {
    let found = by_name(path).ok()?;
    found.metadata().ok()?.is_file().then(|| File::open(own_path(&found)).ok())?
}

fn packed(file: &File, image: &Image<'_, File>) -> Option<Vec<u8>> {
    let section = image.section(".gnu_debugdata")?;
    let mut bytes = Vec::new();
    let part = Part { file, offset: section.offset, left: section.size };
    unpack(&part, MAX_PACKED, &mut bytes)?;
    Some(bytes)
}
