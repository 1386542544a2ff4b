//! The files that processes map, kept open so that their names outlive the processes.

use super::mappings::Mapping;
use super::process::Process;
use crate::model::event::CodeMapping;
use crate::model::ids::{ModuleId, Pid};
use crate::model::module::{BuildId, Module};
use object::LittleEndian as LE;
use object::elf;
use object::pod::{from_bytes, slice_from_bytes};
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most files in the table; a busy machine maps a few thousand different ones.
const MAX_MODULES: usize = 1 << 16;
/// Notes and program headers of real files take a few hundred bytes.
const MAX_NOTES: u64 = 64 << 10;

/// Device and inode: what a file is, whatever its name.
type Identity = ((u32, u32), u64);

/// All files seen, by number. A file's number never changes and is never given to another file.
#[derive(Debug)]
pub struct ModuleTable {
    proc: PathBuf,
    entries: Vec<Entry>,
    numbers: HashMap<Identity, ModuleId>,
    refused: u64,
}

#[derive(Debug)]
struct Entry {
    module: Arc<Module>,
    identity: Identity,
    /// Open for reading, where that was possible. While it is open the inode cannot be reused.
    file: Option<File>,
}

impl Default for ModuleTable {
    fn default() -> Self {
        Self::new()
    }
}

impl ModuleTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::in_proc(Path::new("/proc"))
    }

    fn in_proc(proc: &Path) -> Self {
        Self { proc: proc.into(), entries: Vec::new(), numbers: HashMap::new(), refused: 0 }
    }

    /// Takes in the files that process `pid` maps for execution. Answers with those seen for the
    /// first time and with where they are mapped. Memory without a file (the vDSO, compiled code of
    /// virtual machines) has no place in it.
    ///
    /// Files are opened through `/proc/PID/map_files`, which needs `CAP_CHECKPOINT_RESTORE` or
    /// `CAP_SYS_ADMIN`, else by name in the process's own root directory, provided that the file
    /// found there is the one mapped. A file that cannot be opened is listed all the same.
    pub fn scan(&mut self, pid: Pid, mappings: &[Mapping]) -> (Vec<Arc<Module>>, Vec<CodeMapping>) {
        let mut fresh = Vec::new();
        let mut code = Vec::new();
        for mapping in mappings.iter().filter(|mapping| mapping.execute && mapping.is_file()) {
            let known = self.find(mapping);
            let Some(module) = known.or_else(|| self.add(pid, mapping, &mut fresh)) else {
                self.refused = self.refused.saturating_add(1);
                continue;
            };
            code.push(CodeMapping {
                start: mapping.start,
                end: mapping.end,
                file_offset: mapping.offset,
                module,
            });
        }
        (fresh, code)
    }

    /// The mapping's file, if it is known. An inode number may serve another file after the first
    /// has gone, unless we hold that open: then the path tells them apart as well as may be.
    fn find(&self, mapping: &Mapping) -> Option<ModuleId> {
        let number = *self.numbers.get(&(mapping.device, mapping.inode))?;
        let entry = self.entry(number)?;
        (entry.file.is_some() || entry.module.path == mapping.path).then_some(number)
    }

    fn add(
        &mut self,
        pid: Pid,
        mapping: &Mapping,
        fresh: &mut Vec<Arc<Module>>,
    ) -> Option<ModuleId> {
        if self.entries.len() >= MAX_MODULES {
            return None;
        }
        let id = ModuleId(u32::try_from(self.entries.len()).ok()?);
        let file = open(&self.proc, pid, mapping);
        let build_id = file.as_ref().and_then(build_id);
        let module = Arc::new(Module { id, path: mapping.path.clone(), build_id });
        let identity = (mapping.device, mapping.inode);
        self.numbers.insert(identity, id);
        fresh.push(Arc::clone(&module));
        self.entries.push(Entry { module, identity, file });
        Some(id)
    }

    fn entry(&self, module: ModuleId) -> Option<&Entry> {
        self.entries.get(module.0 as usize)
    }

    /// All files seen, by number.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<Module>> {
        self.entries.iter().map(|entry| &entry.module)
    }

    /// The file with this number.
    #[must_use]
    pub fn module(&self, module: ModuleId) -> Option<&Arc<Module>> {
        self.entry(module).map(|entry| &entry.module)
    }

    /// Its device (major and minor number) and inode, as the kernel shows them in mappings.
    #[must_use]
    pub fn identity(&self, module: ModuleId) -> Option<((u32, u32), u64)> {
        self.entry(module).map(|entry| entry.identity)
    }

    /// The open file; `None` if it could not be opened when it was first seen.
    #[must_use]
    pub fn file(&self, module: ModuleId) -> Option<&File> {
        self.entry(module)?.file.as_ref()
    }

    /// A path that opens exactly this file, in this process, as long as the table lives.
    #[must_use]
    pub fn open_path(&self, module: ModuleId) -> Option<PathBuf> {
        let file = self.file(module)?;
        Some(format!("/proc/self/fd/{}", file.as_raw_fd()).into())
    }

    /// The file's own path, if under it our root directory has still the same file. Beside it may
    /// lie what belongs to it, such as separate debug information.
    #[must_use]
    pub fn path_on_disk(&self, module: ModuleId) -> Option<&Path> {
        let entry = self.entry(module)?;
        let held = entry.file.as_ref()?.metadata().ok()?;
        let named = fs::metadata(&entry.module.path).ok()?;
        let same = (held.dev(), held.ino()) == (named.dev(), named.ino());
        same.then_some(entry.module.path.as_path())
    }

    /// Mappings left out because the table was full.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

/// Opens the file that is mapped.
fn open(proc: &Path, pid: Pid, mapping: &Mapping) -> Option<File> {
    let range = format!("{:x}-{:x}", mapping.start, mapping.end);
    let exact = proc.join(pid.to_string()).join("map_files").join(range);
    open_regular(&exact).or_else(|| open_by_name(proc, pid, mapping))
}

fn open_by_name(proc: &Path, pid: Pid, mapping: &Mapping) -> Option<File> {
    let name = mapping.path.strip_prefix("/").ok()?;
    let root = Process::assumed(proc, pid).living().join("root");
    let file = open_regular(&root.join(name))?;
    let found = file.metadata().ok()?;
    let device = (libc::major(found.dev()), libc::minor(found.dev()));
    (device == mapping.device && found.ino() == mapping.inode).then_some(file)
}

/// Opens a regular file. Others are not touched: opening a device may do something.
fn open_regular(path: &Path) -> Option<File> {
    fs::metadata(path).ok()?.is_file().then(|| File::open(path).ok()).flatten()
}

/// The build-id in the file's notes; `None` too for files that are not 64-bit ELF.
fn build_id(file: &File) -> Option<BuildId> {
    let bytes = read(file, 0, size_of::<elf::FileHeader64<LE>>() as u64)?;
    let (header, _) = from_bytes::<elf::FileHeader64<LE>>(&bytes).ok()?;
    if header.e_ident.magic != elf::ELFMAG || header.e_ident.class != elf::ELFCLASS64 {
        return None;
    }
    let count = usize::from(header.e_phnum.get(LE));
    let size = count.checked_mul(size_of::<elf::ProgramHeader64<LE>>())?;
    let bytes = read(file, header.e_phoff.get(LE), size as u64)?;
    let (segments, _) = slice_from_bytes::<elf::ProgramHeader64<LE>>(&bytes, count).ok()?;
    segments.iter().filter(|segment| segment.p_type.get(LE) == elf::PT_NOTE).find_map(|segment| {
        let notes = read(file, segment.p_offset.get(LE), segment.p_filesz.get(LE))?;
        BuildId::from_notes(&notes)
    })
}

fn read(file: &File, offset: u64, size: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).ok().filter(|_| size <= MAX_NOTES)?];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Mapping, ModuleTable};
    use crate::model::ids::ModuleId;
    use crate::procfs::Process;
    use std::fs::{self, create_dir_all, write};
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    #[test]
    fn this_process_is_scanned() {
        let process = Process::open(std::process::id()).unwrap().process;
        let mappings = process.mappings().unwrap();
        let mut table = ModuleTable::new();
        let (fresh, code) = table.scan(process.pid(), &mappings);
        let own = fs::canonicalize("/proc/self/exe").unwrap();
        let module = fresh.iter().find(|module| module.path == own).unwrap();
        assert!(code.iter().any(|mapping| mapping.module == module.id));
        assert!(fresh.iter().all(|module| module.path.is_absolute()));
        assert!(code.iter().all(|mapping| mapping.start < mapping.end));
        let held = fs::metadata(table.open_path(module.id).unwrap()).unwrap();
        assert_eq!(held.ino(), fs::metadata(&own).unwrap().ino());
        assert_eq!(table.path_on_disk(module.id), Some(own.as_path()));
        // A second scan brings nothing new and the same numbers.
        let (none, again) = table.scan(process.pid(), &mappings);
        assert!(none.is_empty());
        assert_eq!(again, code);
    }

    fn mapping(path: &Path, inode: u64) -> Mapping {
        Mapping {
            start: 0x1000,
            end: 0x2000,
            execute: true,
            offset: 0x500,
            device: (1, 2),
            inode,
            path: path.into(),
            ..Mapping::default()
        }
    }

    #[test]
    fn a_file_that_is_gone_stays_readable() {
        let proc = tempfile::tempdir().unwrap();
        let mapped = proc.path().join("7/map_files/1000-2000");
        create_dir_all(mapped.parent().unwrap()).unwrap();
        write(&mapped, "no ELF, but a file").unwrap();
        let mut table = ModuleTable::in_proc(proc.path());
        let (fresh, code) = table.scan(7, &[mapping(Path::new("/gone/lib.so"), 9)]);
        fs::remove_file(&mapped).unwrap();
        assert_eq!((fresh.len(), code.len()), (1, 1));
        assert_eq!((code[0].file_offset, code[0].module), (0x500, ModuleId(0)));
        assert_eq!(fresh[0].build_id, None);
        let mut text = String::new();
        table.file(ModuleId(0)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "no ELF, but a file");
        assert_eq!(table.path_on_disk(ModuleId(0)), None);
        assert_eq!(table.identity(ModuleId(0)), Some(((1, 2), 9)));
    }

    #[test]
    fn another_file_at_the_mapped_path_is_not_taken() {
        let proc = tempfile::tempdir().unwrap();
        create_dir_all(proc.path().join("7/root/lib")).unwrap();
        write(proc.path().join("7/root/lib/x.so"), "replaced").unwrap();
        let mut table = ModuleTable::in_proc(proc.path());
        let (fresh, code) = table.scan(7, &[mapping(Path::new("/lib/x.so"), 1)]);
        assert_eq!((fresh.len(), code.len()), (1, 1));
        assert!(table.file(ModuleId(0)).is_none() && table.open_path(ModuleId(0)).is_none());
        // The same inode under another name, never held open: another file.
        let (fresh, _) = table.scan(7, &[mapping(Path::new("/lib/y.so"), 1)]);
        assert_eq!(fresh[0].id, ModuleId(1));
    }

    #[test]
    fn the_right_file_at_the_mapped_path_is_taken() {
        let proc = tempfile::tempdir().unwrap();
        create_dir_all(proc.path().join("7/root/lib")).unwrap();
        let path = proc.path().join("7/root/lib/x.so");
        write(&path, "this one").unwrap();
        let found = fs::metadata(&path).unwrap();
        let device = (libc::major(found.dev()), libc::minor(found.dev()));
        let mapping = Mapping { device, ..mapping(Path::new("/lib/x.so"), found.ino()) };
        let mut table = ModuleTable::in_proc(proc.path());
        table.scan(7, &[mapping]);
        assert!(table.file(ModuleId(0)).is_some());
    }

    #[test]
    fn memory_without_a_file_is_left_out() {
        let vdso = Mapping { path: "[vdso]".into(), inode: 0, ..mapping(Path::new(""), 0) };
        let anonymous = mapping(Path::new(""), 0);
        let data = Mapping { execute: false, ..mapping(Path::new("/lib/x.so"), 4) };
        let mut table = ModuleTable::new();
        let (fresh, code) = table.scan(1, &[vdso, anonymous, data]);
        assert!(fresh.is_empty() && code.is_empty());
        assert_eq!(table.modules().count(), 0);
        assert_eq!(table.refused(), 0);
    }
}
