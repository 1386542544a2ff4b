//! Every shape of function entry that the planner accepts or must refuse.

use super::super::{Arguments, Code, Need, plan};
use super::{ADDRESS, ENTRY, SESSION, assert_falls_back, assert_site, hex, plan_bytes};
use proptest::prelude::{any, prop_assert, proptest};

const READS_TWO: Need = Need { returns: true, arguments: Arguments(0b11) };

#[test]
fn a_push_at_the_entry_is_taken() {
    // push %rbx; mov %rdi,%rbx; pop %rbx; ret
    assert_site(&plan_bytes(&hex("53 4889fb 5b c3"), SESSION), 0, 0, true);
    assert_site(&plan_bytes(&hex("4157 415f c3"), SESSION), 0, 0, true);
}

#[test]
fn the_push_behind_endbr64_is_taken() {
    assert_site(&plan_bytes(&hex("f30f1efa 55 5d c3"), SESSION), 4, 0, true);
}

#[test]
fn the_conditional_jump_of_a_null_check_is_taken() {
    // test %rdi,%rdi; je ret; push %rbx; pop %rbx; ret
    let bytes = hex("4885ff 7402 53 5b c3");
    assert_site(&plan_bytes(&bytes, ENTRY), 3, 0, true);
    assert_site(&plan_bytes(&bytes, SESSION), 3, 0, true);
}

#[test]
fn a_push_behind_a_prefixed_null_check_serves_an_entry_probe_alone() {
    // test %rdi,%rdi; data16 je ret; push %rbx; pop %rbx; ret
    let bytes = hex("4885ff 66 0f8402000000 53 5b c3");
    assert_site(&plan_bytes(&bytes, ENTRY), 10, 0, true);
    assert_falls_back(&plan_bytes(&bytes, SESSION), "result would be missed");
}

#[test]
fn a_path_that_leaves_to_do_work_ends_the_search() {
    // test %rdi,%rdi; data16 je elsewhere (mov, ret); push %rbx; pop %rbx; ret; mov; ret
    let bytes = hex("4885ff 66 0f8403000000 53 5b c3 4889f8 c3");
    assert_falls_back(&plan_bytes(&bytes, ENTRY), "does more than return");
}

#[test]
fn a_compare_before_a_push_or_jump_is_no_obstacle() {
    // cmpb $0,x(%rip); push %rbx; pop %rbx; ret
    assert_site(&plan_bytes(&hex("803d0002000000 53 5b c3"), SESSION), 7, 0, true);
    // cmpb $0,x(%rip); je +5; jmp elsewhere; ret
    assert_site(&plan_bytes(&hex("803d0002000000 7405 e900100000 c3"), SESSION), 7, 0, true);
}

#[test]
fn a_written_argument_ends_the_search() {
    for write in [
        "4889f7",   // mov %rsi,%rdi
        "31ff",     // xor %edi,%edi
        "40b701",   // mov $1,%dil (partial)
        "66bf0100", // mov $1,%di (partial)
        "480f44fe", // cmove %rsi,%rdi (conditional)
        "48ffc7",   // inc %rdi
        "4887f7",   // xchg %rsi,%rdi
        "aa",       // stosb
    ] {
        let bytes = hex(&format!("{write} 53 5b c3"));
        assert_falls_back(&plan_bytes(&bytes, SESSION), "argument register rdi");
        assert_falls_back(&plan_bytes(&bytes, ENTRY), "argument register rdi");
    }
    // mul %rsi writes %rdx, which is not read here.
    assert_site(&plan_bytes(&hex("4889f8 48f7e6 53 5b c3"), READS_TWO), 6, 0, true);
}

#[test]
fn a_system_call_or_call_clobbers_arguments() {
    // mov $9,%eax; call elsewhere: the call itself is a site, an entry behind it is none.
    assert_site(&plan_bytes(&hex("b809000000 e800100000 c3"), SESSION), 5, 0, true);
    // call *%rax; push %rbx; pop %rbx; ret
    assert_falls_back(&plan_bytes(&hex("ffd0 53 5b c3"), ENTRY), "a call may change");
}

#[test]
fn a_loop_back_to_the_site_refuses_it() {
    // loop: test %rdi,%rdi; je out; mov (%rsi),%rsi; jmp loop; out: ret
    let bytes = hex("4885f6 7405 488b36 ebf6 c3");
    let planned = plan_bytes(&bytes, SESSION);
    let error = planned.expect_err("a loop to the entry itself: nothing is safe");
    assert!(error.reason.contains("back to +0x0"), "{error}");
    // nothing before: mov %rdi,%rax; loop: test %rax,%rax; jne loop; ret
    assert_falls_back(&plan_bytes(&hex("4889f8 4885c0 75fb c3"), SESSION), "back to +0x3");
    // the loop begins behind the site: push %rbx; loop: dec %rax; jne loop; pop %rbx; ret
    assert_site(&plan_bytes(&hex("4889f8 53 48ffc8 75fb 5b c3"), SESSION), 3, 0, true);
}

#[test]
fn a_cold_part_that_jumps_back_is_found() {
    // mov %rdi,%rax; test %rax,%rax; je cold; ret — cold, elsewhere: jmp back to the test
    let bytes = hex("4889f8 4885c0 0f84f40f0000 c3");
    let outside = |address: u64, _| {
        let back = (ADDRESS + 3).wrapping_sub(address + 5) as u32;
        let mut code = vec![0xe9];
        code.extend(back.to_le_bytes());
        if address == ADDRESS + 0x1000 { code } else { vec![0xcc; 15] }
    };
    let code = Code { address: ADDRESS, bytes: &bytes, outside: &outside };
    assert_falls_back(&plan(&code, SESSION, &|_| false), "back to +0x3");
}

#[test]
fn a_session_probe_never_sits_behind_a_push() {
    // data16 push is single-stepped; sub and lea move the stack as well.
    for entry in ["4853", "4883ec08", "488d6424f8", "68000000 00", "4881ec80000000"] {
        let bytes = hex(&format!("{entry} 53 5b c3"));
        assert_falls_back(&plan_bytes(&bytes, SESSION), "the stack pointer has moved");
    }
}

#[test]
fn an_entry_probe_counts_the_words_pushed() {
    assert_site(&plan_bytes(&hex("4853 53 5b c3"), ENTRY), 2, 1, true);
    assert_site(&plan_bytes(&hex("4883ec18 53 5b c3"), ENTRY), 4, 3, true);
    assert_site(&plan_bytes(&hex("4853 4883ec10 53 5b c3"), ENTRY), 6, 3, true);
    assert_site(&plan_bytes(&hex("488d6424f0 53 5b c3"), ENTRY), 5, 2, true);
    assert_site(&plan_bytes(&hex("4853 58 53 5b c3"), ENTRY), 3, 0, true);
    // mov %rdi,(%rsp) below the return address is a spill.
    assert_site(&plan_bytes(&hex("4883ec10 48893c24 53 5b c3"), ENTRY), 8, 2, true);
}

#[test]
fn a_stack_pointer_that_is_lost_ends_the_search() {
    for entry in [
        "4883e4f0",        // and $-16,%rsp
        "4883ec04",        // sub $4,%rsp
        "6653",            // 16-bit push
        "4829c4",          // sub %rax,%rsp
        "4889c4",          // mov %rax,%rsp
        "58",              // pop %rax: takes the return address
        "5c",              // pop %rsp
        "c9",              // leave
        "c8100000",        // enter
        "4883c408",        // add $8,%rsp
        "4881ec000008 00", // sub $0x80000,%rsp: more words than the cookie holds
    ] {
        let planned = plan_bytes(&hex(&format!("{entry} 53 5b c3")), ENTRY).expect("the entry");
        assert_eq!((planned.offset_in_function, planned.pushed), (0, 0), "{entry} {planned:?}");
    }
}

#[test]
fn an_overwritten_return_address_ends_the_search() {
    // mov %rax,(%rsp); push %rbx; pop %rbx; ret
    assert_falls_back(&plan_bytes(&hex("48890424 53 5b c3"), ENTRY), "return address is over");
    // sub $8,%rsp; mov %rax,0x8(%rsp)
    let bytes = hex("4883ec08 4889442408 53 5b c3");
    assert_falls_back(&plan_bytes(&bytes, ENTRY), "return address is over");
}

#[test]
fn prefixed_branches_are_refused() {
    // data16 je at the entry: not even the fallback may be probed.
    let error = plan_bytes(&hex("66 0f8400000000 c3"), SESSION).expect_err("refused at attach");
    assert!(error.reason.contains("0x66"), "{error}");
}

#[test]
fn instructions_that_uprobes_refuse_are_never_probed() {
    for entry in ["cc", "f4", "cf", "ec", "cd80", "0f05", "0f0b", "f0480107", "4990", "c5f877"] {
        let planned = plan_bytes(&hex(&format!("{entry} c3")), SESSION);
        assert!(planned.is_err(), "{entry}: {planned:?}");
    }
}

#[test]
fn a_jump_table_refuses_all_but_the_entry() {
    // cmp $3,%edi; ja out; jmp *table(,%rdi,8); out: ret
    let bytes = hex("83ff03 7707 ff24fd00104000 c3");
    assert_falls_back(&plan_bytes(&bytes, SESSION), "register or table");
    // push %rbx; pop %rbx; jmp *%rax
    assert_site(&plan_bytes(&hex("53 5b ffe0"), SESSION), 0, 0, true);
    // A jump through a fixed pointer, as to another library's function, leaves the function.
    assert_site(&plan_bytes(&hex("4889f8 53 5b ff2500100000"), SESSION), 3, 0, true);
}

#[test]
fn a_tail_jump_is_a_site() {
    // xor %ecx,%ecx; jmp elsewhere
    let planned = plan_bytes(&hex("31c9 e900100000"), READS_TWO);
    assert_site(&planned, 2, 0, true);
    assert_site(&plan_bytes(&hex("e900100000"), SESSION), 0, 0, true);
}

#[test]
fn another_functions_entry_ends_the_search() {
    let bytes = hex("4889f8 53 5b c3");
    let outside = |_, length| vec![0xc3; length];
    let code = Code { address: ADDRESS, bytes: &bytes, outside: &outside };
    let planned = plan(&code, SESSION, &|address| address == ADDRESS + 3);
    assert_falls_back(&planned, "another function begins");
}

#[test]
fn code_that_is_cut_off_proves_nothing() {
    let outside = |_, _| Vec::new();
    // test; je (target beyond the end); cut
    let bytes = hex("4885ff 0f84bf000000 55");
    let code = Code { address: ADDRESS, bytes: &bytes, outside: &outside };
    assert_falls_back(&plan(&code, ENTRY, &|_| false), "could not be followed");
    // Cut within the first instruction, and nothing at all.
    for bytes in [hex("0f84"), hex("48"), hex("")] {
        let code = Code { address: ADDRESS, bytes: &bytes, outside: &outside };
        assert!(plan(&code, ENTRY, &|_| false).is_err(), "{bytes:x?}");
    }
}

#[test]
fn only_single_stepped_instructions_fall_back_to_the_entry() {
    // mov %rdi,%rax; ret
    assert_falls_back(&plan_bytes(&hex("4889f8 c3"), SESSION), "single-stepped");
    assert_falls_back(&plan_bytes(&hex("c3"), SESSION), "single-stepped");
}

proptest! {
    #[test]
    fn garbage_never_panics_and_keeps_the_promises(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        address in any::<u64>(),
        returns in any::<bool>(),
        arguments in 0_u8..64,
    ) {
        let need = Need { returns, arguments: Arguments(arguments) };
        let outside = |_, length| vec![0x55; length];
        let code = Code { address, bytes: &bytes, outside: &outside };
        if let Ok(site) = plan(&code, need, &|address| address % 97 == 0) {
            prop_assert!((site.offset_in_function as usize) < bytes.len());
            prop_assert!(!returns || site.pushed == 0);
            prop_assert!(site.emulated || site.offset_in_function == 0);
        }
    }
}
