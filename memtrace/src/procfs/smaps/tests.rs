//! What mappings are, and that the sums are those of the text.

use super::classify::Classifier;
use super::entries::Entries;
use super::{lines, parse};
use crate::model::picture::{Area, PageKind, PageSum, Picture};
use crate::procfs::process::Process;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// As Linux 6.18 wrote it of a program with two threads besides the first, on glibc 2.36.
const THREADS: &[u8] = include_bytes!("fixtures/threads.txt");
const KIB: u64 = 1024;

/// The same with stack pointers and devices of tmpfs.
fn parse_with(text: &[u8], pointers: &[u64], tmpfs: &[(u32, u32)]) -> (Picture, Vec<Area>) {
    let classifier = Classifier::new(pointers.to_vec(), tmpfs.to_vec());
    let mut entries = Entries::new(classifier);
    let until = Instant::now() + Duration::from_secs(60);
    assert!(lines::read(text, until, |line| entries.line(line)).unwrap());
    entries.finish()
}

/// A mapping of `kib` KiB, all resident.
fn entry(start: u64, kib: u64, access: &str, file: &str, name: &str) -> String {
    let end = start + kib * KIB;
    format!("{start:x}-{end:x} {access} 00000000 {file} {name}\nSize: {kib} kB\nRss: {kib} kB\n")
}

/// Resident KiB by kind, those that have any.
fn resident(picture: &Picture) -> Vec<(PageKind, u64)> {
    let kinds = PageKind::ALL.into_iter().map(|kind| (kind, picture.of(kind).resident / KIB));
    kinds.filter(|(_, size)| *size > 0).collect()
}

/// What the text says, counted another way.
fn naive(text: &[u8]) -> PageSum {
    let text = String::from_utf8_lossy(text);
    let kib = |name: &str| -> u64 {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_suffix("kB"));
        lines.map(|value| value.trim().parse::<u64>().unwrap() * KIB).sum()
    };
    PageSum {
        mappings: text.lines().filter(|line| line.starts_with("Size:")).count() as u64,
        mapped: kib("Size:"),
        resident: kib("Rss:"),
        swap: kib("Swap:"),
        hugetlb: kib("Shared_Hugetlb:") + kib("Private_Hugetlb:"),
        huge: kib("AnonHugePages:"),
    }
}

#[test]
fn a_program_with_threads_adds_up() {
    let (picture, areas) = parse_with(THREADS, &[0x7f52_5123_4e90, 0x7f52_5126_1e90], &[]);
    assert_eq!(
        resident(&picture),
        [
            (PageKind::HeapSegment, 980),
            (PageKind::Arena, 68),
            (PageKind::Anonymous, 1028 + 96 + 8 + 20 + 4),
            (PageKind::ThreadStack, 8 + 88),
            (PageKind::MainStack, 12),
            (PageKind::Shared, 40),
            (PageKind::Code, 4 + 704 + 152),
            (PageKind::ProgramData, 16 + 152 + 64 + 16 + 8 + 4 + 40 + 8 + 8),
            (PageKind::Kernel, 4),
        ]
    );
    assert!(picture.whole);
    assert_eq!(picture.sum(), naive(THREADS));
    assert_eq!(picture.sum().resident, 3532 * KIB);
    let arena = picture.of(PageKind::Arena);
    assert_eq!((arena.mappings, arena.mapped), (2, 64 << 20));
    let arena = Area {
        start: 0x7f52_4c00_0000,
        end: 0x7f52_4c02_1000,
        resident: 68 * KIB,
        kind: PageKind::Arena,
        writable: true,
        pages: None,
    };
    assert!(areas.contains(&arena));
    assert_eq!(areas.len(), 1 + 1 + 5, "heap segment, arena, anonymous ones that can be written");
    assert!(areas.is_sorted_by(|a, b| a.end <= b.start));
}

#[test]
fn without_a_stack_pointer_no_stack_is_claimed() {
    let (picture, _) = parse(THREADS);
    assert_eq!(picture.of(PageKind::ThreadStack), PageSum::default());
    assert_eq!(picture.of(PageKind::Anonymous).resident, (1156 + 96) * KIB);
    // A pointer into memory that has neither a guard nor the flag: a runtime's heap with stacks in it.
    let heap = entry(0xc0_0000_0000, 4096, "rw-p", "00:00 0", "");
    let (picture, _) = parse_with(heap.as_bytes(), &[0xc0_0000_8000], &[]);
    assert_eq!(resident(&picture), [(PageKind::Anonymous, 4096)]);
    let flagged = format!("{heap}VmFlags: rd wr mr mw me ac nh \n");
    let (picture, _) = parse_with(flagged.as_bytes(), &[0xc0_0000_8000], &[]);
    assert_eq!(resident(&picture), [(PageKind::ThreadStack, 4096)]);
}

/// Go's heap has the shape of an arena, but lies elsewhere; without glibc nothing is one.
#[test]
fn arenas_are_claimed_only_where_they_can_be_told() {
    let shape = |start: u64, used: u64, reserve: u64| {
        entry(start, used, "rw-p", "00:00 0", "")
            + &entry(start + used * KIB, reserve, "---p", "00:00 0", "")
    };
    let glibc = entry(0x7f00_9000_0000, 64, "r-xp", "fe:00 7", "/usr/lib/libc.so.6");
    let kinds = |text: String| {
        let (picture, _) = parse(text.as_bytes());
        (picture.of(PageKind::Arena).mappings, picture.of(PageKind::Anonymous).mappings)
    };
    let place = 0x7f00_4000_0000;
    assert_eq!(kinds(shape(place, 132, 65404) + &glibc), (2, 0));
    assert_eq!(kinds(shape(place, 132, 65404)), (0, 2), "without glibc");
    assert_eq!(kinds(shape(0xc0_0000_0000, 132, 65404) + &glibc), (0, 2), "Go's heap");
    assert_eq!(kinds(shape(place, 132, 65400) + &glibc), (0, 2), "too short");
    assert_eq!(kinds(shape(place + 4096, 132, 65404) + &glibc), (0, 2), "not aligned");
    // Huge pages wanted for a part of it: the kernel splits it.
    let split = entry(place, 100, "rw-p", "00:00 0", "") + &shape(place + 100 * KIB, 32, 65404);
    assert_eq!(kinds(split + &glibc), (3, 0));
    // Two, one after the other, and the second one's reserve joined with what follows.
    let two = shape(place, 132, 65404) + &shape(place + (64 << 20), 132, 65408);
    assert_eq!(kinds(two + &glibc), (4, 0));
}

#[test]
fn files_are_told_apart() {
    let text = [
        // A library whose first mapping is not its code, with its `.bss` between; and itself as data.
        entry(0x1_0000, 4, "r--p", "fe:00 1", "/usr/lib/lib a.so"),
        entry(0x2_0000, 8, "r-xp", "fe:00 1", "/usr/lib/lib a.so"),
        entry(0x3_0000, 16, "rw-p", "00:00 0", ""),
        entry(0x4_0000, 32, "rw-p", "fe:00 1", "/usr/lib/lib a.so"),
        entry(0x5_0000, 64, "r--s", "fe:00 2", "/usr/share/locale/archive"),
        entry(0x7_0000, 4, "r--p", "fe:00 1", "/usr/lib/lib a.so"),
        // Shared memory of each sort.
        entry(0x8_0000, 1, "rw-s", "00:01 3", "/SYSV00000000 (deleted)"),
        entry(0x9_0000, 2, "rw-s", "00:01 4", "/dev/zero (deleted)"),
        entry(0xa_0000, 4, "r-xs", "00:01 5", "/memfd:doublemapper (deleted)"),
        entry(0xb_0000, 8, "rw-s", "00:1a 6", "/dev/shm/x"),
        entry(0xc_0000, 16, "rw-s", "00:00 0", "[anon_shmem:x]"),
        // Devices, and anonymous memory in disguise.
        entry(0xd_0000, 4, "rw-s", "00:06 7", "/dev/dri/card0"),
        entry(0xe_0000, 4, "rw-p", "00:06 8", "/dev/zero"),
        entry(0xf_0000, 4, "rw-p", "00:00 0", "[anon:dalvik-main space]"),
        entry(0x10_0000, 4, "rw-p", "00:00 0", "[anon: glibc: pthread stack: 12]"),
        entry(0x11_0000, 4, "r-xp", "00:00 0", "[vdso]"),
    ];
    let (picture, areas) = parse_with(text.concat().as_bytes(), &[], &[(0, 0x1a)]);
    assert_eq!(
        resident(&picture),
        [
            (PageKind::Anonymous, 16 + 4 + 4),
            (PageKind::ThreadStack, 4),
            (PageKind::Shared, 1 + 2 + 4 + 8 + 16),
            (PageKind::Code, 8),
            (PageKind::ProgramData, 4 + 32),
            (PageKind::File, 64 + 4 + 4),
            (PageKind::Kernel, 4),
        ]
    );
    assert_eq!(areas.len(), 3);
}

#[test]
fn huge_pages_and_swap_are_counted() {
    let text = "7f0000000000-7f0000400000 rw-p 00000000 00:0f 9 /anon_hugepage (deleted)\n\
                Rss: 0 kB\nShared_Hugetlb: 0 kB\nPrivate_Hugetlb: 4096 kB\nSwap: 0 kB\n\
                7f0000400000-7f0000800000 rw-s 00000000 00:0f 10 /anon_hugepage (deleted)\n\
                Rss: 0 kB\nShared_Hugetlb: 2048 kB\nPrivate_Hugetlb: 0 kB\nSwap: 0 kB\n\
                7f0000800000-7f0000c00000 rw-p 00000000 00:00 0 \n\
                Rss: 2048 kB\nAnonHugePages: 2048 kB\nSwap: 12 kB\nSwapPss: 12 kB\n";
    let (picture, _) = parse(text.as_bytes());
    let anonymous = picture.of(PageKind::Anonymous);
    assert_eq!((anonymous.resident, anonymous.swap), (2048 * KIB, 12 * KIB));
    assert_eq!((anonymous.hugetlb, anonymous.huge), (4096 * KIB, 2048 * KIB));
    assert_eq!(picture.of(PageKind::Shared).hugetlb, 2048 * KIB);
    assert_eq!(picture.sum().resident, 2048 * KIB);
}

/// Names are what the process likes: none of them is taken for a figure or for what the kernel names.
#[test]
fn hostile_names_change_nothing() {
    let names = [
        "/tmp/x\\012Rss: 99999 kB",
        "/tmp/[heap]",
        "/tmp/[stack] (deleted)",
        "/tmp/Rss: 99999 kB",
        "/tmp/7f0000000000-7f0000001000 rw-p 00000000 00:00 0 [heap]",
        "/memfd:x (deleted)",
        "/tmp/\u{202e}\u{7f}\u{1}",
        "/tmp/    ",
    ];
    let text: String = names
        .iter()
        .zip(1_u64..)
        .map(|(name, number)| entry(number << 20, 4, "rw-p", &format!("fe:00 {number}"), name))
        .collect();
    let (picture, areas) = parse(text.as_bytes());
    assert_eq!(resident(&picture), [(PageKind::File, 4 * names.len() as u64)]);
    assert!(areas.is_empty() && picture.whole);
    let mut text = entry(0x1000, 4, "rw-p", "fe:00 1", "").into_bytes();
    text.splice(30..30, b"/\xff\xfe".repeat(9000));
    assert!(parse(&text).0.sum().mappings <= 1);
}

/// As a Java or database process has them; none of it is kept but the areas, and of them not too many.
#[test]
fn many_mappings_add_up() {
    let mut text = String::new();
    let number = 100_000_u64;
    for at in 0..number {
        let start = 0x7000_0000_0000 + at * 0x10000;
        let name = if at % 2 == 0 { "" } else { "/opt/data.bin" };
        let file = if at % 2 == 0 { "00:00 0" } else { "fe:00 5" };
        text.push_str(&entry(start, 16, "rw-p", file, name));
        writeln!(text, "Swap: {} kB\nVmFlags: rd wr mr mw me ac ", at % 3).unwrap();
    }
    let (picture, areas) = parse(text.as_bytes());
    assert_eq!(picture.sum(), naive(text.as_bytes()));
    assert_eq!(picture.of(PageKind::File).mappings, number / 2);
    assert_eq!(areas.len() as u64, number / 2);
}

/// A process that ends while it is read, and a text that was cut.
#[test]
fn a_cut_text_is_not_whole() {
    for end in [THREADS.len() - 1, THREADS.len() / 2, 40] {
        let (picture, _) = parse(&THREADS[..end]);
        let sum = picture.sum();
        assert!(sum.resident <= 3532 * KIB && sum.mappings <= 33);
    }
    let header_only = THREADS.iter().position(|byte| *byte == b'\n').unwrap();
    assert!(!parse(&THREADS[..header_only]).0.whole);
    assert!(!parse(b"1000-2000 rw-p 0 00:00 0 \n1000-2000 rw-p 0 00:00 0 \nRss: 4 kB\n").0.whole);
    assert_eq!(parse(b""), (Picture { whole: true, ..Picture::default() }, Vec::new()));
}

#[test]
fn a_child_can_be_pictured() {
    let mut child =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let process = Process::open(child.id()).unwrap();
    let later = Instant::now() + Duration::from_secs(60);
    let (picture, areas) = process.picture(7, later).unwrap();
    assert!(picture.whole && picture.began == 7 && picture.threads == 1);
    assert!(picture.counted > 0 && picture.of(PageKind::Code).resident > 0);
    assert!(picture.of(PageKind::MainStack).resident > 0);
    assert!(areas.iter().any(|area| area.kind == PageKind::HeapSegment));
    let (picture, _) = process.picture(7, Instant::now()).unwrap();
    assert!(!picture.whole && picture.sum() == PageSum::default());
    child.kill().unwrap();
    child.wait().unwrap();
    process.picture(7, later).unwrap_err();
}

/// Mappings of all sorts, one after the other.
fn mappings() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        ("00:00 0", ""),
        ("00:00 0", "[heap]"),
        ("00:00 0", "[stack]"),
        ("00:00 0", "[anon:x]"),
        ("fe:00 1", "/usr/lib/libc.so.6"),
        ("fe:00 2", "/a (deleted)"),
        ("00:01 3", "/memfd:a (deleted)"),
    ]);
    let access = prop::sample::select(vec!["rw-p", "---p", "r-xp", "r--p", "rw-s"]);
    // Often right behind one another, and at multiples of 64 MiB.
    let mapping = (0..3_u64, 0..66_000_u64, access, name);
    prop::collection::vec(mapping, 0..30).prop_map(|mappings| {
        let (mut text, mut next) = (String::new(), 0x7f00_0000_0000_u64);
        for (gap, kib, access, (file, name)) in mappings {
            next = match gap {
                0 => next,
                1 => next + 4096,
                _ => next.next_multiple_of(64 << 20),
            };
            let kib = (kib + 1).next_multiple_of(4);
            text.push_str(&entry(next, kib, access, file, name));
            next += kib * KIB;
        }
        text
    })
}

proptest! {
    #[test]
    fn every_mapping_is_in_exactly_one_kind(
        text in mappings(),
        pointers in prop::collection::vec(0x7f00_0000_0000..0x7f00_8000_0000_u64, 0..4),
    ) {
        let mut pointers = pointers;
        pointers.sort_unstable();
        let (picture, areas) = parse_with(text.as_bytes(), &pointers, &[]);
        prop_assert_eq!(picture.sum(), naive(text.as_bytes()));
        prop_assert!(areas.is_sorted_by(|a, b| a.end <= b.start));
        for kind in PageKind::ALL.into_iter().filter(|kind| kind.may_hold_blocks()) {
            let held: u64 =
                areas.iter().filter(|area| area.kind == kind).map(|area| area.end - area.start).sum();
            prop_assert!(held <= picture.of(kind).mapped);
        }
    }

    #[test]
    fn any_bytes_are_survived(
        mut text in Just(THREADS[..9000].to_vec()),
        changes in prop::collection::vec((0..9000_usize, any::<u8>()), 0..40),
        junk in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        for (at, byte) in changes {
            text[at] = byte;
        }
        text.extend(junk);
        let (_, areas) = parse(&text);
        prop_assert!(areas.iter().all(|area| area.start < area.end));
    }
}
