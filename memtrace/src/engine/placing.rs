//! Where blocks and ranges lie among the mappings of a process, and how much of each part is resident.

use super::heap::ranges::{NO_STACK, RangeKind, Ranges};
use crate::model::picture::Area;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How much of some part of a mapping is resident, bytes.
///
/// Of a mapping of `S` bytes, `R` of them resident by its sum, a part of `B` bytes has at least `B − (S − R)`
/// resident and at most the lesser of `B` and `R`. Where its pages were looked at the figure is exact if they
/// come to `R`. If they do not, some came or went between the two looks, or are pages of zeroes: the part's own
/// figure is then wrong by their number at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// At least.
    pub least: u64,
    /// At most.
    pub most: u64,
}

impl Bounds {
    /// For a part of `area`.
    pub(super) fn of(part: Part, area: &Area) -> Self {
        let untouched = size(area).saturating_sub(area.resident);
        let least = part.bytes.saturating_sub(untouched).min(area.resident);
        let sums = Self { least, most: part.bytes.min(area.resident) };
        let Some(pages) = &area.pages else { return sums };
        let came = pages.bytes().saturating_sub(area.resident);
        let went = area.resident.saturating_sub(pages.bytes());
        let least = part.there.saturating_sub(came).max(sums.least);
        let most = part.there.saturating_add(went).min(sums.most);
        if least <= most { Self { least, most } } else { sums }
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.least = self.least.saturating_add(other.least);
        self.most = self.most.saturating_add(other.most);
    }
}

const fn size(area: &Area) -> u64 {
    area.end.saturating_sub(area.start)
}

/// Some bytes of one mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) bytes: u64,
    /// … of them in pages that are there, if the mapping's pages were looked at.
    pub(super) there: u64,
}

impl Part {
    fn between(area: &Area, start: u64, end: u64) -> Self {
        let from = |address: u64| address.saturating_sub(area.start);
        let there =
            area.pages.as_ref().map_or(0, |bits| bits.bytes_between(from(start), from(end)));
        Self { bytes: end.saturating_sub(start), there }
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.there = self.there.saturating_add(other.there);
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            there: self.there.saturating_sub(other.there),
        }
    }
}

/// A part of a mapping that one call mapped, or that nobody was seen to map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Number of the area.
    pub(super) area: usize,
    /// Of which kind it was when it was mapped, if that was seen.
    pub(super) kind: Option<RangeKind>,
    /// Number of the stack that mapped it, or [`NO_STACK`].
    pub(super) stack: u32,
    pub(super) all: Part,
    /// What was asked for with live blocks.
    pub(super) asked: Part,
    /// What these blocks take beyond that.
    pub(super) rounding: Part,
}

/// Which figure of a segment a block's bytes go to.
#[derive(Clone, Copy)]
pub(super) enum Figure {
    Asked,
    Rounding,
}

/// All areas in parts, in order of address if the areas are.
#[derive(Debug)]
pub(super) struct Segments {
    areas: Arc<[Area]>,
    segments: Vec<Segment>,
    /// Where the last block was found.
    at: usize,
}

impl Segments {
    pub(super) fn new(areas: &Arc<[Area]>, ranges: &Ranges) -> Self {
        let mut segments = Self { areas: Arc::clone(areas), segments: Vec::new(), at: 0 };
        for (number, area) in areas.iter().enumerate() {
            let mut at = area.start;
            for (start, range) in ranges.between(area.start, area.end) {
                segments.push(number, at, start, None);
                let start = start.max(at);
                at = range.end.min(area.end);
                segments.push(number, start, at, Some((range.kind, range.stack)));
            }
            segments.push(number, at, area.end, None);
        }
        segments
    }

    fn push(&mut self, area: usize, start: u64, end: u64, mapped: Option<(RangeKind, u32)>) {
        let Some(of) = self.areas.get(area).filter(|_| start < end) else { return };
        self.segments.push(Segment {
            start,
            end,
            area,
            kind: mapped.map(|(kind, _)| kind),
            stack: mapped.map_or(NO_STACK, |(_, stack)| stack),
            all: Part::between(of, start, end),
            asked: Part::default(),
            rounding: Part::default(),
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Area, &Segment)> {
        self.segments.iter().filter_map(|it| Some((self.areas.get(it.area)?, it)))
    }

    /// Gives the segments their parts of `[start, end)`, which may lie across several: the kernel splits a
    /// mapping where a part of it gets other properties. Gives the bytes that found a place.
    pub(super) fn put(&mut self, start: u64, end: u64, figure: Figure) -> u64 {
        // Neighbours in the table are often neighbours in memory: both are filled in order of birth.
        if !self.segments.get(self.at).is_some_and(|it| (it.start..it.end).contains(&start)) {
            self.at = self.segments.partition_point(|it| it.end <= start);
        }
        let mut found = 0;
        for segment in self.segments.iter_mut().skip(self.at) {
            if segment.start >= end {
                break;
            }
            let (from, to) = (start.max(segment.start), end.min(segment.end));
            let bytes = to.saturating_sub(from);
            let Some(area) = self.areas.get(segment.area) else { continue };
            // Areas that lie over each other: nothing has more room than there is.
            if bytes == 0 || found + bytes > end.saturating_sub(start) {
                continue;
            }
            let sum = match figure {
                Figure::Asked => &mut segment.asked,
                Figure::Rounding => &mut segment.rounding,
            };
            sum.add(Part::between(area, from, to));
            found += bytes;
        }
        found
    }
}
