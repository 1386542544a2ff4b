//! Which allocator a file holds, and its version.

use super::MappedFile;
use super::classes::Quantum;
use super::examine::Functions;
use crate::probe::elf::Image;
use crate::probe::function_table::AllocatorKind;
use std::fs::File;

/// Symbols that tell allocators apart, beside the functions in the tables.
pub(super) const MARKS: [&str; 2] = ["gnu_get_libc_version", "__libc_malloc_impl"];

/// Most bytes of constants searched for a version; the C libraries have under 1 MB.
const MAX_CONSTANTS: u64 = 16 << 20;

/// An allocator in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) kind: AllocatorKind,
    pub(super) prefix: &'static str,
    pub(super) version: Option<String>,
    /// The standard names in this file are its own.
    pub(super) standard: bool,
    /// Of jemalloc.
    pub(super) quantum: Quantum,
    /// Of musl: its allocator has what mallocng alone has.
    pub(super) mallocng: bool,
}

impl Identity {
    /// The name of the allocator's function `name` in this file. Names that the language or the
    /// allocator's own interface gives are whole.
    pub(super) fn symbol(&self, name: &str) -> String {
        let is_whole = name.starts_with("_Z") || name.starts_with("mi_");
        let prefix = if is_whole { "" } else { self.prefix };
        format!("{prefix}{name}")
    }

    /// Whether the function `name` is the allocator's, if the file defines it.
    pub(super) fn owns(&self, name: &str) -> bool {
        self.standard
            || name.starts_with("mi_")
            || !self.prefix.is_empty() && !name.starts_with("_Z")
    }
}

/// The allocators in a file; usually one or none. A static program may hold two.
pub(super) fn identify(
    file: &MappedFile,
    image: &Image<'_, File>,
    functions: &Functions,
) -> Vec<Identity> {
    let mut constants = Constants { image, bytes: None };
    let mut found = jemallocs(image, functions, &mut constants);
    found.extend(tcmalloc(functions, &mut constants));
    found.extend(mimalloc(functions));
    let standard = functions.defines("malloc") && functions.defines("free");
    let taken = found.iter().any(|identity| identity.standard);
    if standard && !taken && !is_linker(image) {
        found.extend(libc(file, image, functions, &mut constants));
    }
    found.extend(cuda(functions));
    found
}

/// The dynamic linker of glibc before 2.31 exports a `malloc` for its own start-up.
pub(super) fn is_linker(image: &Image<'_, File>) -> bool {
    matches!(image.soname(), Ok(Some(name)) if name.starts_with("ld-linux"))
}

fn jemallocs(
    image: &Image<'_, File>,
    functions: &Functions,
    constants: &mut Constants<'_, '_>,
) -> Vec<Identity> {
    let kind = AllocatorKind::Jemalloc;
    let prefixes = kind.prefixes().iter().filter(|prefix| {
        let defines = |name: &str| functions.defines(&format!("{prefix}{name}"));
        defines("mallctl") && defines("malloc")
    });
    prefixes
        .map(|&prefix| Identity {
            kind,
            prefix,
            version: jemalloc_version(constants.bytes()),
            standard: prefix.is_empty(),
            quantum: Quantum::of(image),
            mallocng: false,
        })
        .collect()
}

/// gperftools, under the standard names or only under its own.
fn tcmalloc(functions: &Functions, constants: &mut Constants<'_, '_>) -> Option<Identity> {
    if !functions.defines("tc_malloc") || !functions.defines("tc_free") {
        return None;
    }
    let standard = functions.same_code("tc_malloc", "malloc");
    Some(Identity {
        kind: AllocatorKind::Tcmalloc,
        prefix: if standard { "" } else { "tc_" },
        version: tcmalloc_version(constants.bytes()),
        standard,
        quantum: Quantum::Untold,
        mallocng: false,
    })
}

/// mimalloc tells its version by a function and in a message of its own alone: it has none for us.
fn mimalloc(functions: &Functions) -> Option<Identity> {
    if !functions.defines("mi_malloc") || !functions.defines("mi_free") {
        return None;
    }
    let standard = functions.same_code("mi_malloc", "malloc");
    Some(Identity {
        kind: AllocatorKind::Mimalloc,
        prefix: "",
        version: None,
        standard,
        quantum: Quantum::Untold,
        mallocng: false,
    })
}

/// CUDA's runtime and driver, which tell their versions by functions alone. A program may have the runtime
/// inside.
fn cuda(functions: &Functions) -> impl Iterator<Item = Identity> {
    let marks = [
        (AllocatorKind::CudaRuntime, "cudaMalloc", "cudaFree"),
        (AllocatorKind::CudaDriver, "cuMemAlloc_v2", "cuMemFree_v2"),
    ];
    let here = |alloc, free| functions.defines(alloc) && functions.defines(free);
    let found = marks.map(|(kind, alloc, free)| here(alloc, free).then_some(kind));
    let identity = |kind| Identity {
        kind,
        prefix: "",
        version: None,
        standard: true,
        quantum: Quantum::Untold,
        mallocng: false,
    };
    found.into_iter().flatten().map(identity)
}

fn libc(
    file: &MappedFile,
    image: &Image<'_, File>,
    functions: &Functions,
    constants: &mut Constants<'_, '_>,
) -> Option<Identity> {
    let named = |start: &str| {
        file.path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(start.as_bytes()))
    };
    let musl = named("ld-musl-")
        || named("libc.musl-")
        || functions.defines("__libc_malloc_impl")
        || contains(constants.bytes(), b"musl libc");
    // Sanitizers define `__libc_memalign` too, but no program is all static with their runtime.
    let glibc = functions.defines("gnu_get_libc_version")
        || (image.is_static() && functions.defines("__libc_memalign"));
    let (kind, version) = if glibc {
        (AllocatorKind::Glibc, glibc_version(constants.bytes()))
    } else if musl {
        (AllocatorKind::Musl, musl_version(constants.bytes()))
    } else {
        return None;
    };
    Some(Identity {
        kind,
        prefix: "",
        version,
        standard: true,
        quantum: Quantum::Untold,
        mallocng: functions.defines("__malloc_alloc_meta"),
    })
}

/// A file's constants, read when first needed.
struct Constants<'a, 'b> {
    image: &'a Image<'b, File>,
    bytes: Option<Vec<u8>>,
}

impl Constants<'_, '_> {
    fn bytes(&mut self) -> &[u8] {
        let image = self.image;
        self.bytes.get_or_insert_with(|| {
            image
                .section(".rodata")
                .and_then(|section| image.section_bytes(section, MAX_CONSTANTS).ok())
                .unwrap_or_default()
        })
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    find(bytes, text).is_some()
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// From the banner: "GNU C Library (…) stable release version 2.36."
fn glibc_version(bytes: &[u8]) -> Option<String> {
    let banner = bytes.get(find(bytes, b"GNU C Library")?..)?;
    let banner = banner.get(..200).unwrap_or(banner);
    let after = b"release version ";
    number(banner.get(find(banner, after)? + after.len()..)?)
}

/// A string that is nothing but "1.x.y", if there is exactly one.
fn musl_version(bytes: &[u8]) -> Option<String> {
    let mut versions = bytes
        .split(|&byte| byte == 0)
        .filter(|text| text.len() <= 10 && text.starts_with(b"1."))
        .filter(|text| text.iter().filter(|&&byte| byte == b'.').count() == 2)
        .filter_map(|text| number(text).filter(|number| number.len() == text.len()));
    let version = versions.next()?;
    versions.all(|other| other == version).then_some(version)
}

/// jemalloc's version is "5.3.0-0-g" and a commit.
fn jemalloc_version(bytes: &[u8]) -> Option<String> {
    bytes.split(|&byte| byte == 0).filter(|text| (9..=100).contains(&text.len())).find_map(|text| {
        let version = number(text)?;
        let rest = text.get(version.len()..)?;
        let digits =
            rest.strip_prefix(b"-")?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let commit = rest.get(1 + digits..)?.strip_prefix(b"-g")?;
        let is_commit = digits > 0 && commit.len() >= 7 && commit.iter().all(u8::is_ascii_hexdigit);
        is_commit.then_some(version)
    })
}

/// From `tc_version`'s text: "gperftools 2.10".
fn tcmalloc_version(bytes: &[u8]) -> Option<String> {
    let name = b"gperftools ";
    number(bytes.get(find(bytes, name)? + name.len()..)?)
}

/// Digits and single dots at the beginning of `bytes`, with at least one dot between digits.
fn number(bytes: &[u8]) -> Option<String> {
    let length =
        bytes.iter().take(20).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?.trim_end_matches('.');
    let sound = text.contains('.') && text.split('.').all(|part| !part.is_empty());
    sound.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{glibc_version, jemalloc_version, musl_version, tcmalloc_version};

    #[test]
    fn versions_are_read_from_constants() {
        let glibc = b"x\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\nCopy";
        assert_eq!(glibc_version(glibc).as_deref(), Some("2.36"));
        let jemalloc = b"no\x001.2\x005.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c\0";
        assert_eq!(jemalloc_version(jemalloc).as_deref(), Some("5.3.0"));
        assert_eq!(musl_version(b"musl libc\x001.2.3\0Version\0").as_deref(), Some("1.2.3"));
        assert_eq!(tcmalloc_version(b"x\0gperftools 2.10\0").as_deref(), Some("2.10"));
    }

    #[test]
    fn what_is_no_version_is_none() {
        assert_eq!(glibc_version(b"GNU C Library without a number"), None);
        assert_eq!(glibc_version(b""), None);
        assert_eq!(jemalloc_version(b"5.3.0\x005.3-x\x005..3-0-gabcdefabc"), None);
        assert_eq!(musl_version(b"1.2.3\x001.2.4\0"), None);
    }
}
