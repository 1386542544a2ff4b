//! Names in reports of a recording: those that it keeps come first, as the files that they came from have gone with
//! their processes.

use crate::engine::ports::{Missing, Resolved, SourceFrame, Symbolizer, WithGenerated};
use crate::model::ids::Nanos;
use crate::recording::{Name, Names, Reader};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

/// The names that a recording keeps. Where it is no regular file, which cannot be read twice, or cannot be read at all,
/// there are none.
pub(super) fn names_of(path: &Path) -> Names {
    let is_file = path.metadata().is_ok_and(|about| about.is_file());
    let file = is_file.then(|| File::open(path).ok()).flatten();
    let reader = file.and_then(|file| Reader::new(BufReader::new(file)).ok());
    reader.map_or_else(Names::default, Names::of)
}

/// The symbolizer of a report of one moment.
pub(super) fn recorded_first<'a>(
    names: &'a Names,
    time: Nanos,
    symbolizer: &'a mut dyn Symbolizer,
) -> impl Symbolizer + 'a {
    let generated = move |symbolizer: &mut dyn Symbolizer, process, addresses: &[u64]| {
        let recorded = |address: &u64| names.at(process, *address, time).map(resolved);
        let mut answers: Vec<_> = addresses.iter().map(recorded).collect();
        let unknown: Vec<u64> = addresses
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.is_none())
            .map(|(address, _)| *address)
            .collect();
        if !unknown.is_empty() {
            // The process may be running still.
            let mut found = symbolizer.resolve_generated(process, &unknown).into_iter();
            for answer in answers.iter_mut().filter(|answer| answer.is_none()) {
                *answer = found.next().flatten();
            }
        }
        answers
    };
    WithGenerated { symbolizer, generated }
}

fn resolved(name: &Name) -> Resolved {
    match name {
        Name::Known(name) => {
            Ok(Arc::from([SourceFrame { function: name.clone(), ..SourceFrame::default() }]))
        }
        Name::TooLarge => Err(Missing::TooLarge),
        Name::Untrusted => Err(Missing::UntrustedMap),
    }
}
