//! The symbolizer against programs that the machine's C compiler builds here and now.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use memtrace::engine::ports::{Missing, Resolved, SourceFrame, Symbolizer};
use memtrace::model::ids::ModuleId;
use memtrace::model::module::{BuildId, Module};
use memtrace::symbolize::{BlazeSymbolizer, Options, SymbolizerThread};
use object::{Object as _, ObjectSection as _, ObjectSegment as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

/// Prints the return addresses of a call from an inlined function (line 10) in `main` (line 15),
/// and of a call from a function that is not (line 19).
const PROGRAM: &str = r#"#include <stdio.h>
#define NOINLINE __attribute__((noinline, noclone))

NOINLINE void report(void) {
    printf("%lx\n", (unsigned long)__builtin_return_address(0));
    __asm__ volatile("");
}

static inline __attribute__((always_inline)) void inlined(void) {
    report();
    __asm__ volatile("");
}
NOINLINE void outlined(void);
int main(void) {
    inlined();
    outlined();
    return 0;
}
NOINLINE void outlined(void) { report();
    __asm__ volatile("");
}
"#;

/// A built program and the file offsets that it reported.
struct Program {
    directory: tempfile::TempDir,
    offsets: Vec<u64>,
}

impl Program {
    fn build(flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("program.c"), PROGRAM).unwrap();
        run(
            "gcc",
            &[&["-O1", "-no-pie", "-Wl,--build-id", "-o", "program", "program.c"], flags].concat(),
            directory.path(),
        );
        let output = run(directory.path().join("program").to_str().unwrap(), &[], Path::new("/"));
        let data = fs::read(directory.path().join("program")).unwrap();
        let file = object::File::parse(&*data).unwrap();
        let offset = |address: u64| {
            let mut segments = file.segments();
            let segment = segments
                .find(|segment| {
                    (segment.address()..segment.address() + segment.size()).contains(&address)
                })
                .unwrap();
            address - segment.address() + segment.file_range().0
        };
        let offsets =
            output.lines().map(|line| offset(u64::from_str_radix(line, 16).unwrap())).collect();
        Self { directory, offsets }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("program")
    }

    fn module(&self) -> Module {
        let data = fs::read(self.path()).unwrap();
        let build_id = object::File::parse(&*data).unwrap().build_id().unwrap().unwrap().to_vec();
        Module {
            id: ModuleId(3),
            path: PathBuf::from("/as/the/process/sees/it"),
            build_id: BuildId::new(&build_id),
        }
    }

    fn tool(&self, program: &str, arguments: &[&str]) {
        run(program, arguments, self.directory.path());
    }

    /// Strips the program and embeds a file `symbols`, packed, which `strip` with these arguments
    /// makes of it if it does not exist.
    fn embed(&self, arguments: &[&str]) {
        let file = arguments[arguments.len() - 1];
        self.tool("objcopy", arguments);
        self.tool("sh", &["-c", &format!("test -e symbols || mv {file} symbols; xz -f symbols")]);
        self.tool("strip", &["program"]);
        self.tool("objcopy", &["--add-section=.gnu_debugdata=symbols.xz", "program"]);
    }

    /// What a fresh symbolizer makes of the reported offsets.
    fn resolve(&self, debug_dir: &Path) -> (Vec<Resolved>, Option<bool>) {
        let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![debug_dir.to_owned()]);
        let module = self.module();
        symbolizer.register(module.id, self.path());
        let first = symbolizer.resolve(&module, &self.offsets);
        symbolizer.recycle();
        assert_eq!(symbolizer.resolve(&module, &self.offsets), first, "the cache answers the same");
        (first, symbolizer.has_debug_lines(module.id))
    }
}

fn run(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn frame(function: &str, line: Option<u32>, inlined: bool, program: &Program) -> SourceFrame {
    let file = line.map(|_| program.directory.path().join("program.c").display().to_string());
    SourceFrame { function: function.to_owned(), short: None, file, line, inlined }
}

fn assert_with_lines(program: &Program, debug_dir: &Path) {
    let (answers, has_lines) = program.resolve(debug_dir);
    assert_eq!(
        answers[0].as_deref().unwrap(),
        [frame("inlined", Some(10), true, program), frame("main", Some(15), false, program)]
    );
    assert_eq!(answers[1].as_deref().unwrap(), [frame("outlined", Some(19), false, program)]);
    assert_eq!(has_lines, Some(true));
}

const NO_DIRECTORY: &str = "/nonexistent";

#[test]
fn dwarf_gives_inlined_functions_files_and_lines() {
    assert_with_lines(&Program::build(&["-g"]), Path::new(NO_DIRECTORY));
    assert_with_lines(&Program::build(&["-g", "-gz"]), Path::new(NO_DIRECTORY));
}

#[test]
fn without_dwarf_there_are_functions_alone() {
    let program = Program::build(&["-g0"]);
    let (answers, has_lines) = program.resolve(Path::new(NO_DIRECTORY));
    assert_eq!(answers[0].as_deref().unwrap(), [frame("main", None, false, &program)]);
    assert_eq!(answers[1].as_deref().unwrap(), [frame("outlined", None, false, &program)]);
    assert_eq!(has_lines, Some(false));
}

#[test]
fn a_stripped_file_says_that_it_has_no_symbols() {
    let program = Program::build(&["-s"]);
    let (answers, _) = program.resolve(Path::new(NO_DIRECTORY));
    assert_eq!(answers, vec![Err(Missing::NoSymbols); 2]);
}

#[test]
fn separate_debug_files_are_found_by_build_id() {
    let program = Program::build(&["-g"]);
    let build_id = program.module().build_id.unwrap().to_string();
    let folder = program.directory.path().join("debug/.build-id").join(&build_id[..2]);
    fs::create_dir_all(&folder).unwrap();
    let target = folder.join(format!("{}.debug", &build_id[2..]));
    program.tool("objcopy", &["--only-keep-debug", "program", target.to_str().unwrap()]);
    program.tool("strip", &["program"]);
    assert_with_lines(&program, &program.directory.path().join("debug"));
}

#[test]
fn separate_debug_files_are_found_by_link() {
    let program = Program::build(&["-g"]);
    program.tool("objcopy", &["--only-keep-debug", "program", "program.debug"]);
    program.tool("strip", &["program"]);
    program.tool("objcopy", &["--add-gnu-debuglink=program.debug", "program"]);
    assert_with_lines(&program, Path::new(NO_DIRECTORY));
}

#[test]
fn without_build_ids_the_checksum_decides() {
    let program = Program::build(&["-g"]);
    program.tool("objcopy", &["--remove-section=.note.gnu.build-id", "program"]);
    program.tool("objcopy", &["--only-keep-debug", "program", "program.debug"]);
    program.tool("strip", &["program"]);
    program.tool("objcopy", &["--add-gnu-debuglink=program.debug", "program"]);
    let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![]);
    let module = Module { id: ModuleId(1), path: PathBuf::new(), build_id: None };
    symbolizer.register(module.id, program.path());
    let answers = symbolizer.resolve(&module, &program.offsets[1..]);
    assert_eq!(answers[0].as_deref().unwrap(), [frame("outlined", Some(19), false, &program)]);

    fs::write(program.directory.path().join("program.debug"), "another file").unwrap();
    let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![]);
    symbolizer.register(module.id, program.path());
    let answers = symbolizer.resolve(&module, &program.offsets[1..]);
    assert_eq!(answers, [Err(Missing::NoSymbols)]);
}

#[test]
fn compressed_debug_information_is_unpacked() {
    for kind in ["zlib", "zstd"] {
        let program = Program::build(&["-g"]);
        program.tool("objcopy", &[&format!("--compress-debug-sections={kind}"), "program"]);
        let headers = run("readelf", &["-t", "program"], program.directory.path());
        assert!(headers.contains(&kind.to_uppercase()), "{headers}");
        assert_with_lines(&program, Path::new(NO_DIRECTORY));
    }
}

#[test]
fn no_more_is_unpacked_than_a_section_announces() {
    let program = Program::build(&["-g"]);
    program.tool("objcopy", &["--compress-debug-sections=zlib", "program"]);
    let whole = fs::read(program.path()).unwrap();
    let place = {
        let file = object::File::parse(&*whole).unwrap();
        file.section_by_name(".debug_info").unwrap().file_range().unwrap().0 as usize
    };
    // ch_size of Elf64_Chdr, in the same 8 bytes of every little-endian file.
    for announced in [0_u64, 1, 1 << 27, 1 << 62, u64::MAX] {
        let mut damaged = whole.clone();
        damaged[place + 8..place + 16].copy_from_slice(&announced.to_le_bytes());
        fs::write(program.path(), &damaged).unwrap();
        let (answers, _) = program.resolve(Path::new(NO_DIRECTORY));
        let names =
            [frame("main", None, false, &program), frame("outlined", None, false, &program)];
        for (answer, name) in answers.iter().zip(names) {
            assert_eq!(answer.as_deref(), Ok(&[name][..]), "{announced} announced");
        }
    }
}

#[test]
fn symbols_may_be_embedded() {
    let program = Program::build(&["-g"]);
    program.embed(&["--strip-debug", "program", "symbols"]);
    let (answers, has_lines) = program.resolve(Path::new(NO_DIRECTORY));
    assert_eq!(answers[0].as_deref().unwrap(), [frame("main", None, false, &program)]);
    assert_eq!(answers[1].as_deref().unwrap(), [frame("outlined", None, false, &program)]);
    assert_eq!(has_lines, Some(false));
}

#[test]
fn embedded_symbols_have_a_bound() {
    let program = Program::build(&["-g"]);
    fs::write(program.directory.path().join("zeros"), vec![0; 1 << 20]).unwrap();
    let zeros = (0..80).map(|_| "zeros").collect::<Vec<_>>().join(" ");
    program.tool("sh", &["-c", &format!("cat {zeros} > symbols")]);
    program.embed(&["--strip-debug", "program", "unused"]);
    let (answers, _) = program.resolve(Path::new(NO_DIRECTORY));
    assert_eq!(answers, vec![Err(Missing::NoSymbols); 2]);
}

/// `dwz` moves what programs have in common to a file of its own, the inlined function among it.
#[test]
fn debug_information_may_be_shared_with_another_program() {
    let program = Program::build(&["-g"]);
    program.tool("cp", &["program", "other"]);
    program.tool("dwz", &["-m", "shared", "program", "other"]);
    let headers = run("readelf", &["-S", "program"], program.directory.path());
    assert!(headers.contains(".gnu_debugaltlink"), "{headers}");
    assert_with_shared_lines(&program, Path::new(NO_DIRECTORY));

    // By build-id it is found wherever the system keeps it.
    let shared = fs::read(program.directory.path().join("shared")).unwrap();
    let build_id = object::File::parse(&*shared).unwrap().build_id().unwrap().unwrap().to_vec();
    let build_id = BuildId::new(&build_id).unwrap().to_string();
    let folder = program.directory.path().join("debug/.build-id").join(&build_id[..2]);
    fs::create_dir_all(&folder).unwrap();
    let target = folder.join(format!("{}.debug", &build_id[2..]));
    program.tool("mv", &["shared", target.to_str().unwrap()]);
    assert_with_shared_lines(&program, &program.directory.path().join("debug"));

    // Without it, or with another in its place, functions remain.
    program.tool("cp", &["/proc/self/exe", "shared"]);
    let (answers, _) = program.resolve(Path::new(NO_DIRECTORY));
    assert_eq!(answers[0].as_deref().unwrap().last().unwrap().function, "main");
    assert_eq!(answers[1].as_deref().unwrap()[0].function, "outlined");
}

/// As [`assert_with_lines`], but that the library cannot name what was moved to a shared file.
fn assert_with_shared_lines(program: &Program, debug_dir: &Path) {
    let (answers, has_lines) = program.resolve(debug_dir);
    let unnamed = frame("(no name)", Some(10), true, program);
    assert_eq!(answers[0].as_deref().unwrap(), [unnamed, frame("main", Some(15), false, program)]);
    assert_eq!(answers[1].as_deref().unwrap(), [frame("outlined", Some(19), false, program)]);
    assert_eq!(has_lines, Some(true));
}

#[test]
fn a_file_that_shrinks_while_it_is_used_does_no_harm() {
    let program = Program::build(&["-g"]);
    let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![]);
    let module = program.module();
    symbolizer.register(module.id, program.path());
    symbolizer.resolve(&module, &program.offsets[..1]);
    fs::File::create(program.path()).unwrap();
    let answers = symbolizer.resolve(&module, &program.offsets[1..]);
    assert_eq!(answers[0].as_deref().unwrap(), [frame("outlined", Some(19), false, &program)]);
}

#[test]
fn endless_files_take_no_time() {
    let program = Program::build(&["-g"]);
    let whole = fs::read(program.path()).unwrap();
    let headers = {
        let word = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap());
        (word(40) as usize, usize::from(u16::from_le_bytes([whole[60], whole[61]])))
    };
    // Every section claims a terabyte of a file that is as long, all of it a hole.
    let mut damaged = whole;
    for index in 0..headers.1 {
        let size = headers.0 + index * 64 + 32;
        damaged[size..size + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    }
    fs::write(program.path(), &damaged).unwrap();
    fs::OpenOptions::new().write(true).open(program.path()).unwrap().set_len(1 << 42).unwrap();
    let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![]);
    let module = Module { id: ModuleId(1), path: PathBuf::new(), build_id: None };
    symbolizer.register(module.id, program.path());
    assert_eq!(symbolizer.resolve(&module, &program.offsets), vec![Err(Missing::TooLarge); 2]);
}

/// Debug information by hand: inlined functions in `main`, each in the one before.
fn nested(levels: usize) -> String {
    format!(
        ".section .note.GNU-stack\n.section .debug_abbrev\n\
         .byte 1,0x11,1, 0x11,1,0x12,7, 0,0\n\
         .byte 2,0x2e,1, 3,8,0x11,1,0x12,7, 0,0\n\
         .byte 3,0x1d,1, 0,0, 0\n\
         .section .debug_info\n.long 2f-1f\n1: .short 4\n.long 0\n.byte 8\n\
         .byte 1\n.quad main\n.quad 256\n\
         .byte 2\n.asciz \"by_hand\"\n.quad main\n.quad 256\n\
         .fill {levels},1,3\n.fill {levels}+2,1,0\n2:\n"
    )
}

#[test]
fn endless_nesting_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let assembly = directory.path().join("nested.s");
    for (levels, name) in [(3, "by_hand"), (512, "by_hand"), (513, "main"), (3_000_000, "main")] {
        fs::write(&assembly, nested(levels)).unwrap();
        let program = Program::build(&["-g0", assembly.to_str().unwrap()]);
        let thread = SymbolizerThread::spawn(Options::default()).unwrap();
        let (module, offsets) = (program.module(), program.offsets[..1].to_vec());
        thread.register(module.id, program.path());
        let (sender, receiver) = mpsc::channel();
        let job = move |symbolizer: &mut dyn Symbolizer| {
            sender.send(symbolizer.resolve(&module, &offsets)).unwrap();
        };
        thread.run(Box::new(job)).unwrap();
        let answers = receiver.recv().unwrap();
        assert_eq!(answers[0].as_deref().unwrap()[0].function, name, "{levels} levels");
    }
}

#[test]
fn a_file_that_was_replaced_gives_no_names() {
    let program = Program::build(&["-g"]);
    let module = program.module();
    let other = Program::build(&["-g", "-DOTHER", "-O2"]);
    let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![]);
    symbolizer.register(module.id, other.path());
    assert_eq!(symbolizer.resolve(&module, &program.offsets), vec![Err(Missing::FileGone); 2]);
    assert_eq!(symbolizer.has_debug_lines(module.id), None);
}

#[test]
fn offsets_that_no_code_has_are_not_covered() {
    let program = Program::build(&["-g"]);
    let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![]);
    let module = program.module();
    symbolizer.register(module.id, program.path());
    let answers = symbolizer.resolve(&module, &[0, 1, u64::MAX, 1 << 39]);
    assert_eq!(answers, vec![Err(Missing::NotCovered); 4]);
}

#[test]
fn the_thread_resolves_what_was_registered_later() {
    let program = Program::build(&["-g"]);
    let thread = SymbolizerThread::spawn(Options::default()).unwrap();
    let module = program.module();
    thread.register(module.id, program.path());
    let (sender, receiver) = mpsc::channel();
    let offsets = program.offsets.clone();
    thread
        .run(Box::new(move |symbolizer| {
            sender.send(symbolizer.resolve(&module, &offsets)).unwrap();
        }))
        .unwrap();
    let answers = receiver.recv().unwrap();
    assert_eq!(answers[1].as_deref().unwrap()[0].function, "outlined");
}

#[test]
fn damaged_files_give_no_names_but_do_no_harm() {
    let packed = |kind: &str| {
        let program = Program::build(&["-g"]);
        program.tool("objcopy", &[&format!("--compress-debug-sections={kind}"), "program"]);
        program
    };
    damage(&packed("zlib"), 300);
    damage(&packed("zstd"), 100);
    let embedded = Program::build(&["-g"]);
    embedded.embed(&["--strip-debug", "program", "symbols"]);
    damage(&embedded, 100);
    let shared = Program::build(&["-g"]);
    shared.tool("cp", &["program", "other"]);
    shared.tool("dwz", &["-m", "shared", "program", "other"]);
    damage(&shared, 100);
}

/// Damages a program in as many ways and has its names looked up.
fn damage(program: &Program, rounds: usize) {
    let whole = fs::read(program.path()).unwrap();
    let offsets: Vec<u64> = (0x1000..0x1200).step_by(8).collect();
    // A small linear congruential generator (Knuth, MMIX): the same damage in every run.
    let mut state = 0x5eed_u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for round in 0..rounds {
        let mut damaged = whole.clone();
        let reach = if round % 3 == 0 { 4096 } else { damaged.len() };
        for _ in 0..1 + random() % 16 {
            let place = random() % reach;
            damaged[place] = [0, 1, 0x7f, 0x80, 0xff, random() as u8][random() % 6];
        }
        if round % 7 == 0 {
            damaged.truncate(random() % damaged.len());
        }
        fs::write(program.path(), &damaged).unwrap();
        let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![]);
        let module = Module { id: ModuleId(1), path: PathBuf::new(), build_id: None };
        symbolizer.register(module.id, program.path());
        assert_eq!(symbolizer.resolve(&module, &offsets).len(), offsets.len());
    }
}
