//! What the loop waits for, each of which may be absent.

use crate::probe::live::LiveError;
use crate::probe::live::calibrate::Prices;
use crate::source::ring::RingSource;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

/// Ticks after each period, not at once; a missed tick is not made up for.
pub(super) fn every(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

pub(super) async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// The prices, once they are measured; never, if they are known already.
pub(super) async fn measured(
    pricing: &mut Option<JoinHandle<Result<Prices, LiveError>>>,
) -> Result<Prices, LiveError> {
    match pricing {
        Some(pricing) => pricing.await.unwrap_or_else(|error| {
            Err(LiveError::Object(format!("measuring what a probe costs: {error}")))
        }),
        None => std::future::pending().await,
    }
}

pub(super) async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Until the kernel wakes us, or until then. A moment, not a pause: what comes more often than a pause is long would
/// have it begin again each time.
pub(super) async fn readable(ring: &AsyncFd<RingSource>, until: Instant) {
    tokio::select! {
        guard = ring.readable() => if let Ok(mut guard) = guard {
            guard.clear_ready();
        },
        () = sleep_until(until) => {}
    }
}
