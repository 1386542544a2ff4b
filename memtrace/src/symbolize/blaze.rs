//! The symbolizer over the `blazesym` library.

use super::DebugFiles;
use super::cache::FrameCache;
use super::demangle::{demangle, short};
use super::elf::ElfFile;
use super::image;
use super::perf_map::PerfMaps;
use super::sources::{Attempt, Places, Sources};
use crate::debug_files::SYSTEM;
use crate::engine::ports::{Missing, Resolved, SourceFrame, Symbolizer};
use crate::model::ids::{ModuleId, ProcessKey};
use crate::model::module::{BuildId, Module};
use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{CodeInfo, Input, Reason, Symbolized};
use std::collections::{HashMap, HashSet};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Size of the cache of final frames, bytes: some 50,000 frames.
const CACHE_BYTES: usize = 16 << 20;

/// The paths under which modules can be opened; shared with [`super::SymbolizerThread`] so that
/// registering never waits for a lookup that is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct ModulePaths(Arc<Mutex<HashMap<ModuleId, PathBuf>>>);

impl ModulePaths {
    /// Remembers how `module` is opened.
    pub(super) fn register(&self, module: ModuleId, open_path: PathBuf) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(module, open_path);
    }

    fn get(&self, module: ModuleId) -> Option<PathBuf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&module).cloned()
    }
}

/// Resolves file offsets to functions, files and lines: ELF symbols, DWARF (also in separate debug
/// files), inlined functions, Rust and C++ names. Final frames are cached; the library's own data,
/// which can take tens of MB per file, lives until the next module is asked for or
/// [`BlazeSymbolizer::recycle`].
pub struct BlazeSymbolizer {
    paths: ModulePaths,
    debug_dirs: Vec<PathBuf>,
    cache: FrameCache,
    debug_lines: HashMap<ModuleId, bool>,
    perf_maps: PerfMaps,
    open: Option<(ModuleId, OpenModule)>,
    /// The library was used since the last recycling.
    used: bool,
    /// Bytes that the copies of one module's sections may take.
    room: u64,
    /// Modules whose debug information was too large, which was said.
    too_large: HashSet<ModuleId>,
    /// Debug information that this machine has not.
    elsewhere: Option<Box<dyn DebugFiles>>,
}

/// Room for copies unless somebody says otherwise. Debug information of a 100 MB program has about as
/// much.
const DEFAULT_ROOM: u64 = 256 << 20;

impl Default for BlazeSymbolizer {
    fn default() -> Self {
        Self::new()
    }
}

impl BlazeSymbolizer {
    /// A symbolizer that knows no module yet and looks for separate debug files where the system
    /// has them.
    #[must_use]
    pub fn new() -> Self {
        Self::with_debug_dirs(vec![PathBuf::from(SYSTEM)])
    }

    /// As [`Self::new`], with other directories of separate debug files.
    #[must_use]
    pub fn with_debug_dirs(debug_dirs: Vec<PathBuf>) -> Self {
        Self::with_paths(ModulePaths::default(), debug_dirs)
    }

    /// As [`Self::new`], with paths that others register, too.
    pub(super) fn with_shared_paths(paths: ModulePaths) -> Self {
        Self::with_paths(paths, vec![PathBuf::from(SYSTEM)])
    }

    fn with_paths(paths: ModulePaths, debug_dirs: Vec<PathBuf>) -> Self {
        let cache = FrameCache::new(CACHE_BYTES);
        Self {
            paths,
            debug_dirs,
            cache,
            debug_lines: HashMap::new(),
            perf_maps: PerfMaps::default(),
            open: None,
            used: false,
            room: DEFAULT_ROOM,
            too_large: HashSet::new(),
            elsewhere: None,
        }
    }

    /// Bounds the memory that names of one file may take, bytes: that of the copies of its symbols and
    /// debug information, which are dropped when the next file is asked for. What does not fit is not
    /// used, and that is said.
    pub const fn set_room(&mut self, room: u64) {
        self.room = room;
    }

    /// Has debug information that this machine has not looked for in `elsewhere`.
    pub fn set_elsewhere(&mut self, elsewhere: Box<dyn DebugFiles>) {
        self.elsewhere = Some(elsewhere);
    }

    /// Forgets what was known without the debug information that has come since.
    fn take_arrived(&mut self) {
        if self.elsewhere.as_mut().is_some_and(|elsewhere| elsewhere.take_arrived()) {
            self.cache = FrameCache::new(CACHE_BYTES);
            self.open = None;
        }
    }

    /// Says how `module`'s file is opened from here, such as `/proc/self/fd/7`,
    /// `/proc/PID/map_files/START-END`, or a path. The file is opened when names are wanted, and
    /// used only if its build-id is the module's.
    pub fn register(&mut self, module: ModuleId, open_path: PathBuf) {
        self.paths.register(module, open_path);
    }

    /// Gives the library's memory back to the system; the cache of final frames stays. For after a
    /// report.
    pub fn recycle(&mut self) {
        self.open = None;
        if mem::take(&mut self.used) {
            return_free_memory();
        }
    }

    /// Looks up what the cache did not have.
    fn look_up(&mut self, module: &Module, offsets: &[u64]) -> Vec<Resolved> {
        let resolved = match self.open(module) {
            Ok(open) => open.resolve(offsets),
            Err(missing) => return vec![Err(missing); offsets.len()],
        };
        for (offset, resolved) in offsets.iter().zip(&resolved) {
            self.cache.insert((module.id, *offset), resolved.clone());
        }
        resolved
    }

    fn open(&mut self, module: &Module) -> Result<&OpenModule, Missing> {
        if self.open.as_ref().is_none_or(|(id, _)| *id != module.id) {
            self.open = None;
            let path = self.paths.get(module.id).ok_or(Missing::FileGone)?;
            let elsewhere = self.elsewhere.as_deref_mut();
            let mut places = Places { debug_dirs: &self.debug_dirs, elsewhere };
            let build_id = module.build_id.as_ref();
            let open = OpenModule::open(&path, build_id, &mut places, self.room)?;
            if let Some(bytes) = open.sources.left_out
                && self.too_large.insert(module.id)
            {
                say_too_large(module, bytes, self.room);
            }
            self.debug_lines.insert(module.id, open.sources.debug_lines);
            self.open = Some((module.id, open));
            self.used = true;
        }
        self.open.as_ref().map(|(_, open)| open).ok_or(Missing::FileGone)
    }
}

impl Symbolizer for BlazeSymbolizer {
    fn resolve(&mut self, module: &Module, offsets: &[u64]) -> Vec<Resolved> {
        self.take_arrived();
        let mut answers: Vec<Option<Resolved>> =
            offsets.iter().map(|offset| self.cache.get((module.id, *offset))).collect();
        let unknown = |answers: &[Option<Resolved>]| -> Vec<u64> {
            let without = offsets.iter().zip(answers).filter(|(_, answer)| answer.is_none());
            without.map(|(offset, _)| *offset).collect()
        };
        let missing = unknown(&answers);
        if !missing.is_empty() {
            let mut found = self.look_up(module, &missing).into_iter();
            for answer in answers.iter_mut().filter(|answer| answer.is_none()) {
                *answer = found.next();
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Err(Missing::NotCovered))).collect()
    }

    fn resolve_generated(
        &mut self,
        process: ProcessKey,
        addresses: &[u64],
    ) -> Vec<Option<Resolved>> {
        self.perf_maps.resolve(process, addresses)
    }

    fn await_names(&mut self) -> bool {
        self.elsewhere.as_mut().is_some_and(|elsewhere| elsewhere.wait())
    }

    fn has_debug_lines(&mut self, module: ModuleId) -> Option<bool> {
        self.debug_lines.get(&module).copied()
    }
}

fn say_too_large(module: &Module, bytes: u64, room: u64) {
    // Quoted: the name is the traced process's.
    let name = module.name();
    let (size, most) = (bytes >> 20, room >> 20);
    tracing::warn!(
        "the debug information of {name:?} takes {size} MiB, and names of one file may take {most}: \
         functions are named without lines; raise --max-memory"
    );
}

/// Has the C library give pages that hold nothing back to the system: after 10,000 frames of libc
/// with its debug information it would keep 30 MB.
#[cfg(target_env = "gnu")]
fn return_free_memory() {
    // SAFETY: `malloc_trim` takes the allocator's own locks and touches free memory only.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn return_free_memory() {}

/// A module's file, and the library's data about what names it.
struct OpenModule {
    file: ElfFile,
    sources: Sources,
    library: blazesym::symbolize::Symbolizer,
}

impl OpenModule {
    fn open(
        path: &Path,
        build_id: Option<&BuildId>,
        places: &mut Places<'_>,
        room: u64,
    ) -> Result<Self, Missing> {
        let file = ElfFile::open(path)?;
        if build_id.is_some() && file.build_id.as_ref() != build_id {
            return Err(Missing::FileGone);
        }
        let sources = Sources::of(&file, places, room);
        let library = blazesym::symbolize::Symbolizer::builder()
            .enable_auto_reload(false)
            .enable_demangling(false)
            .set_debug_dirs(Some([image::DIRECTORY]))
            .build();
        Ok(Self { file, sources, library })
    }

    fn resolve(&self, offsets: &[u64]) -> Vec<Resolved> {
        let mut answers: Vec<Resolved> = vec![Err(Missing::NotCovered); offsets.len()];
        let mut open: Vec<(usize, u64)> = Vec::with_capacity(offsets.len());
        for (index, offset) in offsets.iter().enumerate() {
            // The offset follows a call; the byte before it is inside the call instruction.
            if let Some(address) = offset.checked_sub(1).and_then(|call| self.file.address(call)) {
                open.push((index, address));
            }
        }
        if self.sources.attempts.is_empty() {
            return vec![Err(self.sources.reason); offsets.len()];
        }
        for attempt in &self.sources.attempts {
            if open.is_empty() {
                break;
            }
            let addresses: Vec<u64> = open.iter().map(|(_, address)| *address).collect();
            for ((index, _), answer) in open.iter().zip(self.ask(attempt, &addresses)) {
                answers[*index] = answer;
            }
            open.retain(|(index, _)| answers[*index].is_err());
        }
        if self.file.sections.dynamic_symbols {
            // The library says so of any file without `.symtab`, though it looks into `.dynsym`, too.
            let unnamed = answers.iter_mut().filter(|answer| **answer == Err(Missing::NoSymbols));
            unnamed.for_each(|answer| *answer = Err(Missing::NotCovered));
        }
        answers
    }

    /// Asks the library. A hostile file may make it panic; that, too, is only an unreadable file.
    fn ask(&self, attempt: &Attempt, addresses: &[u64]) -> Vec<Resolved> {
        let mut elf = Elf::new(&attempt.path);
        elf.debug_syms = attempt.debug;
        let source = Source::Elf(elf);
        let all = panic::catch_unwind(AssertUnwindSafe(|| {
            let symbols = self.library.symbolize(&source, Input::VirtOffset(addresses)).ok()?;
            let mut names = Names::default();
            Some(symbols.iter().map(|symbol| frames(symbol, &mut names)).collect::<Vec<_>>())
        }));
        match all {
            Ok(Some(answers)) if answers.len() == addresses.len() => answers,
            _ => vec![Err(Missing::Unreadable); addresses.len()],
        }
    }
}

/// The library's answer as frames, innermost first. It lists the function that has the code first
/// and what was inlined into it after, in order of nesting.
fn frames(symbolized: &Symbolized<'_>, names: &mut Names) -> Resolved {
    let symbol = match symbolized {
        Symbolized::Sym(symbol) if !symbol.name.is_empty() => symbol,
        Symbolized::Sym(_) => return Err(Missing::NotCovered),
        Symbolized::Unknown(Reason::MissingSyms) => return Err(Missing::NoSymbols),
        Symbolized::Unknown(Reason::IgnoredError | Reason::Unsupported) => {
            return Err(Missing::Unreadable);
        }
        Symbolized::Unknown(_) => return Err(Missing::NotCovered),
    };
    let inlined = symbol.inlined.iter().rev().map(|function| {
        // Where `dwz` moved the function's entry to a shared file, the library (0.2.7) has no name.
        let name = if function.name.is_empty() { "(no name)" } else { &function.name };
        (name, function.code_info.as_ref(), true)
    });
    let outer = (&*symbol.name, symbol.code_info.as_deref(), false);
    let all = inlined.chain([outer]);
    Ok(all.map(|(name, code, inlined)| source_frame(names.of(name), code, inlined)).collect())
}

/// Names for people. The same function is inlined in many places, and most of the time that a place
/// takes is its names'.
#[derive(Default)]
struct Names(HashMap<String, Name>);

/// A demangled name and its short form.
type Name = (String, Option<String>);

impl Names {
    fn of(&mut self, symbol: &str) -> &Name {
        if !self.0.contains_key(symbol) {
            let name = (demangle(symbol).into_owned(), short(symbol));
            self.0.insert(symbol.to_owned(), name);
        }
        &self.0[symbol]
    }
}

fn source_frame(
    (function, short): &Name,
    code: Option<&CodeInfo<'_>>,
    inlined: bool,
) -> SourceFrame {
    SourceFrame {
        function: function.clone(),
        short: short.clone(),
        file: code.map(|code| code.to_path().to_string_lossy().into_owned()),
        line: code.and_then(|code| code.line).filter(|line| *line != 0),
        inlined,
    }
}
