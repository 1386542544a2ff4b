//! What the symbolizer says of generated code while a report is made, for a recording.

use crate::engine::ports::{Missing, Resolved, Symbolizer, WithGenerated};
use crate::model::ids::{Nanos, ProcessKey};
use crate::recording::{Learnt, Name};
use std::collections::HashMap;

/// Most places of which it is remembered that they are recorded already; of more, all are recorded again.
const MOST_KNOWN: usize = 200_000;
/// Longest name that is recorded, bytes; a line of a map is no longer.
const LONGEST: usize = 4096;

/// What was said, in order.
pub(super) type Heard = Vec<(ProcessKey, u64, Name)>;

/// The symbolizer, listened to.
pub(super) fn listened<'a>(
    symbolizer: &'a mut dyn Symbolizer,
    heard: &'a mut Heard,
) -> impl Symbolizer + 'a {
    let generated =
        move |symbolizer: &mut dyn Symbolizer, process, addresses: &[u64]| {
            let answers = symbolizer.resolve_generated(process, addresses);
            let told = addresses.iter().zip(&answers);
            heard.extend(told.filter_map(|(address, answer)| {
                Some((process, *address, name_of(answer.as_ref()?)?))
            }));
            answers
        };
    WithGenerated { symbolizer, generated }
}

fn name_of(resolved: &Resolved) -> Option<Name> {
    Some(match resolved {
        Ok(frames) => {
            let name = &frames.first()?.function;
            Name::Known(name.get(..LONGEST).unwrap_or(name).to_owned())
        }
        Err(Missing::TooLarge) => Name::TooLarge,
        Err(Missing::UntrustedMap) => Name::Untrusted,
        Err(_) => return None,
    })
}

/// What a file has already.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<(ProcessKey, u64), Name>);

impl Known {
    /// What of it is new, as it is recorded for the report of the moment `time`; `None`: nothing.
    pub(super) fn new_of(&self, time: Nanos, heard: &Heard) -> Option<Learnt> {
        let mut learnt = Learnt { time, names: Vec::new() };
        for (process, address, name) in heard {
            if self.0.get(&(*process, *address)) == Some(name) {
                continue;
            }
            match learnt.names.last_mut() {
                Some((last, places)) if last == process => places.push((*address, name.clone())),
                _ => learnt.names.push((*process, vec![(*address, name.clone())])),
            }
        }
        (!learnt.names.is_empty()).then_some(learnt)
    }

    /// It is in the file now.
    pub(super) fn add(&mut self, learnt: Learnt) {
        for (process, places) in learnt.names {
            if self.0.len() > MOST_KNOWN {
                self.0.clear();
            }
            self.0.extend(places.into_iter().map(|(address, name)| ((process, address), name)));
        }
    }

    /// Another file begins.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, Known};
    use crate::model::ids::ProcessKey;
    use crate::recording::Name;

    #[test]
    fn only_what_is_new_is_recorded() {
        let process = |pid| ProcessKey { pid, start_time: 1 };
        let name = |name: &str| Name::Known(name.to_owned());
        let mut known = Known::default();
        let heard: Heard = vec![(process(1), 8, name("a")), (process(2), 8, name("b"))];
        let learnt = known.new_of(5, &heard).unwrap();
        assert_eq!((learnt.time, learnt.names.len()), (5, 2));
        known.add(learnt);
        assert_eq!(known.new_of(6, &heard), None);
        let later = vec![(process(1), 8, name("c")), (process(2), 8, name("b"))];
        assert_eq!(known.new_of(6, &later).unwrap().names, [(process(1), vec![(8, name("c"))])]);
        known.clear();
        assert_eq!(known.new_of(7, &heard).unwrap().names.len(), 2);
    }
}
