//! The ways out of functions: what is found, and what is refused.

use super::super::Code;
use super::super::exits::{Around, Behind, exits};
use super::{ADDRESS, hex};

const PROBED: u64 = ADDRESS + 0x100;
const ELSEWHERE: u64 = ADDRESS + 0x200;
const THROWS: u64 = ADDRESS + 0x300;

/// The exits of `bytes`, as offsets. All code outside is `ret`.
fn offsets(bytes: &[u8]) -> Result<Vec<u64>, String> {
    let outside = |_, length| vec![0xc3; length];
    let code = Code { address: ADDRESS, bytes, outside: &outside };
    let target = |address| match address {
        PROBED => Behind::Probed,
        address => Behind::Code(address),
    };
    let around = Around {
        target: &target,
        slot: &|_| Behind::Unknown,
        never_returns: &|address| address == THROWS,
    };
    let found = exits(&code, &around)?;
    Ok(found.into_iter().map(|address| address - ADDRESS).collect())
}

#[track_caller]
fn assert_refused(bytes: &str, why: &str) {
    let reason = offsets(&hex(bytes)).unwrap_err();
    assert!(reason.contains(why), "{reason}");
}

#[test]
fn each_reachable_ret_is_found() {
    // test %rdi,%rdi; je +1 (ret); ret; ret, and behind it one that nothing reaches.
    assert_eq!(offsets(&hex("4885ff 7401 c3 c3 c3")), Ok(vec![5, 6]));
    // rep ret, as old compilers for old processors write it.
    assert_eq!(offsets(&hex("f3c3")), Ok(vec![0]));
}

#[test]
fn what_is_jumped_to_belongs_to_the_function() {
    // jmp +0x200
    assert_eq!(offsets(&hex("e9fb010000")), Ok(vec![ELSEWHERE - ADDRESS]));
    // je to a function that is probed itself (+0x100); ret
    assert_eq!(offsets(&hex("0f84fa000000 c3")), Ok(vec![6]));
    // Nothing but a jump there: no exit of its own.
    assert_eq!(offsets(&hex("e9fb000000")), Ok(vec![]));
}

#[test]
fn behind_a_call_that_never_returns_nothing_is_followed() {
    // je +5; call +0x300; ret
    assert_eq!(offsets(&hex("7405 e8f9020000 c3")), Ok(vec![7]));
    // jne +1; ret; call +0x300: the same call at the end, with no code behind.
    assert_eq!(offsets(&hex("7501 c3 e8f8020000 0000")), Ok(vec![2]));
}

#[test]
fn ways_that_are_not_known_are_refused() {
    // jmp *%rax; jmp *(,%rax,8)
    assert_refused("ffe0", "through a register or table");
    assert_refused("ff24c500104000", "through a register or table");
    // jmp *slot(%rip)
    assert_refused("ff2500100000", "ends in another function");
    // ret $8
    assert_refused("c20800", "off the stack");
    // Into zeroes, as between functions.
    assert_refused("90 0000 0000", "into no code");
}
