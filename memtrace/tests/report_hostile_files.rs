//! Files made to waste time or memory: names are missing, with their reason, and nothing else happens.
//! What takes too long here ends with the test's patience; memory is counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use memtrace::engine::ports::{Missing, Resolved, Symbolizer as _};
use memtrace::model::ids::ModuleId;
use memtrace::model::module::Module;
use memtrace::symbolize::BlazeSymbolizer;
use memtrace::unwind::Table;
use object::{Object as _, ObjectSection as _};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "static volatile int global;\n\
    __attribute__((visibility(\"hidden\"), used)) int find_me(void) {\n  return global;\n}\n";

/// A folder with a library `whole` that has debug information, and what a script makes of it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(script: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.path("library.c"), SOURCE).unwrap();
        folder.run("gcc -g -O1 -fPIC -shared -nostdlib -Wl,--build-id -o whole library.c");
        folder.run(script);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, script: &str) {
        let status = Command::new("sh").args(["-ec", script]).current_dir(self.0.path()).status();
        assert!(status.unwrap().success(), "{script}");
    }

    /// Where a section's contents are in a file.
    fn section(&self, file: &str, name: &str) -> (u64, u64) {
        let bytes = fs::read(self.path(file)).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        file.section_by_name(name).unwrap().file_range().unwrap()
    }

    fn patch(&self, file: &str, at: usize, bytes: &[u8]) {
        let mut whole = fs::read(self.path(file)).unwrap();
        whole[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(self.path(file), whole).unwrap();
    }

    fn symbolizer(&self) -> BlazeSymbolizer {
        BlazeSymbolizer::with_debug_dirs(vec![self.path("debug")])
    }

    /// What the function in `library` is called.
    fn name(&self, symbolizer: &mut BlazeSymbolizer, library: &str) -> Resolved {
        let module = Module { id: ModuleId(1), path: PathBuf::from(library), build_id: None };
        symbolizer.register(module.id, self.path(library));
        let bytes = fs::read(self.path("whole")).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        use object::ObjectSymbol as _;
        let function = file.symbols().find(|it| it.name() == Ok("find_me")).unwrap();
        symbolizer.resolve(&module, &[function.address() + 2]).remove(0)
    }

    /// Function and line.
    fn line(&self, symbolizer: &mut BlazeSymbolizer, library: &str) -> (String, Option<u32>) {
        let frames = self.name(symbolizer, library).unwrap();
        (frames[0].function.clone(), frames[0].line)
    }

    /// Places where a debug file of `library` is looked for.
    fn debug_place(&self) -> PathBuf {
        let bytes = fs::read(self.path("whole")).unwrap();
        let id = object::File::parse(&*bytes).unwrap().build_id().unwrap().unwrap().to_vec();
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let place = self.path(&format!("debug/.build-id/{}/{}.debug", &id[..2], &id[2..]));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }
}

fn named(line: Option<u32>) -> (String, Option<u32>) {
    ("find_me".to_owned(), line)
}

const STRIPPED: &str =
    "objcopy --only-keep-debug whole separate; cp whole stripped; strip -s stripped";

/// Largest resident set of this process so far, KiB (`proc_pid_status(5)`).
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Memory that all of these tests may take together, KiB.
const MEMORY: u64 = 512 << 10;

#[test]
fn debug_files_that_are_no_files_are_passed_over() {
    let folder = Folder::new(STRIPPED);
    let place = folder.debug_place();
    let ask = || folder.name(&mut folder.symbolizer(), "stripped");
    let (from, to) = (folder.path("separate"), &place);
    fs::copy(from, to).unwrap();
    assert_eq!(folder.line(&mut folder.symbolizer(), "stripped"), named(Some(3)));
    let clear = || fs::remove_file(&place).or_else(|_| fs::remove_dir(&place)).unwrap();
    clear();
    // A link to itself, through another, a directory, a FIFO that nobody writes to, a device.
    symlink(&place, &place).unwrap();
    assert_eq!(ask(), Err(Missing::NoSymbols));
    clear();
    fs::create_dir(&place).unwrap();
    assert_eq!(ask(), Err(Missing::NoSymbols));
    clear();
    assert!(Command::new("mkfifo").arg(&place).status().unwrap().success());
    assert_eq!(ask(), Err(Missing::NoSymbols));
    clear();
    symlink("/dev/zero", &place).unwrap();
    assert_eq!(ask(), Err(Missing::NoSymbols));
}

#[test]
fn a_sparse_debug_file_takes_neither_time_nor_memory() {
    let folder = Folder::new(STRIPPED);
    let place = folder.debug_place();
    fs::copy(folder.path("separate"), &place).unwrap();
    let file = OpenOptions::new().write(true).open(&place).unwrap();
    file.set_len(10 << 30).unwrap();
    // What lies behind the sections does not count.
    assert_eq!(folder.line(&mut folder.symbolizer(), "stripped"), named(Some(3)));
    // Sections as large as the file are left, and the reason is told.
    let bytes = fs::read(folder.path("separate")).unwrap();
    let table = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes([bytes[60], bytes[61]]));
    let mut damaged = bytes;
    for index in 1..count {
        let size = table + index * 64 + 32;
        damaged[size..size + 8].copy_from_slice(&(9_u64 << 30).to_le_bytes());
    }
    fs::write(&place, &damaged).unwrap();
    OpenOptions::new().write(true).open(&place).unwrap().set_len(10 << 30).unwrap();
    assert!(folder.name(&mut folder.symbolizer(), "stripped").is_err());
    assert!(peak_memory() < MEMORY, "{} KiB", peak_memory());
}

#[test]
fn without_build_ids_a_sparse_file_behind_a_link_is_not_summed_up() {
    let folder = Folder::new(
        "objcopy --remove-section=.note.gnu.build-id whole program; cp program separate; \
         strip -s program; objcopy --add-gnu-debuglink=separate program",
    );
    assert_eq!(folder.line(&mut folder.symbolizer(), "program"), named(Some(3)));
    let file = OpenOptions::new().write(true).open(folder.path("separate")).unwrap();
    // Hours, if it were read.
    file.set_len(1 << 43).unwrap();
    assert_eq!(folder.name(&mut folder.symbolizer(), "program"), Err(Missing::NoSymbols));
}

#[test]
fn shared_debug_information_may_name_itself() {
    let folder = Folder::new("cp whole first; cp whole other; dwz -m shared first other");
    let (offset, size) = folder.section("first", ".gnu_debugaltlink");
    let bytes = fs::read(folder.path("first")).unwrap();
    let link = &bytes[offset as usize..(offset + size) as usize];
    let end = link.iter().position(|byte| *byte == 0).unwrap();
    let own = object::File::parse(&*bytes).unwrap().build_id().unwrap().unwrap().to_vec();
    assert_eq!(own.len(), link.len() - end - 1);
    // Both the name and the build-id of the file itself.
    let mut name = b"first".to_vec();
    name.resize(end, 0);
    folder.patch("first", offset as usize, &[&name[..5], &[0], &own].concat());
    let (function, _) = folder.line(&mut folder.symbolizer(), "first");
    assert_eq!(function, "find_me");
    assert!(peak_memory() < MEMORY, "{} KiB", peak_memory());
}

#[test]
fn a_section_that_unpacks_to_gigabytes_is_left() {
    let folder = Folder::new("head -c 300000000 /dev/zero > zeros; cp whole program");
    // 300 MB of zeros as `.debug_info`, which zlib packs to a thousandth.
    folder.run("objcopy --update-section .debug_info=zeros program; rm zeros");
    folder.run("objcopy --compress-debug-sections=zlib program");
    assert!(folder.path("program").metadata().unwrap().len() < 4 << 20);
    let mut symbolizer = folder.symbolizer();
    symbolizer.set_room(64 << 20);
    assert_eq!(folder.line(&mut symbolizer, "program"), named(None), "by its symbol alone");
    assert!(peak_memory() < MEMORY, "{} KiB", peak_memory());
}

#[test]
fn more_debug_information_than_there_is_room_for_is_left() {
    let folder = Folder::new("true");
    let size = folder.path("whole").metadata().unwrap().len();
    let mut symbolizer = folder.symbolizer();
    symbolizer.set_room(size + (64 << 10));
    assert_eq!(folder.line(&mut symbolizer, "whole"), named(Some(3)));
    // For the symbols alone, and some headers.
    let symbols = [".symtab", ".strtab", ".dynsym", ".dynstr"];
    let symbols: u64 = symbols.iter().map(|name| folder.section("whole", name).1).sum();
    let mut symbolizer = folder.symbolizer();
    symbolizer.set_room(symbols + (64 << 10));
    assert_eq!(folder.line(&mut symbolizer, "whole"), named(None));
    let mut symbolizer = folder.symbolizer();
    symbolizer.set_room(100);
    assert_eq!(folder.name(&mut symbolizer, "whole"), Err(Missing::TooLarge));
}

/// Where there are over 65,279 sections the header says 0, and the first section how many (elf(5)).
#[test]
fn four_billion_sections_are_not_looked_at() {
    let folder = Folder::new("cp whole program");
    let bytes = fs::read(folder.path("program")).unwrap();
    let table = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
    folder.patch("program", 60, &[0, 0]);
    folder.patch("program", table + 32, &(1_u64 << 32).to_le_bytes());
    OpenOptions::new().write(true).open(folder.path("program")).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(folder.name(&mut folder.symbolizer(), "program"), Err(Missing::NoSymbols));
    let file = File::open(folder.path("program")).unwrap();
    let image = memtrace::probe::elf::Image::open(&file).unwrap();
    assert_eq!(image.sections().len(), 0);
    assert!(Table::build(&file).unwrap().is_sound());
    assert!(peak_memory() < MEMORY, "{} KiB", peak_memory());
}

/// A unit with a line program of 100 million lines, a byte each: compressed 100 KB, for the library 2.4 GB.
const LINES: &str = r#".section .debug_abbrev
.byte 1,0x11,0, 0x11,1,0x12,7,0x10,0x17, 0,0, 0
.section .debug_info
.long 2f-1f
1: .short 4
.long 0
.byte 8
.byte 1
.quad find_me
.quad 256
.long 0
2:
.section .debug_line
.long 4f-3f
3: .short 4
.long 6f-5f
5: .byte 1,1,1,0xfb,14,13, 0,1,1,1,1,0,0,0,1,0,0,1, 0
.asciz "x.c"
.byte 0,0,0, 0
6: .byte 0,9,2
.quad find_me
.fill COUNT,1,0x21
.byte 2,0x80,1, 0,1,1
4:
"#;

#[test]
fn lines_without_end_are_not_kept() {
    let folder = Folder::new("true");
    for (count, has_line) in [(10, true), (100_000_000, false)] {
        fs::write(folder.path("l.s"), LINES.replace("COUNT", &count.to_string())).unwrap();
        folder.run("gcc -g0 -O1 -fPIC -shared -nostdlib -Wl,--build-id -o program library.c l.s");
        folder.run("objcopy --compress-debug-sections=zlib program");
        assert!(folder.path("program").metadata().unwrap().len() < 1 << 20);
        let (function, found) = folder.line(&mut folder.symbolizer(), "program");
        assert_eq!((function.as_str(), found.is_some()), ("find_me", has_line), "{count}");
    }
    assert!(peak_memory() < MEMORY, "{} KiB", peak_memory());
}
