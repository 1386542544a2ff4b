//! A guest: a kernel in qemu. Always software emulation: hardware virtualisation is not to be had on
//! every machine, and breaks some that are guests themselves.

use super::console::Console;
use super::follow::follow;
use super::pieces::Piece;
use super::results::Run;
use crate::command::{find, shown};
use crate::elevate;
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::io::{LineWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

const QEMU: &str = "qemu-system-x86_64";

/// MiB. The tests' programs lie in it, unpacked and as the archive, and traced programs beside them.
const MEMORY: &str = "2048";

/// The kernel's command line: all it says goes to the console, with the time; it ends the guest when
/// it finds a fault of its own. Its defences against speculation are of no use under emulation.
///
/// A processor counts as locked up after two minutes, twice the threshold, instead of 20 seconds: it
/// goes by the clock on the wall, and an emulated processor stands still as long as the machine below
/// has no time for it (45 s were seen once, in a page fault of a guest that is well otherwise).
///
/// What init says goes through the kernel's log, and none of it is to be left out (`printk.devkmsg`).
const COMMAND_LINE: &str = "console=ttyS0 printk.time=1 printk.devkmsg=on panic=-1 oops=panic softlockup_panic=1 \
                            watchdog_thresh=60 mitigations=off";

/// What all guests have in common.
#[derive(Debug)]
pub(super) struct Setting {
    /// The archive that they boot into.
    pub(super) initramfs: PathBuf,
    /// Processors of each.
    pub(super) processors: u8,
    /// More words for the kernel's command line.
    pub(super) append: String,
    /// The longest that one may run.
    pub(super) limit: Duration,
    /// Where each has a folder for what it said.
    pub(super) folder: PathBuf,
}

/// Makes sure that there is a qemu.
pub(super) fn require_qemu() -> Result<PathBuf> {
    let Some(qemu) = find(QEMU) else {
        bail!("{QEMU} is missing: install the package qemu-system-x86");
    };
    Ok(qemu)
}

/// Boots a kernel, and reads what it says until it powers off.
///
/// # Errors
/// When qemu cannot be run, or its output not be kept. What goes wrong inside is in the result.
pub(super) fn boot(piece: &Piece<'_>, setting: &Setting) -> Result<Run> {
    run(piece, qemu(&require_qemu()?, piece, setting)?, setting)
}

/// What a person would type to boot it.
pub(super) fn by_hand(piece: &Piece<'_>, setting: &Setting) -> Result<String> {
    Ok(shown(&qemu(&require_qemu()?, piece, setting)?))
}

/// The command that boots a kernel.
fn qemu(program: &Path, piece: &Piece<'_>, setting: &Setting) -> Result<Command> {
    let mut qemu = elevate::as_user(program)?;
    // One thread for all processors: with one each, a 5.10 guest hung and a 6.18 guest panicked on an
    // int3 that was a nop again when the message was written. The kernel patches its code through
    // breakpoints each time that a tracepoint is switched, and qemu 10 seems to race with it.
    qemu.args(["-accel", "tcg,thread=single", "-cpu", "max", "-m", MEMORY]);
    qemu.args(["-smp", &setting.processors.to_string()]);
    qemu.arg("-kernel").arg(&piece.image.file).arg("-initrd").arg(&setting.initramfs);
    let words = format!("{COMMAND_LINE} {} {}", piece.words(), setting.append);
    qemu.args(["-append", words.trim_end()]);
    // Nothing but a serial line, and no second try after a panic.
    qemu.args(["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"]);
    Ok(qemu)
}

fn run(piece: &Piece<'_>, qemu: Command, setting: &Setting) -> Result<Run> {
    let kernel = piece.kernel;
    let folder = setting.folder.join(kernel);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(piece.console());
    let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    // Line by line, so that it can be watched.
    let mut log = LineWriter::new(log);
    let mut console = Console::default();
    let begin = Instant::now();
    let status = follow(qemu, setting.limit, |line| {
        writeln!(log, "{line}").with_context(|| format!("cannot write {}", path.display()))?;
        if console.line(line)
            && let Some(group) = console.groups.last()
        {
            println!("kernel {kernel}: {}: {group}", group.name);
        }
        Ok(())
    })?;
    log.flush().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Run {
        kernel: kernel.to_owned(),
        trouble: trouble(&console, status, setting.limit).map(|what| {
            format!("{what}\n{}  the whole console: {}", console.tail(), path.display())
        }),
        release: console.release,
        wanted: piece.groups.iter().map(|&group| group.to_owned()).collect(),
        groups: console.groups,
        verdicts: console.verdicts,
        time: begin.elapsed(),
    })
}

fn trouble(console: &Console, status: Option<ExitStatus>, limit: Duration) -> Option<String> {
    match status {
        _ if console.oops.is_some() => console.trouble(),
        None => Some(format!("it was killed, as it had not ended after {} s", limit.as_secs())),
        Some(status) if !status.success() => Some(format!("qemu ended with {status}")),
        Some(_) => console.trouble(),
    }
}

#[cfg(test)]
mod tests {
    use super::{COMMAND_LINE, Piece, Setting, qemu, run};
    use crate::kernels::cache::Image;
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    fn setting(folder: &Path) -> Setting {
        Setting {
            initramfs: "/initramfs".into(),
            processors: 2,
            append: "extra".to_owned(),
            limit: Duration::from_millis(400),
            folder: folder.to_owned(),
        }
    }

    fn image() -> Image {
        Image { package: String::new(), file: "/vmlinuz".into() }
    }

    fn piece(image: &Image) -> Piece<'_> {
        Piece { kernel: "6.1", image, number: 0, groups: vec!["links", "loss"] }
    }

    /// What is said of a guest whose qemu is this script.
    fn trouble(script: &str, limit: Duration) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        let setting = Setting { limit, ..setting(folder.path()) };
        let run = run(&piece(&image()), shell, &setting).unwrap();
        assert!(folder.path().join("6.1/console.log").is_file());
        run.trouble
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_guest_that_hangs_is_killed_and_its_last_words_are_shown() {
        let script = "echo booting; exec sleep 1000";
        let text = trouble(script, Duration::from_millis(400)).unwrap();
        for part in ["it was killed", "  | booting\n", "console.log"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn panic_no_sentinel_and_a_broken_qemu_are_told_apart() {
        let panic = "echo '[    1.000000] Kernel panic - not syncing: x'; exit 0";
        assert!(trouble(panic, LONG).unwrap().starts_with("the kernel panicked"));
        assert!(trouble("echo booting", LONG).unwrap().starts_with("it ended before"));
        let broken = trouble("echo 'no such machine' >&2; exit 1", LONG).unwrap();
        assert!(broken.starts_with("qemu ended with") && broken.contains("no such machine"));
        assert_eq!(trouble("echo '@@memtrace sentinel 0'", LONG), None);
    }

    #[test]
    fn hardware_virtualisation_is_never_asked_for() {
        let image = image();
        let command = qemu(Path::new("qemu"), &piece(&image), &setting(Path::new("/"))).unwrap();
        let words: Vec<_> = command.get_args().filter_map(|word| word.to_str()).collect();
        let after = |option| words.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1]);
        assert_eq!(after("-accel"), Some("tcg,thread=single"));
        let own = "memtrace.groups=links,loss memtrace.verdicts=yes";
        assert_eq!(after("-append"), Some(format!("{COMMAND_LINE} {own} extra").as_str()));
        assert!(!words.join(" ").contains("kvm"));
    }
}
