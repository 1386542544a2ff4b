//! Feeds the reader `perf_map` of `memtrace::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memtrace::hostile::feed("perf_map", bytes));
