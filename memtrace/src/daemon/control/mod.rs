//! What somebody tells a running tracer through its control socket. `crate::control` has the protocol.
//!
//! Whoever connects gets one request and five seconds. What takes longer is cut off, and no more than
//! [`MOST_CLIENTS`] are heard at once: the others wait in the kernel's queue, which is short, too.

mod conversation;
mod socket;

use super::settings::ControlWish;
use crate::control::{Answer, Claim, ControlError, Request, own_folder};
use conversation::talk;
use rustix::process::geteuid;
use socket::Socket;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

/// For sending a request, and for taking the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clients that are heard at once.
const MOST_CLIENTS: usize = 8;
/// Before the next client is let in where the system has no room for one.
const REST: Duration = Duration::from_millis(200);

/// Somebody wants something.
pub(super) struct Order {
    pub(super) request: Request,
    /// Where the answer goes. Whoever asked may have gone.
    pub(super) reply: oneshot::Sender<Answer>,
}

/// Hears orders while it is open.
pub(super) struct Control(Option<Open>);

struct Open {
    orders: mpsc::Receiver<Order>,
    /// Removed when this is dropped.
    _socket: Socket,
    listening: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Control {
    /// Hears nobody.
    pub(super) const fn closed() -> Self {
        Self(None)
    }

    /// Listens where the user wants it. Needs the event loop.
    ///
    /// # Errors
    /// Why that is not possible. Tracing is, all the same.
    pub(super) fn open(wish: &ControlWish) -> Result<Self, ControlError> {
        let claim = match wish {
            ControlWish::No => return Ok(Self::closed()),
            ControlWish::Usual => Claim::usual(&own_folder()?, std::process::id())?,
            ControlWish::At(path) => Claim::at(path)?,
        };
        let (socket, listener) = Socket::make(&claim)?;
        let (sender, orders) = mpsc::channel(MOST_CLIENTS);
        let listening = tokio::spawn(listen(listener, sender));
        tracing::debug!("listening at {:?}", claim.path());
        Ok(Self(Some(Open { orders, _socket: socket, listening })))
    }

    /// The next order; pending while nobody can give one. Safe to be cancelled.
    pub(super) async fn next(&mut self) -> Order {
        if let Some(open) = &mut self.0
            && let Some(order) = open.orders.recv().await
        {
            return order;
        }
        std::future::pending().await
    }

    /// Hears nobody any more, and takes the socket away. Who waits for an answer is told so.
    pub(super) fn close(&mut self) {
        self.0 = None;
    }
}

async fn listen(listener: UnixListener, orders: mpsc::Sender<Order>) {
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
    let own = geteuid().as_raw();
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptors are left, say: asking at once again would take a CPU.
            tokio::time::sleep(REST).await;
            continue;
        };
        let peer = stream.peer_cred().map(|peer| peer.uid());
        if !peer.is_ok_and(|uid| uid == 0 || uid == own) {
            tracing::warn!("somebody else than root or this user wanted to control the tracer");
            continue;
        }
        let orders = orders.clone();
        tokio::spawn(async move {
            talk(&stream, &orders, PATIENCE).await;
            drop(place);
        });
    }
}
