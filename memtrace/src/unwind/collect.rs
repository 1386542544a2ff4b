//! `.eh_frame` → rows and rules of each function, in the order of the section.

use super::calls::{Held, MAX_HELD};
use super::elf::Image;
use super::error::UnwindError;
use super::interner::Rules;
use super::stats::{Reason, Stats};
use super::translate::{Bytes, Storage, held, translate};
use gimli::{
    BaseAddresses, CieOrFde, CommonInformationEntry, EhFrame, FrameDescriptionEntry, LittleEndian,
    PartialFrameDescriptionEntry, UnwindContext, UnwindSection as _,
};
use memtrace_common::unwind::Rule;
use std::collections::HashMap;
use std::ops::Range;

/// Most rows that one file may have; LLVM's library has 1.2 million.
const MAX_ROWS: usize = 8 << 20;
/// Longest entry that many functions can share, bytes; real ones have some 30. Its instructions are
/// evaluated anew for each of the functions.
const MAX_SHARED: u32 = 128;
/// Shared entries that are kept parsed; real files have a dozen.
const MAX_KEPT: usize = 1024;

/// From `offset` in the file on, `rule` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) offset: u32,
    pub(super) rule: u16,
}

/// A function's code and where its changes are in [`Collected::changes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) start: u32,
    /// First byte behind it; up to 2³².
    pub(super) end: u64,
    pub(super) changes: Range<u32>,
    /// Where its entry is in the section, bytes.
    pub(super) entry: u32,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) functions: Vec<Function>,
    pub(super) changes: Vec<Change>,
    pub(super) rules: Rules,
    /// Rows that are unsupported but while the function waits for a call.
    pub(super) held: Vec<Held>,
    pub(super) stats: Stats,
}

type Shared<'a> = CommonInformationEntry<Bytes<'a>>;
type Entry<'a> = FrameDescriptionEntry<Bytes<'a>>;

struct Collector<'i, 'data> {
    image: &'i Image<'data>,
    section: EhFrame<Bytes<'data>>,
    bases: BaseAddresses,
    context: Box<UnwindContext<usize, Storage>>,
    kept: HashMap<usize, Shared<'data>>,
    found: Collected,
}

/// Reads all of the file's unwind information. Where it is damaged, the rest is left out.
///
/// # Errors
/// When there is more than fits.
pub(super) fn collect(image: &Image<'_>) -> Result<Collected, UnwindError> {
    let (address, bytes) = image.eh_frame;
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut collector = Collector {
        image,
        section: EhFrame::new(bytes, LittleEndian),
        bases: bases.clone(),
        context: Box::new(UnwindContext::new_in()),
        kept: HashMap::new(),
        found: Collected::default(),
    };
    let section = collector.section;
    let mut entries = section.entries(&bases);
    loop {
        match entries.next() {
            Ok(Some(CieOrFde::Cie(_))) => {}
            Ok(Some(CieOrFde::Fde(entry))) => collector.entry(&entry)?,
            Ok(None) => break,
            Err(_) => {
                collector.found.stats.skipped += 1;
                break;
            }
        }
    }
    collector.found.stats.refused_rules = collector.found.rules.refused() as u32;
    Ok(collector.found)
}

impl<'data> Collector<'_, 'data> {
    fn entry(
        &mut self,
        entry: &PartialFrameDescriptionEntry<'_, EhFrame<Bytes<'data>>, Bytes<'data>>,
    ) -> Result<(), UnwindError> {
        let Self { kept, image, .. } = self;
        let parsed = entry.parse(|section, bases, offset| {
            if let Some(shared) = kept.get(&offset.0) {
                return Ok(shared.clone());
            }
            check_shared(image.eh_frame.1, offset.0)?;
            let shared = section.cie_from_offset(bases, offset)?;
            if kept.len() < MAX_KEPT {
                kept.insert(offset.0, shared.clone());
            }
            Ok(shared)
        });
        let range = parsed.as_ref().ok().and_then(|entry| {
            let range = self.image.offsets(entry.initial_address(), entry.len())?;
            (!range.is_empty()).then_some(range)
        });
        let (Ok(entry), Some(range)) = (parsed, range) else {
            self.found.stats.skipped += 1;
            return Ok(());
        };
        let Ok(start) = u32::try_from(range.start) else { return Ok(()) };
        let first = self.found.changes.len();
        self.changes(&entry, start, range.end);
        let limit = MAX_ROWS;
        if self.found.changes.len() > limit {
            return Err(UnwindError::TooManyRows { limit });
        }
        let changes = first as u32..self.found.changes.len() as u32;
        // The section is not that long.
        let place = entry.offset() as u32;
        self.found.functions.push(Function { start, end: range.end, changes, entry: place });
        self.found.stats.functions += 1;
        Ok(())
    }

    /// Evaluates the function's instructions.
    fn changes(&mut self, entry: &Entry<'data>, start: u32, end: u64) {
        let Self { section, bases, context, found, .. } = self;
        let (section, return_address) = (*section, entry.cie().return_address_register());
        let signal = entry.is_signal_trampoline();
        let mut next = u64::from(start);
        let Ok(mut rows) = entry.rows(&section, bases, context) else {
            return found.unsupported(start, Reason::Damaged);
        };
        while next < end && found.changes.len() <= MAX_ROWS {
            let row = match rows.next_row() {
                Ok(Some(row)) => row,
                Ok(None) => return,
                Err(_) => return found.unsupported(next as u32, Reason::Damaged),
            };
            let offset = next as u32;
            let past = row.end_address().wrapping_sub(entry.initial_address());
            next = u64::from(start).saturating_add(past);
            match translate(row, &section, return_address, signal) {
                Ok(translated) => {
                    found.stats.frame_lost += u32::from(translated.frame_lost);
                    found.change(offset, translated.rule);
                }
                Err(reason) => {
                    if reason == Reason::OtherRegister && found.held.len() < MAX_HELD {
                        let range = u64::from(offset)..next.min(end);
                        found.held.extend(held(row, &section, range, found.functions.len()));
                    }
                    found.unsupported(offset, reason);
                }
            }
        }
    }
}

impl Collected {
    fn unsupported(&mut self, offset: u32, reason: Reason) {
        self.stats.count(reason);
        self.change(offset, Rule::UNSUPPORTED);
    }

    fn change(&mut self, offset: u32, rule: Rule) {
        let rule = self.rules.intern(rule);
        self.stats.rows += 1;
        self.changes.push(Change { offset, rule });
    }
}

/// Whether the entry at `offset`, which functions share, is of a sound length.
fn check_shared(section: &[u8], offset: usize) -> gimli::Result<()> {
    // The length comes first; all ones announce one of 64 bits, which nothing needs.
    let length = offset.checked_add(4).and_then(|end| section.get(offset..end)?.try_into().ok());
    match length.map(u32::from_le_bytes) {
        Some(..=MAX_SHARED) => Ok(()),
        _ => Err(gimli::Error::NoEntryAtGivenOffset(offset as u64)),
    }
}
