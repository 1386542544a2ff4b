//! The tables of this machine's files against gimli's own evaluation of their unwind information, and
//! files that are damaged.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod judge;

use judge::{Judge, Verdict};
use memtrace::unwind::{Rules, Table};
use memtrace_common::unwind::Rule;
use object::{Object as _, ObjectSection as _};
use proptest::prelude::*;
use std::fs::{self, File};
use std::ops::Range;
use std::sync::LazyLock;

/// Judges a file's table at every function's first byte and at many places between.
fn judge(path: &str) {
    let bytes = fs::read(path).unwrap();
    let table = Table::build(&File::open(path).unwrap()).unwrap();
    assert!(table.is_sound() && table == Table::build_from_bytes(&bytes).unwrap());
    let judge = Judge::new(&bytes);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let length = table.text.end - table.text.start;
    let anywhere: Vec<u64> = (0..20_000).map(|_| table.text.start + next() % length).collect();
    let starts = judge.functions.iter().map(|function| function.offsets.start);
    let (mut same, mut unsupported) = (0, 0);
    for place in starts.chain(anywhere) {
        match judge.verdict(&table, place, next()) {
            Verdict::Same => same += 1,
            Verdict::NotExpressible => unsupported += 1,
            Verdict::Different(why) => panic!("{path} at {place:#x}: {why}"),
        }
    }
    eprintln!("{path}: {same} places the same, {unsupported} that rules cannot express");
    assert!(same > 19_000, "{path}: only {same} places were compared");
}

fn mapped(part: &str) -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.split_whitespace().find(|word| word.contains(part)).unwrap().to_owned()
}

#[test]
fn the_c_library() {
    judge(&mapped("/libc.so"));
}

#[test]
fn the_dynamic_linker() {
    judge(&mapped("/ld-linux"));
}

#[test]
fn python() {
    judge("/usr/bin/python3");
}

#[test]
fn this_test() {
    judge(std::env::current_exe().unwrap().to_str().unwrap());
}

/// Hand-written code, and a program of a hundred megabytes; where they are installed.
#[test]
fn large_files_with_hand_written_code() {
    let folder = mapped("/libc.so").rsplit_once('/').unwrap().0.to_owned();
    for path in [format!("{folder}/libcrypto.so.3"), "/usr/bin/node".to_owned()] {
        if fs::exists(&path).unwrap() {
            judge(&path);
        }
    }
}

/// The kernel's code in every process, from memory: it is in no file.
#[test]
fn the_vdso() {
    // SAFETY: getauxval(3) reads what the kernel gave the process.
    let address = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) } as usize;
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).unwrap();
    let end = line.split(['-', ' ']).nth(1).unwrap();
    let length = usize::from_str_radix(end, 16).unwrap() - address;
    // SAFETY: the kernel mapped these bytes for reading, for as long as the process lives.
    let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, length) };
    let table = Table::build_from_bytes(bytes).unwrap();
    assert!(table.is_sound() && table.stats.functions > 3, "{:?}", table.stats);
    let judge = Judge::new(bytes);
    for function in &judge.functions {
        let verdict = judge.verdict(&table, function.offsets.start, 1);
        assert!(matches!(verdict, Verdict::Same), "{verdict:?}");
    }
}

/// The same rows under the numbers that many files share.
#[test]
fn files_share_rules() {
    let mut rules = Rules::default();
    for path in [mapped("/libc.so"), mapped("/ld-linux")] {
        let table = Table::build(&File::open(path).unwrap()).unwrap();
        let rows: Vec<u32> = table.rows_for(&mut rules).collect();
        let shared = Table { rows, rules: rules.list().to_vec(), ..table.clone() };
        assert!(shared.is_sound());
        for offset in table.text.clone() {
            assert_eq!(shared.rule_at(offset), table.rule_at(offset));
        }
    }
}

/// The C library's own offsets of what a signal frame keeps are those of the step.
#[test]
fn signal_frames_are_as_the_kernel_makes_them() {
    use memtrace_common::unwind::{Registers, Step, step};
    let context = std::mem::offset_of!(libc::ucontext_t, uc_mcontext) as u64;
    let stack = 0x7ffc_0000_0000;
    let register = |address: u64| Some((address - stack - context) / 8);
    let found = step(Rule::SIGNAL, Registers { stack, ..Registers::default() }, register);
    let number = |register: libc::c_int| u64::try_from(register).unwrap();
    assert_eq!(
        found,
        Step::Interrupted(Registers {
            instruction: number(libc::REG_RIP),
            stack: number(libc::REG_RSP),
            frame: number(libc::REG_RBP),
        })
    );
}

/// A small program.
static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| fs::read("/bin/true").unwrap());

/// Where the interesting bytes of [`SMALL`] are.
fn section(name: &str) -> Range<usize> {
    let file = object::File::parse(&**SMALL).unwrap();
    let (start, size) = file.section_by_name(name).unwrap().file_range().unwrap();
    start as usize..(start + size) as usize
}

#[test]
fn without_section_headers_the_search_table_leads_to_the_same_table() {
    let whole = Table::build_from_bytes(&SMALL).unwrap();
    assert!(whole.stats.functions > 20);
    let mut bytes = SMALL.clone();
    bytes[60] = 0; // e_shnum
    assert_eq!(Table::build_from_bytes(&bytes).unwrap(), whole);
}

#[test]
fn without_unwind_information_all_is_a_gap() {
    let mut bytes = SMALL.clone();
    bytes[section(".eh_frame")].fill(0);
    let table = Table::build_from_bytes(&bytes).unwrap();
    assert!(table.is_sound() && table.stats.functions == 0);
    assert!(table.text.clone().all(|offset| table.rule_at(offset) == Rule::GAP));
    assert_eq!(table.rows.len(), table.pages.len());
}

#[test]
fn outside_the_text_is_a_gap() {
    let table = Table::build_from_bytes(&SMALL).unwrap();
    for offset in [0, table.text.start - 1, table.text.end, 1 << 32, u64::MAX] {
        assert_eq!(table.rule_at(offset), Rule::GAP);
    }
}

#[test]
fn what_is_no_program_is_refused() {
    for bytes in [&b""[..], b"#!/bin/sh", &SMALL[..63], &[0x7f; 4096]] {
        assert!(Table::build_from_bytes(bytes).is_err());
    }
    let mut foreign = SMALL.clone();
    foreign[18] = 0xb7; // e_machine: AArch64
    let error = Table::build_from_bytes(&foreign).unwrap_err().to_string();
    assert!(error.contains("x86-64"), "{error}");
}

/// Many functions that share one very long entry would have it evaluated once for each.
#[test]
fn long_shared_entries_are_refused() {
    let mut bytes = SMALL.clone();
    let place = section(".eh_frame");
    let mut section = vec![0_u8; place.len()];
    let long = 1200_u32;
    section[..4].copy_from_slice(&long.to_le_bytes());
    // Version 1, no augmentation, factors 1 and -8, return address 16, then instructions: nops.
    section[8..13].copy_from_slice(&[1, 0, 1, 0x78, 16]);
    let mut at = 4 + long as usize;
    let mut functions = 0;
    while at + 24 < section.len() {
        section[at..at + 4].copy_from_slice(&20_u32.to_le_bytes());
        section[at + 4..at + 8].copy_from_slice(&(at as u32 + 4).to_le_bytes());
        at += 24;
        functions += 1;
    }
    bytes[place].copy_from_slice(&section);
    let table = Table::build_from_bytes(&bytes).unwrap();
    assert_eq!((table.stats.functions, table.stats.skipped), (0, functions));
    assert!(functions > 10);
}

/// A file that another process cuts short is read as far as it goes.
#[test]
fn a_file_is_read_as_its_bytes_are() {
    for length in (0..SMALL.len()).step_by(509) {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &SMALL[..length]).unwrap();
        let (read, held) = (Table::build(&file), Table::build_from_bytes(&SMALL[..length]));
        assert_eq!(read.ok(), held.ok(), "{length} bytes");
    }
}

/// Places where damage matters most, and any others.
fn places() -> impl Strategy<Value = usize> {
    let frames = section(".eh_frame");
    prop_oneof![4 => frames, 2 => 0..1024_usize, 1 => 0..SMALL.len()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn damaged_files_give_an_error_or_a_sound_table(
        damage in proptest::collection::vec((places(), any::<u8>()), 1..12),
        length in prop_oneof![3 => Just(usize::MAX), 1 => 0..SMALL.len()],
    ) {
        let mut bytes = SMALL.clone();
        for (place, value) in damage {
            bytes[place] = value;
        }
        bytes.truncate(length);
        if let Ok(table) = Table::build_from_bytes(&bytes) {
            prop_assert!(table.is_sound());
        }
    }
}
