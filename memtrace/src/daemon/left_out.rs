//! Processes that match what is looked for, and that are not traced all the same: they cannot be, or there is
//! no room for them.

/// Reasons that are kept.
const MOST_REASONS: usize = 8;

/// How many there are, and why the first of them.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut {
    count: usize,
    reasons: Vec<String>,
    /// Those for which there is no room, and how many there is room for.
    beyond: usize,
    room: usize,
}

impl LeftOut {
    /// One more, for a reason that names it.
    pub(super) fn add(&mut self, reason: String) {
        tracing::debug!("left out: {reason}");
        self.count += 1;
        if self.reasons.len() < MOST_REASONS {
            self.reasons.push(reason);
        }
    }

    /// For so many more there is no room beside the `room` that are traced.
    pub(super) fn add_beyond(&mut self, count: usize, room: usize) {
        self.beyond += count;
        self.room = room;
    }

    /// What the reader of a report must know about room.
    pub(super) fn note_of_room(&self) -> Option<String> {
        (self.beyond > 0).then(|| {
            let (beyond, room) = (self.beyond, self.room);
            let are = if beyond == 1 { "process is" } else { "processes are" };
            format!(
                "{beyond} more matching {are} not traced: there is room for {room} at once; narrow the \
                 search with --comm, --exe, --uid, --cgroup or --exclude-comm, or raise --max-memory"
            )
        })
    }

    /// The reasons, in one line.
    pub(super) fn describe(&self) -> String {
        let more = self.count - self.reasons.len();
        let more = (more > 0).then(|| format!("and {more} more"));
        self.reasons.iter().cloned().chain(more).collect::<Vec<_>>().join("; ")
    }

    /// What the reader of a report must know.
    pub(super) fn note(&self) -> Option<String> {
        (self.count > 0).then(|| {
            let processes = if self.count == 1 { "process" } else { "processes" };
            format!("{} matching {processes} cannot be traced: {}", self.count, self.describe())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::LeftOut;

    #[test]
    fn only_the_first_reasons_are_kept() {
        let mut left_out = LeftOut::default();
        assert_eq!((left_out.note(), left_out.note_of_room()), (None, None));
        (0..20).for_each(|pid| left_out.add(format!("pid {pid}")));
        let note = left_out.note().unwrap();
        assert!(
            note.starts_with("20 matching processes cannot be traced: pid 0; pid 1;"),
            "{note}"
        );
        assert!(note.ends_with("pid 7; and 12 more"), "{note}");
    }

    #[test]
    fn those_without_room_are_counted() {
        let mut left_out = LeftOut::default();
        left_out.add_beyond(1, 4096);
        let note = left_out.note_of_room().unwrap();
        assert!(note.starts_with("1 more matching process is not traced: there is room for 4096"));
        left_out.add_beyond(2, 4096);
        let note = left_out.note_of_room().unwrap();
        assert!(note.starts_with("3 more matching processes are not traced"), "{note}");
        assert_eq!(left_out.note(), None);
    }
}
