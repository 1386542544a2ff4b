//! A file's table: pages of rows, and the rules that they name.

use super::calls::settle;
use super::collect::{Change, collect};
use super::elf::{Image, MAX_TEXT_END, build_id_of};
use super::error::UnwindError;
use super::file::Positioned;
use super::interner::Rules;
use super::merge::merge;
use super::origins;
use super::stats::Stats;
use crate::model::module::BuildId;
use memtrace_common::unwind::{PAGE_BITS, PAGE_BYTES, Row, Rule, search};
use object::read::{ReadCache, ReadRef};
use std::fs::File;
use std::ops::Range;

/// The rows of one page of the file, of [`PAGE_BYTES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Page {
    /// The first one's index among the table's rows; it is for the page's first byte.
    pub first_row: u32,
    /// How many there are, at least one.
    pub count: u32,
}

/// What is needed to walk out of a file's functions. Places are offsets in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// From the file's first executable byte to behind its last one.
    pub text: Range<u64>,
    /// The pages of the text, in order, without holes: the first one is that of `text.start`.
    pub pages: Vec<Page>,
    /// All pages' rows ([`Row`]); numbers of rules are indexes of `rules`.
    pub rows: Vec<u32>,
    /// The distinct rules: [`Rules::GAP`], [`Rules::UNSUPPORTED`], then the file's.
    pub rules: Vec<Rule>,
    /// What was found while it was built.
    pub stats: Stats,
}

impl Table {
    /// Builds the table of an ELF file. Reads its headers and `.eh_frame`, and nothing else; what it
    /// reads is not mapped, so that a file that is cut short meanwhile is an error and no signal.
    ///
    /// # Errors
    /// When it is not an ELF program or library for x86-64, is damaged or too large, or has no code.
    /// A file without unwind information is no error: all its text is a gap.
    pub fn build(file: &File) -> Result<Self, UnwindError> {
        let data = ReadCache::new(Positioned::new(file).map_err(UnwindError::Unreadable)?);
        Self::from_image(&Image::read(&data)?, &data)
    }

    /// Builds the table of an ELF image in memory, such as the vDSO.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_from_bytes(bytes: &[u8]) -> Result<Self, UnwindError> {
        Self::from_image(&Image::read(bytes)?, bytes)
    }

    fn from_image<'data, R: ReadRef<'data>>(
        image: &Image<'data>,
        data: R,
    ) -> Result<Self, UnwindError> {
        let mut found = collect(image)?;
        settle(image, data, &mut found);
        origins::add(image, data, &mut found);
        let mut layout = Layout::new(image.text.clone());
        merge(&mut found, image.text.clone(), |change| layout.push(change));
        let mut table = layout.finish();
        table.rules = found.rules.into_list();
        table.stats = found.stats;
        Ok(table)
    }

    /// The rule that holds at `offset` in the file; [`Rule::GAP`] outside the text.
    #[must_use]
    pub fn rule_at(&self, offset: u64) -> Rule {
        if !self.text.contains(&offset) {
            return Rule::GAP;
        }
        let page = (offset >> PAGE_BITS) - self.first_page();
        let Some(page) = self.pages.get(page as usize) else { return Rule::GAP };
        let rows = |index: u32| self.rows.get(index as usize).copied().unwrap_or(0);
        let number = search(rows, page.first_row, page.count, offset as u16);
        self.rules.get(usize::from(number)).copied().unwrap_or(Rule::GAP)
    }

    /// Number of the first page: that of the text's first byte.
    #[must_use]
    pub const fn first_page(&self) -> u64 {
        self.text.start >> PAGE_BITS
    }

    /// The rows with the numbers that the rules have among `rules`, which takes them in.
    pub fn rows_for<'a>(
        &'a self,
        rules: &mut Rules,
    ) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        let numbers = rules.adopt(&self.rules);
        self.rows.iter().map(move |row| {
            let row = Row(*row);
            let number = numbers.get(usize::from(row.rule())).copied();
            Row::new(row.low(), number.unwrap_or(Rules::GAP)).0
        })
    }

    /// Whether it holds together as [`Self::build`] makes it; one that was read from elsewhere may
    /// not.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let Range { start, end } = self.text;
        let pages = (end.saturating_sub(1) >> PAGE_BITS).checked_sub(self.first_page());
        start < end
            && end <= MAX_TEXT_END
            && pages.is_some_and(|pages| pages + 1 == self.pages.len() as u64)
            && self.rules.starts_with(&[Rule::GAP, Rule::UNSUPPORTED])
            && self.rules.len() <= Rules::MAX
            && self.pages_are_sound()
    }

    /// Each page's rows follow the ones before, begin at its first byte and rise.
    fn pages_are_sound(&self) -> bool {
        let mut rest = self.rows.as_slice();
        let page_is_sound = |(number, page): (u64, &Page)| {
            let begin = number << PAGE_BITS;
            let first = self.rows.len() - rest.len();
            let Some((rows, others)) = rest.split_at_checked(page.count as usize) else {
                return false;
            };
            rest = others;
            page.first_row as usize == first
                && rows.first().is_some_and(|row| Row(*row).low() == begin as u16)
                && rows.is_sorted_by(|one, next| Row(*one).low() < Row(*next).low())
                && rows
                    .iter()
                    .all(|row| u64::from(Row(*row).low().wrapping_sub(begin as u16)) < PAGE_BYTES)
                && rows.iter().all(|row| usize::from(Row(*row).rule()) < self.rules.len())
        };
        (self.first_page()..).zip(&self.pages).all(page_is_sound) && rest.is_empty()
    }

    /// Bytes of memory that the table takes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.rows.len() * size_of::<u32>()
            + self.pages.len() * size_of::<Page>()
            + self.rules.len() * size_of::<Rule>()
    }
}

/// The file's build-id, if it is an ELF file for x86-64 that has one.
pub(super) fn build_id(file: &File) -> Option<BuildId> {
    build_id_of(&ReadCache::new(Positioned::new(file).ok()?))
}

/// Rows put together page by page.
struct Layout {
    table: Table,
    rule: u16,
}

impl Layout {
    fn new(text: Range<u64>) -> Self {
        Self { table: Table { text, ..Table::default() }, rule: Rules::GAP }
    }

    /// Opens pages, each with the row that still holds, until the one of `offset` is open.
    fn open(&mut self, offset: u64) {
        let Table { pages, rows, text, .. } = &mut self.table;
        let first_page = text.start >> PAGE_BITS;
        let page = (offset >> PAGE_BITS) - first_page;
        while pages.len() as u64 <= page {
            let begin = (first_page + pages.len() as u64) << PAGE_BITS;
            pages.push(Page { first_row: rows.len() as u32, count: 1 });
            rows.push(Row::new(begin as u16, self.rule).0);
        }
    }

    /// From the change's offset on its rule holds. Offsets never fall; of equal ones the last counts.
    fn push(&mut self, change: Change) {
        self.open(change.offset.into());
        let row = Row::new(change.offset as u16, change.rule);
        let Table { pages, rows, .. } = &mut self.table;
        let (Some(last), Some(page)) = (rows.last_mut(), pages.last_mut()) else { return };
        if Row(*last).low() == row.low() {
            *last = row.0;
        } else if self.rule != change.rule {
            rows.push(row.0);
            page.count += 1;
        }
        self.rule = change.rule;
    }

    fn finish(mut self) -> Table {
        self.open(self.table.text.end.saturating_sub(1));
        self.table.rows.shrink_to_fit();
        self.table
    }
}
