//! `/proc/PID/stat` (proc(5)).

/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// The fields that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// One letter: `Z` has exited and waits, `X` is going.
    pub(super) state: char,
    /// `PF_*`.
    flags: u64,
    /// User and system time of all threads, clock ticks.
    pub(super) cpu_ticks: u64,
    /// Clock ticks after boot.
    pub(super) start_time: u64,
}

impl Stat {
    /// Reads the line. The name in parentheses may hold anything, also parentheses and blanks, so
    /// fields are counted from the last closing one.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Field 3 of proc(5), the state, is the first one here.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            state: fields.first()?.chars().next()?,
            flags: number(9)?,
            cpu_ticks: number(14)?.saturating_add(number(15)?),
            start_time: number(22)?,
        })
    }

    pub(super) const fn has_exited(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    pub(super) const fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Stat;
    use proptest::prelude::proptest;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let line = "42 (a) Z (b\n) S 1 42 42 0 -1 4194560 10 0 0 0 7 5 0 0 20 0 1 0 987 123 4 5";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.cpu_ticks, stat.start_time), ('S', 12, 987));
        assert!(!stat.is_kernel_thread() && !stat.has_exited());
    }

    #[test]
    fn kernel_threads_have_their_flag() {
        let line = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 1 0 0 20 0 1 0 3 0 0";
        assert!(Stat::parse(line).unwrap().is_kernel_thread());
    }

    #[test]
    fn short_lines_are_refused() {
        for line in ["", "1", "1 (x", "1 (x)", "1 (x) S", "1 (x) S 1 2 3 4 5 6"] {
            assert_eq!(Stat::parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            let _ = Stat::parse(&text);
        }
    }
}
