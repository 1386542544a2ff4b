//! Static probes by which targets tell of blocks that they sample themselves. That some cannot be used is no
//! reason not to trace a process.

use super::one::Target;
use super::scope::{Scopes, Wanted, key};
use crate::daemon::error::DaemonError;
use crate::model::ids::Pid;
use crate::probe::allocator::MappedFile;
use crate::probe::live::kernel_side::KernelSide;
use crate::probe::usdt::{FoundProbes, StaticSearch};

/// Places them in a process for those of `files` that have some, where that is wanted.
pub(super) fn tell(
    target: &mut Target,
    kernel: &mut KernelSide,
    files: &[MappedFile],
    search: Option<&mut StaticSearch>,
    scopes: &mut Scopes,
) {
    let found = search.map(|search| search.find(files)).unwrap_or_default();
    for found in found {
        match target.place_static_probes(kernel, &found, scopes) {
            Err(error) => target.troubles.push(format!("{} is not used: {error}", found.name)),
            Ok(own) => {
                target.own_links.extend(own);
                target.told_by.push(found);
            }
        }
    }
}

impl Target {
    /// Gives the number of the place, if the process has links of its own there.
    fn place_static_probes(
        &self,
        kernel: &mut KernelSide,
        found: &FoundProbes,
        scopes: &mut Scopes,
    ) -> Result<Option<u32>, DaemonError> {
        let writes = found.probes.iter().any(|probe| probe.semaphore.is_some());
        let filter = match scopes.wanted(&place(found), writes, true) {
            Wanted::Nothing => return Ok(None),
            Wanted::ForAll => None,
            Wanted::Filtered => Some(self.process.pid()),
        };
        let linked = self.link_static_probes(kernel, found, filter, scopes);
        if linked.is_err() && filter.is_none() {
            scopes.take_down(&place(found));
        }
        linked?;
        Ok(filter.map(|_| scopes.number(&place(found))))
    }

    /// Links them for one process, or (`None`) for all.
    pub(super) fn link_static_probes(
        &self,
        kernel: &mut KernelSide,
        found: &FoundProbes,
        filter: Option<Pid>,
        scopes: &Scopes,
    ) -> Result<(), DaemonError> {
        let points = kernel.static_points(&found.probes)?;
        let number = scopes.number(&place(found));
        let attached = kernel.attach(&found.file.open_path, &points, filter, number);
        attached.map_err(|error| self.ended_meanwhile(error))
    }
}

/// By what links to them are known.
pub(super) fn place(found: &FoundProbes) -> super::scope::Place {
    (key(&found.file), found.name.clone(), found.file.state)
}
