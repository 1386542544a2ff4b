//! The search on the C library of this machine (invariants only), and on files without allocators.

use super::{AllocatorError, FoundAllocator, MappedFile, Search, find};
use crate::model::module::FileState;
use crate::probe::function_table::AllocatorKind;
use memtrace_common::site::{Role, SPAN_UNIT};
use std::path::Path;

fn file(path: &Path, inode: u64) -> MappedFile {
    let state = FileState::default();
    MappedFile { path: path.into(), device: (8, 1), inode, state, open_path: path.into() }
}

/// The files that this process maps.
fn own_files() -> Vec<MappedFile> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut paths: Vec<&str> =
        maps.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
    paths.retain(|path| path.starts_with('/'));
    paths.dedup();
    paths.iter().zip(1..).map(|(path, inode)| file(Path::new(path), inode)).collect()
}

fn assert_sound(found: &FoundAllocator) {
    for row in found.kind.rows() {
        let probed = found.functions.iter().any(|function| {
            function.symbol.ends_with(row.name)
                || function.aliases.iter().any(|alias| alias.ends_with(row.name))
        });
        let skipped = found.skipped.iter().any(|skipped| skipped.name.ends_with(row.name));
        assert!(probed || skipped, "{} has neither a probe nor a reason", row.name);
    }
    for function in &found.functions {
        assert!(!function.wants_return || function.site.pushed == 0, "{function:?}");
        let returns = function.site.role != Role::Free || function.site.nests;
        assert_eq!(function.wants_return, returns, "{function:?}");
        assert!(function.emulated || function.offset_in_function == 0, "{function:?}");
        assert!(function.site.is_inside_allocator(function.file_offset, function.file_offset));
    }
    assert!(found.skipped.iter().all(|skipped| !skipped.reason.is_empty()));
}

#[test]
fn the_machines_own_libc_is_found_and_planned() {
    let discovery = find(&own_files()).unwrap();
    let libc = discovery
        .allocators
        .iter()
        .find(|found| matches!(found.kind, AllocatorKind::Glibc | AllocatorKind::Musl))
        .unwrap();
    assert_sound(libc);
    for name in ["malloc", "calloc", "realloc", "free"] {
        assert!(libc.functions.iter().any(|function| function.symbol == name), "{libc:#?}");
    }
}

#[test]
fn one_address_is_probed_once() {
    for found in find(&own_files()).unwrap().allocators {
        let mut offsets: Vec<_> =
            found.functions.iter().map(|function| function.file_offset).collect();
        offsets.sort_unstable();
        let count = offsets.len();
        offsets.dedup();
        assert_eq!(offsets.len(), count);
    }
}

#[test]
fn libraries_of_other_kinds_are_planned_where_the_machine_has_them() {
    let candidates = [
        "/lib/x86_64-linux-gnu/libjemalloc.so.2",
        "/lib/x86_64-linux-gnu/libtcmalloc.so.4",
        "/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4",
        "/lib/x86_64-linux-gnu/libmimalloc.so.2",
        "/lib/ld-musl-x86_64.so.1",
    ];
    for path in candidates.iter().map(Path::new).filter(|path| path.exists()) {
        let discovery = find(&[file(path, 1)]).unwrap();
        assert_eq!(discovery.allocators.len(), 1, "{discovery:#?}");
        assert_sound(&discovery.allocators[0]);
    }
}

#[test]
fn the_span_is_as_wide_as_one_object_file() {
    for found in find(&own_files()).unwrap().allocators {
        for function in found.functions.iter().filter(|function| function.symbol == "free") {
            let bytes = (u64::from(function.site.span_below) + u64::from(function.site.span_above))
                * SPAN_UNIT;
            assert!(bytes < 128 << 10, "{bytes}");
        }
    }
}

#[test]
fn what_was_looked_for_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    std::fs::write(&text, "no ELF at all, but long enough to hold a header of sixty-four bytes")
        .unwrap();
    let missing = directory.path().join("missing");
    let files = [file(&text, 1), file(&missing, 2), file(directory.path(), 3)];
    let Err(AllocatorError::NoneFound { looked_in }) = find(&files) else { panic!("found one") };
    assert_eq!(looked_in.len(), 3);
    let message = AllocatorError::NoneFound { looked_in }.to_string();
    for part in [
        "glibc, musl, jemalloc, tcmalloc, mimalloc and CUDA",
        "not an ELF file",
        "cannot be opened",
        "no regular",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let message = find(&[]).unwrap_err().to_string();
    assert!(message.contains("maps none"), "{message}");
}

#[test]
fn a_file_mapped_twice_is_planned_once() {
    let files = own_files();
    let twice: Vec<_> = files.iter().chain(&files).cloned().collect();
    assert_eq!(find(&twice).unwrap(), find(&files).unwrap());
}

/// Each process has its own way to a file, and one that leads nowhere says nothing of the next one's.
#[test]
fn a_file_is_searched_once_but_opened_by_each_way() {
    let own = own_files();
    let gone: Vec<MappedFile> =
        own.iter().map(|file| MappedFile { open_path: "/gone".into(), ..file.clone() }).collect();
    let mut search = Search::default();
    let AllocatorError::NoneFound { looked_in } = search.find(&gone).unwrap_err();
    assert!(looked_in.iter().all(|file| file.reason.starts_with("cannot be opened")));
    let first = search.find(&own).unwrap();
    let again = search.find(&gone).unwrap();
    assert_eq!(again.allocators.len(), first.allocators.len());
    for (again, first) in again.allocators.iter().zip(&first.allocators) {
        assert_eq!(again.functions, first.functions);
        assert_eq!(again.file.open_path, Path::new("/gone"));
    }
}

/// Functions that the user describes are no C++ operators.
#[test]
fn only_allocators_have_operators() {
    let file = file(Path::new("/gone"), 1);
    let reason = format!("{}: it jumps through a register", super::plan::MAY_THROW);
    let skipped = vec![super::Skipped { name: "f".into(), reason }];
    let (name, functions) = ("x".to_owned(), Vec::new());
    let kind = AllocatorKind::Jemalloc;
    let mut found = FoundAllocator { name, kind, file, functions, skipped, indirect: Vec::new() };
    assert!(found.operators_not_seen().is_some_and(|said| said.contains("1 forms of C++")));
    found.kind = AllocatorKind::UserDefined;
    assert_eq!(found.operators_not_seen(), None);
}

/// Two files may hold the same allocator; where there is one alone its file says nothing new.
#[test]
fn several_allocators_are_named_with_their_files() {
    let found = |name: &str, path: &str, kind| FoundAllocator {
        name: name.into(),
        kind,
        file: file(Path::new(path), 1),
        functions: Vec::new(),
        skipped: Vec::new(),
        indirect: Vec::new(),
    };
    let one = found("jemalloc 5.3.0", "/usr/bin/server", AllocatorKind::Jemalloc);
    let other = found("jemalloc 5.3.0", "/usr/lib/libjemalloc.so.2", AllocatorKind::Jemalloc);
    let pool = found("take of libpool.so", "/usr/lib/libpool.so", AllocatorKind::UserDefined);
    let names = |all: &[&FoundAllocator]| {
        FoundAllocator::names(&all.iter().map(|&it| it.clone()).collect::<Vec<_>>())
    };
    assert_eq!(names(&[&one, &pool]), ["jemalloc 5.3.0", "take of libpool.so"]);
    assert_eq!(
        names(&[&one, &other, &pool]),
        ["jemalloc 5.3.0 of server", "jemalloc 5.3.0 of libjemalloc.so.2", "take of libpool.so"]
    );
}
