//! Figures as people read them.

use crate::engine::snapshot::Confidence;
use crate::model::ids::{Nanos, SECOND};
use jiff::Timestamp;

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `1024` → `1.00 KiB`: three digits that count, in units of 1,024.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    scaled(bytes as f64).unwrap_or_else(|| format!("{bytes} B"))
}

/// `4,812,330`, for sizes where every byte counts: `1,024 B`.
#[must_use]
pub fn exact_bytes(bytes: u64) -> String {
    format!("{} B", count(bytes))
}

/// `19.4 MiB`; of an estimate `about 19.4 MiB (17.8 MiB to 21.0 MiB)`.
#[must_use]
pub fn estimated_bytes(value: u64, confidence: Option<Confidence>) -> String {
    estimated(bytes(value), confidence, bytes)
}

/// `45,020 blocks`; of an estimate `about 45,020 blocks (43,100 to 47,000)`.
#[must_use]
pub fn estimated_count(value: u64, singular: &str, confidence: Option<Confidence>) -> String {
    let what = if singular.is_empty() { count(value) } else { counted(value, singular) };
    estimated(what, confidence, count)
}

/// With its 95 % interval, if there is one that is wider than a point.
fn estimated(value: String, confidence: Option<Confidence>, write: fn(u64) -> String) -> String {
    match confidence {
        Some(Confidence { low, high }) if low < high => {
            format!("about {value} ({} to {})", write(low), write(high))
        }
        _ => value,
    }
}

/// A difference with its sign: `+82.0 MiB`; no difference is `0 B`.
#[must_use]
pub fn signed_bytes(bytes: i64) -> String {
    let sign = match bytes {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", self::bytes(bytes.unsigned_abs()))
}

/// `now − before`, as far as an `i64` goes.
#[must_use]
pub fn difference(now: u64, before: u64) -> i64 {
    let size = i64::try_from(now.abs_diff(before)).unwrap_or(i64::MAX);
    if now < before { -size } else { size }
}

/// `+1.31 MiB/s`.
#[must_use]
pub fn rate(bytes_per_second: f64) -> String {
    let sign = if bytes_per_second < 0.0 { "-" } else { "+" };
    let size = bytes_per_second.abs();
    let value = scaled(size).unwrap_or_else(|| format!("{size:.0} B"));
    if value == "0 B" { "0 B/s".to_owned() } else { format!("{sign}{value}/s") }
}

fn scaled(bytes: f64) -> Option<String> {
    // 999.5 of a unit would be written with four digits; the next unit has it as 0.98.
    let mut value = bytes / 1024.0;
    if bytes < 1023.5 || value.is_nan() {
        return None;
    }
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    Some(format!("{} {}", three_digits(value), UNITS[unit]))
}

fn three_digits(value: f64) -> String {
    if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// `4,812,330`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 block`, `2 blocks`.
#[must_use]
pub fn counted(number: u64, singular: &str) -> String {
    let plural = match singular {
        _ if number == 1 => "",
        _ if singular.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {singular}{plural}", count(number))
}

/// `250 ms`, `59.8 s`, `2m 05s`, `3h 04m`, `4d 02h`.
#[must_use]
pub fn duration(time: Nanos) -> String {
    let seconds = time / SECOND;
    match seconds {
        0 => format!("{} ms", time / 1_000_000),
        1..100 => format!("{:.1} s", (time / 100_000_000) as f64 / 10.0),
        100..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A length of time that somebody chose: as [`duration`], but `10 s` for `10.0 s`.
#[must_use]
pub fn span(time: Nanos) -> String {
    duration(time).replace(".0 s", " s")
}

/// A time that is only known roughly: `20 min`, `6 hours`.
#[must_use]
pub fn about(seconds: f64) -> String {
    match seconds {
        ..100.0 => format!("{seconds:.0} s"),
        ..6_000.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} hours", seconds / 3_600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// Seconds, to the millisecond.
#[must_use]
pub fn seconds(time: Nanos) -> f64 {
    (time / 1_000_000) as f64 / 1000.0
}

/// A share of 1 in percent: `93.5 %`, `96 %`; only nothing is `0 %` and only all is `100 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        ..=0.0 => "0 %".to_owned(),
        ..0.1 => "under 0.1 %".to_owned(),
        ..99.95 => {
            let text = format!("{percent:.1}");
            format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
        }
        ..100.0 => "over 99.9 %".to_owned(),
        _ => format!("{percent:.0} %"),
    }
}

/// `part` of `whole`, 0 where there is nothing.
#[must_use]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Time of day in UTC: `03:13:08Z`.
#[must_use]
pub fn clock(time: Timestamp) -> String {
    let seconds = time.as_second().rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// To the millisecond, as marks and moments are told.
pub(crate) fn exactly(time: Nanos) -> String {
    let millis = time.div_ceil(1_000_000);
    format!("{}.{:03}s", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (10 * 1024, "10.0 KiB"),
            (1023 * 1024, "1.00 MiB"),
            (148 << 20, "148 MiB"),
            (6_667_921_654, "6.21 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(exact_bytes(1024), "1,024 B");
    }

    #[test]
    fn differences_have_signs() {
        assert_eq!(signed_bytes(difference(3 << 20, 1 << 20)), "+2.00 MiB");
        assert_eq!(signed_bytes(difference(0, 512)), "-512 B");
        assert_eq!(signed_bytes(difference(7, 7)), "0 B");
        assert_eq!(difference(0, u64::MAX), -i64::MAX);
        assert_eq!(signed_bytes(i64::MIN), "-8.00 EiB");
    }

    #[test]
    fn rates_may_be_fractions() {
        assert_eq!(rate(1.31 * 1_048_576.0), "+1.31 MiB/s");
        assert_eq!(rate(-2048.0), "-2.00 KiB/s");
        assert_eq!(rate(0.2), "0 B/s");
        assert_eq!(rate(f64::NAN), "+NaN B/s");
    }

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (4_812_330, "4,812,330")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "block"), "1 block");
        assert_eq!(counted(1000, "block"), "1,000 blocks");
        assert_eq!(counted(2, "process"), "2 processes");
    }

    #[test]
    fn times_have_two_units() {
        let cases = [
            (250_000_000, "250 ms"),
            (59_890_000_000, "59.8 s"),
            (125 * SECOND, "2m 05s"),
            (11_045 * SECOND, "3h 04m"),
            (352_800 * SECOND, "4d 02h"),
        ];
        for (time, text) in cases {
            assert_eq!(duration(time), text);
        }
        assert_eq!(span(10 * SECOND), "10 s");
        let roughly = [(30.0, "30 s"), (1182.0, "20 min"), (20_000.0, "6 hours"), (1e6, "12 days")];
        for (time, text) in roughly {
            assert_eq!(about(time), text);
        }
    }

    #[test]
    fn shares_never_round_to_nothing_or_all() {
        let cases = [
            (0.0, "0 %"),
            (0.0001, "under 0.1 %"),
            (0.002, "0.2 %"),
            (0.935, "93.5 %"),
            (0.96, "96 %"),
            (0.99999, "over 99.9 %"),
            (1.0, "100 %"),
            (1.5, "150 %"),
        ];
        for (part, text) in cases {
            assert_eq!(percent(part), text);
        }
        assert_eq!(share(1, 0).to_string(), "0");
    }

    #[test]
    fn clocks_are_utc() {
        let time: Timestamp = "2026-01-02T03:13:08.9Z".parse().unwrap();
        assert_eq!(clock(time), "03:13:08Z");
    }
}
