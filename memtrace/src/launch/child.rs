//! The child that becomes the command once it is told to.

use super::error::LaunchError;
use super::signals::{Forwarder, Ignored, Receiver};
use super::user::Runner;
use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Order {
    /// The program's file, as [`super::find_program`] found it.
    pub program: PathBuf,
    /// The command as typed, its name first.
    pub words: Vec<OsString>,
    /// As whom it runs; `None`: as we do.
    pub runner: Option<Runner>,
    /// Signals that it shall ignore.
    pub ignored: Ignored,
}

/// A child that waits, or that has become the command. One that was never let go ends without having
/// become anything when this is dropped; one that runs is left to itself.
#[derive(Debug)]
pub struct Launched {
    pid: u32,
    program: PathBuf,
    /// Tells the child to go by a byte, or to end by being closed.
    go: Option<PipeWriter>,
    phase: Arc<Phase>,
    /// Makes the child and waits for it.
    thread: Option<JoinHandle<()>>,
    _forwarder: Forwarder,
}

/// What became of the child: the result of `execve`, then the status.
#[derive(Debug, Default)]
struct Phase {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    executed: Option<Result<(), i32>>,
    status: Option<ExitStatus>,
}

impl Launched {
    /// Makes the child. It waits.
    ///
    /// # Errors
    /// When it cannot be made, or not become the user.
    pub fn prepare(order: &Order) -> Result<Self, LaunchError> {
        let as_whom = || {
            order.runner.as_ref().map_or_else(String::new, |it| format!(" as {}", it.describe()))
        };
        let failed = |source| LaunchError::Prepare { as_whom: as_whom(), source };
        let receiver = Receiver::default();
        let forwarder = Forwarder::start(receiver.clone())?;
        let (go_reader, go) = io::pipe().map_err(failed)?;
        let (mut hello, hello_writer) = io::pipe().map_err(failed)?;
        let command = command(order, go_reader, &go, hello_writer);
        let phase = Arc::new(Phase::default());
        let thread = std::thread::Builder::new()
            .name("command".to_owned())
            .spawn({
                let phase = Arc::clone(&phase);
                move || see_through(command, &phase)
            })
            .map_err(failed)?;
        let mut number = [0; 4];
        if hello.read_exact(&mut number).is_err() {
            // It said nothing: the reason is how `spawn` failed.
            let code = phase.executed().err().unwrap_or(libc::EIO);
            // The thread has nothing left to do, and does not panic.
            let _ = thread.join();
            return Err(failed(io::Error::from_raw_os_error(code)));
        }
        let pid = u32::from_ne_bytes(number);
        receiver.set(pid).map_err(failed)?;
        let program = order.program.clone();
        Ok(Self { pid, program, go: Some(go), phase, thread: Some(thread), _forwarder: forwarder })
    }

    /// Number of the process, now and as the command.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets the child become the command.
    pub fn go(&mut self) {
        if let Some(mut pipe) = self.go.take() {
            // Killed while it waited: its status tells.
            let _ = pipe.write_all(&[1]);
        }
    }

    /// Whether the child was let go.
    #[must_use]
    pub const fn has_gone(&self) -> bool {
        self.go.is_none()
    }

    /// Whether the child has become the command; waits until that is decided. To be called after
    /// [`Self::go`].
    ///
    /// # Errors
    /// Why it could not be executed.
    pub fn executed(&self) -> Result<(), LaunchError> {
        self.phase.executed().map_err(|code| LaunchError::NotExecutable {
            command: self.program.clone(),
            source: io::Error::from_raw_os_error(code),
        })
    }

    /// Asks the same from elsewhere.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        Watcher(Arc::clone(&self.phase))
    }

    /// Waits for the command's end. Gives its status as a shell's `$?` has it: 128 and the signal where
    /// it was killed.
    ///
    /// # Errors
    /// Why it could not be executed.
    pub fn wait(mut self) -> Result<u8, LaunchError> {
        self.go();
        self.executed()?;
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
        let state = self.phase.state.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(state.status.map_or(u8::MAX, status))
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if let Some(pipe) = self.go.take() {
            drop(pipe);
            // It ends at once then, and is waited for.
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

/// Knows whether a child has become the command.
#[derive(Clone, Debug)]
pub struct Watcher(Arc<Phase>);

impl Watcher {
    /// Whether it could not be executed; waits until that is decided, so only for who knows that the
    /// child was let go.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.executed().is_err()
    }
}

impl Phase {
    fn executed(&self) -> Result<(), i32> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let undecided = |state: &mut State| state.executed.is_none();
        let state =
            self.changed.wait_while(state, undecided).unwrap_or_else(PoisonError::into_inner);
        state.executed.unwrap_or(Err(libc::EIO))
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

/// Spawns, which takes until the child has executed the command or failed to, and waits for its end.
fn see_through(mut command: Command, phase: &Phase) {
    let spawned = command.spawn();
    // Our end of the child's pipes, which belong to the command's closure.
    drop(command);
    match spawned {
        Ok(mut child) => {
            phase.set(|state| state.executed = Some(Ok(())));
            let status = child.wait().ok();
            phase.set(|state| state.status = status);
        }
        Err(error) => {
            let code = error.raw_os_error().unwrap_or(libc::EIO);
            phase.set(|state| state.executed = Some(Err(code)));
        }
    }
}

fn status(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| signal + 128);
    let code = status.code().or(signal).and_then(|code| u8::try_from(code).ok());
    code.unwrap_or(u8::MAX)
}

/// The command, with all that the child does before.
fn command(order: &Order, go: PipeReader, go_writer: &PipeWriter, hello: PipeWriter) -> Command {
    let mut command = Command::new(&order.program);
    if let [name, arguments @ ..] = order.words.as_slice() {
        command.arg0(name).args(arguments);
    }
    let runner = order.runner.clone();
    for (name, value) in runner.as_ref().map(Runner::environment).unwrap_or_default() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let (ignored, go_writer) = (order.ignored, go_writer.as_raw_fd());
    let in_child = move || {
        ignored.restore();
        if let Some(runner) = &runner {
            become_user(runner)?;
        }
        await_go(go.as_raw_fd(), go_writer, hello.as_raw_fd())
    };
    // SAFETY: the closure runs in the forked child of a program with threads. It allocates nothing, takes
    // no lock, and calls only functions that are async-signal-safe (`signal-safety(7)`), or plain system
    // calls as `setgroups` is here (`std` itself calls these there).
    unsafe { command.pre_exec(in_child) };
    command
}

/// Groups first: afterwards they could not be changed any more.
fn become_user(runner: &Runner) -> io::Result<()> {
    // SAFETY: the list outlives the call, and its length is its own; the others take integers.
    let done = unsafe {
        libc::setgroups(runner.groups.len(), runner.groups.as_ptr()) == 0
            && libc::setresgid(runner.gid, runner.gid, runner.gid) == 0
            && libc::setresuid(runner.uid, runner.uid, runner.uid) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Says who we are, then waits for a byte. Without one, because the pipe was closed, nobody wants the
/// command any more. All descriptors are closed by `execve`.
fn await_go(go: RawFd, go_writer: RawFd, hello: RawFd) -> io::Result<()> {
    // SAFETY: plain system calls on descriptors of this process and buffers on its stack.
    unsafe {
        // Or we would wait for ourselves.
        libc::close(go_writer);
        let number = libc::getpid().to_ne_bytes();
        if libc::write(hello, number.as_ptr().cast(), number.len()) != 4 {
            return Err(io::Error::last_os_error());
        }
        loop {
            let mut byte = 0_u8;
            match libc::read(go, (&raw mut byte).cast(), 1) {
                1 => return Ok(()),
                0 => return Err(io::Error::from_raw_os_error(libc::ECANCELED)),
                _ if *libc::__errno_location() == libc::EINTR => {}
                _ => return Err(io::Error::last_os_error()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
