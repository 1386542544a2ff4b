//! The memory picture → the structs of the schema.

use super::schema::{AllocatorMappings, Owners, PageKind, Picture};
use crate::engine::snapshot::Owner;
use crate::model::picture;
use crate::report::facts::Ledgers;
use crate::report::model::{AllocatorMapped, PictureReport, ProcessReport};
use crate::report::units::{difference, seconds};

impl Picture {
    pub(super) fn of(report: &PictureReport, ledger: Ledgers) -> Self {
        let (picture, blocks, sum) = (&report.picture, &report.blocks, report.picture.sum());
        let (least, most) = report.not_attributable();
        let known = |figure: u64| (!report.is_sampled).then_some(figure);
        Self {
            age_s: seconds(report.age),
            whole: picture.whole,
            resident_bytes: sum.resident,
            counted_resident_bytes: picture.counted,
            difference_bytes: difference(picture.counted, sum.resident),
            mapped_bytes: sum.mapped,
            swap_bytes: sum.swap,
            hugetlb_bytes: sum.hugetlb,
            live_bytes: known(blocks.live),
            elsewhere_bytes: known(blocks.elsewhere),
            touched_least_bytes: known(blocks.touched_least),
            touched_most_bytes: known(blocks.touched_most),
            not_attributable_least_bytes: known(least),
            not_attributable_most_bytes: known(most),
            threads: picture.threads,
            threads_placed: picture.threads_placed,
            kinds: picture::PageKind::ALL.map(|kind| PageKind::of(kind, report)).into(),
            owners: (ledger != Ledgers::Mappings && !report.is_sampled).then(|| Owners::of(report)),
        }
    }
}

impl Owners {
    fn of(report: &PictureReport) -> Self {
        let owners = &report.owners;
        let (allocator, rounding) = (owners.of(Owner::Allocator), owners.rounding());
        let beyond = |owner| owners.of(owner).beyond;
        let older_or_slack = beyond(Owner::OlderAllocator);
        let (program, older) = (beyond(Owner::Program), beyond(Owner::Older));
        let unknown = beyond(Owner::Unknown);
        Self {
            allocator_mapped_bytes: owners.allocator_mapped,
            allocator_writable_bytes: allocator.writable,
            allocator_resident_least_bytes: allocator.resident.least,
            allocator_resident_most_bytes: allocator.resident.most,
            allocator_slack_least_bytes: allocator.beyond.least,
            allocator_slack_most_bytes: allocator.beyond.most,
            rounding_least_bytes: rounding.least,
            rounding_most_bytes: rounding.most,
            older_or_slack_least_bytes: older_or_slack.least,
            older_or_slack_most_bytes: older_or_slack.most,
            program_mapped_least_bytes: program.least,
            program_mapped_most_bytes: program.most,
            older_least_bytes: older.least,
            older_most_bytes: older.most,
            unknown_least_bytes: unknown.least,
            unknown_most_bytes: unknown.most,
            undecided_bytes: owners.undecided,
        }
    }
}

impl<'a> AllocatorMappings<'a> {
    /// Those of one process.
    pub(super) fn all(process: &'a ProcessReport) -> Vec<Self> {
        process.allocator_mapped.iter().map(Self::of).collect()
    }

    fn of(mapped: &'a AllocatorMapped) -> Self {
        Self {
            module: &mapped.module,
            live_bytes: mapped.live_bytes,
            live_ranges: mapped.live_ranges,
            calls: mapped.calls,
            mapped_bytes: mapped.mapped_bytes,
            unmapped_bytes: mapped.unmapped_bytes,
        }
    }
}

impl PageKind {
    fn of(kind: picture::PageKind, report: &PictureReport) -> Self {
        let sum = report.picture.of(kind);
        Self {
            kind: key(kind),
            mappings: sum.mappings,
            mapped_bytes: sum.mapped,
            resident_bytes: sum.resident,
            swap_bytes: sum.swap,
            hugetlb_bytes: sum.hugetlb,
            live_bytes: (!report.is_sampled).then_some(report.blocks.by_kind[kind as usize]),
        }
    }
}

const fn key(kind: picture::PageKind) -> &'static str {
    use picture::PageKind;
    match kind {
        PageKind::HeapSegment => "heap_segment",
        PageKind::Arena => "malloc_arena",
        PageKind::Anonymous => "anonymous",
        PageKind::ThreadStack => "thread_stack",
        PageKind::MainStack => "main_stack",
        PageKind::Shared => "shared_memory",
        PageKind::Code => "program_code",
        PageKind::ProgramData => "program_data",
        PageKind::File => "file",
        PageKind::Kernel => "kernel",
    }
}
