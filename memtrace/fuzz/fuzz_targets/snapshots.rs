//! Feeds the reader `snapshots` of `memtrace::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memtrace::hostile::feed("snapshots", bytes));
