//! What is in a recording besides the records of the ring: events of other sources, and what was done with
//! the tables.

use crate::engine::limits::Limits;
use crate::engine::snapshot::SnapshotOptions;
use crate::model::event::{CodeMapping, Event, Look, What};
use crate::model::ids::{ModuleId, Nanos, Pid};
use crate::model::mark::MarkName;
use crate::model::module::Module;
use crate::model::picture::{Area, Picture};
use crate::model::process::{ProcessInfo, Usage};
use memtrace_common::wire::Loss;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An entry that is no record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Note {
    /// How large the tables may become; the first note.
    Limits(Box<Limits>),
    /// What the user wanted to see, as whoever makes reports writes it.
    Wishes(serde_json::Value),
    /// The file goes on where another one of its run ended. What lived then comes first, up to the event
    /// [`Told::CarriedOver`] of nobody.
    Continues {
        /// Its number, from 0 with the first one.
        number: u64,
        /// When it began, ns since 1970.
        began: u64,
    },
    /// Something was learnt.
    Event {
        /// See [`Event`].
        time: Nanos,
        /// See [`Event`].
        process: Pid,
        /// See [`Event`].
        thread: u32,
        /// What.
        what: Told,
    },
    /// A record could not be understood.
    Undecodable,
    /// A process turned out not to be one that is traced.
    Forgotten(Pid),
    /// The entries of a process that has ended made room for others.
    Retired(Pid),
    /// A report was made.
    Moment(Box<Moment>),
    /// The user named this moment: what a report of it would need besides the tables. The event comes before.
    Marked(Box<Moment>),
}

/// See [`Note::Moment`] and [`Note::Marked`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// The moment that it shows.
    pub time: Nanos,
    /// What it singled out.
    pub options: SnapshotOptions,
    /// It was the last one.
    pub is_final: bool,
    /// The tracer's own figures, as whoever makes reports writes them.
    pub facts: serde_json::Value,
}

/// An event that comes from elsewhere than the ring: see [`What`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the event of the same name")]
pub enum Told {
    ProcessSeen(Arc<ProcessInfo>),
    ProcessBegan(Arc<ProcessInfo>),
    BreakSeen { start: u64, end: u64 },
    FilesSeen(Arc<[(u64, u64)]>),
    ModuleSeen(Arc<Module>),
    Mappings(Arc<[CodeMapping]>),
    TableAwaited { module: ModuleId, awaited: bool },
    AllocatorCode { module: ModuleId, spans: Arc<[(u64, u64)]> },
    EntryPoint { module: ModuleId, offset: u64 },
    Usage(Usage),
    Picture(Box<Picture>, Arc<[Area]>),
    Lost { cause: u8, count: u64 },
    FreesLost { count: u64 },
    Exit { status: Option<u32> },
    WindowOpened,
    WindowClosed,
    Look(Look),
    CarriedOver,
    Mark,
    Named(MarkName),
}

impl Note {
    /// The note of an event, unless it is one that comes as a record.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Option<Self> {
        let Event { time, process, thread, ref what } = *event;
        Some(Self::Event { time, process, thread, what: Told::of(what)? })
    }

    /// As bytes for [`super::Entry::Note`].
    ///
    /// # Errors
    /// When a number of the tracer's own figures is none (JSON has no infinity).
    pub fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Of such bytes.
    ///
    /// # Errors
    /// When they are not those of a note, or what they tell cannot be.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let note: Self = serde_json::from_slice(bytes).map_err(|_| "a note of an unknown kind")?;
        match &note {
            Self::Event { what, .. } if !what.makes_sense() => Err("a note that makes no sense"),
            _ => Ok(note),
        }
    }
}

impl Told {
    fn of(what: &What<'_>) -> Option<Self> {
        Some(match what {
            What::ProcessSeen(info) => Self::ProcessSeen(Arc::clone(info)),
            What::ProcessBegan(info) => Self::ProcessBegan(Arc::clone(info)),
            What::BreakSeen { start, end } => Self::BreakSeen { start: *start, end: *end },
            What::FilesSeen(files) => Self::FilesSeen(Arc::clone(files)),
            What::ModuleSeen(module) => Self::ModuleSeen(Arc::clone(module)),
            What::Mappings(mappings) => Self::Mappings(Arc::clone(mappings)),
            What::TableAwaited { module, awaited } => {
                Self::TableAwaited { module: *module, awaited: *awaited }
            }
            What::AllocatorCode { module, spans } => {
                Self::AllocatorCode { module: *module, spans: Arc::clone(spans) }
            }
            What::EntryPoint { module, offset } => {
                Self::EntryPoint { module: *module, offset: *offset }
            }
            What::Usage(usage) => Self::Usage(*usage),
            What::Picture(picture, areas) => Self::Picture(picture.clone(), Arc::clone(areas)),
            What::Lost { cause, count } => Self::Lost { cause: *cause as u8, count: *count },
            What::FreesLost { count } => Self::FreesLost { count: *count },
            // One whose record was lost.
            What::Exit { status } => Self::Exit { status: *status },
            What::WindowOpened => Self::WindowOpened,
            What::WindowClosed => Self::WindowClosed,
            What::Look(look) => Self::Look(look.clone()),
            What::CarriedOver => Self::CarriedOver,
            What::Mark => Self::Mark,
            What::Named(name) => Self::Named(name.clone()),
            What::Allocation(_)
            | What::Free(_)
            | What::Reallocation(_)
            | What::Map(..)
            | What::Unmap(_)
            | What::Remap(..)
            | What::Break { .. }
            | What::Fault(..)
            | What::Discard(_)
            | What::Weighted(..)
            | What::WeightedFree { .. }
            | What::Fork(_)
            | What::Exec(_) => return None,
        })
    }

    /// The event.
    #[must_use]
    pub fn what(self) -> What<'static> {
        match self {
            Self::ProcessSeen(info) => What::ProcessSeen(info),
            Self::ProcessBegan(info) => What::ProcessBegan(info),
            Self::BreakSeen { start, end } => What::BreakSeen { start, end },
            Self::FilesSeen(files) => What::FilesSeen(files),
            Self::ModuleSeen(module) => What::ModuleSeen(module),
            Self::Mappings(mappings) => What::Mappings(mappings),
            Self::TableAwaited { module, awaited } => What::TableAwaited { module, awaited },
            Self::AllocatorCode { module, spans } => What::AllocatorCode { module, spans },
            Self::EntryPoint { module, offset } => What::EntryPoint { module, offset },
            Self::Usage(usage) => What::Usage(usage),
            Self::Picture(picture, areas) => What::Picture(picture, areas),
            Self::Lost { cause, count } => match Loss::ALL.get(usize::from(cause)) {
                Some(cause) => What::Lost { cause: *cause, count },
                // `read` has refused it.
                None => What::Mark,
            },
            Self::FreesLost { count } => What::FreesLost { count },
            Self::Exit { status } => What::Exit { status },
            Self::WindowOpened => What::WindowOpened,
            Self::WindowClosed => What::WindowClosed,
            Self::Look(look) => What::Look(look),
            Self::CarriedOver => What::CarriedOver,
            Self::Mark => What::Mark,
            Self::Named(name) => What::Named(name),
        }
    }

    /// It tells who or what records are about, and may come after some that are earlier: who reads the ring
    /// learns it on meeting them.
    pub(super) const fn introduces(&self) -> bool {
        match self {
            Self::ProcessSeen(_)
            | Self::ProcessBegan(_)
            | Self::BreakSeen { .. }
            | Self::FilesSeen(_)
            | Self::ModuleSeen(_)
            | Self::Mappings(_)
            | Self::TableAwaited { .. }
            | Self::AllocatorCode { .. }
            | Self::EntryPoint { .. } => true,
            Self::Usage(_)
            | Self::Picture(..)
            | Self::Lost { .. }
            | Self::FreesLost { .. }
            | Self::Exit { .. }
            | Self::WindowOpened
            | Self::WindowClosed
            | Self::Look(_)
            | Self::CarriedOver
            | Self::Mark
            | Self::Named(_) => false,
        }
    }

    /// What events promise beyond their types.
    fn makes_sense(&self) -> bool {
        match self {
            Self::FilesSeen(spans) => are_apart(spans.iter().copied()),
            Self::Mappings(mappings) => are_apart(mappings.iter().map(|it| (it.start, it.end))),
            Self::Picture(_, areas) => are_apart(areas.iter().map(|it| (it.start, it.end))),
            Self::Lost { cause, .. } => usize::from(*cause) < Loss::ALL.len(),
            _ => true,
        }
    }
}

/// In order, without overlap, and none that ends before it begins.
fn are_apart(spans: impl IntoIterator<Item = (u64, u64)>) -> bool {
    let mut before = 0;
    spans.into_iter().all(|(start, end)| {
        let fits = start >= before && start <= end;
        before = end;
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::{Moment, Note, Told};
    use crate::engine::limits::Limits;
    use crate::engine::snapshot::SnapshotOptions;
    use crate::model::event::{CodeMapping, Event, Look, LookCost, What};
    use crate::model::ids::ModuleId;
    use crate::model::mark::MarkName;
    use crate::model::module::{BuildId, Module};
    use crate::model::picture::{Area, PageBits, PageKind, Picture};
    use crate::model::process::{ProcessInfo, Usage};
    use memtrace_common::wire::Loss;
    use std::sync::Arc;

    /// One of each.
    fn events() -> Vec<What<'static>> {
        let module = Module {
            id: ModuleId(3),
            path: "/usr/lib/libc.so.6".into(),
            build_id: BuildId::new(&[7; 20]),
        };
        let mut pages = PageBits::default();
        [true, false, true].into_iter().for_each(|there| pages.push(there));
        let area = Area {
            start: 0x1000,
            end: 0x4000,
            resident: 8192,
            kind: PageKind::Arena,
            writable: true,
            pages: Some(pages),
        };
        let info = ProcessInfo {
            comm: "a\u{1b}[31m".to_owned(),
            cmdline: Some(vec![String::new(), "b".to_owned()]),
            ..ProcessInfo::default()
        };
        let info = Arc::new(info);
        let module_id = ModuleId(u32::MAX);
        vec![
            What::ProcessSeen(Arc::clone(&info)),
            What::ProcessBegan(info),
            What::BreakSeen { start: 1, end: u64::MAX },
            What::FilesSeen(Arc::new([(1, 2), (2, 9)])),
            What::ModuleSeen(Arc::new(module)),
            What::Mappings(Arc::new([CodeMapping {
                start: 1,
                end: 5,
                file_offset: 4096,
                module: module_id,
            }])),
            What::TableAwaited { module: module_id, awaited: true },
            What::AllocatorCode { module: module_id, spans: Arc::new([(9, 3)]) },
            What::EntryPoint { module: module_id, offset: 7 },
            What::Usage(Usage { resident: 5, oom_kills: Some(0), ..Usage::default() }),
            What::Picture(Box::new(Picture { whole: true, ..Picture::default() }), [area].into()),
            What::Lost { cause: Loss::RingFault, count: 3 },
            What::FreesLost { count: 2 },
            What::Exit { status: None },
            What::WindowOpened,
            What::WindowClosed,
            What::Look(Look::Refused("why".into())),
            What::Look(Look::Ended(LookCost { hits: 7, ..LookCost::default() })),
            What::CarriedOver,
            What::Mark,
            What::Named(MarkName::new("größer").unwrap()),
        ]
    }

    #[test]
    fn every_event_comes_back() {
        for what in events() {
            let event = Event { time: 1 << 60, process: 4, thread: 5, what };
            let bytes = Note::of(&event).unwrap().bytes().unwrap();
            let Ok(Note::Event { time, process, thread, what }) = Note::read(&bytes) else {
                panic!("{}", String::from_utf8_lossy(&bytes))
            };
            assert_eq!(Event { time, process, thread, what: what.what() }, event);
        }
    }

    #[test]
    fn what_was_done_comes_back() {
        let facts = serde_json::json!({ "cpu_seconds": 0.1 + 0.2, "notes": ["é"] });
        let options = SnapshotOptions { max_size: Some(5), ..SnapshotOptions::default() };
        let moment = Moment { time: 9, options, is_final: true, facts };
        for note in [
            Note::Limits(Box::default()),
            Note::Wishes(serde_json::json!({ "top": 10 })),
            Note::Continues { number: 3, began: u64::MAX },
            Note::Undecodable,
            Note::Forgotten(1),
            Note::Retired(2),
            Note::Moment(Box::new(moment.clone())),
            Note::Marked(Box::new(moment)),
        ] {
            assert_eq!(Note::read(&note.bytes().unwrap()), Ok(note));
        }
        let limits = Note::Limits(Box::new(Limits { max_blocks: 7, ..Limits::default() }));
        assert_ne!(limits, Note::Limits(Box::default()));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let note = |what| Note::Event { time: 0, process: 0, thread: 0, what };
        let area = |start, end| Area {
            start,
            end,
            resident: 0,
            kind: PageKind::Anonymous,
            writable: false,
            pages: None,
        };
        let mapping = |start, end| CodeMapping { start, end, file_offset: 0, module: ModuleId(0) };
        for told in [
            Told::FilesSeen([(5, 6), (1, 2)].into()),
            Told::Mappings([mapping(1, 4), mapping(3, 5)].into()),
            Told::Picture(Box::default(), [area(9, 8)].into()),
            Told::Lost { cause: 200, count: 1 },
        ] {
            assert!(Note::read(&note(told).bytes().unwrap()).is_err());
        }
        for name in ["", "\\u001b[2J", &"x".repeat(129)] {
            let event = format!(r#""time":0,"process":0,"thread":0,"what":{{"Named":"{name}"}}"#);
            assert!(
                Note::read(format!("{{\"Event\":{{{event}}}}}").as_bytes()).is_err(),
                "{name:?}"
            );
        }
        for bytes in [&b""[..], b"{}", b"\"Mark\"", b"{\"Event\":{}}", b"\xff"] {
            assert!(Note::read(bytes).is_err());
        }
    }
}
