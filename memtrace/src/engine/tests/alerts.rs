//! Alerts for all processes together.

use super::cases::{PID, free, malloc, seen, send, send_to, stack, watching};
use crate::engine::alerts::{Alert, Crossing, Rate, Thresholds, Who};
use crate::engine::limits::Limits;
use crate::engine::tracker::Tracker;
use crate::model::event::What;
use crate::model::ids::SECOND;
use crate::model::process::Usage;

const OTHER: u32 = 8;

fn two(total_alerts: Thresholds) -> Tracker {
    let mut tracker = watching(Limits { total_alerts, ..Limits::default() });
    send_to(&mut tracker, OTHER, 0, seen(OTHER, 1));
    tracker
}

fn mark(tracker: &mut Tracker, second: u64) -> Vec<Alert> {
    send(tracker, second * SECOND, What::Mark);
    tracker.take_alerts()
}

#[test]
fn none_reaches_it_and_both_do() {
    let mut tracker = two(Thresholds { live: Some(1000), ..Thresholds::default() });
    send(&mut tracker, 1, malloc(16, 600, stack(1, &[])));
    assert_eq!(mark(&mut tracker, 1), []);
    send_to(&mut tracker, OTHER, 2, malloc(16, 600, stack(2, &[])));
    let alerts = mark(&mut tracker, 2);
    let [Alert { who, time, crossing }] = &alerts[..] else { panic!("{alerts:?}") };
    assert_eq!((who, *time), (&Who::All { processes: 2 }, 2 * SECOND));
    assert_eq!(*crossing, Crossing::Live { bytes: 1200, range: None, threshold: 1000 });
    assert_eq!(mark(&mut tracker, 3), [], "once per crossing");
    // What one of them held that has ended is gone; then it is crossed again.
    send(&mut tracker, 4, free(16));
    assert_eq!(mark(&mut tracker, 4), []);
    send_to(&mut tracker, OTHER, 5, malloc(32, 600, stack(2, &[])));
    assert_eq!(mark(&mut tracker, 70).len(), 1);
    send_to(&mut tracker, OTHER, 71, What::Exit { status: None });
    assert_eq!(mark(&mut tracker, 200), []);
    send(&mut tracker, 201, malloc(16, 1000, stack(1, &[])));
    let alerts = mark(&mut tracker, 201);
    assert_eq!(alerts.iter().map(|it| &it.who).collect::<Vec<_>>(), [&Who::All { processes: 1 }]);
}

#[test]
fn resident_sets_add_up() {
    let mut tracker = two(Thresholds { resident: Some(50), ..Thresholds::default() });
    let usage = |resident| What::Usage(Usage { resident, ..Usage::default() });
    send(&mut tracker, 1, usage(30));
    assert_eq!(mark(&mut tracker, 1), [], "of the other one it is not known");
    send_to(&mut tracker, OTHER, 2, usage(20));
    let crossings: Vec<_> = mark(&mut tracker, 2).iter().map(|it| it.crossing).collect();
    assert_eq!(crossings, [Crossing::Resident { bytes: 50, threshold: 50 }]);
}

#[test]
fn each_grows_by_less_than_all() {
    let rate = Rate { bytes: 150, per: SECOND };
    let mut tracker = two(Thresholds { growth: Some(rate), ..Thresholds::default() });
    let alerts: Vec<Alert> = (1..20)
        .flat_map(|second| {
            for pid in [PID, OTHER] {
                send_to(&mut tracker, pid, second, malloc(second * 256, 100, stack(1, &[])));
            }
            mark(&mut tracker, second)
        })
        .collect();
    let [alert] = &alerts[..] else { panic!("{alerts:?}") };
    let Crossing::Growth { rate: found, threshold } = alert.crossing else { panic!("{alert:?}") };
    assert_eq!((found.middle, threshold), (200.0, rate));
}
