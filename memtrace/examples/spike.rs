//! x
use memtrace::probe::live::{kernel_side::*, link::*};
use memtrace::engine::ports::EventSource;
use memtrace_common::{site::*, function::FunctionId, wire::*};
use std::process::{Command, Stdio};
use std::io::{BufRead, BufReader};
use std::collections::BTreeMap;
fn pts() -> Vec<Point> {
    let s = |f, role, size, count, pointer, nests, pushed| Site { function: f, role, size, count, pointer, result_by_pointer: false, nests, pushed, span_below: 300, span_above: 200 }.pack();
    vec![
        Point { offset: 0x98930, cookie: s(FunctionId::MALLOC, Role::Allocate, 0, 7, 7, false, 0), returns: true },
        Point { offset: 0x996e0, cookie: s(FunctionId::CALLOC, Role::Allocate, 0, 1, 7, false, 0), returns: true },
        Point { offset: 0x99130, cookie: s(FunctionId::REALLOC, Role::Reallocate, 1, 7, 0, true, 0), returns: true },
        Point { offset: 0x98ef3, cookie: s(FunctionId::FREE, Role::Free, 7, 7, 0, false, 0), returns: false },
    ]
}
fn main() {
    let libc = std::path::Path::new("/lib/x86_64-linux-gnu/libc.so.6");
    for link in [memtrace_common::config::LinkKind::Session, memtrace_common::config::LinkKind::Multi, memtrace_common::config::LinkKind::Perf] {
        let mut k = KernelSide::load(LoadOptions { link: Some(link), ..Default::default() }).unwrap();
        let mut src = memtrace::source::ring::RingSource::new(k.take_ring().unwrap());
        for purpose in [None, Some(Purpose::Nothing), Some(Purpose::Trace)] {
            let mut child = Command::new("/tmp/w/c/churn").args(["1.5", "200000", "v"]).stdout(Stdio::piped()).spawn().unwrap();
            let mut out = BufReader::new(child.stdout.take().unwrap());
            let mut l = String::new(); out.read_line(&mut l).unwrap();
            let pid = child.id();
            let mut keep = vec![];
            match purpose {
                None => {}
                Some(Purpose::Trace) => { k.add_target(pid).unwrap(); k.attach(libc, &pts(), Some(pid)).unwrap(); }
                Some(p) => { keep = k.attach_for(p, libc, &pts(), Some(pid)).unwrap(); }
            }
            let mut kinds: BTreeMap<(u8, u8), u64> = BTreeMap::new(); let mut first = 0;
            loop {
                src.drain(100000, &mut |r| { *kinds.entry((r[2], r[3])).or_default() += 1; if first < 3 { first += 1; if r[6] > 0 { println!("{} frames end {}: {:x?}", r[6], r[5], r[56..].chunks(8).map(|c| u64::from_ne_bytes(c.try_into().unwrap())).collect::<Vec<_>>()); } } }).unwrap();
                if child.try_wait().unwrap().is_some() { break; }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let mut v: Vec<f64> = out.lines().filter_map(|l| l.ok()?.strip_suffix(" ns/pair")?.parse().ok()).collect(); v.retain(|x| *x > 60.0 || purpose.is_none()); v.sort_by(f64::total_cmp); let l = format!("median {:?} of {}", v.get(v.len()/2), v.len());
            println!("{link:?} {purpose:?} {} {kinds:?} losses {:?} counters {:?} {:?}", l.trim(), k.losses().unwrap(), k.counter(Counter::Entries).unwrap(), k.counter(Counter::TimedNanoseconds).unwrap() as f64 / k.counter(Counter::TimedRuns).unwrap().max(1) as f64);
            drop(keep);
            let t = std::time::Instant::now(); k.detach(); println!("detach {:?}", t.elapsed());
        }
    }
}
