//! Static probes (USDT) as a file lists them, in its section `.note.stapsdt`.
//!
//! The layout is that of `systemtap` (`UserSpaceProbeImplementation` in its wiki): notes of type 3 by
//! `stapsdt`. Each has the probe's address, the address that `.stapsdt.base` had when the probe was assembled,
//! and the address of a counter ("semaphore") or 0; then provider, name and arguments, each ended by a zero.

use super::super::elf::{ElfError, Image, Source};

const SECTION: &str = ".note.stapsdt";
/// Prelink moves a file without touching notes; this section moves along, so it says how far.
const BASE_SECTION: &str = ".stapsdt.base";
const OWNER: &[u8] = b"stapsdt\0";
const TYPE: u32 = 3;

/// Largest real sections have some hundred KiB.
const MAX_SECTION: u64 = 4 << 20;
/// Probes of one provider in one file. One in a function that is inlined has many places.
const MOST_PROBES: usize = 1024;

/// A probe, where it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// Its name, with what is not UTF-8 replaced.
    pub(super) name: String,
    /// Virtual address of the instruction that is to be probed.
    pub(super) address: u64,
    /// Virtual address of the counter that keeps it from firing while 0, if it has one.
    pub(super) semaphore: Option<u64>,
    /// Where the arguments are.
    pub(super) arguments: String,
}

/// The probes of `provider`, in the file's order, and whether that is all of them.
pub(super) fn of_provider<S: Source + ?Sized>(
    image: &Image<'_, S>,
    provider: &str,
) -> Result<(Vec<Note>, bool), ElfError> {
    let Some(section) = image.section(SECTION) else { return Ok((Vec::new(), true)) };
    let bytes = image.section_bytes(section, MAX_SECTION)?;
    let base = image.section(BASE_SECTION).map(|section| section.address);
    let mut all = section.size <= MAX_SECTION;
    let mut notes = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some(raw) = RawNote::take(&mut rest) {
        if !raw.is_probe() {
            continue;
        }
        let Some(note) = parse(raw.description, provider, base) else { continue };
        if notes.len() == MOST_PROBES {
            all = false;
            break;
        }
        notes.push(note);
    }
    Ok((notes, all))
}

fn parse(mut description: &[u8], provider: &str, base: Option<u64>) -> Option<Note> {
    let address = word(&mut description)?;
    let base_then = word(&mut description)?;
    let semaphore = word(&mut description)?;
    if string(&mut description)? != provider.as_bytes() {
        return None;
    }
    let name = string(&mut description)?;
    let arguments = string(&mut description)?;
    let moved = base.map_or(0, |base| base.wrapping_sub(base_then));
    Some(Note {
        name: String::from_utf8_lossy(name).into_owned(),
        address: address.wrapping_add(moved),
        semaphore: (semaphore != 0).then(|| semaphore.wrapping_add(moved)),
        arguments: String::from_utf8_lossy(arguments).into_owned(),
    })
}

/// Any note of the section.
struct RawNote<'a> {
    kind: u32,
    owner: &'a [u8],
    description: &'a [u8],
}

impl<'a> RawNote<'a> {
    /// The next one; `None` at the end, or where the rest makes no sense.
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let (owner_size, description_size) = (half_word(rest)?, half_word(rest)?);
        let kind = half_word(rest)?;
        let owner = padded(rest, owner_size)?;
        let description = padded(rest, description_size)?;
        Some(Self { kind, owner, description })
    }

    fn is_probe(&self) -> bool {
        self.kind == TYPE && self.owner == OWNER
    }
}

fn half_word(rest: &mut &[u8]) -> Option<u32> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u32::from_le_bytes(*first))
}

fn word(rest: &mut &[u8]) -> Option<u64> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u64::from_le_bytes(*first))
}

/// `size` bytes, and what fills them up to four; the last note of a section may lack that.
fn padded<'a>(rest: &mut &'a [u8], size: u32) -> Option<&'a [u8]> {
    let size = usize::try_from(size).ok()?;
    let (bytes, behind) = rest.split_at_checked(size)?;
    let fill = size.wrapping_neg() % 4;
    *rest = behind.get(fill..).unwrap_or_default();
    Some(bytes)
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&byte| byte == 0)?;
    let (text, behind) = rest.split_at_checked(end)?;
    *rest = behind.get(1..).unwrap_or_default();
    Some(text)
}
