//! Whose the memory is that may hold blocks: of each mapping a part is an allocator's, the program's, or older.
//!
//! `resident = live blocks + rounding + what else each owner has + undecided`, for the heap segment, arenas and
//! anonymous mappings together. The last one is what bounds leave open, so that the sum is exact.

use super::allocator_code::Mapper;
use super::heap::ranges::RangeKind;
use super::placing::{Bounds, Part, Segment, Segments};
use crate::model::picture::{Area, PageKind};
use serde::{Deserialize, Serialize};

/// Who mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// An allocator that is traced, since tracing began: all blocks in it are known.
    Allocator = 0,
    /// Older than tracing and an allocator's: the heap segment, by convention, and where live blocks that are
    /// known lie. There are older blocks in it, too.
    OlderAllocator = 1,
    /// The program or a library, or the kernel when it executed the program.
    Program = 2,
    /// Older than tracing, by whomever.
    Older = 3,
    /// Since tracing began, but by whom is not known.
    Unknown = 4,
}

impl Owner {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
    /// All, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Allocator, Self::OlderAllocator, Self::Program, Self::Older, Self::Unknown];

    fn of(segment: &Segment, area: &Area, mapper: Option<Mapper>, is_from_exec: bool) -> Self {
        let is_segment = area.kind == PageKind::HeapSegment;
        match segment.kind {
            Some(kind) => Self::of_range(kind, mapper),
            None if is_segment || segment.asked.bytes > 0 => Self::OlderAllocator,
            None if is_from_exec => Self::Program,
            None => Self::Older,
        }
    }

    /// Of what was seen to be mapped; without a mapper there is no stack.
    pub(super) const fn of_range(kind: RangeKind, mapper: Option<Mapper>) -> Self {
        match (kind, mapper) {
            (_, Some(Mapper::Allocator(_))) => Self::Allocator,
            (_, Some(Mapper::Program)) => Self::Program,
            // Who moves it is mostly an allocator; and its older part counts as one's, too.
            (RangeKind::HeapSegment, _) => Self::Allocator,
            _ => Self::Unknown,
        }
    }
}

/// What one owner has, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerSum {
    /// Address space that may be written to now.
    pub writable: u64,
    /// Resident.
    pub resident: Bounds,
    /// Asked for with live blocks that are known, resident or not.
    pub live: u64,
    /// Resident: what these blocks take beyond what was asked for, as far as that is known.
    pub rounding: Bounds,
    /// Resident: what is in none of these blocks.
    pub beyond: Bounds,
}

/// What each owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owners {
    /// By owner, with [`Owner`]'s numbers.
    pub sums: [OwnerSum; Owner::COUNT],
    /// Address space that allocators mapped since tracing began, and that is still mapped.
    pub allocator_mapped: u64,
    /// Resident, but in which of the above is not known: all the sums with their least figures.
    pub undecided: u64,
}

impl Owners {
    /// The sums of an owner.
    #[must_use]
    pub const fn of(&self, owner: Owner) -> &OwnerSum {
        &self.sums[owner as usize]
    }

    /// What blocks take beyond what was asked for with them, whoever owns the memory.
    #[must_use]
    pub fn rounding(&self) -> Bounds {
        let mut all = Bounds::default();
        self.sums.iter().for_each(|sum| all.add(sum.rounding));
        all
    }

    /// Takes in all segments. `resident` is what is resident of the kinds that may hold blocks, and `touched`
    /// what live blocks have of it at least.
    pub(super) fn new(
        segments: &Segments,
        mapper: impl Fn(u32) -> Option<Mapper>,
        is_from_exec: bool,
        resident: u64,
        touched: u64,
    ) -> Self {
        let mut owners = Self::default();
        let mut open: Option<(usize, &Area, OfArea)> = None;
        for (area, segment) in segments.iter() {
            if let Some((_, area, sums)) = open.take_if(|(number, ..)| *number != segment.area) {
                owners.close(area, &sums);
            }
            let owner = Owner::of(segment, area, mapper(segment.stack), is_from_exec);
            let (.., sums) = open.get_or_insert_with(|| (segment.area, area, OfArea::default()));
            sums[owner as usize].add(segment);
        }
        if let Some((_, area, sums)) = open {
            owners.close(area, &sums);
        }
        let decided = owners.sums.iter().fold(touched, |all: u64, sum| {
            all.saturating_add(sum.rounding.least).saturating_add(sum.beyond.least)
        });
        owners.undecided = resident.saturating_sub(decided);
        owners
    }

    /// An area has no more segments.
    fn close(&mut self, area: &Area, sums: &OfArea) {
        for (sum, parts) in self.sums.iter_mut().zip(sums) {
            let writable = if area.writable { parts.all.bytes } else { 0 };
            sum.writable = sum.writable.saturating_add(writable);
            sum.live = sum.live.saturating_add(parts.asked.bytes);
            sum.resident.add(Bounds::of(parts.all, area));
            sum.rounding.add(Bounds::of(parts.rounding, area));
            let beyond = parts.all.without(parts.asked).without(parts.rounding);
            sum.beyond.add(Bounds::of(beyond, area));
        }
    }
}

/// What each owner has of one area.
type OfArea = [Parts; Owner::COUNT];

#[derive(Clone, Copy, Default)]
struct Parts {
    all: Part,
    asked: Part,
    rounding: Part,
}

impl Parts {
    const fn add(&mut self, segment: &Segment) {
        self.all.add(segment.all);
        self.asked.add(segment.asked);
        self.rounding.add(segment.rounding);
    }
}
