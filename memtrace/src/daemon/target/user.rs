//! The functions that the user describes, over all targets.

use crate::probe::allocator::{
    FoundAllocator, MappedFile, Missing, UserFunctionError, UserNames, find_user_functions,
};
use crate::probe::signature::Signature;

/// What the user describes, and what was found of it.
#[derive(Debug)]
pub(super) struct UserFunctions {
    signatures: Vec<Signature>,
    /// Why there is nothing for a signature in any process so far; `None`: there is.
    missing: Vec<Option<Missing>>,
    pub(super) names: UserNames,
    /// What is not mapped yet may come.
    may_come: bool,
}

impl UserFunctions {
    /// Nothing was looked for yet. `may_come`: files that no process maps when tracing begins are no
    /// error.
    pub(super) fn new(signatures: &[Signature], may_come: bool) -> Self {
        let nowhere = Missing::File { mapped: Vec::new() };
        Self {
            signatures: signatures.to_vec(),
            missing: signatures.iter().map(|_| Some(nowhere.clone())).collect(),
            names: UserNames::default(),
            may_come,
        }
    }

    /// Looks for them in the files of one process, where `known` are allocators.
    pub(super) fn find(
        &mut self,
        files: &[MappedFile],
        known: &[FoundAllocator],
    ) -> Vec<FoundAllocator> {
        if self.signatures.is_empty() {
            return Vec::new();
        }
        let found = find_user_functions(files, &self.signatures, known, &mut self.names);
        for (missing, new) in self.missing.iter_mut().zip(found.missing) {
            let says_more = !matches!(
                (&*missing, &new),
                (
                    Some(Missing::Function { .. } | Missing::Refused { .. }),
                    Some(Missing::File { .. })
                )
            );
            if missing.is_some() && says_more {
                *missing = new;
            }
        }
        found.allocators
    }

    /// Whether each was found in some process.
    ///
    /// # Errors
    /// The first that was not, and why.
    pub(super) fn check(&self) -> Result<(), UserFunctionError> {
        for (signature, missing) in self.signatures.iter().zip(&self.missing) {
            match missing {
                None => {}
                Some(Missing::File { .. }) if self.may_come => {}
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
