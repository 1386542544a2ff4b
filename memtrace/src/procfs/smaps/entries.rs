//! Lines of `smaps` → mappings with their figures (`proc_pid_smaps(5)`).

use super::classify::Classifier;
use crate::model::picture::{Area, PageSum, Picture};
use crate::procfs::maps::{hexadecimal, pair, word};

/// One mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// First address, and the first one after it.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) access: Access,
    /// Device, major and minor number, and inode; zeroes without a file.
    pub(super) file: ((u32, u32), u64),
    /// As the kernel writes it: with " (deleted)", a line break as `\012`.
    pub(super) name: Vec<u8>,
    pub(super) sum: PageSum,
    /// No huge pages are wanted (`nh`).
    pub(super) no_huge_pages: bool,
}

/// `rwxp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four letters of the kernel's")]
pub(super) struct Access {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) execute: bool,
    pub(super) shared: bool,
}

/// Puts lines together.
pub(super) struct Entries {
    classifier: Classifier,
    /// The mapping whose figures are being read.
    open: Option<Entry>,
    /// It has its `Rss:`.
    has_figures: bool,
    /// Mappings without.
    broken: bool,
}

impl Entries {
    pub(super) const fn new(classifier: Classifier) -> Self {
        Self { classifier, open: None, has_figures: false, broken: false }
    }

    /// Takes in a line. One that makes no sense is left out.
    pub(super) fn line(&mut self, line: &[u8]) {
        // Addresses are written in small letters; there are two dozen figures to each.
        if line.first().is_some_and(u8::is_ascii_uppercase) {
            if let Some(entry) = &mut self.open {
                self.has_figures |= figure(entry, line);
            }
        } else if let Some(entry) = header(line) {
            self.close();
            self.open = Some(entry);
        }
    }

    /// What it all comes to. It is not whole if a mapping had no figures.
    pub(super) fn finish(mut self) -> (Picture, Vec<Area>) {
        self.close();
        let (mut picture, areas) = self.classifier.finish();
        picture.whole = !self.broken;
        (picture, areas)
    }

    fn close(&mut self) {
        let has_figures = std::mem::take(&mut self.has_figures);
        if let Some(entry) = self.open.take() {
            self.broken |= !has_figures;
            self.classifier.add(&entry);
        }
    }
}

/// `start-end perms offset major:minor inode   name`.
fn header(line: &[u8]) -> Option<Entry> {
    let (range, rest) = word(line)?;
    let (start, end) = pair(range, '-')?;
    let (access, rest) = word(rest)?;
    let (offset, rest) = word(rest)?;
    hexadecimal(offset)?;
    let (device, rest) = word(rest)?;
    let (inode, rest) = word(rest).unwrap_or((rest, &[]));
    let (major, minor) = pair(device, ':')?;
    let device = (u32::try_from(major).ok()?, u32::try_from(minor).ok()?);
    let mapped = end.checked_sub(start).filter(|length| *length > 0)?;
    let has = |at: usize, letter: u8| access.get(at) == Some(&letter);
    Some(Entry {
        start,
        end,
        access: Access {
            read: has(0, b'r'),
            write: has(1, b'w'),
            execute: has(2, b'x'),
            shared: has(3, b's'),
        },
        file: (device, str::from_utf8(inode).ok()?.parse().ok()?),
        name: rest.trim_ascii_start().to_vec(),
        sum: PageSum { mappings: 1, mapped, ..PageSum::default() },
        no_huge_pages: false,
    })
}

/// Takes in a line such as `Rss:    12 kB`; gives whether it was this one.
fn figure(entry: &mut Entry, line: &[u8]) -> bool {
    let Some(end) = line.iter().position(|byte| *byte == b':') else { return false };
    let (name, value) = (&line[..end], &line[end + 1..]);
    let sum = &mut entry.sum;
    match name {
        b"Rss" => sum.resident = bytes(value),
        b"Swap" => sum.swap = bytes(value),
        b"Shared_Hugetlb" | b"Private_Hugetlb" => {
            sum.hugetlb = sum.hugetlb.saturating_add(bytes(value));
        }
        b"AnonHugePages" => sum.huge = bytes(value),
        b"VmFlags" => entry.no_huge_pages = value.split(|byte| *byte == b' ').any(|it| it == b"nh"),
        _ => {}
    }
    name == b"Rss"
}

/// At most an address space: sums of as many mappings as there can be do not overflow.
fn bytes(value: &[u8]) -> u64 {
    let number = value.trim_ascii().strip_suffix(b"kB").map(<[u8]>::trim_ascii_end);
    let kibibytes = number.and_then(|number| str::from_utf8(number).ok()?.parse().ok());
    kibibytes.unwrap_or(0_u64).saturating_mul(1024).min(1 << 47)
}
