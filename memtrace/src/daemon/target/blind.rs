//! Times in which an allocator was used before it was probed.

use crate::model::ids::Nanos;
use crate::report::units::counted;

/// How often that was, and how long.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlindWindows {
    count: u64,
    /// Of those whose beginning is known: when its file was mapped, or its program executed.
    longest: Option<Nanos>,
}

impl BlindWindows {
    /// One more, which lasted so long, where that is known.
    pub(super) fn add(&mut self, lasted: Option<Nanos>) {
        self.count += 1;
        self.longest = self.longest.max(lasted);
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// What the reader of a report must know.
    pub(super) fn note(&self) -> Option<String> {
        let longest = self.longest.map_or_else(String::new, |longest| {
            format!(", the longest {:.1} ms from when its file was mapped", longest as f64 / 1e6)
        });
        (self.count > 0).then(|| {
            format!(
                "{} in which an allocator was not probed yet{longest}",
                counted(self.count, "blind window")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::BlindWindows;

    #[test]
    fn they_are_counted_and_the_longest_is_told() {
        let mut windows = BlindWindows::default();
        assert_eq!(windows.note(), None);
        windows.add(None);
        let text = "1 blind window in which an allocator was not probed yet";
        assert_eq!(windows.note().unwrap(), text);
        windows.add(Some(2_340_000));
        windows.add(Some(1));
        let text = "3 blind windows in which an allocator was not probed yet, the longest 2.3 ms from when its file \
                    was mapped";
        assert_eq!((windows.note().unwrap().as_str(), windows.count()), (text, 3));
    }
}
