//! The functions that the user describes, over all targets.

use crate::probe::allocator::{
    FoundAllocator, MappedFile, Missing, Slots, Unbound, UserDiscovery, UserFunctionError,
    UserNames, UserSearch, find_bound, find_user_functions,
};
use crate::probe::living::Living;
use crate::probe::signature::Signature;

/// What the user describes, and what was found of it.
#[derive(Debug)]
pub(super) struct UserFunctions {
    signatures: Vec<Signature>,
    /// Why there is nothing for a signature in any process so far; `None`: there is.
    missing: Vec<Option<Missing>>,
    pub(super) names: UserNames,
    slots: Slots,
    /// What is not mapped yet may come.
    may_come: bool,
}

impl UserFunctions {
    /// Nothing was looked for yet. `may_come`: files that no process maps when tracing begins, and IFUNCs that
    /// none has bound, are no error.
    pub(super) fn new(signatures: &[Signature], may_come: bool) -> Self {
        let nowhere = Missing::File { mapped: Vec::new() };
        Self {
            signatures: signatures.to_vec(),
            missing: signatures.iter().map(|_| Some(nowhere.clone())).collect(),
            names: UserNames::default(),
            slots: Slots::default(),
            may_come,
        }
    }

    /// Looks for them in the files of one process, where `known` are allocators. It is `living` if it has begun.
    pub(super) fn find(
        &mut self,
        files: &[MappedFile],
        known: &[FoundAllocator],
        living: Option<&dyn Living>,
    ) -> (Vec<FoundAllocator>, Vec<Unbound>) {
        if self.signatures.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let Self { signatures, names, slots, .. } = self;
        let mut search = UserSearch { names, slots, living };
        let found = find_user_functions(files, signatures, known, &mut search);
        self.take(found)
    }

    /// Looks again at an IFUNC; nothing if it is not bound yet. `known` is all that is probed in the process.
    pub(super) fn find_bound(
        &mut self,
        unbound: &Unbound,
        known: &[FoundAllocator],
        living: &dyn Living,
    ) -> Option<Vec<FoundAllocator>> {
        let Self { signatures, names, slots, .. } = self;
        let mut search = UserSearch { names, slots, living: Some(living) };
        let found = find_bound(unbound, signatures, known, &mut search)?;
        Some(self.take(found).0)
    }

    fn take(&mut self, found: UserDiscovery) -> (Vec<FoundAllocator>, Vec<Unbound>) {
        for (missing, new) in self.missing.iter_mut().zip(found.missing) {
            let knows = !matches!(missing, Some(Missing::File { .. }));
            let says_more = !matches!(&new, Some(Missing::File { .. })) || !knows;
            if missing.is_some() && says_more {
                *missing = new;
            }
        }
        (found.allocators, found.unbound)
    }

    /// Whether each was found in some process.
    ///
    /// # Errors
    /// The first that was not, and why.
    pub(super) fn check(&self) -> Result<(), UserFunctionError> {
        for (signature, missing) in self.signatures.iter().zip(&self.missing) {
            match missing {
                None => {}
                Some(Missing::File { .. } | Missing::Unbound { .. }) if self.may_come => {}
                Some(missing) => return Err(missing.clone().error(signature)),
            }
        }
        Ok(())
    }

    /// What the reader must know of those that were found nowhere.
    pub(super) fn notes(&self) -> Vec<String> {
        let all = self.signatures.iter().zip(&self.missing);
        all.filter_map(|(signature, missing)| Some(missing.clone()?.error(signature).to_string()))
            .collect()
    }
}
