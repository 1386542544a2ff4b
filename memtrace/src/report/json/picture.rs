//! The memory picture → the structs of the schema.

use super::schema::{PageKind, Picture};
use crate::model::picture;
use crate::report::model::PictureReport;
use crate::report::units::{difference, seconds};

impl Picture {
    pub(super) fn of(report: &PictureReport) -> Self {
        let (picture, blocks, sum) = (&report.picture, &report.blocks, report.picture.sum());
        let (least, most) = report.not_attributable();
        Self {
            age_s: seconds(report.age),
            whole: picture.whole,
            resident_bytes: sum.resident,
            counted_resident_bytes: picture.counted,
            difference_bytes: difference(picture.counted, sum.resident),
            mapped_bytes: sum.mapped,
            swap_bytes: sum.swap,
            hugetlb_bytes: sum.hugetlb,
            live_bytes: blocks.live,
            elsewhere_bytes: blocks.elsewhere,
            touched_least_bytes: blocks.touched_least,
            touched_most_bytes: blocks.touched_most,
            not_attributable_least_bytes: least,
            not_attributable_most_bytes: most,
            threads: picture.threads,
            threads_placed: picture.threads_placed,
            kinds: picture::PageKind::ALL.map(|kind| PageKind::of(kind, report)).into(),
        }
    }
}

impl PageKind {
    const fn of(kind: picture::PageKind, report: &PictureReport) -> Self {
        let sum = report.picture.of(kind);
        Self {
            kind: key(kind),
            mappings: sum.mappings,
            mapped_bytes: sum.mapped,
            resident_bytes: sum.resident,
            swap_bytes: sum.swap,
            hugetlb_bytes: sum.hugetlb,
            live_bytes: report.blocks.by_kind[kind as usize],
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
