//! Steps over a stack made by hand.

use super::super::{CfaKind, FrameKind, MAX_FRAME_BYTES, Registers, Rule, Step};
use super::{step, step_frame_pointer};
use proptest::prelude::*;

/// Where the stack begins.
const BASE: u64 = 0x7ffc_0000_1000;
const CALLER: u64 = 0x5555_0000_1234;

/// A stack of these words; nothing else can be read.
fn reader(words: &[u64]) -> impl Fn(u64) -> Option<u64> {
    move |address| {
        let inside = address.checked_sub(BASE)?;
        let aligned = inside.is_multiple_of(8).then_some(inside / 8)?;
        words.get(usize::try_from(aligned).ok()?).copied()
    }
}

fn at(instruction: u64, stack: u64, frame: u64) -> Registers {
    Registers { instruction, stack, frame }
}

#[test]
fn the_stack_pointer_leads_to_the_caller() {
    let read = reader(&[1, 2, 3, CALLER, 5]);
    let rule = Rule::cfa(CfaKind::Stack, 32);
    let here = at(0x1000, BASE, 77);
    assert_eq!(step(rule, here, &read), Step::Caller(at(CALLER, BASE + 32, 77)));
    let saved = rule.with_frame(FrameKind::AtCfa, -16);
    assert_eq!(step(saved, here, &read), Step::Caller(at(CALLER, BASE + 32, 3)));
    let lost = rule.with_frame(FrameKind::Undefined, 0);
    assert_eq!(step(lost, here, &read), Step::Caller(at(CALLER, BASE + 32, 0)));
    let far = Rule::cfa(CfaKind::Stack, 1 << 20);
    assert_eq!(step(far, here, &read), Step::Unreadable);
    let unsaved = rule.with_frame(FrameKind::AtCfa, 64);
    assert_eq!(step(unsaved, here, &read), Step::Caller(at(CALLER, BASE + 32, 0)));
}

#[test]
fn the_frame_pointer_leads_to_the_caller() {
    let read = reader(&[0, 0, 9, CALLER]);
    let rule = Rule::cfa(CfaKind::Frame, 16).with_frame(FrameKind::AtFrame, 0);
    let here = at(0x1000, BASE, BASE + 16);
    assert_eq!(step(rule, here, read), Step::Caller(at(CALLER, BASE + 32, 9)));
}

#[test]
fn words_in_memory_lead_to_the_caller() {
    let read = reader(&[0, BASE + 32, 0, CALLER, 0xab]);
    let aligned = Rule::cfa_in_memory(CfaKind::AtFrame, -8, 0).with_frame(FrameKind::AtFrame, 0);
    let here = at(0x1000, BASE, BASE + 16);
    assert_eq!(step(aligned, here, &read), Step::Caller(at(CALLER, BASE + 32, 0)));
    let written = Rule::cfa_in_memory(CfaKind::AtStack, 8, 8);
    let here = at(0x1000, BASE, 5);
    assert_eq!(step(written, here, reader(&[0, BASE + 24, 0, CALLER])), {
        Step::Caller(at(CALLER, BASE + 32, 5))
    });
    let gone = Rule::cfa_in_memory(CfaKind::AtStack, -8, 8);
    assert_eq!(step(gone, here, &read), Step::Unreadable);
}

#[test]
fn a_slot_of_the_linkage_table_has_pushed_from_some_byte_on() {
    let read = reader(&[CALLER, CALLER + 1]);
    let rule = Rule::cfa(CfaKind::Plt, 11);
    for byte in 0..16 {
        let pushed = u64::from(byte >= 11);
        let expected = at(CALLER + pushed, BASE + 8 + 8 * pushed, 0);
        assert_eq!(step(rule, at(0x1020 + byte, BASE, 0), &read), Step::Caller(expected));
    }
}

#[test]
fn a_signal_frame_has_what_was_interrupted() {
    let mut words = [0; 30];
    let context = 5; // uc_flags, uc_link, uc_stack
    words[context + 10] = 0xb; // REG_RBP
    words[context + 15] = 0x5; // REG_RSP
    words[context + 16] = 0x1; // REG_RIP
    let found = step(Rule::SIGNAL, at(0x1000, BASE, 0), reader(&words));
    assert_eq!(found, Step::Interrupted(at(1, 5, 0xb)));
    assert_eq!(step(Rule::SIGNAL, at(0x1000, BASE, 0), reader(&words[..21])), Step::Unreadable);
}

#[test]
fn some_rules_read_nothing() {
    let none = |_| -> Option<u64> { panic!("nothing is to be read") };
    let here = at(0x1000, BASE, 0);
    assert_eq!(step(Rule::END, here, none), Step::End);
    assert_eq!(step(Rule::GAP, here, none), Step::Gap);
    assert_eq!(step(Rule::UNSUPPORTED, here, none), Step::Unsupported);
    assert_eq!(step(Rule(0xff), here, none), Step::Unsupported);
}

#[test]
fn a_zero_for_a_return_address_is_the_end() {
    assert_eq!(step(Rule::cfa(CfaKind::Stack, 8), at(1, BASE, 0), reader(&[0])), Step::End);
    assert_eq!(step_frame_pointer(at(1, BASE, BASE), false, reader(&[0, 0])), Step::End);
}

#[test]
fn frame_pointers_must_be_plausible() {
    let read = reader(&[BASE + 64, CALLER, 7, 1 << 47, 8, 12]);
    let from = |frame| step_frame_pointer(at(1, BASE, frame), false, &read);
    assert_eq!(from(BASE), Step::Caller(at(CALLER, BASE + 16, BASE + 64)));
    assert_eq!(from(BASE + 16), Step::NoFramePointer, "no user address");
    assert_eq!(from(BASE + 32), Step::NoFramePointer, "the first page");
    for frame in [0, 8, BASE - 8, BASE + 4, BASE + MAX_FRAME_BYTES + 8, !7] {
        assert_eq!(from(frame), Step::NoFramePointer, "{frame:#x}");
    }
    assert_eq!(from(BASE + MAX_FRAME_BYTES), Step::Unreadable);
    assert_eq!(step_frame_pointer(at(1, BASE, 0), true, &read), Step::End);
    assert_eq!(step_frame_pointer(at(1, 0, 8), true, &read), Step::NoFramePointer);
}

proptest! {
    #[test]
    fn any_bits_give_some_step(
        rule: u64, instruction: u64, stack in 0..1_u64 << 47, above in -64..3_i64 << 20,
        word: Option<u64>, chained: bool,
    ) {
        let registers = at(instruction, stack, stack.saturating_add_signed(above) & !7);
        let reads = std::cell::Cell::new(0);
        let read = |_| {
            reads.set(reads.get() + 1);
            word
        };
        let found = step(Rule(rule), registers, read);
        prop_assert!(reads.get() <= 3);
        if word.is_none() {
            prop_assert!(!matches!(found, Step::Caller(_) | Step::Interrupted(_)));
        }
        let word = word.map(|word| word & 0x7fff_ffff_ffff);
        if let Step::Caller(above) = step_frame_pointer(registers, chained, |_| word) {
            prop_assert!(above.stack > stack && above.stack <= stack + MAX_FRAME_BYTES + 16);
        }
    }
}
