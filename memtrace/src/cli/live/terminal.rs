//! The terminal: taken, and given back as it was, however memtrace ends.

use crate::screen::{Screen, draw};
use ratatui::Terminal as Ratatui;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Name of the thread that draws.
pub(super) const THREAD: &str = "memtrace-screen";

/// The terminal shows the screen.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal. It is as before when this is dropped.
pub(super) struct Terminal(Ratatui<CrosstermBackend<Stdout>>);

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    /// What it says; it is as before then.
    pub(super) fn take() -> io::Result<Self> {
        close_at_panic();
        IS_TAKEN.store(true, Ordering::SeqCst);
        let taken = enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste))
            .and_then(|()| Ratatui::new(CrosstermBackend::new(stdout())));
        taken.map(Self).inspect_err(|_| give_back())
    }

    /// Draws; the size may have changed.
    ///
    /// # Errors
    /// What the terminal says.
    pub(super) fn draw(&mut self, screen: &Screen) -> io::Result<()> {
        // Given back by another thread's panic.
        if !IS_TAKEN.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.0.draw(|frame| draw(screen, frame)).map(drop)
    }

    /// Forgets what is on it, so that all is drawn anew.
    ///
    /// # Errors
    /// What the terminal says.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// What there is at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Keys, or nothing yet.
    Open,
    /// Nobody is there any more.
    Gone,
}

/// Waits for keys, at most for so long. Crossterm itself would read the end of a terminal that is gone for ever.
///
/// # Errors
/// What the system says.
pub(super) fn wait(time: Duration) -> io::Result<Input> {
    let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let mut input = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    // SAFETY: poll(2) reads and writes the one entry that it is given, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut input, 1, milliseconds) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        // A signal: of a new size, or of the end.
        return if error.kind() == io::ErrorKind::Interrupted {
            Ok(Input::Open)
        } else {
            Err(error)
        };
    }
    let gone = libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;
    Ok(if input.revents & gone == 0 { Input::Open } else { Input::Gone })
}

/// Makes the terminal what it was, once.
pub(super) fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // If the terminal is gone there is nobody to tell.
    let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// A panic is told on the terminal as it was. One that others catch (of a symbolizer, which reads hostile files) is
/// no reason to leave, and goes where log lines go.
fn close_at_panic() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let ends_us = matches!(thread::current().name(), Some("main" | THREAD));
        if ends_us || !IS_TAKEN.load(Ordering::SeqCst) {
            give_back();
            before(panic);
        } else {
            tracing::warn!("{panic}");
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::{IS_TAKEN, THREAD, Terminal};
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    use std::io::Read as _;
    use std::sync::atomic::Ordering;
    use std::thread;
    use vt100::Parser;

    /// Says to a test that it is the program on the terminal.
    const IS_PROGRAM: &str = "MEMTRACE_TEST_PANICS_ON_TERMINAL";

    /// Runs this very test on a pseudo-terminal, where the screen's thread panics: what that says must be on the
    /// ordinary screen, which it is only if the terminal was given back before.
    #[test]
    fn a_panic_gives_the_terminal_back() {
        if std::env::var_os(IS_PROGRAM).is_some() {
            return panic_on_terminal();
        }
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let settings = || format!("{:?}", pair.master.get_termios().unwrap());
        let before = settings();
        let mut program = CommandBuilder::new(std::env::current_exe().unwrap());
        let name = concat!(module_path!(), "::a_panic_gives_the_terminal_back");
        let name = name.split_once("::").unwrap().1;
        program.args(["--exact", name, "--nocapture", "--test-threads=1"]);
        program.env(IS_PROGRAM, "1");
        program.env("TERM", "xterm-256color");
        let mut child = pair.slave.spawn_command(program).unwrap();
        let mut output = pair.master.try_clone_reader().unwrap();
        let reader = thread::spawn(move || {
            let (mut screen, mut bytes) = (Parser::new(24, 200, 0), [0; 4096]);
            let mut was_taken = false;
            // An error says that the program is gone.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                for byte in &bytes[..count] {
                    screen.process(&[*byte]);
                    was_taken |= screen.screen().alternate_screen();
                }
            }
            (screen, was_taken)
        });
        let status = child.wait().unwrap();
        assert_eq!(settings(), before);
        drop(pair.slave);
        let (screen, was_taken) = reader.join().unwrap();
        let screen = screen.screen();
        let text = screen.contents();
        assert!(status.success() && was_taken, "{text}");
        assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{text}");
        assert!(text.contains("the screen fails"), "{text}");
        assert!(
            text.contains("after another thread's: taken true, after its own: taken false"),
            "{text}"
        );
        assert!(!text.contains("others catch this"), "{text}");
    }

    /// Another thread's panic is no reason to leave, that of the screen is.
    fn panic_on_terminal() {
        let run = |name: &str, work: fn()| {
            let thread = thread::Builder::new().name(name.to_owned()).spawn(work).unwrap();
            assert!(thread.join().is_err());
            IS_TAKEN.load(Ordering::SeqCst)
        };
        let terminal = Terminal::take().unwrap();
        let after_another = run("memtrace-names", || panic!("others catch this"));
        let after_its_own = run(THREAD, || panic!("the screen fails"));
        println!(
            "after another thread's: taken {after_another}, after its own: taken {after_its_own}"
        );
        drop(terminal);
    }
}
