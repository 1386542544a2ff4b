//! Every allocator that memtrace knows, traced in real processes: counts to the byte, callers by name.
//!
//! The libraries are Debian's, preloaded into the test's own programs or linked with them.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod programs;
mod support;

use memtrace::engine::heap::usable::usable;
use memtrace_common::classes::{Alignment, SizeClasses, Sizing};
use programs::require;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::may_trace;
use support::picture::{Picture, Slack, slack};
use support::program::{Program, compiled};
use support::report::{Account, Report, number};
use support::tracer::{Tracer, exact};

const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

/// Name for people, library, package.
const PRELOADED: [(&str, &str, &str); 4] = [
    ("jemalloc 5.", "libjemalloc.so.2", "libjemalloc2"),
    ("tcmalloc 2.", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    ("tcmalloc 2.", "libtcmalloc.so.4", "libgoogle-perftools4"),
    ("mimalloc", "libmimalloc.so.2", "libmimalloc2.0"),
];

/// Links of every kind must tell the same.
const LINKS: [&str; 3] = ["session", "multi", "perf"];

fn preloaded(name: &str, library: &str, package: &str, arguments: &[&str]) -> Program {
    let library = format!("{LIBRARIES}/{library}");
    require(&library, package);
    let mut command = Command::new(compiled(name));
    Program::launch(name, command.args(arguments).env("LD_PRELOAD", &library))
}

#[track_caller]
fn assert_allocator(report: &Report, pid: u32, name: &str) {
    let allocators = report.process(pid).0["allocators"].as_array().unwrap();
    let is_its = |found: &serde_json::Value| found.as_str().unwrap().starts_with(name);
    assert!(allocators.iter().any(is_its), "{name} is not among {allocators:?}");
}

/// Kinds of links that this kernel has; the others were refused when tried.
fn links() -> impl Iterator<Item = &'static str> {
    LINKS.into_iter().filter(|link| {
        let mut program = Program::start("two_sizes", &[]);
        let works = programs::run([
            "--pid",
            &program.pid().to_string(),
            "--link",
            link,
            "--duration",
            "1ms",
            "-i",
            "0",
        ]);
        assert!(program.is_alive());
        works.code() == 0
    })
}

#[test]
fn c_functions_of_preloaded_allocators() {
    if !may_trace() {
        return;
    }
    for (name, library, package) in PRELOADED {
        let mut program = preloaded("allocators/c", library, package, &[]);
        let report = exact(&mut program, &[]);
        assert_allocator(&report, program.pid(), name);
        let process = report.process(program.pid());
        assert_eq!(process.functions("by_malloc"), ["malloc".to_owned()].into(), "{library}");
        assert_eq!(process.functions("by_realloc"), ["realloc".to_owned()].into(), "{library}");
        assert!(program.end().success());
    }
}

#[test]
fn jemalloc_has_what_it_says_it_has() {
    if !may_trace() {
        return;
    }
    let library = format!("{LIBRARIES}/libjemalloc.so.2");
    require(&library, "libjemalloc2");
    let Slack { report, pid, accounts, before, after } = slack(&[], Some(&library));
    let seen = Picture::of(report.process(pid).0);
    seen.assert_adds_up();
    seen.assert_all_known();
    assert_eq!(seen.owner("allocator_mapped_bytes"), after.system - before.system);
    assert_eq!(seen.exact("program_mapped"), accounts.figure("bytes ", "touched"));
    let files = seen.process["allocator_mappings"].as_array().unwrap();
    assert_eq!(files[0]["module"], "libjemalloc.so.2", "{files:?}");
}

/// A block: size asked for, alignment, address, and what it takes as its allocator says.
type Told = [u64; 4];

/// What an allocator says that its blocks take, as `usable.c` has it.
fn told_by_allocator(library: Option<&str>, arguments: &[&str]) -> Vec<Told> {
    let mut command = Command::new(compiled("allocators/usable"));
    if let Some(library) = library {
        command.env("LD_PRELOAD", format!("{LIBRARIES}/{library}"));
    }
    command.args(arguments);
    told_by(command)
}

fn told_by(mut command: Command) -> Vec<Told> {
    let output = command.output().unwrap();
    assert!(output.status.success());
    let number = |word: &str| match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => word.parse().unwrap(),
    };
    let line = |line: &str| -> Told {
        line.split(' ').map(number).collect::<Vec<_>>().try_into().unwrap()
    };
    let told: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(line).collect();
    assert!(told.len() > 10_000);
    told
}

/// Size classes by our arithmetic are those of Debian's libraries, for new blocks and resized ones.
#[test]
fn size_classes_are_those_of_the_allocators() {
    if !may_trace() {
        return;
    }
    for (name, library, package) in PRELOADED {
        require(&format!("{LIBRARIES}/{library}"), package);
        let is_its = |classes: &&SizeClasses| name.starts_with(classes.name().unwrap());
        let classes = *SizeClasses::KNOWN.iter().find(is_its).unwrap();
        for [size, _, address, takes] in told_by_allocator(Some(library), &[]) {
            match usable(Sizing::of(classes), address, size) {
                Some(ours) => assert_eq!(ours, takes, "{size} bytes of {library}"),
                None => {
                    assert!(name == "mimalloc" && size > 128 << 10, "{size} bytes of {library}");
                }
            }
        }
    }
}

fn sizing(classes: SizeClasses, alignment: u64) -> Sizing {
    Sizing { classes, alignment: Alignment::of_bytes(alignment) }
}

/// Those whose aligned blocks follow from size and alignment alone.
#[test]
fn aligned_blocks_are_those_of_the_allocators() {
    if !may_trace() {
        return;
    }
    for (library, package, classes) in [
        ("libjemalloc.so.2", "libjemalloc2", SizeClasses::JEMALLOC),
        ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4", SizeClasses::TCMALLOC),
        ("libtcmalloc.so.4", "libgoogle-perftools4", SizeClasses::TCMALLOC),
    ] {
        require(&format!("{LIBRARIES}/{library}"), package);
        for [size, alignment, address, takes] in told_by_allocator(Some(library), &["aligned"]) {
            let ours = usable(sizing(classes, alignment), address, size);
            assert_eq!(ours, Some(takes), "{size} bytes of {library}, aligned to {alignment}");
        }
    }
}

/// mimalloc's are as large as one that is not aligned at least, and at most as one that has a place that is aligned
/// wherever it lies.
#[test]
fn aligned_blocks_of_mimalloc_are_estimated() {
    if !may_trace() {
        return;
    }
    require(&format!("{LIBRARIES}/libmimalloc.so.2"), "libmimalloc2.0");
    let plain = |size| usable(Sizing::of(SizeClasses::MIMALLOC), 0, size);
    let mut sums = [0, 0];
    for [size, alignment, _, takes] in told_by_allocator(Some("libmimalloc.so.2"), &["aligned"]) {
        let ours = usable(sizing(SizeClasses::MIMALLOC, alignment), 0, size);
        let Some(most) = plain(size + alignment - 1) else {
            assert_eq!(ours, None, "{size} at {alignment}");
            continue;
        };
        let known = plain(size).unwrap()..=most;
        let ours = ours.unwrap();
        assert!(known.contains(&ours), "{size} at {alignment}: {ours}");
        assert!(known.contains(&takes), "{size} at {alignment}: {takes}");
        sums = [sums[0] + ours, sums[1] + takes];
    }
    assert!(sums[0].abs_diff(sums[1]) < sums[1] / 20, "{sums:?}");
}

/// What a block of mallocng takes at least and at most, as `musl.rs` says, of which it has one class more where it
/// was resized in place: given what it takes by its class, and by the next two.
fn slots_of_musl(size: u64, ours: u64) -> std::ops::RangeInclusive<u64> {
    let own_pages = (size + 20).next_multiple_of(4096) - 20;
    let plain = |size| usable(Sizing::of(SizeClasses::MALLOCNG), 0, size).unwrap();
    let next = plain(ours + 1);
    let after_next = plain(next + 1);
    // A resized mapping keeps what lies before the block: a page at most.
    ours.min(own_pages)..=if size < 131_052 { after_next.max(own_pages) } else { next }
}

/// musl's blocks lie in the slots of their classes, or in those of the next ones, or in pages of their own.
#[test]
fn slots_of_musl_are_estimated() {
    if !may_trace() {
        return;
    }
    require("musl-gcc", "musl-tools");
    for arguments in [&[][..], &["aligned"]] {
        let mut command = Command::new(compiled("allocators/slots_musl"));
        command.args(arguments);
        let mut sums = [0, 0];
        let mut equal = 0;
        let told = told_by(command);
        for &[size, alignment, address, takes] in &told {
            let ours = usable(sizing(SizeClasses::MALLOCNG, alignment), address, size).unwrap();
            let asked = size + alignment.max(16) - 16;
            let known = slots_of_musl(asked, ours);
            assert!(known.contains(&takes), "{size} at {alignment}: {takes}, not {known:?}");
            sums = [sums[0] + ours, sums[1] + takes];
            equal += usize::from(ours == takes);
        }
        assert!(sums[0].abs_diff(sums[1]) < sums[1] / 50, "{sums:?}");
        assert!(equal > told.len() / 2, "{equal} of {}", told.len());
    }
}

/// Aligned ones of glibc are cut from larger ones: what is left behind them has no room for a chunk.
#[test]
fn aligned_chunks_of_the_c_library_are_estimated() {
    if !may_trace() {
        return;
    }
    let mut command = Command::new(compiled("allocators/usable"));
    command.arg("aligned");
    let mut sums = [0, 0];
    for [size, alignment, address, takes] in told_by(command) {
        let ours = usable(sizing(SizeClasses::GLIBC, alignment), address, size).unwrap();
        // One with a mapping of its own keeps a page and the alignment behind it.
        let rest = if size + alignment >= 128 << 10 { 4096 + alignment.max(4096) } else { 32 };
        assert!(
            (ours..=ours + rest).contains(&takes),
            "{size} at {address:#x}: {takes}, not {ours}"
        );
        sums = [sums[0] + ours, sums[1] + takes];
    }
    assert!(sums[0] > sums[1] / 100 * 99, "{sums:?}");
}

/// glibc's chunks take what we say, a rest of at most 16 bytes more, or, where a block in a mapping of its own
/// was made smaller than those usually are, up to a page.
#[test]
fn chunks_of_the_c_library_are_estimated() {
    if !may_trace() {
        return;
    }
    let mut sums = [0, 0];
    for [size, _, address, takes] in told_by_allocator(None, &[]) {
        let ours = usable(Sizing::of(SizeClasses::GLIBC), address, size).unwrap();
        let is_mapped = address % 4096 == 16 && size >= 4096;
        let rest = if is_mapped { 4096 } else { 16 };
        assert!(
            (ours..=ours + rest).contains(&takes),
            "{size} at {address:#x}: {takes}, not {ours}"
        );
        sums = [sums[0] + ours, sums[1] + takes];
    }
    assert!(sums[0] > sums[1] / 100 * 99, "{sums:?}");
}

#[test]
fn c_plus_plus_operators_of_preloaded_allocators() {
    if !may_trace() {
        return;
    }
    for link in links() {
        for (name, library, package) in PRELOADED {
            // Built as C, it ends the program where it would have to throw.
            let arguments: &[&str] = if name == "mimalloc" { &["never-fails"] } else { &[] };
            let mut program = preloaded("allocators/operators", library, package, arguments);
            let report = exact(&mut program, &["--link", link]);
            assert_allocator(&report, program.pid(), name);
            let process = report.process(program.pid());
            let by_new = process.functions("by_new");
            assert_eq!(by_new, ["operator new".to_owned()].into(), "{library}, {link} link");
            assert!(program.end().success(), "{library}, {link} link");
        }
    }
}

/// Compiles a program of the fixtures with a library of an allocator among those that it needs. An archive
/// becomes part of it, with `more` that it needs itself.
fn linked(compiler: &str, source: &str, library: &str, more: &[&str], folder: &Path) -> PathBuf {
    let program = folder.join(format!("{library}.program"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(source);
    let mut command = Command::new(compiler);
    command.args(["-O1", "-g", "-fno-omit-frame-pointer", "-pthread", "-fno-builtin"]);
    command.arg("-o").arg(&program).arg(source).arg("-Wl,--no-as-needed");
    command.arg(format!("-l:{library}")).args(more);
    assert!(command.status().unwrap().success(), "{library}");
    program
}

/// As programs have them that chose their allocator when they were built.
#[test]
fn allocators_that_programs_are_linked_with() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, library, package) in PRELOADED {
        require(&format!("{LIBRARIES}/{library}"), package);
        let never_fails: &[&str] = if name == "mimalloc" { &["never-fails"] } else { &[] };
        for (compiler, source, arguments) in
            [("gcc", "allocators/c.c", &[][..]), ("g++", "allocators/operators.cpp", never_fails)]
        {
            let file = linked(compiler, source, library, &[], folder.path());
            let mut program = Program::start_file(&file, arguments);
            let report = exact(&mut program, &[]);
            assert_allocator(&report, program.pid(), name);
            assert!(program.end().success(), "{library}, {source}");
        }
    }
}

/// Archives of Debian's libgoogle-perftools-dev, and what they need to be linked.
const ARCHIVES: [(&str, &[&str]); 3] = [
    ("libtcmalloc_minimal.a", &["-lstdc++", "-lm"]),
    ("libtcmalloc_minimal.a", &["-lstdc++", "-lm", "-static"]),
    ("libtcmalloc.a", &["-lstdc++", "-lm", "-lunwind"]),
];

/// tcmalloc in the program itself, where the C library's own allocator is another one or is left out.
#[test]
fn tcmalloc_in_a_program() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (archive, more) in ARCHIVES {
        require(&format!("{LIBRARIES}/{archive}"), "libgoogle-perftools-dev");
        for (compiler, source) in [("gcc", "allocators/c.c"), ("g++", "allocators/operators.cpp")] {
            let file = linked(compiler, source, archive, more, folder.path());
            let mut program = Program::start_file(&file, &[]);
            let report = exact(&mut program, &[]);
            assert_allocator(&report, program.pid(), "tcmalloc 2.");
            assert!(program.end().success(), "{archive}, {more:?}, {source}");
        }
    }
}

/// Builds a crate of the fixtures, and gives the folder of what came out.
fn built(name: &str) -> PathBuf {
    built_with(name, name, &[])
}

/// As [`built`], with variables of the environment, into a folder of its own.
fn built_with(name: &str, folder: &str, variables: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let manifest =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/allocators").join(name);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path"]);
    cargo.arg(manifest.join("Cargo.toml")).arg("--target-dir").arg(&folder);
    cargo.envs(variables.iter().copied());
    assert!(cargo.status().unwrap().success(), "cargo does not build {name}");
    folder.join("debug")
}

/// mimalloc's own sources, compiled into an archive with the standard names.
#[test]
fn mimalloc_in_a_program() {
    if !may_trace() {
        return;
    }
    let search = format!("-L{}", built("mimalloc_archive").display());
    let folder = tempfile::tempdir().unwrap();
    for more in [&[][..], &["-static"]] {
        let more = [&[search.as_str()], more].concat();
        let archive = "libmimalloc_archive.a";
        let file = linked("gcc", "allocators/c.c", archive, &more, folder.path());
        let mut program = Program::start_file(&file, &[]);
        let report = exact(&mut program, &[]);
        // Where the C library's own is another one, both are told by their files.
        let file = if more.len() == 1 { " of libmimalloc_archive.a.program" } else { "" };
        assert_allocator(&report, program.pid(), &format!("mimalloc{file}"));
        assert!(program.end().success(), "{more:?}");
    }
}

/// Functions of the standard names that a program may call by those of redis' jemalloc instead.
const RENAMED: [&str; 10] = [
    "malloc",
    "calloc",
    "realloc",
    "free",
    "posix_memalign",
    "aligned_alloc",
    "memalign",
    "valloc",
    "malloc_usable_size",
    "mallctl",
];

/// jemalloc as redis builds its own: a quantum of 8 bytes, and names that begin with `je_`.
fn jemalloc_as_in_redis(folder: &Path) {
    let variables = [("JEMALLOC_SYS_WITH_LG_QUANTUM", "3")];
    let out = built_with("rust_jemalloc", "rust_jemalloc_quantum_8", &variables);
    let script = "cp $(ls -t $1/build/tikv-jemalloc-sys-*/out/lib/libjemalloc.a | head -n 1) jemalloc.a
        nm jemalloc.a | sed -n 's/.* \\(_rjem_\\(je_\\)\\?\\([a-z].*\\)\\)$/\\1 je_\\3/p' | sort -u > names
        objcopy --redefine-syms=names jemalloc.a libje.a";
    let mut shell = Command::new("sh");
    shell.args(["-ec", script, "sh"]).arg(out).current_dir(folder);
    assert!(shell.status().unwrap().success());
}

/// What a program with such a jemalloc takes is known to the byte.
#[test]
fn a_program_with_jemalloc_as_in_redis() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    jemalloc_as_in_redis(folder.path());
    let renamed = RENAMED.map(|name| format!("-D{name}=je_{name}"));
    let search = format!("-L{}", folder.path().display());
    let mut more: Vec<&str> = renamed.iter().map(String::as_str).collect();
    more.extend([search.as_str(), "-lm"]);

    let usable_file = linked("gcc", "allocators/usable.c", "libje.a", &more, folder.path());
    for arguments in [&[][..], &["aligned"]] {
        let mut command = Command::new(&usable_file);
        command.args(arguments);
        for [size, alignment, address, takes] in told_by(command) {
            let ours = usable(sizing(SizeClasses::JEMALLOC_QUANTUM_8, alignment), address, size);
            assert_eq!(ours, Some(takes), "{size} bytes at {alignment}");
        }
    }
    let file = linked("gcc", "allocators/c.c", "libje.a", &more, folder.path());
    let mut program = Program::start_file(&file, &[]);
    let report = exact(&mut program, &[]);
    assert_allocator(&report, program.pid(), "jemalloc 5.");
    let process = report.process(program.pid());
    let heap = &process.0["heap"];
    assert_eq!(heap["usable_classes"], serde_json::json!(["jemalloc"]), "{heap}");
    // Those that were asked for with an alignment among them: 50, 1, 2 and 1, as the program says.
    assert_eq!(heap["usable_unknown_blocks"], 0, "{heap}");
    assert_eq!(heap["usable_exact"], true, "{heap}");
    assert!(heap["usable_bytes"].as_u64().unwrap() > 1_000_000, "{heap}");
    assert!(program.end().success());
}

/// A library with two versions of one function, which share no code, and an IFUNC.
const VERSIONS: &str = "#include <stddef.h>
static char memory[4096];
static size_t used;
__attribute__((noipa)) void *take_1(size_t size) { used += size; return memory + used - size; }
__attribute__((noipa)) void *take_2(size_t size) { used += size + 16; return memory + used - size; }
__asm__(\".symver take_1, take@VERSION_1\");
__asm__(\".symver take_2, take@@VERSION_2\");
static void *(*choose(void))(size_t) { return take_2; }
void *chosen(size_t size) __attribute__((ifunc(\"choose\")));
";

/// What the library exports.
const VERSION_SCRIPT: &str =
    "VERSION_1 { global: take; chosen; local: *; };\nVERSION_2 { global: take; } VERSION_1;\n";

/// 3 blocks of 16 bytes of the old version, and 2 of 32 of the new one.
const CALLS_VERSIONS: &str = "#include \"fixture.h\"
#include <dlfcn.h>
int main(int count, char **arguments) {
    void *library = dlopen(arguments[count - 1], RTLD_NOW);
    if (library == NULL) give_up(dlerror());
    void *(*old)(size_t) = (void *(*)(size_t))dlvsym(library, \"take\", \"VERSION_1\");
    void *(*new)(size_t) = (void *(*)(size_t))dlvsym(library, \"take\", \"VERSION_2\");
    if (old == NULL || new == NULL || old == new) give_up(\"no two versions\");
    ready();
    for (int i = 0; i < 3; i++) old(16);
    for (int i = 0; i < 2; i++) new(32);
    expect(\"pools\", (struct account){.allocated_blocks = 5, .allocated_bytes = 112});
    expect(\"all\", (struct account){0});
    done();
    return 0;
}
";

/// Whichever version a program is bound to, its calls are seen. What an IFUNC's symbol stands for is no
/// allocator but what chooses one: a probe there would see nothing.
#[test]
fn all_versions_of_a_function_are_probed_and_an_ifunc_is_refused() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("library.c"), VERSIONS).unwrap();
    std::fs::write(path("library.map"), VERSION_SCRIPT).unwrap();
    std::fs::write(path("program.c"), CALLS_VERSIONS).unwrap();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    for line in [
        "-O2 -shared -fPIC -s -Wl,--version-script=library.map -o libtake.so library.c".to_owned(),
        format!("-O1 -pthread -I{fixtures} -o program program.c -ldl"),
    ] {
        let mut gcc = Command::new("gcc");
        gcc.args(line.split(' ')).current_dir(folder.path());
        assert!(gcc.status().unwrap().success(), "gcc {line}");
    }
    let library = path("libtake.so");
    let mut program = Program::start_file(&path("program"), &[library.to_str().unwrap()]);
    let pid = program.pid();
    let refused = ["--pid", &pid.to_string(), "--alloc-fn", "libtake.so:chosen(size=0)"];
    programs::run(refused).assert_refused(1, &["chosen", "an IFUNC: its code is chosen"]);
    let tracer = Tracer::with(&[&program], &["--alloc-fn", "libtake.so:take(size=0)"]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let pools = &report.process(pid).0["pools"]["totals"];
    let account = Account::of(|key| number(&pools[key]));
    assert_eq!(account, accounts.callers["pools"]);
    assert!(program.end().success());
}

/// How symbols leave a program, in a shell with the program's name in `$1`.
const SPLIT: [(&str, &str); 3] = [
    (
        "a file of their own, found by its build-id",
        "id=$(readelf -n $1 | sed -n 's/.*Build ID: //p'); rest=${id#??}; folder=debug/.build-id/${id%$rest}; \
         mkdir $folder; objcopy --only-keep-debug $1 $folder/$rest.debug; strip $1",
    ),
    (
        "a file of their own",
        "objcopy --only-keep-debug $1 $1.debug; strip $1; objcopy --add-gnu-debuglink=$1.debug $1",
    ),
    (
        "the program, packed",
        "objcopy --strip-debug $1 small; objcopy --only-keep-debug small small; xz small; strip $1; \
         objcopy --add-section .gnu_debugdata=small.xz $1",
    ),
];

/// A pool in a program, which no table of the program itself names.
const POOL: &str = "#include \"fixture.h\"
static char memory[4096];
static size_t used;
FUNCTION void *pool_take(size_t size) { used += size; return memory + used - size; }
int main(void) {
    ready();
    for (int i = 0; i < 3; i++) pool_take(100);
    expect(\"pools\", (struct account){.allocated_blocks = 3, .allocated_bytes = 300});
    void *block = malloc(50);
    HIDE(block);
    expect(\"all\", (struct account){.allocated_blocks = 1, .allocated_bytes = 50});
    done();
    return 0;
}
";

/// A tracer that alone sees `debug` in the place of the system's debug files.
fn beside_debug_files(debug: &Path, pid: u32) -> Command {
    let script = "mkdir -p /usr/lib/debug; mount --bind \"$1\" /usr/lib/debug; shift; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script, "sh"]).arg(debug);
    command.args([env!("CARGO_BIN_EXE_memtrace"), "--pid", &pid.to_string(), "--exact"]);
    command.args(["--interval", "0", "--min-age", "0", "--top", "0", "--format", "json"]);
    command.args(["--alloc-fn", "program:pool_take(size=0)"]);
    command
}

/// Neither the static C library nor the user's pool can be found in what is left of the program.
#[test]
fn symbols_that_were_split_off_are_found() {
    if !may_trace() {
        return;
    }
    require("xz", "xz-utils");
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    for (place, script) in SPLIT {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("program.c"), POOL).unwrap();
        let script = format!(
            "gcc -O1 -g -static -pthread -Wl,--build-id -I{fixtures} -o $1 program.c; {script}"
        );
        let mut shell = Command::new("sh");
        shell.args(["-ec", &script, "sh", "program"]).current_dir(folder.path());
        std::fs::create_dir_all(folder.path().join("debug/.build-id")).unwrap();
        assert!(shell.status().unwrap().success(), "{place}");
        let mut program = Program::start_file(&folder.path().join("program"), &[]);
        let pid = program.pid();
        let tracer = Tracer::launch(beside_debug_files(&folder.path().join("debug"), pid));
        let accounts = program.work();
        let report = tracer.stop().only_report();
        report.assert_nothing_lost();
        assert_allocator(&report, pid, "glibc");
        let process = report.process(pid);
        let account = Account::of(|key| number(&process.0["pools"]["totals"][key]));
        assert_eq!(account, accounts.callers["pools"], "{place}");
        process.assert_totals(&accounts);
        assert!(program.end().success());
    }
}

/// libstdc++'s end in malloc, where they count. Its form that may not throw catches what the other one
/// throws: one more exception.
#[test]
fn c_plus_plus_operators_of_the_c_library() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("allocators/operators", &[]);
    let tracer = Tracer::of(&[&program]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let heap = |key: &str| report.process(program.pid()).heap(key);
    assert_eq!(heap("allocated_blocks"), accounts.all.allocated_blocks + 1);
    assert_eq!(heap("freed_blocks"), accounts.all.freed_blocks + 1);
    assert_eq!(heap("unknown_frees"), 0);
    assert!(program.end().success());
}

#[test]
fn programs_of_musl_and_without_shared_libraries() {
    if !may_trace() {
        return;
    }
    require("musl-gcc", "musl-tools");
    for (name, allocator) in [
        ("allocators/c_static", "glibc"),
        ("allocators/c_musl", "musl 1."),
        ("allocators/c_musl_static", "musl"),
    ] {
        let mut program = Program::start(name, &[]);
        let report = exact(&mut program, &[]);
        assert_allocator(&report, program.pid(), allocator);
        assert!(program.end().success());
    }
}

#[test]
fn a_static_program_without_symbols_is_refused_with_the_reason() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("allocators/c_stripped", &[]);
    let ended = programs::run(["--pid", &program.pid().to_string()]);
    ended.assert_refused(1, &["c_stripped (statically linked and stripped)", "not stripped"]);
    assert!(program.is_alive());
}

/// jemalloc under a prefix of its own, in the program's symbol table and nowhere else.
#[test]
fn a_rust_program_with_jemalloc_in_it() {
    if !may_trace() {
        return;
    }
    let file = built("rust_jemalloc").join("rust_jemalloc");
    let mut program = Program::start_file(&file, &[]);
    let tracer = Tracer::of(&[&program]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_allocator(&report, program.pid(), "jemalloc 5.");
    report.process(program.pid()).assert_totals(&accounts);
    assert!(program.end().success());
}
