//! Whether a function begins at an address: what is probed in the midst of one would be its ruin.

use crate::probe::elf::Image;
use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, UnwindSection as _};
use std::fs::File;

/// Most bytes of unwinding information that are read; browsers have 20 MB.
const MOST: u64 = 64 << 20;

/// What the file's unwinding tables know of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::probe::allocator) enum Begin {
    /// A function of this many bytes begins here.
    Function(u64),
    /// None does.
    Nothing,
    /// There are no tables.
    Unknown,
}

/// Looks for the function that begins at `address`.
pub(in crate::probe::allocator) fn begin(image: &Image<'_, File>, address: u64) -> Begin {
    let Some(section) = image.section(".eh_frame") else { return Begin::Unknown };
    let Some(place) = address_of(image, section.offset) else { return Begin::Unknown };
    let Ok(bytes) = image.section_bytes(section, MOST) else { return Begin::Unknown };
    let bases = BaseAddresses::default().set_eh_frame(place);
    let frames = EhFrame::new(&bytes, LittleEndian);
    let mut entries = frames.entries(&bases);
    let mut any = false;
    // What is malformed ends the search; what came before is right.
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let Ok(function) = partial.parse(EhFrame::cie_from_offset) else { continue };
        any = true;
        if function.initial_address() == address {
            return Begin::Function(function.len());
        }
    }
    if any { Begin::Nothing } else { Begin::Unknown }
}

/// The virtual address of what the file has at `offset`.
pub(in crate::probe::allocator) fn address_of(image: &Image<'_, File>, offset: u64) -> Option<u64> {
    image.segments().iter().filter(|it| it.kind == object::elf::PT_LOAD).find_map(|segment| {
        let inside = offset.checked_sub(segment.offset)?;
        (inside < segment.file_size).then(|| segment.address.checked_add(inside))?
    })
}
