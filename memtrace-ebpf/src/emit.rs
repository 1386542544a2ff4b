//! Putting records into the ring. A record that finds no room is counted, never silent.

use crate::knobs::WAKE_BYTES;
use crate::maps::{lost_of, ring};
use crate::numbers::{Numbers, kernel_thread};
use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::maps::RingBuf;
use memtrace_common::wire::{Header, Kind, Loss};

/// Who runs now.
#[derive(Clone, Copy)]
pub(crate) struct Task {
    /// Thread-group id; 0, which is no target, if memtrace cannot see the process.
    pub(crate) process: u32,
    /// Thread id.
    pub(crate) thread: u32,
}

impl Task {
    /// The current task.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        let Numbers { process, thread } = Numbers::current();
        Self { process, thread }
    }

    /// By what its thread's pending calls are found: a number that an exec is told of, too.
    #[inline(always)]
    pub(crate) fn pending(self) -> u32 {
        kernel_thread(self.thread)
    }

    /// A header for a record of `body` bytes made by this task now.
    #[inline(always)]
    pub(crate) fn header(self, kind: Kind, body: usize) -> Header {
        Header {
            length: (size_of::<Header>() + body) as u16,
            kind: kind as u8,
            process: self.process,
            thread: self.thread,
            // SAFETY: the helper has no preconditions.
            time: unsafe { bpf_ktime_get_ns() },
            ..Header::default()
        }
    }
}

/// A record without frames.
#[repr(C)]
struct Record<B> {
    header: Header,
    body: B,
}

/// Sends a record without frames; counts `loss` if there is no room.
#[inline(always)]
pub(crate) fn send<B: Copy + 'static>(header: Header, body: B, loss: Loss) {
    let Some(ring) = ring(header.process) else { return lost_of(header.process, loss) };
    let flags = wake_flags(ring, size_of::<Record<B>>() as u64);
    let _ = send_flagged(ring, header, body, loss, flags);
}

/// As [`send`], and wakes the reader at once: for what it must act on. `false`: there was no room.
#[inline(always)]
pub(crate) fn send_now<B: Copy + 'static>(header: Header, body: B, loss: Loss) -> bool {
    let Some(ring) = ring(header.process) else {
        lost_of(header.process, loss);
        return false;
    };
    send_flagged(ring, header, body, loss, u64::from(BPF_RB_FORCE_WAKEUP))
}

#[inline(always)]
fn send_flagged<B: Copy + 'static>(
    ring: &RingBuf,
    header: Header,
    body: B,
    loss: Loss,
    flags: u64,
) -> bool {
    let Some(mut entry) = ring.reserve::<Record<B>>(0) else {
        lost_of(header.process, loss);
        return false;
    };
    entry.write(Record { header, body });
    entry.submit(flags);
    true
}

/// Whether to wake the reader: waking costs microseconds, so only each [`WAKE_BYTES`] of waiting
/// data, counted when a record crosses such a boundary. Between, the reader looks by itself.
#[inline(always)]
pub(crate) fn wake_flags(ring: &RingBuf, record: u64) -> u64 {
    let step = WAKE_BYTES.load();
    let waiting = ring.query(u64::from(BPF_RB_AVAIL_DATA));
    let crossed = waiting >= step && (waiting & (step - 1)) <= record;
    u64::from(if crossed { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP })
}
