//! Notes as compilers and linkers make them, and as nobody would.

mod forged;

use super::{OperandError, Refusal, StaticProbe, StaticProbes, Tells, find, operands};
use crate::probe::elf::Image;
use forged::{CODE, DATA, Forged, NOP, note};
use memtrace_common::usdt::{NO_REGISTER, Operand, Origin};
use proptest::prelude::{any, prop_assert, proptest};

const ALLOC: &str = "8@%rdi 8@%rsi 8@%rdx";

fn plain(from: Origin, width: u8, value: i64) -> Operand {
    let (base, index) = (NO_REGISTER, NO_REGISTER);
    Operand { value, from: from as u8, width, base, index, scale: 1, ..Operand::default() }
}

fn register(base: u8, width: u8) -> Operand {
    Operand { base, ..plain(Origin::Register, width, 0) }
}

fn memory(base: u8, value: i64) -> Operand {
    Operand { base, ..plain(Origin::Memory, 8, value) }
}

fn one(word: &str) -> Result<Operand, OperandError> {
    let found = operands(word)?;
    assert_eq!(found.len(), 1, "{word}");
    Ok(found[0])
}

#[track_caller]
fn found(forged: &Forged) -> StaticProbes {
    let bytes = forged.bytes();
    find(&Image::open(&bytes[..]).expect("an ELF file")).expect("a readable section")
}

#[test]
fn registers_have_four_names_and_one_number() {
    let cases =
        [("8@%rax", 0, 8), ("4@%edi", 7, 4), ("2@%bp", 5, 2), ("1@%sil", 6, 1), ("8@%rsp", 4, 8)];
    for (word, number, width) in cases {
        assert_eq!(one(word), Ok(register(number, width)), "{word}");
    }
    for (word, number, width) in
        [("8@%r8", 8, 8), ("4@%r10d", 10, 4), ("2@%r15w", 15, 2), ("1@%r9b", 9, 1)]
    {
        assert_eq!(one(word), Ok(register(number, width)), "{word}");
    }
    for word in
        ["8@%xmm0", "1@%ah", "8@%r16", "8@%r7", "4@%r10dd", "8@%", "8@%fs:8(%rax)", "8@%r08"]
    {
        assert!(matches!(one(word), Err(OperandError::Register(_))), "{word}: {:?}", one(word));
    }
}

#[test]
fn constants_have_signs_of_their_own() {
    let minus_five = Operand { signed: 1, ..plain(Origin::Constant, 4, -5) };
    assert_eq!(one("-4@$-5"), Ok(minus_five));
    assert_eq!(one("8@$0x10"), Ok(plain(Origin::Constant, 8, 16)));
    assert_eq!(one("8@$18446744073709551615"), Ok(plain(Origin::Constant, 8, -1)));
    assert_eq!(one("8@$-9223372036854775808"), Ok(plain(Origin::Constant, 8, i64::MIN)));
    for word in ["8@$", "8@$--1", "8@$+1", "8@$-9223372036854775809", "8@$18446744073709551616"] {
        assert!(matches!(one(word), Err(OperandError::Unknown(_))), "{word}");
    }
    assert!(matches!(one("8@$symbol"), Err(OperandError::Symbol(_))));
}

#[test]
fn addresses_have_up_to_four_parts() {
    assert_eq!(one("8@-16(%rbp)"), Ok(memory(5, -16)));
    assert_eq!(one("8@8(%rsp)"), Ok(memory(4, 8)));
    assert_eq!(one("8@(%rax)"), Ok(memory(0, 0)));
    assert_eq!(one("8@0x20(%r12)"), Ok(memory(12, 32)));
    let indexed = Operand { index: 1, scale: 8, ..memory(3, -4) };
    assert_eq!(one("8@-4(%rbx,%rcx,8)"), Ok(indexed));
    assert_eq!(one("8@-4(%rbx,%rcx)"), Ok(Operand { scale: 1, ..indexed }));
    assert_eq!(one("8@-4(,%rcx,8)"), Ok(Operand { base: NO_REGISTER, ..indexed }));
    for word in [
        "8@(",
        "8@()",
        "8@8(%rax",
        "8@(%rax,%rcx,3)",
        "8@(%rax,%rsp)",
        "8@(%eax)",
        "8@(%rax,%rcx,1,1)",
    ] {
        assert!(matches!(one(word), Err(OperandError::Unknown(_))), "{word}: {:?}", one(word));
    }
}

#[test]
fn what_only_the_linker_knew_is_refused() {
    for word in [
        "8@counter(%rip)",
        "8@counter",
        "8@counter+8(%rip)",
        "8@16(%rip)",
        "8@.LC0(%rip)",
        "8@table(,%rax,8)",
    ] {
        assert!(matches!(one(word), Err(OperandError::Symbol(_))), "{word}: {:?}", one(word));
    }
}

#[test]
fn sizes_are_those_of_integers() {
    for word in ["%rax", "@%rax", "3@%rax", "16@%rax", "8f@%rax", "--8@%rax", "+8@%rax", "x"] {
        assert!(matches!(one(word), Err(OperandError::Size(_))), "{word}");
    }
    assert_eq!(operands(""), Ok(Vec::new()));
    assert_eq!(operands(&"8@%rax ".repeat(12)).map(|all| all.len()), Ok(12));
    assert_eq!(operands(&"8@%rax ".repeat(13)), Err(OperandError::TooMany));
    assert_eq!(operands(&format!("8@${}", "0".repeat(200))), Err(OperandError::TooLong));
}

#[test]
fn both_probes_are_found_where_they_are() {
    let mut forged = Forged::default();
    forged.notes.extend(note("other", "alloc", [CODE, 0, 0], ALLOC));
    forged.notes.extend(note("otel_memory", "alloc", [CODE + NOP, 0, 0], ALLOC));
    forged.notes.extend(note("otel_memory", "free", [CODE + NOP, 0, DATA + 2], "8@%rdi 4@$1"));
    let at = forged.code_offset() + NOP;
    let semaphore = Some(forged.data_offset() + 2);
    let alloc = StaticProbe {
        tells: Tells::Allocation,
        file_offset: at,
        semaphore: None,
        operands: vec![register(7, 8), register(6, 8), register(2, 8)],
    };
    let operands = vec![register(7, 8)];
    let free = StaticProbe { tells: Tells::Free, file_offset: at, semaphore, operands };
    let usable = vec![alloc, free];
    assert_eq!(found(&forged), StaticProbes { usable, ..StaticProbes::default() });
}

#[test]
fn a_file_that_was_moved_takes_its_probes_along() {
    let mut forged = Forged { base: Some(CODE + 0x40), ..Forged::default() };
    // Assembled when everything was 0x1000 lower.
    let then = [CODE + NOP - 0x1000, CODE + 0x40 - 0x1000, DATA - 0x1000];
    forged.notes.extend(note("otel_memory", "free", then, "8@%rdi"));
    let probes = found(&forged);
    let [probe] = &probes.usable[..] else { panic!("{probes:?}") };
    assert_eq!(probe.file_offset, forged.code_offset() + NOP);
    assert_eq!(probe.semaphore, Some(forged.data_offset()));
}

#[test]
fn what_cannot_be_used_says_why() {
    let cases = [
        ("mmap", [CODE + NOP, 0, 0], "8@%rdi 8@%rsi", Refusal::Unknown),
        ("free", [CODE, 0, 0], "8@%rdi", Refusal::NoNop),
        ("free", [DATA, 0, 0], "8@%rdi", Refusal::NoCode),
        ("free", [u64::MAX, 1, 0], "8@%rdi", Refusal::NoCode),
        ("free", [CODE + NOP, 0, 1], "8@%rdi", Refusal::NoSemaphore),
        ("alloc", [CODE + NOP, 0, 0], "8@%rdi", Refusal::TooFew { wanted: 3, found: 1 }),
        ("free", [CODE + NOP, 0, 0], "", Refusal::TooFew { wanted: 1, found: 0 }),
        ("free", [CODE + NOP, 0, 0], "8@x(%rip)", OperandError::Symbol("8@x(%rip)".into()).into()),
    ];
    for (name, addresses, arguments, reason) in cases {
        let mut forged = Forged::default();
        forged.notes.extend(note("otel_memory", name, addresses, arguments));
        let probes = found(&forged);
        assert!(probes.usable.is_empty(), "{name} {arguments}");
        let [refused] = &probes.refused[..] else { panic!("{probes:?}") };
        assert_eq!((refused.name.as_str(), &refused.reason), (name, &reason));
    }
}

#[test]
fn a_file_without_notes_has_no_probes() {
    assert!(found(&Forged::default()).is_empty());
}

#[test]
fn there_is_a_limit_and_it_is_told() {
    let mut forged = Forged::default();
    for _ in 0..1025 {
        forged.notes.extend(note("otel_memory", "free", [CODE + NOP, 0, 0], "8@%rdi"));
    }
    let probes = found(&forged);
    assert_eq!((probes.usable.len(), probes.more), (1024, true));
}

#[test]
fn torn_notes_end_the_list() {
    let whole = note("otel_memory", "free", [CODE + NOP, 0, 0], "8@%rdi");
    for length in 0..whole.len() {
        let mut forged = Forged::default();
        forged.notes.extend(&whole);
        forged.notes.extend(&whole[..length]);
        let found = found(&forged).usable.len();
        // The last one may lack what fills it up.
        assert!(found == 1 || (found == 2 && whole.len() - length < 4), "{length}");
    }
    let mut forged = Forged::default();
    forged.notes.extend([0xff; 12]);
    assert!(found(&forged).is_empty());
}

proptest! {
    #[test]
    fn any_section_does_no_harm(notes in proptest::collection::vec(any::<u8>(), 0..400), base: Option<u64>) {
        let forged = Forged { notes, base };
        let _ = found(&forged);
    }

    #[test]
    fn any_words_do_no_harm(words in "[-@$%(),0-9a-z ]{0,60}") {
        if let Ok(found) = operands(&words) {
            for operand in found {
                prop_assert!(matches!(operand.width, 1 | 2 | 4 | 8));
                prop_assert!(operand.base < 16 || operand.base == NO_REGISTER);
                prop_assert!(operand.index < 16 || operand.index == NO_REGISTER);
                prop_assert!(Origin::from_number(operand.from).is_some());
            }
        }
    }
}
