//! Functions of this very program, which has symbols, and its own files.

use super::{Missing, Slots, UserNames, UserSearch, find_user_functions};
use crate::model::module::FileState;
use crate::probe::allocator::MappedFile;
use crate::probe::signature::Signature;
use memtrace_common::function::FunctionId;
use memtrace_common::site::Role;
use std::os::unix::fs::MetadataExt as _;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn memtrace_test_pool_alloc(size: usize) -> usize {
    std::hint::black_box(size) + 1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn memtrace_test_pool_free(block: usize) {
    std::hint::black_box(block);
}

fn own() -> MappedFile {
    let path = std::fs::read_link("/proc/self/exe").unwrap();
    let metadata = path.metadata().unwrap();
    let device = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
    let (inode, state) = (metadata.ino(), FileState::default());
    MappedFile { path: path.clone(), device, inode, state, open_path: path }
}

fn find(texts: &[(&str, Role)]) -> (super::UserDiscovery, UserNames) {
    std::hint::black_box((memtrace_test_pool_alloc(1), memtrace_test_pool_free(1)));
    let signatures: Vec<Signature> =
        texts.iter().map(|(text, role)| Signature::parse(text, *role).unwrap()).collect();
    let mut names = UserNames::default();
    let mut slots = Slots::default();
    let mut search = UserSearch { names: &mut names, slots: &mut slots, living: None };
    let found = find_user_functions(&[own(), own()], &signatures, &[], &mut search);
    (found, names)
}

#[test]
fn functions_are_found_by_name_and_pattern() {
    let (found, names) = find(&[
        ("memtrace-*:memtrace_test_pool_alloc(size=0)", Role::Allocate),
        ("memtrace-*:memtrace_test_pool_f*(ptr=0)", Role::Free),
    ]);
    assert_eq!(found.missing, [None, None]);
    assert_eq!(names.all(), ["memtrace_test_pool_alloc", "memtrace_test_pool_free"]);
    let [allocator] = found.allocators.as_slice() else { panic!("{found:?}") };
    let [alloc, free] = allocator.functions.as_slice() else { panic!("{found:?}") };
    assert_eq!(alloc.site.function, FunctionId(FunctionId::FIRST_USER_DEFINED));
    assert!(alloc.wants_return && alloc.site.nests && alloc.site.role == Role::Allocate);
    assert!(!free.wants_return && !free.site.nests && free.site.role == Role::Free);
    // A program of Rust may panic: its return addresses stay as they are.
    assert!(alloc.site.exits && !alloc.exits.is_empty() && free.exits.is_empty());
    assert!(allocator.name.starts_with("memtrace_test_pool_alloc, memtrace_test_pool_free of "));
}

#[test]
fn an_offset_is_as_good_as_a_name() {
    let (named, _) = find(&[("memtrace-*:memtrace_test_pool_alloc(size=0)", Role::Allocate)]);
    let function = &named.allocators[0].functions[0];
    let offset = function.file_offset - u64::from(function.offset_in_function);
    let at = format!("memtrace-*:+{offset:#x}(size=0)");
    let (found, names) = find(&[(&at, Role::Allocate)]);
    assert_eq!(found.allocators[0].functions[0].file_offset, function.file_offset);
    assert!(names.all()[0].ends_with(&format!("+{offset:#x}")), "{names:?}");
    let inside = format!("memtrace-*:+{:#x}(size=0)", offset + 1);
    let (found, _) = find(&[(&inside, Role::Allocate)]);
    assert!(
        matches!(&found.missing[0], Some(Missing::Refused { reason, .. })
        if reason.contains("no function begins there")),
        "{found:?}"
    );
    let (found, _) = find(&[("memtrace-*:+0x0(size=0)", Role::Allocate)]);
    assert!(matches!(found.missing[0], Some(Missing::Refused { .. })), "{found:?}");
}

#[test]
fn what_is_missing_is_said() {
    let signatures = [
        ("memtrace-*:memtrace_test_pool_aloc(size=0)", Role::Allocate),
        ("memtrace_:f(size=0)", Role::Allocate),
        ("qqqq:f(size=0)", Role::Allocate),
    ];
    let (found, names) = find(&signatures);
    assert!(found.allocators.is_empty() && names.all().is_empty());
    let texts: Vec<String> = found
        .missing
        .into_iter()
        .zip(signatures)
        .map(|(missing, (text, role))| {
            missing.unwrap().error(&Signature::parse(text, role).unwrap()).to_string()
        })
        .collect();
    assert!(
        texts[0].contains("has no such function; it has memtrace_test_pool_alloc"),
        "{texts:?}"
    );
    assert!(texts[1].contains("no such file is mapped; memtrace-"), "{texts:?}");
    assert!(texts[2].contains("it may be given as a pattern"), "{texts:?}");
}

#[test]
fn static_programs_without_symbols_are_given_offsets() {
    let signature = Signature::parse("a:f(size=0)", Role::Allocate).unwrap();
    let missing = Missing::Function { file: "a".into(), near: Vec::new(), stripped: Some(true) };
    let text = missing.error(&signature).to_string();
    assert!(text.contains("statically linked and stripped") && text.contains("a:+0x"), "{text}");
}
