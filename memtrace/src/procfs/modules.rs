//! The files that processes map: each opened once and kept open, so that names outlive the process,
//! the file's deletion, and its replacement.

use super::build_id;
use super::error::ProcfsError;
use super::foreseen::Foreseen;
use super::maps::Mapping;
use super::process::Process;
use super::vdso;
use crate::lookup::{Links, below, by_name, own_path};
use crate::model::event::CodeMapping;
use crate::model::ids::ModuleId;
use crate::model::module::{FileState, Module};
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that are kept; more are mapped only by something that wants to exhaust us.
const MAX_MODULES: usize = 65_536;

/// Different vDSOs that are kept: a kernel has one for each kind of program (64-bit, 32-bit, x32).
const MAX_VDSOS: usize = 16;

/// Contents of one file that are kept. A library is written over now and then; what is again and again wants to
/// exhaust us.
const MAX_CONTENTS: u8 = 16;

/// Device (major, minor) and inode.
type FileKey = ((u32, u32), u64);

/// A mapped file.
#[derive(Debug)]
struct Entry {
    /// `None` for what is in no file of the system.
    key: Option<FileKey>,
    module: Arc<Module>,
    file: Option<File>,
    /// As it was when it was opened, if that could be asked.
    state: Option<FileState>,
}

impl Entry {
    /// Whether what was read of it holds of who maps it now. What cannot be asked is no change.
    fn is_current(&self) -> bool {
        let now = |file| state_of(file).or(self.state);
        self.file.as_ref().is_some_and(|file| now(file) == self.state)
    }
}

/// The newest content of a file, and how many it had before.
#[derive(Clone, Copy, Debug)]
struct Newest {
    id: ModuleId,
    before: u8,
}

/// A mapped file, as one looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// Path as the process sees it.
    pub path: PathBuf,
    /// Device, major and minor number.
    pub device: (u32, u32),
    /// Inode.
    pub inode: u64,
    /// What tells its content from others that it had.
    pub state: FileState,
    /// Where we, and nobody else, can open it whatever happens to its name.
    pub open_path: PathBuf,
}

/// All files seen so far.
#[derive(Debug, Default)]
pub struct ModuleTable {
    entries: Vec<Entry>,
    numbers: HashMap<FileKey, Newest>,
    /// By their bytes.
    vdsos: HashMap<Vec<u8>, ModuleId>,
    /// How many of `entries` were given as new.
    given: usize,
    /// Files whose newest content is not looked at, as they had too many.
    left: BTreeMap<FileKey, PathBuf>,
}

impl ModuleTable {
    /// Looks at the executable mappings of files and of the vDSO in a process: gives the modules that
    /// are new since the last call, and all the mappings with their modules, in order of address.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn scan(
        &mut self,
        process: &Process,
        mappings: &[Mapping],
    ) -> Result<(Vec<Arc<Module>>, Vec<CodeMapping>), ProcfsError> {
        let code = self.look(process, mappings)?;
        let fresh = self.entries.get(self.given..).unwrap_or_default();
        let new = fresh.iter().map(|entry| Arc::clone(&entry.module)).collect();
        self.given = self.entries.len();
        Ok((new, code))
    }

    /// As [`Self::scan`], but new modules stay so.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn look(
        &mut self,
        process: &Process,
        mappings: &[Mapping],
    ) -> Result<Vec<CodeMapping>, ProcfsError> {
        let directory = process.live_directory()?;
        Ok(mappings
            .iter()
            .filter(|mapping| mapping.execute)
            .filter_map(|mapping| {
                let module = if mapping.inode != 0 {
                    self.number(&directory, mapping)
                } else if vdso::is(mapping) {
                    self.number_of_vdso(&directory, mapping)
                } else {
                    None
                };
                Some(CodeMapping {
                    start: mapping.start,
                    end: mapping.end,
                    file_offset: mapping.offset,
                    module: module?,
                })
            })
            .collect())
    }

    fn number(&mut self, directory: &Path, mapping: &Mapping) -> Option<ModuleId> {
        self.current(&mapping.path, (mapping.device, mapping.inode), || open(directory, mapping))
    }

    /// The number of the file with its content of now. One whose content has changed gets another number, and so does
    /// one that could not be opened before, as its process had gone, and now can. `None` for the contents of one that
    /// had too many: old ones would give wrong names.
    fn current(
        &mut self,
        path: &Path,
        key: FileKey,
        open: impl FnOnce() -> Option<File>,
    ) -> Option<ModuleId> {
        let Some(&Newest { id: known, before }) = self.numbers.get(&key) else {
            let id = self.add(Some(key), path, open())?;
            self.numbers.insert(key, Newest { id, before: 0 });
            return Some(id);
        };
        if self.entries.get(known.0 as usize).is_some_and(Entry::is_current) {
            return Some(known);
        }
        let Some(file) = open() else { return Some(known) };
        if before + 1 >= MAX_CONTENTS {
            if self.left.insert(key, path.to_owned()).is_none() {
                let path = path.display();
                tracing::warn!(
                    "{path} was written over {MAX_CONTENTS} times: it is neither named nor probed any more"
                );
            }
            return None;
        }
        let id = self.add(Some(key), path, Some(file))?;
        self.numbers.insert(key, Newest { id, before: before + 1 });
        Some(id)
    }

    /// The number of a file that nobody maps yet.
    pub fn foresee(&mut self, foreseen: &Foreseen) -> Option<ModuleId> {
        let MappedFile { device, inode, path, .. } = &foreseen.file;
        self.current(path, (*device, *inode), || foreseen.open.try_clone().ok())
    }

    fn number_of_vdso(&mut self, directory: &Path, mapping: &Mapping) -> Option<ModuleId> {
        let bytes = vdso::read(directory, mapping)?;
        if let Some(id) = self.vdsos.get(&bytes) {
            return Some(*id);
        }
        if self.vdsos.len() >= MAX_VDSOS {
            return None;
        }
        let id = self.add(None, &mapping.path, vdso::file(&bytes))?;
        self.vdsos.insert(bytes, id);
        Some(id)
    }

    fn add(&mut self, key: Option<FileKey>, path: &Path, file: Option<File>) -> Option<ModuleId> {
        if self.entries.len() >= MAX_MODULES {
            return None;
        }
        let id = ModuleId(u32::try_from(self.entries.len()).ok()?);
        // First, so that what is written meanwhile is a change.
        let state = file.as_ref().and_then(state_of);
        let build_id = file.as_ref().and_then(build_id::read);
        let module = Arc::new(Module { id, path: path.to_owned(), build_id });
        self.entries.push(Entry { key, module, file, state });
        Some(id)
    }

    /// The file with this device (major, minor) and inode, if any process was seen to map it.
    #[must_use]
    pub fn find(&self, device: (u32, u32), inode: u64) -> Option<&Arc<Module>> {
        self.module(self.numbers.get(&(device, inode))?.id)
    }

    /// What the reader of a report must know.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let first = self.left.values().next()?.display();
        let others = match self.left.len() {
            1 => String::new(),
            many => format!(" and {} more", many - 1),
        };
        Some(format!(
            "{first}{others} was written over {MAX_CONTENTS} times while it was mapped: what it holds now is neither \
             named nor probed"
        ))
    }

    /// The module with this number.
    #[must_use]
    pub fn module(&self, id: ModuleId) -> Option<&Arc<Module>> {
        self.entries.get(id.0 as usize).map(|entry| &entry.module)
    }

    /// Where we, and nobody else, can open the file whatever happens to its name. `None` if it could
    /// not be opened.
    #[must_use]
    pub fn open_path(&self, id: ModuleId) -> Option<PathBuf> {
        self.entries.get(id.0 as usize)?.file.as_ref().map(own_path)
    }

    /// Offset in the file of its first instruction, if it is one that is begun with.
    #[must_use]
    pub fn entry_point(&self, id: ModuleId) -> Option<u64> {
        build_id::entry_point(self.entries.get(id.0 as usize)?.file.as_ref()?)
    }

    /// A file for those who look inside. `None` if it could not be opened, or is no file of the system.
    #[must_use]
    pub fn mapped_file(&self, id: ModuleId) -> Option<MappedFile> {
        let entry = self.entries.get(id.0 as usize)?;
        let (device, inode) = entry.key?;
        Some(MappedFile {
            path: entry.module.path.clone(),
            device,
            inode,
            state: entry.state.unwrap_or_default(),
            open_path: own_path(entry.file.as_ref()?),
        })
    }

    /// What the file with this device (major, minor) and inode is like now, if it could be opened.
    #[must_use]
    pub fn state(&self, device: (u32, u32), inode: u64) -> Option<FileState> {
        let newest = self.numbers.get(&(device, inode))?;
        self.entries.get(newest.id.0 as usize)?.file.as_ref().and_then(state_of)
    }
}

/// Opens a mapping's file: by the mapping itself, which works for deleted files and in any mount
/// namespace but needs `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`; else by its path below the process's
/// root, if that is the same file (`proc_pid_map_files(5)`).
fn open(directory: &Path, mapping: &Mapping) -> Option<File> {
    // `map_files` belongs to processes and not to threads, but `/proc/TID` is there for threads.
    let number = directory.file_name()?;
    let range = format!("{:x}-{:x}", mapping.start, mapping.end);
    let by_mapping = Path::new("/proc").join(number).join("map_files").join(range);
    if let Some(file) = by_name(&by_mapping).ok().as_ref().and_then(regular) {
        return Some(file);
    }
    let root = by_name(&directory.join("root")).ok()?;
    let file = regular(&below(&root, &mapping.path, Links::Inside).ok()?)?;
    (file.metadata().ok()?.ino() == mapping.inode).then_some(file)
}

/// What the file is like now, if that can be asked.
pub(super) fn state_of(file: &File) -> Option<FileState> {
    let state = |about: Metadata| FileState {
        size: about.len(),
        written: (about.mtime(), about.mtime_nsec()),
    };
    file.metadata().ok().map(state)
}

/// Opens in earnest what was opened by name, if it is a regular file.
fn regular(handle: &File) -> Option<File> {
    if !handle.metadata().ok()?.is_file() {
        return None;
    }
    File::open(own_path(handle)).ok()
}

#[cfg(test)]
mod tests {
    use super::{Foreseen, MAX_CONTENTS, ModuleTable, Process};
    use std::io::{Read, Write};
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    /// A program that maps its own copy of `cat`, and all the code that it needs.
    struct Cat(tempfile::TempDir, Child);

    impl Cat {
        fn start() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let copy = directory.path().join("cat");
            std::fs::copy("/bin/cat", &copy).unwrap();
            let mut child =
                Command::new(&copy).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            // It answers only when all its code is mapped.
            child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            Self(directory, child)
        }

        fn file(&self) -> PathBuf {
            self.0.path().join("cat")
        }

        fn process(&self) -> Process {
            Process::open(self.1.id()).unwrap()
        }
    }

    impl Drop for Cat {
        fn drop(&mut self) {
            self.1.kill().unwrap();
            self.1.wait().unwrap();
        }
    }

    #[test]
    fn a_files_name_may_go_away() {
        let (cat, mut table) = (Cat::start(), ModuleTable::default());
        let process = cat.process();
        let mappings = process.mappings().unwrap();
        let code = table.look(&process, &mappings).unwrap();
        let (new, again) = table.scan(&process, &mappings).unwrap();
        assert_eq!(code, again);
        assert_eq!(table.scan(&process, &mappings).unwrap().0, []);
        let ours = new.iter().find(|module| module.path == cat.file()).unwrap();
        assert!(code.iter().any(|mapping| mapping.module == ours.id));
        std::fs::remove_file(cat.file()).unwrap();
        drop(cat);
        let path = table.open_path(ours.id).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), std::fs::read("/bin/cat").unwrap());
    }

    #[test]
    fn a_file_that_is_written_again_in_its_place_is_another() {
        let (cat, mut table) = (Cat::start(), ModuleTable::default());
        let (path, process) = (cat.file(), cat.process());
        let of = |new: &[std::sync::Arc<super::Module>]| {
            new.iter().find(|module| module.path == path).map(|module| module.id)
        };
        let first = of(&table.scan(&process, &process.mappings().unwrap()).unwrap().0);
        assert!(first.is_some());
        assert_eq!(of(&table.scan(&process, &process.mappings().unwrap()).unwrap().0), None);
        // Nothing can be written while it runs: as if that had been.
        std::fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let second = of(&table.scan(&process, &process.mappings().unwrap()).unwrap().0);
        assert!(second.is_some() && second != first, "{second:?}");
        assert_eq!(of(&table.scan(&process, &process.mappings().unwrap()).unwrap().0), None);
    }

    #[test]
    fn contents_of_a_file_are_bounded() {
        let (cat, mut table) = (Cat::start(), ModuleTable::default());
        let (path, process) = (cat.file(), cat.process());
        let mappings = process.mappings().unwrap();
        let is_known = |table: &mut ModuleTable| {
            let code = table.look(&process, &mappings).unwrap();
            code.iter().any(|it| table.module(it.module).unwrap().path == path)
        };
        let known = (0..3 * u64::from(MAX_CONTENTS)).filter(|second| {
            let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(*second);
            std::fs::File::open(&path).unwrap().set_modified(written).unwrap();
            is_known(&mut table)
        });
        assert_eq!(known.count(), usize::from(MAX_CONTENTS));
        assert!(table.note().is_some_and(|note| note.contains("cat was written over 16 times")));
        let of_it = table.entries.iter().filter(|entry| entry.module.path == path);
        assert_eq!(of_it.count(), usize::from(MAX_CONTENTS));
    }

    #[test]
    fn a_file_that_was_foreseen_is_known_when_it_is_mapped() {
        let (cat, mut table) = (Cat::start(), ModuleTable::default());
        let foreseen = table.foresee(&Foreseen::at(&cat.file()).unwrap()).unwrap();
        assert!(table.open_path(foreseen).is_some());
        let process = cat.process();
        let (new, code) = table.scan(&process, &process.mappings().unwrap()).unwrap();
        assert!(code.iter().any(|mapping| mapping.module == foreseen));
        assert_eq!(new[0].id, foreseen, "it is news once it is mapped");
        assert_eq!(new.iter().filter(|module| module.path == cat.file()).count(), 1);
    }
}
