//! Feeds the reader `unwind_table` of `memtrace::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memtrace::hostile::feed("unwind_table", bytes));
