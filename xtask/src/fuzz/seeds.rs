//! What the fuzzer begins with: small real files, made on the spot by the system's own tools.

use crate::command::read;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;

/// Ways to keep debug information, each a script. They find `whole`, a library with all of it, and
/// leave `program` and, where it is apart, `separate`.
const KINDS: [(&str, &str); 8] = [
    ("whole", "cp whole program"),
    ("symbols", "strip --strip-debug -o program whole"),
    ("stripped", "strip -o program whole"),
    ("zlib", "objcopy --compress-debug-sections=zlib whole program"),
    ("zstd", "objcopy --compress-debug-sections=zstd whole program"),
    (
        "linked",
        "objcopy --only-keep-debug whole separate && strip -o program whole \
         && objcopy --add-gnu-debuglink=separate program",
    ),
    (
        "embedded",
        "strip --strip-debug -o symbols whole && xz -kf symbols && strip -o program whole \
         && objcopy --add-section=.gnu_debugdata=symbols.xz program",
    ),
    ("shared", "cp whole program && cp whole other && dwz -m separate program other"),
];

/// What `whole` is made of.
const SOURCES: [(&str, &str); 2] = [
    ("library.c", include_str!("library.c")),
    ("usdt.h", include_str!("../../../memtrace/tests/fixtures/usdt.h")),
];

const NAMES: [&str; 6] = [
    "_ZNSt6vectorIiSaIiEE9push_backERKi",
    "_ZN5boost6detail8functionIS1_S_E3fooINS0_3barILi4EEEEEvT_",
    "_ZN4core3ptr85drop_in_place$LT$std..rt..lang_start$LT$$LP$$RP$$GT$..$u7b$$u7b$closure$GT$17h0123456789abcdefE",
    "_RNvXs0_NtCs5QSdWC790r4_4core3fmtINtB5_8OptionhENtB5_5Debug3fmt",
    "std::function<void (int)>::operator()(int) const [clone .cold]",
    "malloc.llvm.0123456789abcdef",
];

const MAPPINGS: &str = "\
55d0c8a00000-55d0c8a02000 r-xp 00001000 fe:00 131090                     /usr/bin/a b (deleted)\n\
55d0c9000000-55d0c9021000 rw-p 00000000 00:00 0                          [heap]\n\
7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n\
7f0000001000-7f0000002000 rwxp 00000000 00:00 0                          [anon:code]\n\
7f0000002000-7f0000003000 r--s 00000000 00:05 77                         /tmp/new\\012line\n";

const GENERATED: &str = "1000 20 a b\n0x1010 0x40 c\nnonsense\n1 2\n7fff00000000 fff Lfoo;::bar\n";

/// Writes the seeds of reader `name` into `folder`. What is of our own making (entries of the cache,
/// records) is among the regressions.
pub(super) fn make(name: &str, folder: &Path) -> Result<()> {
    match name {
        "mappings" => write(folder, "mappings", MAPPINGS.as_bytes()),
        "perf_map" => write(folder, "generated", GENERATED.as_bytes())
            .and_then(|()| write(folder, "mappings", MAPPINGS.as_bytes())),
        "name" => NAMES
            .iter()
            .enumerate()
            .try_for_each(|(number, symbol)| write(folder, &number.to_string(), symbol.as_bytes())),
        "debug_files" => files(|kind, program, separate| {
            let length = (program.len() as u32).to_le_bytes();
            write(folder, kind, &[&length, program, separate].concat())
        }),
        "notes" | "program" | "unwind_table" => {
            files(|kind, program, _| write(folder, kind, program))
        }
        _ => Ok(()),
    }
}

/// Hands each kind's program and separate file to `take`.
fn files(mut take: impl FnMut(&str, &[u8], &[u8]) -> Result<()>) -> Result<()> {
    for (kind, script) in KINDS {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        for (name, source) in SOURCES {
            fs::write(folder.path().join(name), source).context("cannot write a seed's source")?;
        }
        // As whoever we are: nothing of it stays.
        let script = format!("{COMPILE} && {script}");
        read(std::process::Command::new("sh").args(["-ec", &script]).current_dir(folder.path()))?;
        let contents = |name: &str| fs::read(folder.path().join(name)).unwrap_or_default();
        take(kind, &contents("program"), &contents("separate"))?;
    }
    Ok(())
}

const COMPILE: &str = "gcc -g -O2 -fPIC -shared -nostdlib -fno-builtin -Wl,--build-id=sha1 \
    -o whole library.c";

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::files;

    #[test]
    fn every_kind_of_file_is_made_and_small() {
        let mut apart = 0;
        files(|kind, program, separate| {
            assert!(program.starts_with(b"\x7fELF") && program.len() < 64 << 10, "{kind}");
            apart += usize::from(separate.starts_with(b"\x7fELF"));
            Ok(())
        })
        .unwrap();
        assert_eq!(apart, 2);
    }
}
