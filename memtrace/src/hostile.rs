//! Every reader of bytes that a traced process controls, by name: what `cargo xtask fuzz` feeds, and
//! what once did harm, kept as tests (`memtrace/fuzz/regressions`). Only in tests and with the
//! feature `fuzzing`.

use crate::{probe, procfs, recording, report, symbolize, unwind};

/// Takes any bytes. It must return, soon, without taking much memory.
pub type Target = fn(&[u8]);

/// The readers. Each has a program of its own in `memtrace/fuzz/fuzz_targets`.
pub const TARGETS: [(&str, Target); 12] = [
    ("cache_entry", unwind::hostile::cache_entry),
    ("debug_files", symbolize::hostile::debug_files),
    ("mappings", procfs::hostile::mappings),
    ("name", symbolize::hostile::name),
    ("notes", procfs::hostile::notes),
    ("perf_map", symbolize::hostile::generated_names),
    ("program", probe::hostile::program),
    ("recording", recording::hostile::recording),
    ("records", report::hostile::records),
    ("report", report::hostile::report),
    ("snapshots", report::hostile::snapshots),
    ("unwind_table", unwind::hostile::table),
];

/// Feeds the reader with this name.
///
/// # Panics
/// When there is none: a program in `fuzz_targets` that nobody listed here.
pub fn feed(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("no reader is called {name}"));
    target(bytes);
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::fs;
    use std::path::Path;

    /// All files that once did harm, and trivial ones.
    #[test]
    fn what_did_harm_once_does_none_now() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions");
        for (name, target) in TARGETS {
            for trivial in [&[][..], &[0; 64], &[0xff; 64], b"\x7fELF\x02\x01\x01"] {
                target(trivial);
            }
            let Ok(entries) = fs::read_dir(folder.join(name)) else { continue };
            for entry in entries {
                target(&fs::read(entry.unwrap().path()).unwrap());
            }
        }
    }

    #[test]
    fn every_reader_has_a_program_and_every_program_a_reader() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        let mut programs: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        programs.sort();
        assert_eq!(programs, TARGETS.map(|(name, _)| name));
    }
}
