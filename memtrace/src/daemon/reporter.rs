//! Publishing on the symbolizer's thread, so that neither names nor a slow reader stall the drain.

use super::heard::{Heard, listened};
use super::outlet::{Outlet, Publication, Published};
use crate::model::ids::{ModuleId, Nanos};
use crate::symbolize::{self, SymbolizerThread, ThreadError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// The moment that a report shows, and what it was told of generated code.
pub(super) type Told = (Nanos, Heard);

/// Sends publications to the thread and hears how they went.
pub(super) struct Reporter {
    thread: SymbolizerThread,
    outlet: Arc<Mutex<Box<dyn Outlet>>>,
    sender: mpsc::UnboundedSender<(Published, Told)>,
    results: mpsc::UnboundedReceiver<(Published, Told)>,
    /// Of the publication that came last.
    told: Option<Told>,
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
            told: None,
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
            let mut heard = Heard::new();
            let published = outlet.publish(&publication, &mut listened(symbolizer, &mut heard));
            answer.give(published, (publication.snapshot.time, heard));
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
        let (published, told) = published.unwrap_or((Published::Closed, (0, Heard::new())));
        self.told = Some(told);
        published
    }

    /// What the publication that came last was told, once.
    pub(super) const fn take_told(&mut self) -> Option<Told> {
        self.told.take()
    }
}

/// Answers even if the job panics.
struct Answer(Option<mpsc::UnboundedSender<(Published, Told)>>);

impl Answer {
    fn give(mut self, published: Published, told: Told) {
        if let Some(sender) = self.0.take() {
            // The actor may be gone.
            let _ = sender.send((published, told));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let reason = "making the report failed in an unforeseen way; please report this";
            let _ = sender.send((Published::Failed(reason.to_owned()), (0, Heard::new())));
        }
    }
}
