//! What can go wrong between us and the kernel's BPF.

use std::io;

/// A failure to load, link or read the kernel side. Messages say what was tried and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The object does not parse or does not fit this kernel.
    #[error("loading the eBPF object: {0}")]
    Object(String),
    /// The build skipped the eBPF object.
    #[error(
        "this memtrace was built without its eBPF object; build it again without AYA_BUILD_SKIP"
    )]
    NoObject,
    /// The kernel lacks what the programs need.
    #[error("Linux {0} is too old: memtrace needs 5.10 or newer; trace on a newer kernel")]
    OldKernel(String),
    /// The kernel lets nobody read its memory.
    #[error(
        "this kernel is locked down for confidentiality: it loads no program that reads its memory, as \
         following processes and mappings needs to; boot with lockdown=integrity (kernel_lockdown(7))"
    )]
    LockedDown,
    /// The verifier or the kernel refused a program.
    #[error("the kernel refused program {name}: {source}{log}")]
    Load {
        /// Which program.
        name: String,
        /// The system call's error.
        source: io::Error,
        /// The end of the verifier's log, on lines of its own; empty if there is none.
        log: String,
    },
    /// A link could not be made.
    #[error("attaching {what}: {source}")]
    Link {
        /// What was to be attached, and where.
        what: String,
        /// The system call's error.
        source: io::Error,
    },
    /// The kernel's type information lacks something.
    #[error("kernel type information (/sys/kernel/btf/vmlinux): {0}")]
    Btf(String),
    /// It is not known which numbers processes have where we run.
    #[error(
        "cannot find out which pid namespace memtrace runs in: {0}; run it on the host, or in a container \
         that shares the host's (--pid=host)"
    )]
    Namespace(String),
    /// A map operation failed.
    #[error("eBPF map {name}: {reason}")]
    Map {
        /// Which map.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// No way of attaching works here.
    #[error("no kind of uprobe link works on this kernel: {0}")]
    NoLink(String),
}
