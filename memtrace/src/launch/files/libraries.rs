//! The libraries that a program needs, and those that they need: breadth first, as `ld.so(8)` loads them.

use super::cache::Cache;
use super::elf::{self, Needs};
use super::{Found, within};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Where glibc looks in the end: upstream's directories, and those of Debian.
const DEFAULTS: [&str; 6] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
/// … and musl, where `/etc/ld-musl-x86_64.path` does not say otherwise (`ldso/dynlink.c`).
const MUSL_DEFAULTS: &str = "/lib:/usr/local/lib:/usr/lib";
/// Variants for processors below a directory of libraries (`ld.so(8)`, "Hardware capabilities"). Which
/// one the loader takes depends on the processor, so all are named.
const VARIANTS: [&str; 3] =
    ["glibc-hwcaps/x86-64-v4", "glibc-hwcaps/x86-64-v3", "glibc-hwcaps/x86-64-v2"];
/// What `$LIB` may stand for.
const LIB: [&str; 3] = ["lib/x86_64-linux-gnu", "lib64", "lib"];
/// Most bytes of a list of libraries or directories.
const MOST_LIST: usize = 64 << 10;

/// What a loader knows before it begins.
pub(super) struct Loader<'a> {
    root: &'a Path,
    program: PathBuf,
    library_path: OsString,
    preload: OsString,
    cache: Cache,
    defaults: Vec<PathBuf>,
    is_musl: bool,
}

/// A file to be looked into.
struct Waiting {
    file: PathBuf,
    /// `DT_RPATH`s of those that needed it, nearest first, expanded.
    inherited: Vec<PathBuf>,
}

impl<'a> Loader<'a> {
    /// The loader of a program, given by its path below `root`.
    pub(super) fn new(
        root: &'a Path,
        program: &Path,
        variable: &impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let short = |name| variable(name).filter(|it| it.len() <= MOST_LIST).unwrap_or_default();
        let interpreter = elf::read(&within(root, program)).and_then(|needs| needs.interpreter);
        let is_musl = interpreter.is_some_and(|it| it.to_string_lossy().contains("ld-musl"));
        Self {
            root,
            program: program.to_owned(),
            library_path: short("LD_LIBRARY_PATH"),
            preload: short("LD_PRELOAD"),
            cache: if is_musl {
                Cache::default()
            } else {
                Cache::read(&within(root, Path::new("/etc/ld.so.cache")))
            },
            defaults: if is_musl { musl(root) } else { DEFAULTS.map(PathBuf::from).into() },
            is_musl,
        }
    }

    /// Adds all that will be loaded.
    pub(super) fn load(&self, found: &mut Found) {
        let file = within(self.root, &self.program);
        let mut queue = VecDeque::from([Waiting { file, inherited: Vec::new() }]);
        let mut is_program = true;
        while let Some(waiting) = queue.pop_front() {
            let Some(needs) = elf::read(&waiting.file) else { continue };
            let mut names = needs.needed.clone();
            if std::mem::take(&mut is_program) {
                let interpreter = needs.interpreter.as_ref().map(|it| within(self.root, it));
                match interpreter {
                    Some(interpreter) => found.add(&interpreter),
                    // A static program is its own, and nothing is preloaded.
                    None => return,
                };
                let listed = within(self.root, Path::new("/etc/ld.so.preload"));
                let listed = fs::read(listed).unwrap_or_default();
                names.splice(0..0, words(self.preload.as_bytes()).chain(words(&listed)));
            }
            let origin = waiting.file.parent().unwrap_or(Path::new("/")).to_owned();
            let searched = self.searched(&needs, &waiting, &origin);
            for name in names.iter().take(MOST_LIST) {
                for file in self.find(name, &searched, &needs, &origin) {
                    if found.add(&file) {
                        queue.push_back(Waiting { file, inherited: searched.inherited.clone() });
                    }
                }
            }
        }
    }

    /// Where the libraries of a file are looked for, as far as that is its own or the user's choice.
    fn searched(&self, needs: &Needs, waiting: &Waiting, origin: &Path) -> Searched {
        let expand = |list: &Option<OsString>| {
            list.as_ref().map(|list| self.expand(list, origin)).unwrap_or_default()
        };
        let own = expand(&needs.rpath);
        let inherited = [own, waiting.inherited.clone()].concat();
        let mut directories = Vec::new();
        // A file with DT_RUNPATH has no use for any DT_RPATH (`ld.so(8)`); musl knows no difference.
        if needs.runpath.is_none() || self.is_musl {
            directories.extend(inherited.iter().cloned());
        }
        directories.extend(self.expand(&self.library_path, origin));
        directories.extend(expand(&needs.runpath));
        Searched { directories, inherited }
    }

    fn find(
        &self,
        name: &OsStr,
        searched: &Searched,
        needs: &Needs,
        origin: &Path,
    ) -> Vec<PathBuf> {
        if name.as_bytes().contains(&b'/') {
            return self.expand_one(name.as_bytes(), origin);
        }
        let here = |directory: &PathBuf| in_directory(directory, name);
        if let Some(files) = searched.directories.iter().find_map(here) {
            return files;
        }
        if needs.no_default {
            return Vec::new();
        }
        let cached: Vec<PathBuf> =
            self.cache.find(name).iter().map(|path| within(self.root, path)).collect();
        if cached.iter().any(|file| file.exists()) {
            return cached;
        }
        let defaults = self.defaults.iter().map(|directory| within(self.root, directory));
        let files = defaults.filter_map(|directory| in_directory(&directory, name)).next();
        files.unwrap_or_default()
    }

    /// The directories of a list, separated by colons (or semicolons in the environment).
    fn expand(&self, list: &OsStr, origin: &Path) -> Vec<PathBuf> {
        let list = list.as_bytes().get(..list.len().min(MOST_LIST)).unwrap_or_default();
        let entries = list.split(|byte| matches!(byte, b':' | b';'));
        entries.filter(|it| !it.is_empty()).flat_map(|it| self.expand_one(it, origin)).collect()
    }

    /// A path with `$ORIGIN`, `$LIB` and `$PLATFORM` replaced; what `$LIB` is depends on the system.
    fn expand_one(&self, entry: &[u8], origin: &Path) -> Vec<PathBuf> {
        let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
        if !entry.contains(&b'$') {
            return vec![within(self.root, &path(entry.to_owned()))];
        }
        let lib = LIB.iter().map(|lib| {
            let replaced = replace(entry, "ORIGIN", origin.as_os_str().as_bytes());
            let replaced = replace(&replaced, "LIB", lib.as_bytes());
            path(replace(&replaced, "PLATFORM", b"x86_64"))
        });
        // The origin is below our root already.
        let is_below = |path: &PathBuf| path.starts_with(origin);
        let mut paths: Vec<PathBuf> =
            lib.map(|path| if is_below(&path) { path } else { within(self.root, &path) }).collect();
        paths.dedup();
        paths
    }
}

/// Where is looked for what a file needs.
struct Searched {
    directories: Vec<PathBuf>,
    inherited: Vec<PathBuf>,
}

/// A library and its variants in a directory.
fn in_directory(directory: &Path, name: &OsStr) -> Option<Vec<PathBuf>> {
    let variants = VARIANTS.iter().map(|variant| directory.join(variant).join(name));
    let files: Vec<PathBuf> =
        variants.chain([directory.join(name)]).filter(|file| file.is_file()).collect();
    (!files.is_empty()).then_some(files)
}

/// Words separated as in `LD_PRELOAD` and `/etc/ld.so.preload`.
fn words(list: &[u8]) -> impl Iterator<Item = OsString> {
    let list = list.get(..list.len().min(MOST_LIST)).unwrap_or_default();
    let words = list.split(|byte| byte.is_ascii_whitespace() || *byte == b':');
    words.filter(|word| !word.is_empty()).map(|word| OsStr::from_bytes(word).to_owned())
}

fn musl(root: &Path) -> Vec<PathBuf> {
    let listed = fs::read(within(root, Path::new("/etc/ld-musl-x86_64.path")));
    let listed = listed.unwrap_or_else(|_| MUSL_DEFAULTS.as_bytes().to_owned());
    words(&listed).map(PathBuf::from).collect()
}

/// `$NAME` and `${NAME}` replaced.
fn replace(text: &[u8], name: &str, value: &[u8]) -> Vec<u8> {
    let forms = [format!("${{{name}}}"), format!("${name}")];
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        match forms.iter().find_map(|form| rest.strip_prefix(form.as_bytes())) {
            Some(behind) => {
                replaced.extend_from_slice(value);
                rest = behind;
            }
            None => {
                replaced.push(*first);
                rest = after;
            }
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::{replace, words};

    #[test]
    fn tokens_are_replaced_in_both_forms() {
        assert_eq!(
            replace(b"$ORIGIN/../${ORIGIN}x", "ORIGIN", b"/a"),
            b"/a/../".iter().chain(b"/ax").copied().collect::<Vec<u8>>()
        );
        assert_eq!(replace(b"/x$", "ORIGIN", b"/a"), b"/x$");
    }

    #[test]
    fn lists_are_split_at_spaces_and_colons() {
        let all: Vec<_> = words(b" a:b\tc\n\n:").collect();
        assert_eq!(all, ["a", "b", "c"]);
    }
}
