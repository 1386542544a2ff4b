//! Language runtimes with allocators of their own, which `malloc` does not show.

use super::allocator::MappedFile;
use super::elf::{Image, Symbol, Table};
use super::names::Names;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A runtime that was found in a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Name and, where it is known, version: `CPython 3.11`.
    pub name: String,
    /// Which memory the probes on `malloc` do not see.
    pub what_malloc_does_not_show: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// How a runtime is recognised. Any one mark is enough.
struct Marks {
    name: &'static str,
    /// Beginnings of file names.
    files: &'static [&'static str],
    /// Symbols that the file defines for others.
    symbols: &'static [&'static str],
    /// Sections.
    sections: &'static [&'static str],
    hidden: &'static str,
    remedy: &'static str,
}

const RUNTIMES: &[Marks] = &[
    Marks {
        name: "CPython",
        files: &["libpython"],
        symbols: &["_PyRuntime"],
        sections: &[],
        hidden: "objects up to 512 bytes: pymalloc cuts them from arenas of 256 KiB or 1 MiB, which \
                 it gets by mmap",
        remedy: "start it with PYTHONMALLOC=malloc to see every object; tracemalloc names Python lines",
    },
    Marks {
        name: "Go",
        files: &[],
        symbols: &["runtime.mallocgc"],
        sections: &[".go.buildinfo", ".note.go.buildid", ".gopclntab"],
        hidden: "the whole Go heap, which the runtime gets by mmap; only C code called by cgo uses malloc",
        remedy: "use the program's own heap profile (net/http/pprof); watch the mappings here",
    },
    Marks {
        name: "Java (HotSpot)",
        files: &["libjvm.so"],
        symbols: &["JNI_CreateJavaVM"],
        sections: &[],
        hidden: "the Java heap, metaspace and compiled code, which are mapped; only native memory \
                 of the JVM and of JNI libraries is malloc's",
        remedy: "use jcmd PID GC.heap_info or VM.native_memory for what is mapped",
    },
    Marks {
        name: "Node.js (V8)",
        files: &["libnode.so", "libv8.so"],
        symbols: &["node_module_register", "_ZN2v87Isolate3NewERKNS0_12CreateParamsE"],
        sections: &[],
        hidden: "the JavaScript heap, which V8 maps; Buffers and native add-ons are malloc's",
        remedy: "take a heap snapshot (node --heapsnapshot-signal) for JavaScript objects",
    },
    Marks {
        name: "Ruby",
        files: &["libruby"],
        symbols: &["ruby_init"],
        sections: &[],
        hidden: "objects of 40 to 640 bytes, which live in heap pages of 16 or 64 KiB",
        remedy: "use ObjectSpace.dump_all for objects; long strings and arrays are malloc's",
    },
    Marks {
        name: "PHP",
        files: &["libphp"],
        symbols: &["zend_mm_gc"],
        sections: &[],
        hidden: "blocks up to 2 MiB, which the Zend allocator cuts from mapped chunks",
        remedy: "start it with USE_ZEND_ALLOC=0 to see every block",
    },
    Marks {
        name: ".NET (CoreCLR)",
        files: &["libcoreclr.so"],
        symbols: &["coreclr_initialize"],
        sections: &[],
        hidden: "the managed heap, which the collector maps",
        remedy: "use dotnet-gcdump for managed objects",
    },
    Marks {
        name: "Erlang/OTP (BEAM)",
        files: &["beam."],
        symbols: &["erts_alloc_init"],
        sections: &[],
        hidden: "terms and messages, which its own carriers hold; malloc sees carriers at most",
        remedy: "use erlang:memory() and recon_alloc",
    },
];

/// What files show of runtimes, as most processes of a machine map the same ones.
#[derive(Debug, Default)]
pub struct Detector {
    known: BTreeMap<FileKey, Seen>,
}

/// Device, inode and path, which alone tells a file that has gone.
type FileKey = ((u32, u32), u64, PathBuf);

/// Files that are remembered.
const MOST_KNOWN: usize = 4096;

/// As [`Detector::detect`].
#[must_use]
pub fn detect(files: &[MappedFile]) -> Vec<Runtime> {
    Detector::default().detect(files)
}

impl Detector {
    /// Finds runtimes among the files that a process maps. Files that cannot be read are recognised by
    /// name alone. A file that was looked at before is not looked at again.
    #[must_use]
    pub fn detect(&mut self, files: &[MappedFile]) -> Vec<Runtime> {
        let mut found: Vec<(&'static str, Runtime)> = Vec::new();
        for file in files {
            let seen = self.seen(file);
            for runtime in RUNTIMES.iter().filter(|runtime| seen.show(runtime)) {
                let known = found.iter_mut().find(|(name, _)| *name == runtime.name);
                let fresh = runtime.found(version(&seen.file_name));
                match known {
                    Some((_, known)) if known.name == runtime.name => *known = fresh,
                    Some(_) => {}
                    None => found.push((runtime.name, fresh)),
                }
            }
        }
        found.into_iter().map(|(_, runtime)| runtime).collect()
    }

    fn seen(&mut self, file: &MappedFile) -> &Seen {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        let key = (file.device, file.inode, file.path.clone());
        let seen = self.known.entry(key).or_insert_with(|| Seen::of(file));
        if !seen.was_opened {
            // This process's way to it may lead there.
            *seen = Seen::of(file);
        }
        seen
    }
}

impl Marks {
    fn found(&self, version: Option<String>) -> Runtime {
        // Only CPython has its version in its file's name.
        let version = version.filter(|_| self.name == "CPython");
        Runtime {
            name: version.map_or(self.name.into(), |version| format!("{} {version}", self.name)),
            what_malloc_does_not_show: self.hidden,
            remedy: self.remedy,
        }
    }
}

/// Each symbol of each file is looked for here.
static SYMBOLS: LazyLock<Names> =
    LazyLock::new(|| RUNTIMES.iter().flat_map(|runtime| runtime.symbols).copied().collect());

/// What a file shows of itself.
#[derive(Debug)]
struct Seen {
    file_name: String,
    symbols: BTreeSet<&'static str>,
    sections: BTreeSet<&'static str>,
    was_opened: bool,
}

impl Seen {
    fn of(file: &MappedFile) -> Self {
        let name = file.path.file_name().unwrap_or_default();
        let file_name = name.to_string_lossy().into_owned();
        let (symbols, sections) = (BTreeSet::new(), BTreeSet::new());
        let mut seen = Self { file_name, symbols, sections, was_opened: false };
        if let Ok(handle) = super::allocator::open(file) {
            seen.was_opened = true;
            seen.look_into(&handle);
        }
        seen
    }

    fn look_into(&mut self, handle: &File) {
        let Ok(image) = Image::open(handle) else { return };
        let has = |name: &&&str| image.section(name).is_some();
        let sections = RUNTIMES.iter().flat_map(|runtime| runtime.sections);
        self.sections = sections.filter(has).copied().collect();
        let mut take = |symbol: Symbol<'_>| self.symbols.extend(SYMBOLS.get(symbol.name));
        // An unreadable table shows nothing: the file is then recognised by other marks or not.
        let _ = image.each_symbol(Table::Dynamic, &mut take);
        if image.is_static() {
            let _ = image.each_symbol(Table::Static, &mut take);
        }
    }

    fn show(&self, runtime: &Marks) -> bool {
        runtime.files.iter().any(|start| self.file_name.starts_with(start))
            || runtime.symbols.iter().any(|name| self.symbols.contains(name))
            || runtime.sections.iter().any(|name| self.sections.contains(name))
    }
}

/// The version in a name such as `libpython3.11.so.1.0` or `python3.11`.
fn version(file_name: &str) -> Option<String> {
    let rest = file_name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let length = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let number = rest.get(..length.unwrap_or(rest.len()))?.trim_end_matches('.');
    number.contains('.').then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Detector, MappedFile, detect, version};
    use crate::model::module::FileState;
    use std::path::Path;

    fn file(path: &Path) -> MappedFile {
        let state = FileState::default();
        MappedFile { path: path.into(), device: (0, 1), inode: 1, state, open_path: path.into() }
    }

    #[test]
    fn versions_come_from_file_names() {
        assert_eq!(version("libpython3.11.so.1.0").as_deref(), Some("3.11"));
        assert_eq!(version("python3.11").as_deref(), Some("3.11"));
        assert_eq!(version("python3"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn names_are_enough_for_files_that_are_gone() {
        let gone =
            [file(Path::new("/gone/libpython3.12.so.1.0")), file(Path::new("/gone/libjvm.so"))];
        let names: Vec<_> = detect(&gone).into_iter().map(|runtime| runtime.name).collect();
        assert_eq!(names, ["CPython 3.12", "Java (HotSpot)"]);
    }

    #[test]
    fn the_named_version_wins_over_the_unnamed() {
        let files =
            [file(Path::new("/gone/libpython.so")), file(Path::new("/gone/libpython3.9.so"))];
        let found = detect(&files);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "CPython 3.9");
    }

    #[test]
    fn a_file_that_could_not_be_opened_is_looked_at_again() {
        let mut detector = Detector::default();
        let own = file(Path::new("/proc/self/exe"));
        let gone = MappedFile { open_path: "/gone".into(), ..own.clone() };
        for (file, opened) in [(&gone, false), (&own, true), (&gone, true)] {
            assert_eq!(detector.seen(file).was_opened, opened);
        }
    }

    #[test]
    fn a_plain_program_has_no_runtime() {
        assert_eq!(detect(&[file(Path::new("/proc/self/exe"))]), []);
    }
}
