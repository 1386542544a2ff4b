//! Files are read again by a reader of our own, which knows the processed profile format and not the writer.

use super::{FREED, FirefoxWriter};
use crate::report::ReportWriter as _;
use crate::report::example::{ESTIMATED_LIVE, EXACT_LIVE, HOSTILE, report};
use crate::report::model::Report;
use crate::report::view::Measure;
use serde_json::Value;
use std::collections::BTreeMap;

fn written(report: &Report) -> Value {
    let mut bytes = Vec::new();
    let writer = FirefoxWriter { internals: false, full_names: false };
    writer.write(report, &mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn column<'a>(table: &'a Value, name: &str) -> &'a [Value] {
    table[name].as_array().unwrap_or_else(|| panic!("no column {name} in {table}"))
}

/// A thread, and how its tables refer to each other.
struct Thread<'a>(&'a Value);

impl<'a> Thread<'a> {
    fn allocations(&self) -> &'a Value {
        &self.0["nativeAllocations"]
    }

    fn weights(&self) -> Vec<i64> {
        column(self.allocations(), "weight").iter().map(|it| it.as_i64().unwrap()).collect()
    }

    /// Function names of a sample, outermost first.
    fn path(&self, sample: usize) -> Vec<&'a str> {
        let mut path = Vec::new();
        let mut stack = &column(self.allocations(), "stack")[sample];
        while let Some(index) = stack.as_u64() {
            let frame = Self::at(&self.0["stackTable"], "frame", index);
            let function = Self::at(&self.0["frameTable"], "func", frame.as_u64().unwrap());
            let name = Self::at(&self.0["funcTable"], "name", function.as_u64().unwrap());
            path.push(Self::at(self.0, "stringArray", name.as_u64().unwrap()).as_str().unwrap());
            stack = Self::at(&self.0["stackTable"], "prefix", index);
        }
        path.reverse();
        path
    }

    fn at(table: &'a Value, name: &str, index: u64) -> &'a Value {
        &column(table, name)[usize::try_from(index).unwrap()]
    }

    /// As the profiler finds what is retained: allocations whose address was not deallocated since.
    fn retained(&self) -> i64 {
        let mut alive = BTreeMap::new();
        let addresses = column(self.allocations(), "memoryAddress").iter();
        for (address, weight) in addresses.zip(self.weights()) {
            let address = address.as_u64().unwrap();
            if weight > 0 {
                assert!(alive.insert(address, weight).is_none(), "{address} is taken");
            } else {
                assert_eq!(alive.remove(&address), Some(-weight), "{address}");
            }
        }
        alive.values().sum()
    }
}

fn threads(profile: &Value) -> Vec<Thread<'_>> {
    column(profile, "threads").iter().map(Thread).collect()
}

#[test]
fn what_lives_is_the_sum() {
    let profile = written(&report());
    let threads = threads(&profile);
    let lives = [EXACT_LIVE, ESTIMATED_LIVE].map(u64::cast_signed);
    for (thread, live) in threads.iter().zip(lives) {
        assert_eq!(thread.weights().iter().sum::<i64>(), live);
        assert_eq!(thread.retained(), live);
        assert_eq!(thread.allocations()["weightType"], "bytes");
    }
    let pids: Vec<_> = threads.iter().map(|it| it.0["pid"].as_str().unwrap()).collect();
    assert_eq!(pids, ["7", "8"]);
}

#[test]
fn stacks_are_whole_and_frees_nobodys() {
    let profile = written(&report());
    let exact = &threads(&profile)[0];
    assert_eq!(exact.weights()[..3], [50, 20, -20]);
    assert_eq!(exact.path(0), HOSTILE);
    assert_eq!(exact.path(1), HOSTILE);
    assert_eq!(exact.path(2), [FREED]);
    assert_eq!(exact.path(3), ["(no call stack)"]);
}

#[test]
fn estimates_losses_and_unknowns_are_said() {
    let profile = written(&report());
    let names: Vec<_> =
        threads(&profile).iter().map(|it| it.0["processName"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "@app, 11 bytes more may be alive",
            "big, estimated from samples: 17179869184 to 25769803776 (95 %)"
        ]
    );
    let product = profile["meta"]["product"].as_str().unwrap();
    assert!(product.contains("lost: 7 events, 2 stacks, 1 blocks; over 1 %"), "{product}");
    assert_eq!(profile["meta"]["symbolicated"], true);
}

#[test]
fn a_measure_of_the_report_is_allocated_and_never_freed() {
    let file = written(&Report { measure: Some(Measure::Allocated), ..report() });
    let threads = file["threads"].as_array().unwrap();
    let sums: Vec<i64> = threads.iter().map(|it| Thread(it).weights().iter().sum()).collect();
    assert_eq!(sums, [2100, ESTIMATED_LIVE.cast_signed()]);
    assert!(threads[0]["processName"].as_str().unwrap().contains(": allocated"), "{}", threads[0]);
}
