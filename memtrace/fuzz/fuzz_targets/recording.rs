//! Feeds the reader `recording` of `memtrace::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memtrace::hostile::feed("recording", bytes));
