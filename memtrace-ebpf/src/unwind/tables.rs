//! What user space tells about code: mappings of processes, and the unwinding tables of files.

use crate::atomic;
use crate::memory::opaque;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use memtrace_common::limits::{
    CODE_NEWS, MAPPING_SEARCH_STEPS, MAX_UNWIND_PAGES, MAX_UNWIND_ROW_PAIRS, MAX_UNWIND_RULES,
    USUAL_CODE_MAPPINGS, USUAL_TARGETS,
};
use memtrace_common::unwind::{CodeRange, Extent, PAGE_BITS, PageRows, Rule, Space, search};

/// User space maps these arrays into its memory and writes without system calls (Linux 5.5).
const BPF_F_MMAPABLE: u32 = 1 << 10;

/// Rules, by number.
#[map]
static UNWIND_RULES: Array<u64> = Array::with_max_entries(MAX_UNWIND_RULES, BPF_F_MMAPABLE);

/// Rows, two in a word, of which the even one is the low half.
#[map]
static UNWIND_ROWS: Array<u64> = Array::with_max_entries(MAX_UNWIND_ROW_PAIRS, BPF_F_MMAPABLE);

/// Pages of text of all files.
#[map]
static UNWIND_PAGES: Array<PageRows> = Array::with_max_entries(MAX_UNWIND_PAGES, BPF_F_MMAPABLE);

/// Mappings of code of all processes.
#[map]
static CODE_RANGES: Array<CodeRange> = Array::with_max_entries(USUAL_CODE_MAPPINGS, BPF_F_MMAPABLE);

/// Which of those are a process's.
#[map]
static SPACES: HashMap<u32, Space> = HashMap::with_max_entries(USUAL_TARGETS, 0);

/// How often code came, and the processes that it came to last: what stands in the ring before the
/// news would delay the tables of that code by a millisecond or two.
#[map]
static NEWS_OF_CODE: Array<u64> = Array::with_max_entries(1 + CODE_NEWS, BPF_F_MMAPABLE);

/// User space should look at the process's mappings. To be followed by a record that wakes it.
#[inline(always)]
pub(crate) fn code_came(process: u32) {
    let Some(count) = NEWS_OF_CODE.get_ptr_mut(0) else { return };
    // SAFETY: an aligned word in the map's value. Where two programs take the same place, one of them
    // is not heard here, but from the ring.
    unsafe {
        let place = 1 + (count.read_volatile() % u64::from(CODE_NEWS)) as u32;
        if let Some(news) = NEWS_OF_CODE.get_ptr_mut(place) {
            news.write_volatile(u64::from(process));
        }
        atomic::add(count, 1);
    }
}

/// A process's mappings; `None` if user space has told of none.
#[inline(always)]
pub(super) fn space(process: u32) -> Option<Space> {
    // SAFETY: plain data; user space replaces the entry as a whole.
    unsafe { SPACES.get(&process) }.copied()
}

/// The process runs another program: what was known of its code is no longer so. Until user space has
/// looked, its stacks follow frame pointers.
#[inline(always)]
pub(crate) fn forget(process: u32) {
    // It may not be there.
    let _ = SPACES.remove(&process);
}

/// A child begins with its parent's mappings. User space tells it of a place of its own for them before
/// that of the parent's is written anew.
#[inline(always)]
pub(crate) fn inherit_space(parent: u32, child: u32) {
    if let Some(space) = SPACES.get_ptr(&parent) {
        // SAFETY: the pointer came from the map, and the helper copies the value, which user space
        // replaces as a whole.
        let _ = SPACES.insert(&child, unsafe { &*space }, 0);
    }
}

/// New code is mapped. Where other code was known to be, nothing is until user space has looked: its
/// unmapping may not have been told yet.
#[inline(always)]
pub(crate) fn code_mapped(process: u32, code: Extent) {
    if space(process).is_some_and(|space| overlaps_code(space, code)) {
        forget(process);
    }
}

/// Whether code is known in this part of the address space.
#[inline(always)]
pub(super) fn overlaps_code(space: Space, extent: Extent) -> bool {
    let last = last_before(space, extent.end);
    last.is_some_and(|code| Extent { start: code.start, end: code.end }.overlaps(extent))
}

/// The mapping that `address` is in.
#[inline(always)]
pub(super) fn range(space: Space, address: u64) -> Option<CodeRange> {
    let found = last_before(space, address.wrapping_add(1))?;
    (found.start <= address && address < found.end).then_some(found)
}

/// The last mapping that begins before `end`, or the first of all.
#[inline(always)]
fn last_before(space: Space, end: u64) -> Option<CodeRange> {
    let mut base = space.first;
    let mut length = space.count;
    for _ in 0..MAPPING_SEARCH_STEPS {
        if length <= 1 {
            break;
        }
        let half = length >> 1;
        let middle = base.wrapping_add(half);
        let start = CODE_RANGES.get(middle).map_or(u64::MAX, |range| range.start);
        // All ones if it begins before the end; both are below 2^63.
        let goes_on = (start.wrapping_sub(end) as i64 >> 63) as u32;
        base = base.wrapping_add(half & goes_on);
        length -= half;
    }
    CODE_RANGES.get(base).copied()
}

/// The rule for the code at this offset of a mapping's file; `None` if its table does not reach there.
#[inline(always)]
pub(super) fn rule(range: &CodeRange, offset: u64) -> Option<Rule> {
    let page = (offset >> PAGE_BITS) as u32;
    let page = page.wrapping_sub(range.low_page);
    if page >= range.pages {
        return None;
    }
    let rows = *UNWIND_PAGES.get(range.first_page.wrapping_add(page))?;
    if rows.count == 0 {
        return None;
    }
    let number = search(row, rows.first, rows.count, offset as u16);
    UNWIND_RULES.get(number as u32).map(|rule| Rule(*rule))
}

#[inline(always)]
fn row(index: u32) -> u32 {
    let Some(pair) = UNWIND_ROWS.get(index >> 1) else { return 0 };
    // Or the compiler would turn the shift into a choice between two paths, in each of the steps.
    (*pair >> opaque(((index & 1) << 5) as u64)) as u32
}
