//! Entries of Debian's glibc 2.36 (x86-64), as the bytes of its libc.so.6.

use super::super::flow::{explore, stub_slot};
use super::super::{Arguments, Code, Need};
use super::{assert_site, hex, plan_at};

fn session(arguments: &[u8]) -> Need {
    Need { returns: true, arguments: Arguments::of(arguments) }
}

#[test]
fn malloc_calloc_and_realloc_are_probed_at_their_push() {
    let malloc = hex("415455534889fb4883ec10803d461b1400000f84f80100004885db0f88fd0100
                      00488d431731ed4883f81f760c4883e0f0488d68ef48c1ed044c8b2508a41300");
    let calloc = hex("41554889f8415455534883ec1848f7e64889c30f90c04885db0f88d90200000f
                      b6c04885c00f85cd020000803d760d1400000f8448020000488b055996130064");
    let realloc = hex("4157415641554154554889f5534889fb4883ec28803d3d131400000f84570100
                       004885ed75224885db0f85c10100004883c4284889ef5b5d415c415d415e415f");
    assert_site(&plan_at(0x98930, &malloc, session(&[0])), 0, 0, true);
    assert_site(&plan_at(0x996e0, &calloc, session(&[0, 1])), 0, 0, true);
    assert_site(&plan_at(0x99130, &realloc, session(&[0, 1])), 0, 0, true);
}

#[test]
fn free_is_probed_at_its_conditional_jump() {
    let free = hex("4885ff0f84bf00000055488d77f0534883ec18488b1dd69e1300488b47f8648b
         2ba802755b488b155c9e13006448833a000f8499000000488d3d32ad1300a804
         7426488b1537a41300488d04950000000048f7d84885d248c7c2000000fc480f
         44c24821f0488b3831d2e8c1d1ffff64892b4883c4185b5dc30f1f8000000000
         8b1512a4130085d27526483905cfa31300731d483d0000000277154883e0f848
         8905baa313004801c0488905a0a313004889f7e808baffff64892b4883c4185b
         5dc3660f1f440000c30f1f8000000000488b15b99d130048893c2464803a000f
         8552ffffff4889742408e831f2ffff488b3c24488b742408488b47f8e936ffff
         ff");
    let planned = plan_at(0x98ef0, &free, Need { returns: false, arguments: Arguments::of(&[0]) });
    assert_site(&planned, 3, 0, true);
    assert!(planned.unwrap().instruction.starts_with("je "));
}

#[test]
fn the_aligned_family_is_probed_behind_its_test() {
    let posix_memalign = hex("803d010214000041544989d4554889fd534889f3745a4889da48c1ea03488d42
                              ff4821d04889da83e2074809d075314885db742c4c89e64889dfe891e9ffff48
                              89c2b80c0000004885d274064889550031c05b5d415cc3660f1f840000000000
                              5bb8160000005d415cc3660f1f440000e8fbafffffeb9f");
    let memalign = hex("803d710e1400007407e932f6ffff66904883ec18488974240848893c24e8bebc
                        ffff488b742408488b3c244883c418e90cf6ffff");
    let valloc = hex("803d310e140000534889fb741b488b05349813004889de5b488b7818e9dff5ff
                      ff0f1f8000000000e873bcffffebde");
    let pvalloc = hex("803d010e140000534889fb742b488b0504981300488b7818488d47ff4801d872
                       1ebe010000005b4829fe4821c6e99ef5ffff660f1f440000e833bcffffebce48
                       8b051a97130064c7000c00000031c05bc3");
    assert_site(&plan_at(0x9a280, &posix_memalign, session(&[0, 2])), 7, 0, true);
    assert_site(&plan_at(0x99610, &memalign, session(&[1])), 7, 0, true);
    assert_site(&plan_at(0x99650, &valloc, session(&[0])), 7, 0, true);
    assert_site(&plan_at(0x99680, &pvalloc, session(&[0])), 7, 0, true);
}

#[test]
fn reallocarray_forwards_through_the_plt() {
    let bytes = hex("4889f048f7e24889c67005e940b8f8ff488b05e985130064c7000c00000031c0c3");
    let outside = |address: u64, length: usize| {
        let stub = hex("ff25dacf1a006800000000e9e0ffffff");
        if address == 0x26030 { stub[..length.min(stub.len())].to_vec() } else { vec![] }
    };
    let code = Code { address: 0x9a7e0, bytes: &bytes, outside: &outside };
    let flow = explore(&code, &|_| false);
    assert!(flow.complete && flow.only_shuffles && flow.returns && flow.calls.is_empty());
    assert_eq!(flow.slots.iter().copied().collect::<Vec<_>>(), [0x1d_3010]);
    assert_eq!(stub_slot(&code, 0x26030), Some(0x1d_3010));
    assert_eq!(stub_slot(&code, 0x9a7e0), None);
}

#[test]
fn functions_that_work_themselves_do_not_only_shuffle() {
    let valloc = hex("803d310e140000534889fb741b488b05349813004889de5b488b7818e9dff5ff
                      ff0f1f8000000000e873bcffffebde");
    let outside = |_, length| vec![0xc3; length];
    let code = Code { address: 0x99650, bytes: &valloc, outside: &outside };
    assert!(!explore(&code, &|_| false).only_shuffles);
}
