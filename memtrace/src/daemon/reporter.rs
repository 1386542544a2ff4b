//! Publishing on the symbolizer's thread, so that neither names nor a slow reader stall the drain.

use super::outlet::{Outlet, Publication, Published};
use crate::model::ids::ModuleId;
use crate::symbolize::{self, SymbolizerThread, ThreadError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Sends publications to the thread and hears how they went.
pub(super) struct Reporter {
    thread: SymbolizerThread,
    outlet: Arc<Mutex<Box<dyn Outlet>>>,
    sender: mpsc::UnboundedSender<Published>,
    results: mpsc::UnboundedReceiver<Published>,
    in_flight: usize,
}

impl Reporter {
    pub(super) fn new(
        outlet: Box<dyn Outlet>,
        names: symbolize::Options,
    ) -> Result<Self, ThreadError> {
        let (sender, results) = mpsc::unbounded_channel();
        Ok(Self {
            thread: SymbolizerThread::spawn(names)?,
            outlet: Arc::new(Mutex::new(outlet)),
            sender,
            results,
            in_flight: 0,
        })
    }

    /// Says how a module's file is opened.
    pub(super) fn register(&self, module: ModuleId, path: PathBuf) {
        self.thread.register(module, path);
    }

    /// A report is being made.
    pub(super) const fn is_busy(&self) -> bool {
        self.in_flight > 0
    }

    /// Hands over; the result comes from [`Self::next`].
    pub(super) fn publish(&mut self, publication: Publication) -> Result<(), ThreadError> {
        let outlet = Arc::clone(&self.outlet);
        let answer = Answer(Some(self.sender.clone()));
        self.thread.run(Box::new(move |symbolizer| {
            let mut outlet = outlet.lock().unwrap_or_else(PoisonError::into_inner);
            let published = outlet.publish(&publication, symbolizer);
            answer.give(published);
        }))?;
        self.in_flight += 1;
        Ok(())
    }

    /// How the oldest outstanding publication went; pending while there is none. Safe to be
    /// cancelled.
    pub(super) async fn next(&mut self) -> Published {
        let published = self.results.recv().await;
        self.in_flight = self.in_flight.saturating_sub(1);
        // The channel cannot close: `self` holds a sender.
        published.unwrap_or(Published::Closed)
    }
}

/// Answers even if the job panics.
struct Answer(Option<mpsc::UnboundedSender<Published>>);

impl Answer {
    fn give(mut self, published: Published) {
        if let Some(sender) = self.0.take() {
            // The actor may be gone.
            let _ = sender.send(published);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let reason = "making the report failed in an unforeseen way; please report this";
            let _ = sender.send(Published::Failed(reason.to_owned()));
        }
    }
}
