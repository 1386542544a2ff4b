//! `cargo xtask bench totals`: whether memtrace, heaptrack and memray count the same blocks, in the same process, and
//! why not where they do not.

mod events;
mod explain;
mod matching;
mod runs;
mod table;

use self::events::{Event, Sums};
use self::explain::{Group, Habits, Reason, explained};
use self::matching::matched;
use self::runs::{Peer, Run};
use super::peers::{install, shop::Shop, shop::python};
use super::tracer::Programs;
use super::{keep, machine};
use crate::{elevate, fixtures, setup};
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;

/// What is done.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Documents that the Python programs read and write
    #[arg(long, default_value_t = 2)]
    documents: u32,
    /// Install what is missing: heaptrack with apt, memray with pip below target/
    #[arg(long)]
    install_peers: bool,
    /// Also keep the document, as docs/benchmarks/totals.md
    #[arg(long)]
    write: bool,
}

/// The program whose blocks are all known, and what it is given for functions that not all tracers know.
const KNOWN: &str = "totals";
const MORE: &str = "pages";

const HEAPTRACK: Habits = Habits { name: "heaptrack", library: "libheaptrack" };
const MEMRAY: Habits = Habits { name: "memray", library: "_memray." };

/// A program under memtrace and a peer.
struct Case {
    title: &'static str,
    about: &'static str,
    /// What the program itself says, where it knows.
    truth: Option<Sums>,
    run: Run,
    compared: Option<Compared>,
}

/// One process in the eyes of two.
struct Compared {
    peer: Habits,
    groups: BTreeMap<Reason, Group>,
    /// What both have.
    shared: Sums,
    /// What the peer has, by its events.
    its: Sums,
    /// What only the peer has: blocks and bytes.
    missing: (u64, u64),
}

/// `cargo xtask bench totals`.
pub(crate) fn totals(no_install: bool, options: &Options) -> Result<()> {
    if !elevate::is_root() {
        bail!("this traces processes: run it as root, or through sudo");
    }
    setup::ensure(setup::Purpose::Build, no_install)?;
    if options.install_peers {
        install::for_totals(no_install)?;
    }
    let mut head = machine::describe()?;
    head.extend(runs::versions().context("a peer is missing: --install-peers installs both")?);
    let shop = Shop::open(Programs::build_for_totals()?)?;
    let cases = all(&shop, options)?;
    let document = table::render(&head, options, &cases);
    println!("{document}");
    let wrong: Vec<String> = cases.iter().flat_map(Case::wrong).collect();
    ensure!(wrong.is_empty(), "not all is explained:\n{}", wrong.join("\n"));
    if options.write {
        keep("totals.md", &document)?;
    }
    Ok(())
}

fn all(shop: &Shop, options: &Options) -> Result<Vec<Case>> {
    let program = fixtures::compile(KNOWN)?;
    let program = program.to_str().context("the program's path is not UTF-8")?.to_owned();
    let known = |title, about, words: &[&str], peer| {
        let words: Vec<String> =
            [program.as_str()].iter().chain(words).map(|&word| word.to_owned()).collect();
        eprintln!("xtask: {title}");
        let run = runs::run(shop, &words, &[], peer)?;
        let truth = Some(truth(&run.said)?);
        Case::new(title, about, truth, run, peer)
    };
    let script = shop.file("documents.py", include_str!("../peers/workloads/documents.py"))?;
    let words = [python()?, script, options.documents.to_string()];
    let scripted = |title, about, malloc, peer| {
        eprintln!("xtask: {title}");
        let run = runs::run(shop, &words, &[("PYTHONMALLOC", malloc)], peer)?;
        Case::new(title, about, None, run, peer)
    };
    Ok(vec![
        known("A C program, memtrace alone", table::KNOWN_ALONE, &[], Peer::None)?,
        known("A C program, heaptrack in it", table::KNOWN, &[], Peer::Heaptrack)?,
        known("… with memalign and pvalloc", table::KNOWN_PAGES, &[MORE], Peer::Heaptrack)?,
        scripted(
            "Python without its own allocator, heaptrack in it",
            table::MALLOC,
            "malloc",
            Peer::Heaptrack,
        )?,
        scripted(
            "Python without its own allocator, memray in it",
            table::MALLOC,
            "malloc",
            Peer::Memray,
        )?,
        scripted(
            "Python with its own allocator, heaptrack in it",
            table::PYMALLOC,
            "pymalloc",
            Peer::Heaptrack,
        )?,
        scripted(
            "Python with its own allocator, memray in it",
            table::PYMALLOC,
            "pymalloc",
            Peer::Memray,
        )?,
    ])
}

/// What a program of ours says of itself: `expect all NAME=N …` and `peak N`.
fn truth(said: &str) -> Result<Sums> {
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let account = line("expect all ").context("the program gave no account of itself")?;
    let figure = |name: &str| -> Result<u64> {
        let mut pairs = account.split(' ').filter_map(|word| word.split_once('='));
        let found = pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok());
        found.with_context(|| format!("the program did not say its {name}"))
    };
    Ok(Sums {
        blocks: figure("allocated_blocks")?,
        bytes: figure("allocated_bytes")?,
        peak: line("peak ").and_then(|peak| peak.parse().ok()).context("no peak was said")?,
        left_blocks: figure("live_blocks")?,
        left_bytes: figure("live_bytes")?,
    })
}

impl Case {
    fn new(
        title: &'static str,
        about: &'static str,
        truth: Option<Sums>,
        run: Run,
        peer: Peer,
    ) -> Result<Self> {
        let habits = match peer {
            Peer::None => None,
            Peer::Heaptrack => Some(HEAPTRACK),
            Peer::Memray => Some(MEMRAY),
        };
        let compared = match (habits, &run.peer) {
            (Some(habits), Some(its)) => {
                let is_likely = |origin: usize| habits.has(&run.seen.origins[origin]);
                let matched = matched(&run.seen, &its.seen, &is_likely);
                Some(Compared {
                    peer: habits,
                    groups: explained(&run.seen, &matched, habits),
                    shared: events::sums(matched.shared(&run.seen)),
                    its: events::sums(&its.seen.events),
                    missing: matched.missing,
                })
            }
            _ => None,
        };
        Ok(Self { title, about, truth, run, compared })
    }

    /// The blocks that the known program itself asked for, by memtrace's call stacks.
    fn of_program(&self) -> Sums {
        let seen = &self.run.seen;
        // What a peer keeps of the program's calls it asks for in their midst.
        let is_peers =
            |origin| self.compared.as_ref().is_some_and(|compared| compared.peer.asked(origin));
        let is_its = |event: &&Event| match **event {
            Event::Taken { origin, .. } => {
                let origin = &seen.origins[origin];
                origin.files.iter().any(|file| file == KNOWN) && !is_peers(origin)
            }
            Event::Given { .. } => true,
        };
        events::sums(seen.events.iter().filter(is_its))
    }

    /// What is not as it should be.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut differ = |what: &str, own: Sums, other: Sums| {
            if own != other {
                wrong.push(format!("{}: {what}: {own:?} and {other:?}", self.title));
            }
        };
        let recorded = events::sums(&self.run.seen.events);
        differ("memtrace's report and its recording differ", self.run.report, recorded);
        if let (Some(truth), None) = (self.truth, &self.compared) {
            differ("memtrace's report and the truth differ", self.run.report, truth);
        }
        if let Some(truth) = self.truth {
            differ("the program's blocks and the truth differ", self.of_program(), truth);
        }
        let Some(compared) = &self.compared else { return wrong };
        differ("what both have differs in the peer's account", compared.shared, compared.its);
        if compared.missing.0 > 0 {
            wrong.push(format!("{}: memtrace has not {} blocks", self.title, compared.missing.0));
        }
        for (reason, group) in &compared.groups {
            if let Reason::Unknown(files) = reason {
                wrong.push(format!("{}: {group:?} of {files}", self.title));
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::truth;

    #[test]
    fn the_program_says_what_it_does() {
        let said = "ready 7\nexpect one allocated_blocks=1\nexpect all allocated_blocks=3 allocated_bytes=30 \
                    freed_blocks=1 freed_bytes=9 live_blocks=2 live_bytes=21 failed=0\npeak 25\ndone\n";
        let sums = truth(said).unwrap();
        assert_eq!((sums.blocks, sums.bytes, sums.peak), (3, 30, 25));
        assert_eq!((sums.left_blocks, sums.left_bytes), (2, 21));
        assert!(truth("ready 7\n").is_err());
    }
}
