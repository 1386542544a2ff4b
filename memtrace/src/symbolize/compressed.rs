//! Compressed contents of ELF files, read within bounds.

use super::image::memory_file;
use super::sections::{Compression, Section};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use xz2::stream::Stream;

/// `Elf64_Chdr`: type, reserved, size, alignment.
const COMPRESSION_HEADER: u64 = 24;
/// Memory that unpacking xz data may take, bytes: twice the dictionary of its usual presets.
const XZ_MEMORY: u64 = 64 << 20;
/// Largest symbol table that is unpacked from `.gnu_debugdata`, bytes; those of distributions have
/// some 100 KiB.
const MAX_EMBEDDED: u64 = 64 << 20;

/// Part of a file, through plain reads at a place.
struct Part<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

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
    let most = MAX_EMBEDDED.min(room);
    let part = Part { file, offset: section.offset, left: section.size.min(most) };
    let stream = Stream::new_stream_decoder(XZ_MEMORY, 0).ok()?;
    let mut plain = xz2::read::XzDecoder::new_stream(part, stream).take(most + 1);
    let mut copy = memory_file().ok()?;
    let size = io::copy(&mut plain, &mut copy).ok()?;
    (size <= most).then_some(copy)
}
