//! Feeds the reader `cache_entry` of `memtrace::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memtrace::hostile::feed("cache_entry", bytes));
