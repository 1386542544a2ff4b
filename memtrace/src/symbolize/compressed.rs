//! Compressed contents of ELF files, read within bounds.

use super::image::memory_file;
use super::sections::{Compression, Section};
use crate::debug_files::{Part, unpack};
use std::fs::File;
use std::io::{self, Read};

/// `Elf64_Chdr`: type, reserved, size, alignment.
const COMPRESSION_HEADER: u64 = 24;
/// Largest symbol table that is unpacked from `.gnu_debugdata`, bytes; those of distributions have
/// some 100 KiB.
const MAX_EMBEDDED: u64 = 64 << 20;

/// The plain contents of a section. How many bytes come is for the reader to bound.
///
/// # Errors
/// The decompressor has no memory.
pub(super) fn reader<'a>(section: &Section, file: &'a File) -> io::Result<Box<dyn Read + 'a>> {
    let whole = Part { file, offset: section.offset, left: section.size };
    let packed = Part {
        file,
        offset: section.offset.saturating_add(COMPRESSION_HEADER),
        left: section.size.saturating_sub(COMPRESSION_HEADER),
    };
    Ok(match section.compression {
        None => Box::new(whole),
        Some(Compression::Zlib(_)) => Box::new(flate2::read::ZlibDecoder::new(packed)),
        Some(Compression::Zstd(_)) => Box::new(zstd::stream::read::Decoder::new(packed)?),
        Some(Compression::Unknown) => Box::new(io::empty()),
    })
}

/// The ELF file that an xz section holds (`.gnu_debugdata`), as a file in memory. `None` if it is
/// damaged or beyond bounds.
pub(super) fn embedded(section: &Section, file: &File, room: u64) -> Option<File> {
    let mut copy = memory_file().ok()?;
    let part = Part { file, offset: section.offset, left: section.size };
    unpack(&part, MAX_EMBEDDED.min(room), &mut copy)?;
    Some(copy)
}
