//! What is seen of a process before any probe is placed; `doctor` looks the same way as tracing does.

use super::clock::now;
use super::living::LivingProcess;
use crate::model::ids::{ModuleId, Nanos};
use crate::model::process::{ProcessInfo, Usage};
use crate::probe::allocator::MappedFile;
use crate::procfs::{self, ModuleTable, Process, ProcfsError, Seccomp};

/// A process as it was at one moment. Its files stay open until this is dropped.
#[derive(Debug)]
pub struct Inspection {
    /// Who it is; without its arguments.
    pub info: ProcessInfo,
    /// Its memory and CPU time.
    pub usage: Usage,
    /// How long it has been running.
    pub up: Option<Nanos>,
    /// The files whose code it maps, in order of address.
    pub files: Vec<MappedFile>,
    /// Executable files that it maps and that could not be opened.
    pub closed: usize,
    process: Process,
    _modules: ModuleTable,
}

impl Inspection {
    /// Looks at a process.
    ///
    /// # Errors
    /// When it has ended, or we may not look.
    pub fn of(process: &Process) -> Result<Self, ProcfsError> {
        let mut modules = ModuleTable::default();
        let (new, _) = modules.scan(process, &process.mappings()?)?;
        let ids: Vec<ModuleId> = new.iter().map(|module| module.id).collect();
        let files = mapped_files(&modules, &ids);
        let info = process.info(false)?;
        Ok(Self {
            up: info.started.map(|started| now().saturating_sub(started)),
            info,
            usage: process.usage()?,
            closed: ids.len() - files.len(),
            files,
            process: process.clone(),
            _modules: modules,
        })
    }

    /// The process, for those who look into its memory.
    #[must_use]
    pub fn living(&self) -> LivingProcess<'_> {
        LivingProcess::new(&self.process, self.files.clone())
    }
}

/// Modules as the search for allocators wants them; those that cannot be opened are left out.
pub(super) fn mapped_files(modules: &ModuleTable, ids: &[ModuleId]) -> Vec<MappedFile> {
    ids.iter().filter_map(|id| modules.mapped_file(*id)).map(|file| (&file).into()).collect()
}

impl From<&procfs::MappedFile> for MappedFile {
    fn from(file: &procfs::MappedFile) -> Self {
        Self {
            path: file.path.clone(),
            device: file.device,
            inode: file.inode,
            state: file.state,
            open_path: file.open_path.clone(),
        }
    }
}

/// Whether a filter decides about the process's system calls, `uretprobe` among them.
#[must_use]
pub fn filters_system_calls(process: &Process) -> bool {
    matches!(process.seccomp(), Some(Seccomp::Strict | Seccomp::Filter))
}
