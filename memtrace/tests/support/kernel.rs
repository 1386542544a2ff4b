//! What the running kernel has, by its version: the tests' own opinion, held against the tracer's.

/// Kinds of links, best first, and the kernel from which on they work. Multi links came with 6.6, but
/// their filter by process let only one thread through before 6.10.
pub const LINKS: [(&str, (u32, u32)); 3] =
    [("session", (6, 13)), ("multi", (6, 10)), ("perf", (5, 10))];

/// Version of the running kernel.
pub fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|word| word.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The best kind of link that the running kernel has.
pub fn best_link() -> &'static str {
    LINKS.iter().find(|(_, since)| kernel() >= *since).expect("a kernel that is supported").0
}

/// Whether the running kernel has this kind of link. Where not, says past the test harness that the
/// test did not run; that the link is refused there, another test shows.
pub fn has_link(kind: &str) -> bool {
    let has = LINKS.iter().any(|(link, since)| *link == kind && kernel() >= *since);
    if !has {
        super::not_run(&format!("this kernel has no {kind} links"));
    }
    has
}

/// The kinds of links that the running kernel has, for tests that run with each of them.
pub fn links() -> impl Iterator<Item = &'static str> {
    LINKS.iter().filter(|(_, since)| kernel() >= *since).map(|(link, _)| *link)
}
