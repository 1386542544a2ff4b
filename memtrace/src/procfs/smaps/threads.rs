//! Where the threads' stacks are.

use crate::model::ids::Pid;
use std::fs::File;
use std::io::Read as _;
use std::time::Instant;

/// Threads that are looked at.
const MAX_THREADS: usize = 1 << 14;

/// The stack pointers of the threads that wait for something, ascending. Of one that runs the kernel tells
/// nothing (`proc_pid_syscall(5)`; `kstkesp` of `stat` is 0 but for threads that end).
pub(super) fn stack_pointers(pid: Pid, threads: &[u32], until: Instant) -> Vec<u64> {
    let mut pointers: Vec<u64> = threads
        .iter()
        .take(MAX_THREADS)
        .take_while(|_| Instant::now() < until)
        .filter_map(|thread| {
            let mut text = [0; 256];
            let mut file = File::open(format!("/proc/{pid}/task/{thread}/syscall")).ok()?;
            let length = file.read(&mut text).ok()?;
            stack_pointer(&text[..length])
        })
        .collect();
    pointers.sort_unstable();
    pointers
}

/// `0 0x0 0x7f… … 0xSP 0xPC`, `-1 0xSP 0xPC`, or `running`.
fn stack_pointer(text: &[u8]) -> Option<u64> {
    let mut words = str::from_utf8(text).ok()?.split_ascii_whitespace().rev().skip(1);
    let pointer = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    words.next().and(Some(pointer)).filter(|pointer| *pointer != 0)
}

#[cfg(test)]
mod tests {
    use super::{stack_pointer, stack_pointers};
    use std::time::{Duration, Instant};

    #[test]
    fn the_last_but_one_word_is_the_stack_pointer() {
        let call = b"0 0x0 0x7f1 0x400 0x22 0x0 0x0 0x7ffc19a8b0a8 0x7f7c3c05829d\n";
        assert_eq!(stack_pointer(call), Some(0x7ffc_19a8_b0a8));
        assert_eq!(stack_pointer(b"-1 0x7ffc19a8b0a8 0x7f7c3c05829d\n"), Some(0x7ffc_19a8_b0a8));
        for none in [&b"running\n"[..], b"", b"0x1 0x2", b"-1 0x0 0x0", b"\xff 0x1 0x2"] {
            assert_eq!(stack_pointer(none), None);
        }
        assert!(stack_pointers(u32::MAX, &[1], Instant::now() + Duration::from_secs(9)).is_empty());
    }
}
