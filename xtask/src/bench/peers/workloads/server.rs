//! A server that a client keeps busy.

use super::super::Peer;
use super::super::shop::{Program, Shop};
use super::super::watch::{Figures, PATIENCE, Served, Watch};
use crate::command::{read, run, shown};
use crate::processes;
use crate::watchdog::{Watchdog, kill_all};
use anyhow::{Context as _, Result, bail};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a client saw, and how many requests it made.
pub(super) struct Load {
    pub(super) served: Served,
    pub(super) requests: f64,
}

/// A port of this machine that nobody listens on now.
pub(in crate::bench) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr().context("the port is not known")?.port())
}

/// Starts the server, has it traced, and lets the client work; `understand` reads what that says.
pub(super) fn serve(
    shop: &Shop,
    peer: &Peer,
    program: Program,
    port: u16,
    client: &[&str],
    understand: fn(&str) -> Option<Load>,
) -> Result<Figures> {
    serve_with(shop, peer, program, port, || {
        // Where the server hangs, the client must not wait for ever.
        let patience = PATIENCE.as_secs().to_string();
        let said = read(Command::new("timeout").arg(patience).args(client))?;
        understand(&said).with_context(|| format!("the client said {said:?}"))
    })
}

/// … and makes its requests with `load`, which must not wait for ever.
pub(super) fn serve_with(
    shop: &Shop,
    peer: &Peer,
    program: Program,
    port: u16,
    load: impl FnOnce() -> Result<Load>,
) -> Result<Figures> {
    let name = program.name();
    let command = peer.wrap(shop, program)?.command(shop)?;
    let server = Server::start(&command, port, 2 * PATIENCE)?;
    let watch = Watch::begin(shop, peer, server.child.id(), &name)?;
    let program = watch.program;
    let load = load()?;
    let figures = watch.end(load.requests)?;
    server.stop(program)?;
    Ok(Figures { served: Some(load.served), ..figures })
}

/// The same command, which the kernel ends if we are killed (`PR_SET_PDEATHSIG`): a server would stay.
pub(in crate::bench) fn dying_with_us(command: &Command) -> Command {
    let mut dying = Command::new("setpriv");
    dying.args(["--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => dying.env(key, value),
            None => dying.env_remove(key),
        };
    }
    command.get_current_dir().into_iter().for_each(|folder| {
        dying.current_dir(folder);
    });
    dying
}

/// What we started for the server; it and all below are killed if it is dropped before its end.
pub(in crate::bench) struct Server {
    child: Child,
    watchdog: Option<Watchdog>,
}

impl Server {
    /// Starts it, and returns once it listens. It is killed if it is still there after this time.
    pub(in crate::bench) fn start(
        command: &Command,
        port: u16,
        patience: Duration,
    ) -> Result<Self> {
        let mut command = dying_with_us(command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.with_context(|| format!("cannot start {}", shown(&command)))?;
        let watchdog = Some(Watchdog::over(child.id(), patience));
        let mut server = Self { child, watchdog };
        server.until_it_listens(port)?;
        Ok(server)
    }

    /// The process that we started: the server, unless a peer stands between.
    pub(in crate::bench) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn until_it_listens(&mut self, port: u16) -> Result<()> {
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = self.child.try_wait().context("cannot wait for the server")? {
                self.watchdog = None;
                bail!("the server ended early: {status}");
            }
            if began.elapsed() > PATIENCE {
                bail!("the server does not listen");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends the program as an administrator would, so that a peer can write what it knows.
    pub(in crate::bench) fn stop(mut self, program: u32) -> Result<()> {
        run(Command::new("kill").args(["-TERM", &program.to_string()]))?;
        processes::await_end(self.child.id()).context("cannot wait for the server")?;
        self.watchdog = None;
        self.child.wait().context("cannot wait for the server").map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.watchdog = None;
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_all(self.child.id());
            let _ = self.child.wait();
        }
    }
}
