//! A program on a pseudo-terminal: keys go in, and what a person would see comes out.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test fails by panicking")]

use crate::support::{limit, wait_until};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read as _, Write};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use vt100::Parser;

/// `include/uapi/asm-generic/ioctls.h`: hangs up, for root.
const TIOCVHANGUP: libc::c_ulong = 0x5437;
/// Between two looks at the screen.
const PAUSE: Duration = Duration::from_millis(20);

/// The program, its terminal and what is on it. It is killed when this is dropped.
pub struct PseudoTerminal {
    terminal: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Parser>>,
    /// How the terminal was set before the program came.
    before: String,
}

impl PseudoTerminal {
    /// Starts a program on a terminal of 80 by 24.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        for (name, value) in [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8")] {
            command.env(name, value);
        }
        command.env_remove("NO_COLOR");
        command.cwd(std::env::temp_dir());
        let before = settings(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).unwrap();
        let seen = Arc::new(Mutex::new(Parser::new(size.rows, size.cols, 0)));
        let mut output = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let parser = Arc::clone(&seen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error says that the program is gone.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                parser.lock().unwrap().process(&bytes[..count]);
            }
        });
        drop(pair.slave);
        Self { terminal: pair.master, keys, child, seen, before }
    }

    /// Presses keys: the bytes that a terminal sends.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// What is on the screen.
    pub fn picture(&self) -> String {
        self.seen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen shows all of this; gives it.
    pub fn wait_for(&mut self, parts: &[&str]) -> String {
        let begin = Instant::now();
        loop {
            let picture = self.picture();
            if parts.iter().all(|part| picture.contains(part)) {
                return picture;
            }
            assert!(begin.elapsed() < limit(), "{parts:?} is not shown:\n{picture}");
            thread::sleep(PAUSE);
        }
    }

    /// Waits until a line of the screen, counted from 0, shows this.
    pub fn wait_for_line(&mut self, number: usize, part: &str) {
        wait_until(&format!("{part} in line {number}"), || {
            let picture = self.picture();
            picture.lines().nth(number).is_some_and(|line| line.contains(part)).then_some(())
        });
    }

    /// Changes the terminal's size.
    pub fn resize(&mut self, rows: u16, cols: u16) {
        self.seen.lock().unwrap().screen_mut().set_size(rows, cols);
        self.terminal.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.process_id().unwrap()).unwrap();
        // SAFETY: no memory is involved; the child has not been waited for, so its number is its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Waits for the program's end; gives its status. The terminal must be as it was before.
    pub fn wait(mut self) -> u32 {
        let status = wait_until("the end of the program", || self.child.try_wait().unwrap());
        wait_until("the ordinary screen", || {
            let seen = self.seen.lock().unwrap();
            (!seen.screen().alternate_screen() && !seen.screen().hide_cursor()).then_some(())
        });
        assert_eq!(settings(self.terminal.as_ref()), self.before, "the terminal's settings");
        status.exit_code()
    }

    /// Takes the terminal away, as a window that is closed does; waits for the program's end.
    pub fn hang_up(mut self) {
        let options = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let name = self.terminal.tty_name().unwrap();
        let slave = rustix::fs::open(name, options, rustix::fs::Mode::empty()).unwrap();
        // SAFETY: no memory is involved: TIOCVHANGUP has no argument (ioctl_tty(2)).
        assert_eq!(unsafe { libc::ioctl(slave.as_raw_fd(), TIOCVHANGUP) }, 0);
        wait_until("the end of the program", || self.child.try_wait().unwrap());
    }

    /// The program has taken the terminal for itself.
    pub fn is_taken(&self) -> bool {
        self.seen.lock().unwrap().screen().alternate_screen()
            && settings(self.terminal.as_ref()) != self.before
    }
}

fn settings(terminal: &dyn MasterPty) -> String {
    format!("{:?}", terminal.get_termios().unwrap())
}

impl Drop for PseudoTerminal {
    fn drop(&mut self) {
        // It has ended already, or nothing else can be done about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
