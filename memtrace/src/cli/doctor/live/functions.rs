//! Functions that the user describes: which are there, and why others are not probed.

use super::super::model::{Line, Section, State, Topic};
use super::split;
use crate::daemon::inspect::Inspection;
use crate::probe::allocator::{
    FoundAllocator, Missing, Slots, UserDiscovery, UserNames, UserSearch, find_user_functions,
};
use crate::probe::signature::Signature;
use crate::procfs::Process;

/// Looks for them as tracing does. `known` are the allocators found in the process.
pub(super) fn find(
    inspection: &Inspection,
    signatures: &[Signature],
    known: &[FoundAllocator],
) -> UserDiscovery {
    let living = inspection.living();
    let mut search = UserSearch {
        names: &mut UserNames::default(),
        slots: &mut Slots::default(),
        living: Some(&living),
    };
    find_user_functions(&inspection.files, signatures, known, &mut search)
}

/// A line for each; nothing if there are none. Where each of those found is probed stands with the allocators.
pub(super) fn section(
    process: &Process,
    signatures: &[Signature],
    missing: &[Option<Missing>],
) -> Option<Section> {
    let title = format!("Functions described, in process {}", process.pid());
    let lines = signatures.iter().zip(missing).map(|(signature, missing)| line(signature, missing));
    (!signatures.is_empty()).then(|| Section::new(Topic::Allocator, title, lines.collect()))
}

fn line(signature: &Signature, missing: &Option<Missing>) -> Line {
    let Some(missing) = missing else {
        return Line::new(&signature.text, State::Ok, "found; the tables below say where");
    };
    let (detail, remedy) = split(missing.describe(&signature.text));
    Line::new(&signature.text, State::Missing, detail).remedy(remedy.unwrap_or_else(|| {
        "with it tracing would be refused: correct the signature, or leave it out".to_owned()
    }))
}
