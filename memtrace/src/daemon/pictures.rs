//! Looking at the targets' memory on a thread of its own: of a large process it takes as long as the kernel
//! takes to look through all its pages, and the ring is drained meanwhile.

use super::clock::now;
use crate::model::event::What;
use crate::model::ids::Pid;
use crate::procfs::Process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// How long looking at all targets may take; what has not been read until then is left out.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much longer it is waited for: the kernel may take its time for one piece, and for ever if the
/// process keeps its `mmap_lock`.
const GRACE: Duration = Duration::from_secs(1);

/// After a look periodic reports do without another one for so many times as long as it took: of a process
/// with tens of gigabytes it takes seconds of CPU, and keeps the process from mapping memory meanwhile.
const REST: u32 = 50;

/// Pictures that come in one after the other.
pub(super) struct Pictures {
    sender: mpsc::UnboundedSender<Message>,
    messages: mpsc::UnboundedReceiver<Message>,
    /// Until when those of the present look are waited for.
    waiting: Option<Instant>,
    /// Looks that were begun.
    looks: u64,
    /// When the present look was begun, and until when the last one is rested from.
    began: Instant,
    rested: Instant,
    /// Shared with the thread: one that hangs is not followed by another.
    thread: Arc<()>,
}

struct Message {
    look: u64,
    /// `None`: there are no more.
    picture: Option<(Pid, What<'static>)>,
}

/// What a look brings.
pub(super) enum Seen {
    /// A process's picture.
    Picture(Pid, What<'static>),
    /// That was all.
    End,
}

impl Pictures {
    pub(super) fn new() -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let now = Instant::now();
        let (began, rested) = (now, now);
        Self { sender, messages, waiting: None, looks: 0, began, rested, thread: Arc::new(()) }
    }

    /// A look is being taken.
    pub(super) const fn is_busy(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether it is time for another look, if nobody asks for one.
    pub(super) fn are_rested(&self) -> bool {
        Instant::now() >= self.rested
    }

    /// Begins to look at `processes`; [`Self::next`] gives what is seen.
    pub(super) fn begin(&mut self, processes: Vec<Process>) {
        self.began = Instant::now();
        self.waiting = Some(self.began + PATIENCE + GRACE);
        self.looks += 1;
        let (look, sender) = (self.looks, self.sender.clone());
        let until = std::time::Instant::now() + PATIENCE;
        let end = Message { look, picture: None };
        if Arc::strong_count(&self.thread) > 1 || processes.is_empty() {
            // The receiver is here.
            let _ = sender.send(end);
            return;
        }
        let mark = Arc::clone(&self.thread);
        let work = move || {
            for process in processes {
                if let Ok((picture, areas)) = process.picture(now(), until) {
                    let what = What::Picture(Box::new(picture), Arc::from(areas));
                    let picture = Some((process.pid(), what));
                    // The receiver goes with the daemon.
                    let _ = sender.send(Message { look, picture });
                }
            }
            drop(mark);
            let _ = sender.send(end);
        };
        if let Err(error) = thread::Builder::new().name("pictures".to_owned()).spawn(work) {
            tracing::warn!("cannot start a thread that looks at the targets' memory: {error}");
            let _ = self.sender.send(Message { look, picture: None });
        }
    }

    /// What comes next; pending while nothing is awaited. Safe to be cancelled.
    pub(super) async fn next(&mut self) -> Seen {
        let Some(until) = self.waiting else { return std::future::pending().await };
        loop {
            match timeout_at(until, self.messages.recv()).await {
                Ok(Some(Message { look, .. })) if look != self.looks => {}
                Ok(Some(Message { picture: Some((pid, what)), .. })) => {
                    return Seen::Picture(pid, what);
                }
                Ok(_) => break,
                Err(_) => {
                    tracing::warn!("the kernel does not tell of a target's memory: left out");
                    break;
                }
            }
        }
        self.waiting = None;
        let now = Instant::now();
        self.rested = now + (now - self.began) * REST;
        Seen::End
    }
}

#[cfg(test)]
mod tests {
    use super::{Pictures, Seen};
    use crate::procfs::Process;

    #[test]
    fn a_look_is_rested_from() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            // Nobody may look at itself.
            let parent = std::os::unix::process::parent_id();
            let mut pictures = Pictures::new();
            assert!(pictures.are_rested() && !pictures.is_busy());
            pictures.begin(vec![Process::open(parent).unwrap()]);
            assert!(pictures.is_busy());
            let mut seen = 0;
            while let Seen::Picture(pid, _) = pictures.next().await {
                assert_eq!(pid, parent);
                seen += 1;
            }
            assert_eq!(seen, 1);
            assert!(!pictures.is_busy() && !pictures.are_rested());
        });
    }
}
