//! Lines that a child prints, read on a thread so that waiting for them has an end.

use super::limit;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

/// What comes out of a pipe.
pub struct Lines {
    of: String,
    receiver: Receiver<String>,
    /// What has been read so far, for whoever has to find out what went wrong.
    seen: Vec<String>,
}

impl Lines {
    /// Reads `pipe`, which belongs to `of`.
    pub fn of(of: &str, pipe: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { of: of.to_owned(), receiver, seen: Vec::new() }
    }

    /// The next line, `None` at the end.
    pub fn next(&mut self) -> Option<String> {
        match self.receiver.recv_timeout(limit()) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("waited {:?} in vain for a line of {}: {:#?}", limit(), self.of, self.seen)
            }
        }
    }

    /// Lines up to and including the one that begins with `start`.
    ///
    /// # Panics
    /// When there is none; `why` may know more.
    pub fn until(&mut self, start: &str, why: impl FnOnce() -> String) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.next() {
            let found = line.starts_with(start);
            lines.push(line);
            if found {
                return lines;
            }
        }
        panic!("{} ended without \"{start}\": {:#?}\n{}", self.of, self.seen, why());
    }

    /// All lines until the end.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// All lines read so far.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }
}
