//! The reader, and what plays a recording, for bytes of anybody: fuzzing and what once did harm.

use super::columns::Unpacker;
use super::{Names, Reader, Replay};
use crate::engine::limits::Limits;
use crate::engine::snapshot::SnapshotOptions;

/// A whole file; and the columns of a chunk, whose checksum no random change would keep, played into an engine.
pub(crate) fn recording(bytes: &[u8]) {
    if let Ok(mut reader) = Reader::new(bytes) {
        while let Ok(Some(mut chunk)) = reader.next_chunk() {
            while let Ok(Some(_)) = chunk.next_entry() {}
        }
    }
    if let Ok(reader) = Reader::new(bytes) {
        let _ = Names::of(reader);
    }
    if let Ok(learnt) = serde_json::from_slice(bytes) {
        Names::default().add(learnt);
    }
    play(bytes);
}

/// Gives what was played.
fn play(bytes: &[u8]) -> Replay {
    // So few that full tables are met.
    let most = Limits { max_blocks: 64, max_stacks: 16, max_ranges: 16, ..Limits::default() };
    let mut replay = Replay::new(Limits { max_processes: 8, max_modules: 8, ..most });
    if let Ok(mut entries) = Unpacker::new(bytes) {
        while let Ok(Some(entry)) = entries.next() {
            if let Ok(Some(moment)) = replay.take(entry) {
                replay.snapshot(Some(moment.time), &moment.options);
            }
        }
    }
    replay.snapshot(None, &SnapshotOptions::default());
    replay
}

#[cfg(test)]
mod tests {
    use super::play;
    use crate::engine::encode::encode;
    use crate::engine::snapshot::SnapshotOptions;
    use crate::model::event::{Allocation, CodeMapping, Event, Free, StackRef, What};
    use crate::model::ids::{ModuleId, ProcessKey};
    use crate::model::module::Module;
    use crate::model::process::ProcessInfo;
    use crate::recording::columns::Packer;
    use crate::recording::{Entry, Moment, Note, Told};
    use memtrace_common::classes::Sizing;
    use memtrace_common::function::FunctionId;
    use memtrace_common::wire::StackEnd;
    use std::path::Path;
    use std::sync::Arc;

    const PROCESS: u32 = 42;

    /// What is known of the program before it does something.
    fn introduction() -> [What<'static>; 3] {
        let module = Module { id: ModuleId(0), path: "/bin/program".into(), build_id: None };
        let key = ProcessKey { pid: PROCESS, start_time: 1 };
        let info = ProcessInfo { key, comm: "program".to_owned(), ..ProcessInfo::default() };
        let code =
            CodeMapping { start: 0x40_0000, end: 0x50_0000, file_offset: 0, module: module.id };
        [
            What::ModuleSeen(Arc::new(module)),
            What::ProcessSeen(Arc::new(info)),
            What::Mappings(Arc::new([code])),
        ]
    }

    /// An allocation, or the free of an earlier one.
    fn step(number: u64, frames: &[u8]) -> What<'_> {
        let address = 0x5555_0000_0000 + number / 3 * 64;
        if number % 3 == 2 {
            let function = FunctionId::FREE;
            return What::Free(Free {
                function,
                address,
                inside_allocator: false,
                perhaps_not_taken: false,
            });
        }
        let frames = if number == 0 { frames } else { &[] };
        What::Allocation(Allocation {
            function: FunctionId::MALLOC,
            sizing: Sizing::default(),
            address: address + number % 3 * 8,
            size: 24,
            sample_interval: 0,
            stack: StackRef { id: 7, end: StackEnd::Complete, frames },
        })
    }

    /// A run of a program that allocates and frees, with a report in its middle.
    fn seed() -> Vec<u8> {
        let mut packer = Packer::new();
        let note = |note: &Note, packer: &mut Packer| {
            packer.push(Entry::Note(&note.bytes().unwrap()));
        };
        let event = |time, what| Event { time, process: PROCESS, thread: PROCESS, what };
        let record = |event: &Event<'_>, packer: &mut Packer| {
            let mut record = Vec::new();
            assert!(encode(event, &mut record));
            packer.push(Entry::Record(&record));
        };
        note(&Note::Limits(Box::default()), &mut packer);
        for what in introduction() {
            note(&Note::of(&event(1, what)).unwrap(), &mut packer);
        }
        let frames = [0x40_1000_u64, 0x40_2000].map(u64::to_ne_bytes).concat();
        for number in 0..60 {
            record(&event(100 + number, step(number, &frames)), &mut packer);
        }
        let facts = serde_json::Value::Null;
        let options = SnapshotOptions::default();
        let moment = Moment { time: 200, options, is_final: false, facts };
        note(&Note::Moment(Box::new(moment)), &mut packer);
        record(&event(300, What::Exit { status: Some(0) }), &mut packer);
        let lost = Told::Lost { cause: 0, count: 3 };
        note(&Note::Event { time: 400, process: 0, thread: 0, what: lost }, &mut packer);
        let mut bytes = Vec::new();
        packer.finish(&mut bytes);
        bytes
    }

    /// Else the fuzzer would begin with nothing, unnoticed: what is in a chunk may be laid out anew. With
    /// `MEMTRACE_WRITE_SEED` set the file is made anew.
    #[test]
    fn the_fuzzer_begins_with_a_run() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions/recording/a_run");
        if std::env::var_os("MEMTRACE_WRITE_SEED").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, seed()).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes == seed(), "it is out of date");
        let mut replay = play(&bytes);
        assert_eq!(replay.records(), 61);
        let snapshot = replay.snapshot(None, &SnapshotOptions::default());
        assert_eq!(snapshot.processes[0].heap.freed_blocks, 20);
        assert_eq!(snapshot.losses[0].1, 3);
    }
}
