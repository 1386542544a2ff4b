//! What trends rest on, in words.

use super::units::{bytes, counted, duration, percent, rate, signed_bytes};
use crate::engine::snapshot::Growth;
use crate::engine::trend::{Band, Judgement, Trend};

/// A stack that changed by less than this, bytes, or by less than this part of what it holds …
const LITTLE: u64 = 4096;
/// … has not changed.
const LITTLE_PART: u64 = 100;

/// `+1.31 MiB/s (95 %: +1.28 MiB to +1.35 MiB)`.
#[must_use]
pub fn slope(band: &Band) -> String {
    if band.low == 0.0 && band.high == 0.0 {
        return rate(0.0);
    }
    let bytes = |bytes_per_second| rate(bytes_per_second).trim_end_matches("/s").to_owned();
    format!("{} (95 %: {} to {})", rate(band.middle), bytes(band.low), bytes(band.high))
}

/// What stands beside a stack's verdict: how it goes on, and what went before where that is another story. One part or
/// two, each for a line of its own where they do not fit on one.
#[must_use]
pub fn beside(judgement: &Judgement, growth: &Growth, live: u64) -> Vec<String> {
    let Some(band) = judgement.slope.filter(|_| judgement.trend != Trend::New) else {
        return vec![format!("{} so far", signed_bytes(growth.bytes))];
    };
    let before = growth.bytes.unsigned_abs() > LITTLE.max(live / LITTLE_PART);
    match judgement.trend {
        Trend::Stable if before => {
            vec![format!("{}, after {}", slope(&band), signed_bytes(growth.bytes))]
        }
        Trend::Growing if judgement.grows_by_what_stays() => {
            let gain = rate(judgement.least_gain);
            vec![
                format!("{gain} or more on average, by blocks that stay"),
                format!("lately {}", slope(&band)),
            ]
        }
        _ => vec![slope(&band)],
    }
}

/// How long a stack's blocks live, what stays of them.
#[must_use]
pub fn lifetimes(judgement: &Judgement) -> Vec<String> {
    let lasting = judgement.lasting;
    let mut parts = Vec::new();
    parts.extend(lasting.half.map(|half| format!("half live {} or longer", duration(half))));
    if let Some(staying) = judgement.staying.filter(|_| lasting.half.is_some()) {
        let [low, high] = [staying.low, staying.high].map(percent);
        parts.push(format!("{} stay (95 %: {low} to {high})", percent(staying.middle)));
    }
    if lasting.older > 0 && lasting.none_freed_from > 0 {
        let blocks = counted(lasting.older, "block");
        let age = duration(lasting.none_freed_from);
        parts.push(format!("none freed of {blocks} older than {age}"));
    }
    parts
}

/// What lives, of what ended.
#[must_use]
pub fn left(live_bytes: u64, live_blocks: u64) -> String {
    format!("{} in {}", bytes(live_bytes), counted(live_blocks, "block"))
}

#[cfg(test)]
mod tests {
    use super::{beside, lifetimes, slope};
    use crate::engine::snapshot::Growth;
    use crate::engine::trend::{Band, Judgement, Lasting, Trend};
    use crate::model::ids::SECOND;

    const BAND: Band = Band { low: -10.0, middle: 0.2, high: 2048.0 };

    fn judged(trend: Trend) -> Judgement {
        Judgement { trend, slope: Some(BAND), least_gain: 1024.0, ..Judgement::default() }
    }

    #[test]
    fn a_slope_has_its_interval() {
        assert_eq!(slope(&BAND), "0 B/s (95 %: -10 B to +2.00 KiB)");
        assert_eq!(slope(&Band::default()), "0 B/s");
    }

    #[test]
    fn what_filled_before_is_said_beside_what_is_stable_now() {
        let growth = Growth { bytes: 1 << 20, ..Growth::default() };
        let none = Growth::default();
        let beside = |trend, growth| beside(&judged(trend), growth, 1 << 20).join("; ");
        let stable = "0 B/s (95 %: -10 B to +2.00 KiB)";
        assert_eq!(beside(Trend::Stable, &growth), format!("{stable}, after +1.00 MiB"));
        assert_eq!(beside(Trend::Stable, &none), stable);
        assert_eq!(
            beside(Trend::Growing, &growth),
            format!("+1.00 KiB/s or more on average, by blocks that stay; lately {stable}")
        );
        assert_eq!(beside(Trend::New, &growth), "+1.00 MiB so far");
    }

    #[test]
    fn lifetimes_are_said_as_far_as_they_are_known() {
        let mut judgement = judged(Trend::Growing);
        assert!(lifetimes(&judgement).is_empty());
        judgement.lasting =
            Lasting { half: Some(SECOND), none_freed_from: 34 * SECOND, older: 12_004 };
        judgement.staying = Some(Band { low: 0.01, middle: 0.02, high: 0.035 });
        assert_eq!(
            lifetimes(&judgement),
            [
                "half live 1.0 s or longer",
                "2 % stay (95 %: 1 % to 3.5 %)",
                "none freed of 12,004 blocks older than 34.0 s"
            ]
        );
    }
}
