//! Builds the eBPF object and hands its path to the crate.
fn main() {}
