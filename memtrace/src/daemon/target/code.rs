//! Where the code of the allocators lies that are traced.

use super::Targets;
use crate::model::event::What;
use crate::model::ids::ModuleId;
use std::collections::{BTreeMap, BTreeSet};

/// Offsets in a file: the first, and the first after it.
type Span = (u64, u64);

impl Targets {
    /// The code of allocators that was not told of before, as events.
    pub(in crate::daemon) fn allocator_code(&mut self) -> Vec<What<'static>> {
        let mut fresh: BTreeMap<ModuleId, BTreeSet<Span>> = BTreeMap::new();
        for found in self.targets.values().flat_map(|target| &target.allocators) {
            let file = self.modules.find(found.file.device, found.file.inode);
            if let Some(module) = file.filter(|file| !self.told_code.contains(&file.id)) {
                fresh.entry(module.id).or_default().extend(found.own_code());
            }
        }
        self.told_code.extend(fresh.keys());
        fresh.retain(|_, spans| !spans.is_empty());
        fresh
            .into_iter()
            .map(|(module, spans)| What::AllocatorCode {
                module,
                spans: spans.into_iter().collect(),
            })
            .collect()
    }
}
