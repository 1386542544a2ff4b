//! What is understood, and what is said of the rest.

use super::{Places, Signature, Which};
use memtrace_common::site::{NO_ARGUMENT, Role};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use std::path::Path;

const ROLES: [Role; 3] = [Role::Allocate, Role::Reallocate, Role::Free];

fn alloc(text: &str) -> Signature {
    Signature::parse(text, Role::Allocate).unwrap()
}

fn refusal(text: &str, role: Role) -> String {
    Signature::parse(text, role).unwrap_err().to_string()
}

#[test]
fn every_form_is_understood() {
    let plain = Places { size: 1, ..Places::NONE };
    assert_eq!(alloc("libpool.so:pool_alloc(size=1)->ret").places, plain);
    assert_eq!(alloc(" libpool.so : pool_alloc ( size = 1 ) -> ret ").places, plain);
    assert_eq!(alloc("libpool.so:pool_alloc(size=1)").places, plain);
    let counted = alloc("a:f(count=0,size=1)").places;
    assert_eq!((counted.count, counted.size, counted.pointer), (0, 1, NO_ARGUMENT));
    let stored = alloc("a:f(size=1)->*2").places;
    assert_eq!((stored.pointer, stored.result_by_pointer), (2, true));
    assert_eq!(alloc("a:+0x1a2b(size=0)").function, Which::At(0x1a2b));
    let free = Signature::parse("a:f(ptr=5)", Role::Free).unwrap().places;
    assert_eq!((free.pointer, free.size), (5, NO_ARGUMENT));
    let resize = Signature::parse("a:f(ptr=0,size=1)->ret", Role::Reallocate).unwrap().places;
    assert_eq!((resize.pointer, resize.size), (0, 1));
}

#[test]
fn files_are_names_or_paths() {
    let name = alloc("libpool.so*:f(size=0)");
    assert!(name.is_in(Path::new("/usr/lib/libpool.so.1")) && !name.is_in(Path::new("/libpoo")));
    let path = alloc("/opt/a:b/**/libpool.so:f(size=0)");
    assert!(path.is_in(Path::new("/opt/a:b/x/y/libpool.so")));
    assert!(!path.is_in(Path::new("/usr/lib/libpool.so")));
    assert!(matches!(&alloc("a:*_alloc(size=0)").function,
        Which::Named(pattern) if pattern.matches(b"pool_alloc") && !pattern.matches(b"pool_free")));
    assert!(matches!(&alloc("a:ns::f(size=0)").function,
        Which::Named(pattern) if pattern.matches(b"ns::f")));
}

#[test]
fn refusals_point_at_the_place() {
    for (text, role, place, words) in [
        ("", Role::Allocate, 0, "expected the name of the file"),
        (":f(size=0)", Role::Allocate, 0, "expected the name of the file"),
        ("libpool.so", Role::Allocate, 10, "`:` and the function"),
        ("a:(size=0)", Role::Allocate, 2, "a symbol"),
        ("a:f", Role::Allocate, 3, "`(`"),
        ("a:f()", Role::Allocate, 4, "`size=N`"),
        ("a:f(count=1)", Role::Allocate, 4, "`size=N`"),
        ("a:f(siez=1)", Role::Allocate, 4, "`size=N`"),
        ("a:f(size)", Role::Allocate, 8, "`=`"),
        ("a:f(size=6)", Role::Allocate, 9, "0 to 5"),
        ("a:f(size=-1)", Role::Allocate, 9, "0 to 5"),
        ("a:f(size=1", Role::Allocate, 10, "`,` or `)`"),
        ("a:f(size=1,size=2)", Role::Allocate, 11, "twice"),
        ("a:f(size=1,count=1)", Role::Allocate, 4, "same position"),
        ("a:f(size=1)->*1", Role::Allocate, 4, "same position"),
        ("a:f(size=1)->", Role::Allocate, 13, "`ret`"),
        ("a:f(size=1)->retx", Role::Allocate, 16, "the end"),
        ("a:f(size=1) ret", Role::Allocate, 12, "the end"),
        ("a:+1234(size=1)", Role::Allocate, 2, "hexadecimal"),
        ("a:+0x(size=1)", Role::Allocate, 2, "hexadecimal"),
        ("a:+0x+1(size=1)", Role::Allocate, 2, "hexadecimal"),
        ("a[:f(size=1)", Role::Allocate, 0, "makes no sense"),
        ("a:f(size=0)", Role::Free, 4, "`ptr=N`"),
        ("a:f(ptr=0)->ret", Role::Free, 10, "the end"),
        ("a:f(size=1)", Role::Reallocate, 4, "`ptr=N,size=N`"),
        ("a:f(ptr=0,size=1)->*2", Role::Reallocate, 17, "must return"),
    ] {
        let error = Signature::parse(text, role).unwrap_err();
        assert_eq!(error.at, place, "{text}: {error}");
        assert!(error.reason.contains(words), "{text}: {error}");
    }
}

#[test]
fn the_caret_stands_under_the_place() {
    let message = refusal("libpööl.so:f(size=9)", Role::Allocate);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[1], "  libpööl.so:f(size=9)");
    assert_eq!(lines[2], "                     ^".replacen(' ', "", 1));
    assert!(refusal("a\x1b[2J:f(size=9)", Role::Allocate).contains("a\\u{1b}[2J"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}", near in "[a-c*:/+0-9x(),=>\\- ]{0,20}(\\(size=)?[0-9a-z=,)]{0,9}") {
        for text in [text, near] {
            for role in ROLES {
                if let Err(error) = Signature::parse(&text, role) {
                    prop_assert!(error.at <= text.len());
                    prop_assert!(error.to_string().lines().count() >= 2);
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read(size in 0_u8..6, count in 0_u8..6, name in "[a-z_]{1,9}") {
        let text = format!("lib{name}.so:{name}(size={size},count={count})->ret");
        match Signature::parse(&text, Role::Allocate) {
            Ok(read) => prop_assert_eq!((read.places.size, read.places.count), (size, count)),
            Err(_) => prop_assert_eq!(size, count),
        }
    }
}
