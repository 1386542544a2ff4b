//! What happens to an address space's mappings, and to the pages in them that were touched.

use super::heap::ranges::{NO_STACK, RangeKind, pages};
use super::process::Space;
use crate::model::event::{Fault, Map, Remap, Unmap};
use crate::model::ids::Nanos;

/// `MAP_POPULATE` of `asm-generic/mman-common.h`: the kernel touches all pages by itself.
const MAP_POPULATE: u32 = 0x8000;

fn is_of_file(map: &Map) -> bool {
    matches!(RangeKind::of(map.protection, map.flags), RangeKind::File | RangeKind::Code)
}

impl Space {
    /// `mmap` has returned: its pages are new, whatever was there.
    pub(crate) fn map(&mut self, map: &Map, stack: u32, time: Nanos) {
        let (start, end) = pages(map.address, map.length);
        self.touched.mapped_over(start, end);
        if map.flags & MAP_POPULATE != 0 && !is_of_file(map) {
            self.touched.populated(end - start);
        }
        self.ranges.map(map, stack, time);
    }

    /// `munmap` has returned.
    pub(crate) fn unmap(&mut self, unmap: &Unmap) {
        let (start, end) = pages(unmap.address, unmap.length);
        self.give_up(start, end, unmap.entered);
        self.ranges.unmap(unmap);
    }

    /// `mremap` has returned: pages go with the mapping.
    pub(crate) fn remap(&mut self, remap: &Remap, stack: u32, time: Nanos) {
        let (old_start, old_end) = pages(remap.old_address, remap.old_length);
        let (start, end) = pages(remap.address, remap.length);
        let kept = (old_end - old_start).min(end - start);
        self.give_up(old_start.saturating_add(kept), old_end, remap.entered);
        if start != old_start {
            let old = self.ranges.given_up(old_start, old_start + kept, remap.entered);
            self.touched.shift(&old, old_start, start, kept);
        }
        self.ranges.remap(remap, stack, time);
    }

    /// The heap segment was seen to end here. What is read from `/proc` may be of the next program already, while
    /// records of this one are still to come: its break is far away, as addresses are random. So it counts only
    /// where nothing is known yet. What began by an exec tells itself where its segment begins (`brk(0)`).
    pub(crate) fn break_seen(&mut self, end: u64) {
        if self.ranges.heap_end().is_none() && !self.is_from_exec {
            self.ranges.set_break(end, NO_STACK);
        }
    }

    /// The heap segment ends here.
    pub(crate) fn set_break(&mut self, end: u64, stack: u32) {
        let (_, first_gone) = pages(end, 0);
        if let Some(before) = self.ranges.heap_end() {
            self.touched.cut(first_gone, before);
        }
        self.ranges.set_break(end, stack);
    }

    /// A page was touched.
    pub(crate) fn fault(&mut self, fault: Fault, stack: u32, time: Nanos) {
        let mapping = self.ranges.known_at(fault.address);
        self.touched.fault(fault, mapping, stack, time);
    }

    /// Others may have got the addresses before the call was seen to return; their pages stay.
    fn give_up(&mut self, start: u64, end: u64, entered: Nanos) {
        for (start, end) in self.ranges.given_up(start, end, entered) {
            self.touched.cut(start, end);
        }
    }
}
