//! Feeds the reader `program` of `memtrace::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memtrace::hostile::feed("program", bytes));
