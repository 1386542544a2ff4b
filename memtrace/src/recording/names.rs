//! Names of generated code that reports asked for.
//!
//! The files that such names come from go with their processes, so a recording keeps the names: in chunks of their
//! own, behind those of the report. Who makes reports collects them first, for which nothing else need be unpacked.

use super::Reader;
use super::layout::MOST_BYTES;
use crate::model::ids::{Nanos, ProcessKey};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Read;

/// Most names that are kept of a recording, and most bytes that they may have.
const MOST_NAMES: usize = 1 << 20;
const MOST_NAME_BYTES: usize = 64 << 20;

/// What a report learnt of a place in generated code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Name {
    /// Its function.
    Known(String),
    /// None, as the map of names was larger than what is read.
    TooLarge,
    /// None, as the map of names was not the target's own.
    Untrusted,
}

/// What one report learnt that those before it had not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// The moment that the report shows.
    pub time: Nanos,
    /// By process: addresses after calls, and what is there.
    pub names: Vec<(ProcessKey, Vec<(u64, Name)>)>,
}

impl Learnt {
    /// As bytes for [`super::Writer::push_names`]; `None` if they do not fit a chunk.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok().filter(|bytes| bytes.len() <= MOST_BYTES)
    }
}

/// All names of a recording.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// What a place was called from which moment on, in order of the recording.
    places: HashMap<(ProcessKey, u64), Vec<(Nanos, Name)>>,
    count: usize,
    bytes: usize,
}

impl Names {
    /// Collects the names of a recording. Where that is damaged it has those before.
    #[must_use]
    pub fn of<R: Read>(mut reader: Reader<R>) -> Self {
        let mut names = Self::default();
        while let Ok(Some(bytes)) = reader.next_names() {
            let Ok(learnt) = serde_json::from_slice::<Learnt>(bytes) else { break };
            names.add(learnt);
        }
        names
    }

    /// Takes in what a report learnt, as far as there is room.
    pub fn add(&mut self, learnt: Learnt) {
        let Learnt { time, names } = learnt;
        for (process, places) in names {
            for (address, name) in places {
                self.count += 1;
                self.bytes += if let Name::Known(name) = &name { name.len() } else { 0 };
                if self.count > MOST_NAMES || self.bytes > MOST_NAME_BYTES {
                    return;
                }
                self.places.entry((process, address)).or_default().push((time, name));
            }
        }
    }

    /// What a report of the moment `time` says of a place: what was known then, or else what became known first.
    #[must_use]
    pub fn at(&self, process: ProcessKey, address: u64, time: Nanos) -> Option<&Name> {
        let names = self.places.get(&(process, address))?;
        let then = names.iter().rev().find(|(from, _)| *from <= time);
        then.or(names.first()).map(|(_, name)| name)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Learnt, Name, Names};
    use crate::model::ids::ProcessKey;
    use crate::recording::{Ending, Entry, Head, Reader, RecordingError, Writer};

    const PROCESS: ProcessKey = ProcessKey { pid: 7, start_time: 9 };

    fn learnt(time: u64, address: u64, name: &str) -> Learnt {
        let name = Name::Known(name.to_owned());
        Learnt { time, names: vec![(PROCESS, vec![(address, name)])] }
    }

    fn known(names: &Names, address: u64, time: u64) -> Option<&str> {
        match names.at(PROCESS, address, time)? {
            Name::Known(name) => Some(name),
            _ => None,
        }
    }

    fn recorded() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), Head { began: 1, ..Head::default() }).unwrap();
        for (number, name) in ["old", "new"].into_iter().enumerate() {
            writer.push(Entry::Note(b"a note")).unwrap();
            let learnt = learnt(10 * (number as u64 + 1), 64, name);
            writer.push_names(&learnt.bytes().unwrap()).unwrap();
        }
        writer.push(Entry::Note(b"another")).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_place_has_the_name_of_its_time() {
        let names = Names::of(Reader::new(&*recorded()).unwrap());
        let at = |time| known(&names, 64, time);
        assert_eq!(
            [at(0), at(10), at(19), at(20), at(99)].map(Option::unwrap),
            ["old", "old", "old", "new", "new"]
        );
        assert_eq!(known(&names, 65, 10), None);
    }

    #[test]
    fn entries_are_read_past_names() {
        let bytes = recorded();
        let mut reader = Reader::new(&*bytes).unwrap();
        let mut notes = 0;
        while let Some(mut chunk) = reader.next_chunk().unwrap() {
            while chunk.next_entry().unwrap().is_some() {
                notes += 1;
            }
        }
        assert_eq!((notes, reader.ending()), (3, Some(Ending::Whole)));
    }

    #[test]
    fn a_file_cut_anywhere_has_the_names_before() {
        let bytes = recorded();
        let mut seen = Vec::new();
        for length in 24..=bytes.len() {
            let names = Names::of(Reader::new(&bytes[..length]).unwrap());
            seen.push(known(&names, 64, 99).map(str::to_owned));
            let mut changed = bytes.clone();
            changed[length - 1] ^= 4;
            if let Ok(reader) = Reader::new(&*changed) {
                let name = known(&Names::of(reader), 64, 99).map(str::to_owned);
                assert!(name.is_none_or(|name| name == "old" || name == "new"));
            }
        }
        assert!(seen.is_sorted_by_key(|name| {
            name.as_deref().map_or(0, |name| 1 + usize::from(name == "new"))
        }));
        assert_eq!(seen.last().unwrap().as_deref(), Some("new"));
    }

    #[test]
    fn names_fit_the_limit_or_are_refused() {
        let mut writer =
            Writer::new(Vec::new(), Head { began: 1, ..Head::default() }).unwrap().with_limit(1000);
        let long: String = (0..2000_u32).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
        let bytes = learnt(1, 2, &long).bytes().unwrap();
        assert!(matches!(writer.push_names(&bytes), Err(RecordingError::Full)));
        writer.push_names(&learnt(1, 2, "f").bytes().unwrap()).unwrap();
        let bytes = writer.finish_at_limit().unwrap();
        assert!(bytes.len() <= 1000);
        assert_eq!(known(&Names::of(Reader::new(&*bytes).unwrap()), 2, 1), Some("f"));
    }
}
