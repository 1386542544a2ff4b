//! Stacks that map memory: which are listed, and which of them do it for an allocator.

use super::evidence;
use super::explain::{self, Case};
use super::identity::module_of;
use super::model::{AllocatorMapped, FrameReport, Sum};
use super::names::clean;
use super::units::{bytes, counted, duration, signed_bytes};
use super::verdict::Verdict;
use crate::engine::heap::ranges::RangeKind;
use crate::engine::snapshot::{MappedStack, ProcessSnapshot};
use crate::model::ids::ModuleId;
use crate::model::module::Module;
use memtrace_common::function::FunctionId;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep under an allocator's function a system call may lie: `malloc` of glibc is at most six frames
/// above `mmap`, jemalloc's a dozen.
const DEEPEST: usize = 24;

/// Functions inside of allocators, for the case that the entry itself was left by a jump or inlined.
const INSIDE: [&str; 8] = [
    "_int_malloc",
    "_int_memalign",
    "_int_realloc",
    "sysmalloc",
    "sysmalloc_mmap",
    "tcache_init",
    "arena_get2",
    "new_heap",
];

/// Beginnings of names of allocators' functions.
const PREFIXES: [&str; 9] = [
    "__libc_malloc",
    "__libc_calloc",
    "__libc_realloc",
    "__libc_memalign",
    "__libc_alloc_",
    "je_",
    "mi_",
    "_mi_",
    "tcmalloc::",
];

/// Whether an allocator asked for the memory: the blocks in it are counted already.
pub(super) fn is_by_allocator(frames: &[FrameReport]) -> bool {
    let names = frames.iter().take(DEEPEST).filter_map(|frame| frame.name(false));
    let mut names = names.map(|name| name.split(['(', '@']).next().unwrap_or(name));
    names.any(|name| {
        let function = FunctionId::from_name(name);
        let is_entry = function.is_some_and(|it| it != FunctionId::NONE && it < FunctionId::MMAP);
        is_entry || INSIDE.contains(&name) || PREFIXES.iter().any(|it| name.starts_with(it))
    })
}

/// The stacks to list, most bytes first; `top` 0: all, also those with nothing left.
pub(super) fn choose(process: &ProcessSnapshot, top: usize) -> Vec<&MappedStack> {
    let wanted = |stack: &&MappedStack| top == 0 || stack.live_bytes > 0;
    let mut stacks: Vec<&MappedStack> = process.mapped.iter().filter(wanted).collect();
    stacks.sort_by_key(|stack| (Reverse(stack.live_bytes), Reverse(stack.calls), stack.stack));
    if top != 0 {
        stacks.truncate(top);
    }
    stacks
}

/// What each allocator mapped, by its file; most first.
pub(super) fn by_allocators(
    process: &ProcessSnapshot,
    modules: &[Arc<Module>],
) -> Vec<AllocatorMapped> {
    let name =
        |id: ModuleId| module_of(modules, id).map_or_else(String::new, |it| clean(&it.name()));
    let mut found: BTreeMap<ModuleId, AllocatorMapped> = BTreeMap::new();
    for stack in &process.mapped {
        let Some(module) = stack.allocator else { continue };
        let sum = found.entry(module).or_insert_with(|| AllocatorMapped {
            module: name(module),
            ..AllocatorMapped::default()
        });
        sum.live_bytes = sum.live_bytes.saturating_add(stack.live_bytes);
        sum.live_ranges = sum.live_ranges.saturating_add(stack.live_ranges);
        sum.calls = sum.calls.saturating_add(stack.calls);
        sum.mapped_bytes = sum.mapped_bytes.saturating_add(stack.mapped_bytes);
        sum.unmapped_bytes = sum.unmapped_bytes.saturating_add(stack.unmapped_bytes);
    }
    let mut sums: Vec<AllocatorMapped> = found.into_values().collect();
    sums.sort_by_key(|sum| Reverse(sum.live_bytes));
    sums
}

/// What is mapped but not by the listed stacks. Every live byte is in exactly one of both.
pub(super) fn others(process: &ProcessSnapshot, listed: &[&MappedStack]) -> Sum {
    let live = |stack: &MappedStack| u64::from(stack.live_bytes > 0);
    let mut others = Sum {
        stacks: process.mapped.iter().map(live).sum(),
        blocks: process.mappings.live_ranges,
        bytes: process.mappings.live_bytes,
    };
    for stack in listed {
        others.stacks = others.stacks.saturating_sub(live(stack));
        others.blocks = others.blocks.saturating_sub(stack.live_ranges);
        others.bytes = others.bytes.saturating_sub(stack.live_bytes);
    }
    others
}

/// What the figures mean where no blocks were traced.
pub(super) const fn verdict(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::NotTheHeap => Verdict::Growing,
        other => other,
    }
}

/// What that rests on, as [`explain::explain`] says it of heaps.
pub(super) fn explain(case: &Case<'_>) -> Vec<String> {
    let mut sentences = match case.verdict {
        Verdict::Growing | Verdict::Stable | Verdict::Draining | Verdict::NotTheHeap => {
            let (resident, slope) = (&case.figures.resident, &case.figures.resident_slope);
            let now = slope.as_ref().map(evidence::slope);
            vec![format!(
                "resident memory changed by {}{}",
                signed_bytes(resident.bytes),
                now.map_or_else(String::new, |now| format!(
                    ", in the later half of the watch by {now}"
                ))
            )]
        }
        Verdict::Ended => {
            let watched = duration(case.figures.watched);
            vec![format!("it was there for {watched} only, which tells no trend")]
        }
        Verdict::TooShort | Verdict::New | Verdict::Degraded => {
            let mut words = explain::explain(&Case { degraded: &[], ..case.clone() });
            words.truncate(1);
            words
        }
    };
    let (live, ranges) = (case.mappings.live_bytes, case.mappings.live_ranges);
    sentences.push(format!(
        "Mapped since attach and still mapped: {} in {}; blocks of allocators are not traced",
        bytes(live),
        counted(ranges, "range")
    ));
    if !case.degraded.is_empty() {
        sentences.insert(0, case.degraded.join("; "));
    }
    sentences
}

/// What a kind is called in text, and in keys of JSON.
pub(super) const fn kind_name(kind: RangeKind) -> &'static str {
    match kind {
        RangeKind::Anonymous => "anonymous",
        RangeKind::File => "file",
        RangeKind::Stack => "stack",
        RangeKind::HeapSegment => "heap segment",
        RangeKind::Reserved => "without access",
        RangeKind::Shared => "shared",
        RangeKind::Code => "code",
    }
}

#[cfg(test)]
mod tests {
    use super::{FrameReport, is_by_allocator};

    fn is_allocators(names: &[&str]) -> bool {
        let frames: Vec<FrameReport> = names.iter().map(|name| FrameReport::called(name)).collect();
        is_by_allocator(&frames)
    }

    #[test]
    fn an_allocator_is_told_by_its_functions() {
        assert!(is_allocators(&["mmap", "sysmalloc_mmap", "malloc", "work"]));
        assert!(is_allocators(&["__brk", "sbrk", "__libc_calloc", "main"]));
        assert!(is_allocators(&["mmap64", "operator new", "main"]));
        assert!(!is_allocators(&["mmap", "work", "main"]));
        assert!(!is_allocators(&["mmap", "my_malloc", "main"]));
        assert!(!is_allocators(&["brk", "mmap", "none"]));
    }
}
