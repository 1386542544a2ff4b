//! Who is compared: what each is, how it begins, and what it cannot do.

use super::attached::{self, Attached};
use super::launched::{self, Launched};
use super::shop::{Program, Shop};
use anyhow::Result;

/// A way of running a program.
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// Its version, or why it cannot be used.
    pub(super) version: fn(&Shop) -> Result<String>,
    pub(super) how: How,
    /// Its command line, for the document.
    pub(super) line: &'static str,
    /// Whether it takes a program that runs.
    pub(super) attaches: &'static str,
    /// What it knows of call stacks.
    pub(super) stacks: &'static str,
    /// What else is to be known of it.
    pub(super) remark: &'static str,
    /// The only workload that it is for.
    pub(super) only: Option<&'static str>,
}

/// How it comes to trace a program.
pub(super) enum How {
    /// Not at all.
    Untraced,
    /// It takes a program that runs.
    Attached(Attached),
    /// It starts the program.
    Launched(Launched),
}

impl Peer {
    /// The program as this peer has it started.
    pub(super) fn wrap(&self, shop: &Shop, program: Program) -> Result<Program> {
        match &self.how {
            How::Untraced | How::Attached(_) => Ok(program),
            How::Launched(launched) => (launched.wrap)(shop, program),
        }
    }
}

/// In the table's order; the first is what others are compared with.
pub(super) const ALL: [Peer; 12] = [
    Peer {
        name: "untraced",
        version: |_| Ok(String::new()),
        how: How::Untraced,
        line: "",
        attaches: "",
        stacks: "",
        remark: "",
        only: None,
    },
    attached::FLOOR,
    attached::MEMTRACE,
    attached::MEMTRACE_SAMPLES,
    attached::MEMTRACE_PAGES,
    attached::BPFTRACE,
    attached::MEMLEAK,
    launched::HEAPTRACK,
    launched::MASSIF,
    launched::MEMRAY,
    launched::JEMALLOC,
    launched::TCMALLOC,
];

/// A peer and its version, or why it cannot be used here.
pub(super) struct Way {
    pub(super) peer: Peer,
    pub(super) version: Result<String, String>,
}

/// Finds out what there is.
pub(super) fn look(shop: &Shop) -> Vec<Way> {
    let way = |peer: Peer| {
        let version = (peer.version)(shop).map_err(|error| format!("{error:#}"));
        Way { peer, version }
    };
    ALL.into_iter().map(way).collect()
}
