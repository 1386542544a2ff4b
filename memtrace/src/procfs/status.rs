//! `/proc/PID/status` (proc(5)).

use crate::model::ids::Pid;

/// The text of a status file.
#[derive(Clone, Debug)]
pub(super) struct Status(String);

impl Status {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The words behind `key:`, if that line exists. The kernel escapes newlines in the name, so no
    /// process can forge a line.
    fn words(&self, key: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
        let mut values =
            self.0.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        values.next().map(str::split_ascii_whitespace)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.words(key)?.next()?.parse().ok()
    }

    /// The thread-group id.
    pub(super) fn process(&self) -> Option<Pid> {
        self.number("Tgid")?.try_into().ok()
    }

    /// The real user id.
    pub(super) fn uid(&self) -> Option<u32> {
        self.number("Uid")?.try_into().ok()
    }

    /// `SECCOMP_MODE_*`.
    pub(super) fn seccomp(&self) -> Option<u64> {
        self.number("Seccomp")
    }

    /// An amount of memory, bytes. The file has it in "kB" of 1024.
    pub(super) fn bytes(&self, key: &str) -> Option<u64> {
        self.number(key)?.checked_mul(1024)
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    const TEXT: &str =
        "Name:\tx\\nUid:\t0\nTgid:\t17\nUid:\t1000\t0\t0\t0\nVmRSS:\t  12 kB\nSeccomp:\t2\n";

    #[test]
    fn values_are_read_by_key() {
        let status = Status::new(TEXT.into());
        assert_eq!(status.process(), Some(17));
        assert_eq!(status.uid(), Some(1000));
        assert_eq!(status.bytes("VmRSS"), Some(12 << 10));
        assert_eq!(status.seccomp(), Some(2));
        assert_eq!(status.bytes("VmSwap"), None);
    }

    #[test]
    fn sizes_that_overflow_are_none() {
        let status = Status::new(format!("VmRSS: {} kB", u64::MAX));
        assert_eq!(status.bytes("VmRSS"), None);
    }
}
