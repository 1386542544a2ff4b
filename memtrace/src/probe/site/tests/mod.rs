//! The planner on hand-made entries of every shape, and on real ones kept as bytes.

mod exits;
mod glibc;
mod shapes;

use super::{Arguments, Code, Need, NoSite, PlannedSite, plan};

const ADDRESS: u64 = 0x40_1000;
/// A probe on entry and return that reads the first argument.
const SESSION: Need = Need { returns: true, arguments: Arguments(0b1) };
/// A probe on entry alone that reads the first argument.
const ENTRY: Need = Need { returns: false, arguments: Arguments(0b1) };

/// Plans for `bytes` at [`ADDRESS`]; all code outside is `ret`.
fn plan_bytes(bytes: &[u8], need: Need) -> Result<PlannedSite, NoSite> {
    plan_at(ADDRESS, bytes, need)
}

fn plan_at(address: u64, bytes: &[u8], need: Need) -> Result<PlannedSite, NoSite> {
    let outside = |_, length| vec![0xc3; length];
    plan(&Code { address, bytes, outside: &outside }, need, &|_| false)
}

/// The bytes that `hex` spells, blanks ignored.
fn hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Asserts where the probe goes and what lies between.
#[track_caller]
fn assert_site(planned: &Result<PlannedSite, NoSite>, offset: u32, pushed: u8, emulated: bool) {
    let site = planned.as_ref().expect("a site");
    let got = (site.offset_in_function, site.pushed, site.emulated);
    assert_eq!(got, (offset, pushed, emulated), "{site:#x?}");
}

/// Asserts that the probe falls back to the entry and that some refusal says `reason`.
#[track_caller]
fn assert_falls_back(planned: &Result<PlannedSite, NoSite>, reason: &str) {
    assert_site(planned, 0, 0, false);
    let refused = &planned.as_ref().expect("a site").refused;
    assert!(refused.iter().any(|(_, why)| why.contains(reason)), "{refused:?}");
}
