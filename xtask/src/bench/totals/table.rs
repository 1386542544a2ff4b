//! What was compared → Markdown.

use super::events::{Sums, sums};
use super::explain::{Group, Habits, Reason};
use super::{Case, Compared, Options};
use crate::bench::sample::Thousands;
use std::fmt::Write as _;

pub(super) const KNOWN_ALONE: &str = "`memtrace/tests/fixtures/totals.c`: malloc, calloc, realloc, aligned_alloc, \
    posix_memalign, strdup and free; it knows what it does, from its first instruction to its end.";
pub(super) const KNOWN: &str = "The same program. What heaptrack brings into it is no part of what the program says of \
    itself: that is its own blocks, and those of libstdc++, whose reserve for exceptions is one block of 72,704 bytes that \
    heaptrack counts, too.";
pub(super) const KNOWN_PAGES: &str = "The same with three blocks more.";
pub(super) const MALLOC: &str = "The script of `bench peers`, with PYTHONMALLOC=malloc: each object is a block of the C \
    library.";
pub(super) const PYMALLOC: &str = "The same script as Python usually is: it puts small objects into arenas, which it \
    maps itself.";

/// The whole document.
pub(super) fn render(machine: &[String], options: &Options, cases: &[Case]) -> String {
    let mut text = format!(
        "# Whether tracers count the same\n\n\
         Made by `cargo xtask bench totals --write`; do not edit. Each program is traced by memtrace from its first \
         instruction to its end, while heaptrack or memray is in the same process: so both see the same blocks, at the \
         same addresses. Block by block memtrace's recording is held against what the other one wrote; what only \
         memtrace has is told by its reason. *Most at once* and *left* are of the blocks in the row alone. The command \
         fails where anything remains. The scripts read {} documents.\n\n\
         Reasons are found thus. *Before* and *after*: earlier than the first block that the other one has, and later \
         than the last. *Its own*: in memtrace's call stack the other one's library is once more beyond its own \
         malloc. *Past* it: its library is not in front of the allocator in the call stack.\n\n",
        options.documents
    );
    machine.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    cases.iter().for_each(|case| section(&mut text, case));
    text
}

fn section(text: &mut String, case: &Case) {
    let _ = write!(
        text,
        "\n## {}\n\n{}\n\n\
         | | blocks | bytes | most at once, bytes | left, blocks | left, bytes |\n\
         |---|---:|---:|---:|---:|---:|\n",
        case.title, case.about
    );
    if let Some(truth) = case.truth {
        row(text, "the program, by its own account", truth);
    }
    if case.truth.is_some() {
        row(text, "memtrace, of the program's own", case.of_program());
    }
    row(text, "memtrace, by its report", case.run.report);
    row(text, "memtrace, by its recording", sums(&case.run.seen.events));
    let Some(compared) = &case.compared else { return };
    for (reason, group) in &compared.groups {
        less(text, &described(reason, compared.peer), *group);
    }
    row(text, "= what both have", compared.shared);
    row(text, &format!("{}, by what it wrote", compared.peer.name), compared.its);
    beside(text, case, compared);
}

/// What is to be said of the peer's own account.
fn beside(text: &mut String, case: &Case, compared: &Compared) {
    let Some(its) = &case.run.peer else { return };
    let name = compared.peer.name;
    let _ = write!(text, "\n{name}'s own reader says: {}.", its.account);
    let (count, bytes) = its.seen.mappings;
    if count > 0 {
        let _ = write!(
            text,
            " It counts mappings, too: {} more, of {} bytes, which are no blocks (memtrace has them in its account of \
             mappings).",
            Thousands(count),
            Thousands(bytes)
        );
    }
    let (count, bytes) = compared.missing;
    let _ = writeln!(
        text,
        " Only {name} has {} blocks, of {} bytes.",
        Thousands(count),
        Thousands(bytes)
    );
}

fn row(text: &mut String, name: &str, sums: Sums) {
    let cells = [sums.blocks, sums.bytes, sums.peak, sums.left_blocks, sums.left_bytes];
    let cells = cells.map(|figure| Thousands(figure).to_string());
    let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
}

fn less(text: &mut String, reason: &str, group: Group) {
    let [blocks, bytes, left_blocks, left_bytes] =
        [group.blocks, group.bytes, group.left_blocks, group.left_bytes].map(Thousands);
    let _ = writeln!(text, "| − {reason} | {blocks} | {bytes} | | {left_blocks} | {left_bytes} |");
}

fn described(reason: &Reason, peer: Habits) -> String {
    let name = peer.name;
    match reason {
        Reason::Before => format!("before {name} began"),
        Reason::After => format!("after {name} ended"),
        Reason::Own => format!("{name}'s own"),
        Reason::Past(function, file) => format!("past {name}: `{function}`, called by {file}"),
        Reason::Unknown(files) => format!("**not explained**: {files}"),
    }
}
