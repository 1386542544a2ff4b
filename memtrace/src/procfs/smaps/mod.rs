//! `/proc/PID/smaps`: what the resident memory of a process is.
//!
//! The text is read piece by piece and never kept: of a process with 100,000 mappings it has 70 MB. The
//! kernel holds the process's `mmap_lock` for reading while it looks through the pages of the mappings of one
//! piece, and gives it up between two calls of `read` (`fs/proc/task_mmu.c`), so that the process's own `mmap`
//! waits for no more than these. `smaps_rollup` would make it look through all pages a second time.

mod classify;
mod entries;
mod lines;
mod pagemap;
mod threads;
mod tmpfs;

use super::error::ProcfsError;
use super::process::Process;
use crate::model::ids::Nanos;
use crate::model::picture::{Area, Picture};
use classify::Classifier;
use entries::Entries;
use std::fs::File;
use std::time::Instant;

impl Process {
    /// What its memory is now, and the mappings that may hold blocks of allocators. Breaks off at `until`.
    /// `now` is the time on the clock of [`Nanos`].
    ///
    /// # Errors
    /// When it has ended, or we may not look.
    pub fn picture(&self, now: Nanos, until: Instant) -> Result<(Picture, Vec<Area>), ProcfsError> {
        let reading = |error| ProcfsError::reading(self.pid(), "smaps", error);
        let directory = self.live_directory()?;
        let threads = self.threads();
        let pointers = threads::stack_pointers(self.pid(), &threads, until);
        let placed = pointers.len() as u64;
        let classifier = Classifier::new(pointers, tmpfs::devices(&directory));
        let mut entries = Entries::new(classifier);
        let file = File::open(directory.join("smaps")).map_err(reading)?;
        let at_end = lines::read(file, until, |line| entries.line(line)).map_err(reading)?;
        let (mut picture, mut areas) = entries.finish();
        // One that ends meanwhile has no mappings any more, and the text ends early.
        picture.counted = self.usage()?.resident;
        if picture.counted == 0 && picture.sum().mappings == 0 {
            return Err(ProcfsError::Ended(self.pid()));
        }
        if let Ok(file) = File::open(directory.join("pagemap")) {
            pagemap::look(&file, &mut areas, until);
        }
        picture.whole &= at_end;
        picture.began = now;
        (picture.threads, picture.threads_placed) = (threads.len() as u64, placed);
        Ok((picture, areas))
    }
}

/// The picture that a text gives, for a process without threads or tmpfs.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn parse(text: &[u8]) -> (Picture, Vec<Area>) {
    let mut entries = Entries::new(Classifier::new(Vec::new(), Vec::new()));
    let far = Instant::now() + std::time::Duration::from_secs(3600);
    let whole = lines::read(text, far, |line| entries.line(line)).unwrap_or(false);
    let (mut picture, areas) = entries.finish();
    picture.whole &= whole;
    (picture, areas)
}

#[cfg(test)]
mod tests;
