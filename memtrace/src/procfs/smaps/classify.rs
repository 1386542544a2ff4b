//! What each mapping is, and the sums.
//!
//! A mapping counts as what it can be told to be, else as anonymous memory or a file.

use super::entries::Entry;
use crate::model::picture::{Area, PageKind, PageSum, Picture};

/// Areas that are kept; the kernel's default limit on mappings is 65,530.
const MAX_AREAS: usize = 1 << 16;

/// `HEAP_MAX_SIZE` of glibc's `malloc/arena.c`, 64-bit: length and alignment of an arena's heaps.
const ARENA: u64 = 64 << 20;
/// Arenas are where the kernel puts mappings without a wish, which is below the stack: within a few TiB of
/// the end (`mmap_base`, `arch/x86/mm/mmap.c`). Go's heap, of the same shape, is far from there.
const MMAP_AREA: u64 = 0x7000_0000_0000;

/// Sorts mappings, which must come in order of address.
pub(super) struct Classifier {
    kinds: [PageSum; PageKind::COUNT],
    areas: Vec<Area>,
    /// Of threads, ascending.
    stack_pointers: Vec<u64>,
    /// Devices of tmpfs mounts.
    tmpfs: Vec<(u32, u32)>,
    file: Option<FileParts>,
    arena: Option<ArenaParts>,
    /// What has the shape of glibc's arenas. Without glibc it is something else.
    arenas: PageSum,
    has_glibc: bool,
    /// Where the last mapping ended, if nothing may touch it: a guard for what follows.
    guard_end: Option<u64>,
}

/// Mappings of one file one after the other, with anonymous ones between: a program or library if one of
/// them is code, which need not be the first.
struct FileParts {
    file: ((u32, u32), u64),
    code: PageSum,
    other: PageSum,
    /// What it is without code.
    otherwise: PageKind,
}

/// What may be a heap of an arena: from a multiple of 64 MiB on memory in use, then up to the next multiple
/// what is reserved for later (`new_heap` in glibc's `malloc/arena.c`).
struct ArenaParts {
    start: u64,
    end: u64,
    sum: PageSum,
    /// The first of its areas.
    areas: usize,
}

const NOTHING: PageSum =
    PageSum { mappings: 0, mapped: 0, resident: 0, swap: 0, hugetlb: 0, huge: 0 };

impl Classifier {
    pub(super) const fn new(stack_pointers: Vec<u64>, tmpfs: Vec<(u32, u32)>) -> Self {
        Self {
            kinds: [NOTHING; PageKind::COUNT],
            areas: Vec::new(),
            stack_pointers,
            tmpfs,
            file: None,
            arena: None,
            arenas: NOTHING,
            has_glibc: false,
            guard_end: None,
        }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        match self.kind(entry) {
            PageKind::Anonymous if entry.name.is_empty() => self.add_unnamed(entry),
            PageKind::Code => self.add_file(entry, PageKind::File),
            kind @ (PageKind::File | PageKind::Shared) => self.add_file(entry, kind),
            kind => {
                self.end_arena(false);
                self.count(kind, entry.sum);
                self.keep_area(entry, kind);
            }
        }
        let untouchable = !(entry.access.read || entry.access.write || entry.access.execute);
        self.guard_end = untouchable.then_some(entry.end);
    }

    pub(super) fn finish(mut self) -> (Picture, Vec<Area>) {
        self.end_file();
        self.end_arena(false);
        let kind = if self.has_glibc { PageKind::Arena } else { PageKind::Anonymous };
        self.count(kind, self.arenas);
        for area in self.areas.iter_mut().filter(|area| area.kind == PageKind::Arena) {
            area.kind = kind;
        }
        (Picture { kinds: self.kinds, ..Picture::default() }, self.areas)
    }

    fn count(&mut self, kind: PageKind, sum: PageSum) {
        let all = &mut self.kinds[kind as usize];
        *all = all.plus(sum);
    }

    fn kind(&self, entry: &Entry) -> PageKind {
        if entry.name.starts_with(b"[") {
            return self.named(entry);
        }
        // Private `/dev/zero` is the old way to get anonymous memory (`drivers/char/mem.c`), and private
        // pages of hugetlbfs are a file's only in name.
        let in_name = [&b"/dev/zero"[..], b"/anon_hugepage (deleted)"].contains(&&entry.name[..]);
        match entry.file {
            (_, 0) if entry.name.is_empty() && self.is_stack(entry) => PageKind::ThreadStack,
            (_, 0) if entry.name.is_empty() => PageKind::Anonymous,
            _ if in_name && entry.access.shared => PageKind::Shared,
            _ if in_name => PageKind::Anonymous,
            _ if entry.access.execute && !entry.access.shared => PageKind::Code,
            _ if self.is_shared_memory(entry) => PageKind::Shared,
            _ => PageKind::File,
        }
    }

    /// Names that the kernel gives, and those that processes give to anonymous memory
    /// (`PR_SET_VMA_ANON_NAME`): glibc's (`glibc.mem.decorate_maps`) and bionic's are known.
    fn named(&self, entry: &Entry) -> PageKind {
        let is_named = |start: &[u8]| entry.name.starts_with(start);
        match &entry.name[..] {
            b"[heap]" => PageKind::HeapSegment,
            b"[stack]" => PageKind::MainStack,
            _ if is_named(b"[anon_shmem:") => PageKind::Shared,
            _ if is_named(b"[anon: glibc: malloc arena") => PageKind::Arena,
            _ if is_named(b"[anon: glibc: pthread stack") => PageKind::ThreadStack,
            _ if is_named(b"[anon:stack_and_tls:") => PageKind::ThreadStack,
            _ if is_named(b"[anon:") && self.is_stack(entry) => PageKind::ThreadStack,
            _ if is_named(b"[anon:") => PageKind::Anonymous,
            _ => PageKind::Kernel,
        }
    }

    /// A thread's stack pointer lies in it, and either something that nobody may touch lies directly below,
    /// or it was mapped with `MAP_STACK`, which means no huge pages from Linux 6.7 on. Without the second
    /// condition the heaps of runtimes that put their threads' stacks there would count as stacks.
    fn is_stack(&self, entry: &Entry) -> bool {
        let next = self.stack_pointers.partition_point(|pointer| *pointer < entry.start);
        let has_pointer = self.stack_pointers.get(next).is_some_and(|pointer| *pointer < entry.end);
        let has_guard = self.guard_end == Some(entry.start);
        has_pointer && entry.access.write && (has_guard || entry.no_huge_pages)
    }

    /// Memory that the kernel keeps in tmpfs (`mm/shmem.c`): on its own mount, whose names are known and
    /// whose device has the major number 0, or on another one.
    fn is_shared_memory(&self, entry: &Entry) -> bool {
        let (device, _) = entry.file;
        let own = [&b"/memfd:"[..], b"/SYSV", b"/dev/zero (deleted)"];
        let is_own = device.0 == 0 && own.iter().any(|start| entry.name.starts_with(start));
        is_own || self.tmpfs.contains(&device)
    }

    fn add_file(&mut self, entry: &Entry, otherwise: PageKind) {
        self.end_arena(false);
        if self.file.as_ref().is_none_or(|parts| parts.file != entry.file) {
            self.end_file();
        }
        let parts = self.file.get_or_insert_with(|| FileParts {
            file: entry.file,
            code: PageSum::default(),
            other: PageSum::default(),
            otherwise,
        });
        if entry.access.execute && !entry.access.shared {
            parts.code = parts.code.plus(entry.sum);
            self.has_glibc |= is_glibc(&entry.name);
        } else {
            parts.other = parts.other.plus(entry.sum);
            parts.otherwise = otherwise;
        }
    }

    fn end_file(&mut self) {
        let Some(parts) = self.file.take() else { return };
        let is_program = parts.code.mappings > 0;
        self.count(PageKind::Code, parts.code);
        self.count(if is_program { PageKind::ProgramData } else { parts.otherwise }, parts.other);
    }

    fn add_unnamed(&mut self, entry: &Entry) {
        let is_usable = entry.access.read && entry.access.write && !entry.access.execute;
        let follows = self.arena.as_ref().is_some_and(|arena| arena.end == entry.start);
        if !follows || (is_usable && entry.start.is_multiple_of(ARENA)) {
            self.end_arena(false);
        }
        let areas = self.areas.len();
        self.keep_area(entry, PageKind::Anonymous);
        match &mut self.arena {
            Some(arena) => {
                arena.end = entry.end;
                arena.sum = arena.sum.plus(entry.sum);
                if !is_usable {
                    // The reserve may be one with what follows.
                    let is_whole = arena.end - arena.start >= ARENA && !entry.access.read;
                    self.end_arena(is_whole);
                }
            }
            None if is_usable && entry.start.is_multiple_of(ARENA) && entry.start >= MMAP_AREA => {
                let (start, end) = (entry.start, entry.end);
                self.arena = Some(ArenaParts { start, end, sum: entry.sum, areas });
            }
            None => self.count(PageKind::Anonymous, entry.sum),
        }
    }

    fn end_arena(&mut self, is_arena: bool) {
        let Some(arena) = self.arena.take() else { return };
        if is_arena {
            self.arenas = self.arenas.plus(arena.sum);
            self.areas[arena.areas..].iter_mut().for_each(|area| area.kind = PageKind::Arena);
        } else {
            self.count(PageKind::Anonymous, arena.sum);
        }
    }

    fn keep_area(&mut self, entry: &Entry, kind: PageKind) {
        let writable = entry.access.write;
        // What nobody can write and nothing is in is only address space.
        let matters = writable || entry.sum.resident > 0;
        if kind.may_hold_blocks() && matters && self.areas.len() < MAX_AREAS {
            let (start, end, resident) = (entry.start, entry.end, entry.sum.resident);
            self.areas.push(Area { start, end, resident, kind, writable, pages: None });
        }
    }
}

/// `libc.so.6`, or `libc-2.31.so` as it was called before 2.34; musl's is `libc.so` or `ld-musl-*.so.1`.
fn is_glibc(name: &[u8]) -> bool {
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name == b"libc.so.6" || (name.starts_with(b"libc-2.") && name.ends_with(b".so"))
}
