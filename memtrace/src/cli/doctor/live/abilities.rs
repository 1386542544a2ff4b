//! What the kernel's BPF lacks, and what is done instead.

use super::super::model::{Line, State};
use crate::probe::live::abilities::Abilities;

/// A line for each ability. Lacking one harms nobody: it is only good to know.
pub(super) fn lines(abilities: Abilities) -> [Line; 3] {
    let Abilities { attach_cookies, fetch_atomics, task_registers } = abilities;
    [
        line(
            "cookies of links",
            attach_cookies,
            "this kernel has none (Linux 5.15): a small program of its own leads each function into \
             the one that all share",
        ),
        line(
            "exchanging atomics",
            fetch_atomics,
            "this kernel has none (Linux 5.12), and needs none: its programs do not interrupt each \
             other",
        ),
        line(
            "registers of a task",
            task_registers,
            "this kernel does not give them (Linux 5.15): they are read from the task's stack",
        ),
    ]
}

fn line(name: &str, there: bool, instead: &str) -> Line {
    Line::new(name, State::Ok, if there { "the kernel has them" } else { instead })
}
