//! Feeds the reader `debug_files` of `memtrace::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    // The symbol library may panic: its caller catches that, as the fuzzer's own hook would not let
    // it. A panic that nobody catches still ends the fuzzer.
    init: drop(std::panic::take_hook()),
    |bytes: &[u8]| memtrace::hostile::feed("debug_files", bytes)
);
