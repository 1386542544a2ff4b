//! Whether a file's probes are to be for all processes that map it, or for each target by itself: a rule
//! without a look at anything.
//!
//! Links for each target: others pay nothing, but the kernel asks every target's link at every hit whether it
//! is meant, so that N targets ask N times, and a child is not seen before it has links of its own. A link
//! for all: no questions, children from their first instruction, and a trap per call for every other process
//! that maps the file.

use crate::daemon::settings::LinkFor;

/// What a process that is not meant pays for links for all, beside what one more link to be asked costs a
/// target: measured on Linux 6.18 with session links, 1,430 ns of CPU for a malloc and its free, and 96 ns
/// (61 targets instead of 2: 9,147 ns instead of 3,462).
const TRAPS_IN_QUESTIONS: f64 = 15.0;

/// Targets of a file that may have links of their own: they would be in each other's way more than anybody
/// else is spared. A pair of malloc and free took 8 µs with one link, 20 µs with 100 and 185 µs with 1,000, and
/// each link takes 20 ms to take down (measured on Linux 6.18).
const MOST_FILTERED: usize = 128;

/// What is known of a file when its probes are about to be placed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Users {
    /// Targets that map it.
    pub(super) targets: usize,
    /// Processes that map it and are no targets.
    pub(super) others: usize,
    /// CPU that the targets use, cores. Who calls how often is not known before there are probes; who does
    /// nothing calls nothing.
    pub(super) target_cores: f64,
    /// CPU that the others use.
    pub(super) other_cores: f64,
    /// Children are traced.
    pub(super) follow: bool,
}

/// Whether the file's probes are to be for all.
pub(super) fn are_for_all(wish: LinkFor, users: Users) -> bool {
    match wish {
        LinkFor::All => true,
        LinkFor::Each => false,
        LinkFor::Auto if users.targets > MOST_FILTERED => true,
        LinkFor::Auto if users.others == 0 => users.follow || users.targets > 1,
        LinkFor::Auto => {
            let questions = users.targets.saturating_sub(1) as f64;
            users.other_cores * TRAPS_IN_QUESTIONS < users.target_cores * questions
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LinkFor, Users, are_for_all};

    const ALONE: Users =
        Users { targets: 1, others: 0, target_cores: 1.0, other_cores: 0.0, follow: true };

    fn auto(users: Users) -> bool {
        are_for_all(LinkFor::Auto, users)
    }

    #[test]
    fn where_nobody_else_would_pay_probes_are_for_all() {
        assert!(auto(ALONE));
        assert!(auto(Users { targets: 500, ..ALONE }));
        // A single target without children has nothing from it, and who comes later would pay.
        assert!(!auto(Users { follow: false, ..ALONE }));
        assert!(auto(Users { follow: false, targets: 2, ..ALONE }));
    }

    #[test]
    fn a_single_target_is_no_reason_to_let_others_pay() {
        assert!(!auto(Users { others: 1, ..ALONE }));
        assert!(!auto(Users { others: 1, target_cores: 64.0, ..ALONE }));
    }

    #[test]
    fn many_busy_targets_are_if_the_others_are_idle() {
        let many = Users { targets: 51, others: 300, target_cores: 2.0, ..ALONE };
        assert!(auto(many));
        assert!(auto(Users { other_cores: 6.6, ..many }));
        assert!(!auto(Users { other_cores: 6.7, ..many }));
        // Where all are idle nobody gains.
        assert!(!auto(Users { target_cores: 0.0, ..many }));
        assert!(!auto(Users { targets: 2, other_cores: 0.2, ..many }));
    }

    #[test]
    fn crowds_do_not_have_links_of_their_own() {
        let busy = Users { targets: 129, others: 300, other_cores: 80.0, ..ALONE };
        assert!(auto(busy));
        assert!(!auto(Users { targets: 128, ..busy }));
    }

    #[test]
    fn a_wish_is_a_wish() {
        let busy = Users { others: 300, other_cores: 8.0, ..ALONE };
        assert!(are_for_all(LinkFor::All, busy));
        assert!(!are_for_all(LinkFor::Each, ALONE));
    }
}
