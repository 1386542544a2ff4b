//! Where the code of the allocators lies that are traced, and where programs begin: who maps memory is told by it.

use super::Targets;
use crate::model::event::What;
use crate::model::ids::ModuleId;
use std::collections::{BTreeMap, BTreeSet};

/// Offsets in a file: the first, and the first after it.
type Span = (u64, u64);

impl Targets {
    /// What was not told of before, as events. Files of allocators are told of once these are traced.
    pub(in crate::daemon) fn code_of_mappers(&mut self) -> Vec<What<'static>> {
        let mut events = self.allocator_code();
        events.extend(self.entry_points());
        events
    }

    fn allocator_code(&mut self) -> Vec<What<'static>> {
        let mut fresh: BTreeMap<ModuleId, BTreeSet<Span>> = BTreeMap::new();
        for found in self.targets.values().flat_map(|target| &target.allocators) {
            let file = self.modules.find(found.file.device, found.file.inode);
            if let Some(module) = file.filter(|file| !self.told_code.contains(&file.id)) {
                fresh.entry(module.id).or_default().extend(found.own_code());
            }
        }
        self.told_code.extend(fresh.keys());
        fresh.retain(|_, spans| !spans.is_empty());
        let event = |(module, spans): (ModuleId, BTreeSet<Span>)| What::AllocatorCode {
            module,
            spans: spans.into_iter().collect(),
        };
        fresh.into_iter().map(event).collect()
    }

    fn entry_points(&mut self) -> Vec<What<'static>> {
        let modules = self.targets.values().flat_map(|target| target.modules.iter().copied());
        let fresh: BTreeSet<ModuleId> =
            modules.filter(|module| !self.told_entries.contains(module)).collect();
        let event = |module: &ModuleId| {
            let offset = self.modules.entry_point(*module)?;
            Some(What::EntryPoint { module: *module, offset })
        };
        let events = fresh.iter().filter_map(event).collect();
        self.told_entries.extend(fresh);
        events
    }
}
