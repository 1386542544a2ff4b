//! `/proc/PID/pagemap`: which pages of a mapping are there.
//!
//! `smaps` has sums of whole mappings, and the kernel joins neighbours into one mapping whoever asked for
//! them. What is resident of a part of one only the pages tell.
//!
//! The file has eight bytes for each page of the address space, bit 63 set where it is in memory
//! (`Documentation/admin-guide/mm/pagemap.rst`). The kernel looks through 2 MiB of address space at a time
//! under the process's `mmap_lock` (`PAGEMAP_WALK_SIZE` in `fs/proc/task_mmu.c`).
//!
//! The page of zeroes, which reading of untouched memory maps, is there by this file, but is not counted as
//! resident (`vm_normal_page` in `mm/memory.c`). It is known by its number, which we are told with
//! `CAP_SYS_ADMIN` only. Where it is not, or for the huge page of zeroes, the engine sees by the sums that there
//! are such pages.

use crate::model::picture::{Area, PageBits};
use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

/// Bytes of a page, and of what the file says of one.
const PAGE: u64 = 4096;
const ENTRY: u64 = 8;
/// "Page is in memory."
const PRESENT: u64 = 1 << 63;
/// "Page frame number", zeroes for those who may not know it.
const NUMBER: u64 = (1 << 55) - 1;
/// What is read at once: 32 MiB of address space.
const PIECE: usize = 64 << 10;
/// Pages of a process that are looked at: 16 GiB of mappings of which a part is there, some 50 ms. Larger ones
/// are left out, and their parts have bounds instead of figures.
const MAX_PAGES: u64 = 4 << 20;

/// Tells of the pages of those areas that are there in part. Stops at `until`, or when an area cannot be read.
pub(super) fn look(file: &File, areas: &mut [Area], until: Instant) {
    let mut left = MAX_PAGES;
    let zeroes = zeroes::number();
    for area in areas {
        let pages = (area.end - area.start) / PAGE;
        if area.resident == 0 || area.resident >= area.end - area.start || pages > left {
            continue;
        }
        left -= pages;
        match read(file, area, zeroes, until) {
            Ok(Some(bits)) => area.pages = Some(bits),
            Ok(None) | Err(_) => return,
        }
    }
}

/// `None` where time is up, or the process has ended.
fn read(file: &File, area: &Area, zeroes: Option<u64>, until: Instant) -> Result<Option<PageBits>> {
    let mut bits = PageBits::default();
    let (mut at, end) = (area.start / PAGE * ENTRY, area.end / PAGE * ENTRY);
    let mut piece = vec![0; PIECE];
    while at < end {
        if Instant::now() >= until {
            return Ok(None);
        }
        let wanted = (end - at).min(PIECE as u64) as usize;
        let length = file.read_at(&mut piece[..wanted], at)? / ENTRY as usize * ENTRY as usize;
        if length == 0 {
            return Ok(None);
        }
        for entry in piece[..length].chunks_exact(ENTRY as usize) {
            let entry = entry.try_into().map_or(0, u64::from_ne_bytes);
            bits.push(entry & PRESENT != 0 && Some(entry & NUMBER) != zeroes);
        }
        at += length as u64;
    }
    Ok(Some(bits))
}

/// The page of zeroes.
mod zeroes {
    use super::{ENTRY, NUMBER, PAGE, PRESENT};
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;
    use std::ptr::null_mut;
    use std::sync::OnceLock;

    static ZEROES: OnceLock<Option<u64>> = OnceLock::new();

    /// Its number, if we may know it. The machine has one (`empty_zero_page`, `arch/x86/kernel/head_64.S`).
    pub(super) fn number() -> Option<u64> {
        *ZEROES.get_or_init(look)
    }

    /// Reads a page that was never written to.
    fn look() -> Option<u64> {
        let (protection, flags) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping where the kernel likes; nobody else knows of it.
        let page = unsafe { libc::mmap(null_mut(), PAGE as usize, protection, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: the page is mapped, readable, and large enough.
        unsafe { page.cast::<u64>().read_volatile() };
        let number = number_at(page as u64);
        // SAFETY: our own mapping, to which nothing points any more.
        unsafe { libc::munmap(page, PAGE as usize) };
        number
    }

    fn number_at(address: u64) -> Option<u64> {
        let mut entry = [0; ENTRY as usize];
        let file = File::open("/proc/self/pagemap").ok()?;
        file.read_exact_at(&mut entry, address / PAGE * ENTRY).ok()?;
        let entry = u64::from_ne_bytes(entry);
        Some(entry & NUMBER).filter(|number| entry & PRESENT != 0 && *number != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Area, File, PAGE, look};
    use crate::model::picture::PageKind;
    use std::time::{Duration, Instant};

    fn area(start: u64, pages: u64, resident: u64) -> Area {
        Area {
            start,
            end: start + pages * PAGE,
            resident: resident * PAGE,
            kind: PageKind::Anonymous,
            writable: true,
            pages: None,
        }
    }

    /// The file stands for `pagemap`: of 20,000 pages every third one is there.
    #[test]
    fn pages_are_those_that_the_kernel_tells_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pagemap");
        // None of these is the page of zeroes, which the kernel's own image holds.
        let entry =
            |page: u64| if page.is_multiple_of(3) { 1 << 63 | 1 << 54 | page } else { page };
        let text: Vec<u8> = (0..20_000).flat_map(|page| entry(page).to_ne_bytes()).collect();
        std::fs::write(&path, text).unwrap();
        let file = File::open(&path).unwrap();
        let mut areas = [
            area(3 * PAGE, 9_000, 3_000),
            // Nothing to be asked, too large, and nothing to be had: then no other one is looked at.
            area(0, 5, 5),
            area(0, 5, 0),
            area(0, 5 << 20, 1),
            area(10_001 * PAGE, 2, 1),
            area(19_999 * PAGE, 2, 1),
            area(0, 2, 1),
        ];
        let soon = Instant::now() + Duration::from_secs(60);
        look(&file, &mut areas, soon);
        let there =
            areas.each_ref().map(|area| area.pages.as_ref().map(|bits| bits.bytes() / PAGE));
        assert_eq!(there, [Some(3_000), None, None, None, Some(1), None, None]);
        let first = areas[0].pages.as_ref().unwrap();
        assert_eq!((first.pages(), first.bytes_between(0, 2 * PAGE)), (9_000, PAGE));
        let mut late = [area(3 * PAGE, 6, 2)];
        look(&file, &mut late, Instant::now());
        assert_eq!(late[0].pages, None);
    }
}
