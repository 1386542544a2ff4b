//! Reads the values that people type: sizes, durations, counts, process numbers, percentages.
//!
//! Fractions are read in integers, so `1.1GiB` is the nearest byte and never a rounding of a float.

use crate::engine::alerts::Rate;
use crate::model::ids::SECOND;
use crate::probe::signature::{Signature, SignatureError};
use memtrace_common::sampling::LONGEST_INTERVAL;
use memtrace_common::site::Role;
use std::time::Duration;
use thiserror::Error;

/// Longest duration that is accepted: 100 years, which still fits 64 bits of nanoseconds.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);
/// Shortest window that is accepted: placing probes takes milliseconds.
const SHORTEST_WINDOW: Duration = Duration::from_millis(10);
/// `PID_MAX_LIMIT` of the kernel's `threads.h` on 64-bit machines.
const LARGEST_PID: u32 = 1 << 22;
/// Largest percentage that is accepted: a target that runs at an eleventh of its speed.
const LARGEST_PERCENT: f64 = 1000.0;
/// Most digits that are read: `u64::MAX` has 20, and a few more may follow the point.
const MOST_DIGITS: usize = 26;

/// Why a typed value was refused. The parser of the command line adds the value and the option.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ValueError {
    /// It does not begin with a number, or is one in a notation that is not read.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A number below zero.
    #[error("it cannot be negative; expected {0}")]
    Negative(&'static str),
    /// The number is fine, what follows it is not.
    #[error("`{unit}` is no unit here; expected {expected}")]
    Unit {
        /// What was typed after the number.
        unit: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// Decimal or binary? Guessing would be wrong by 2 % and more.
    #[error("`{unit}` may mean {decimal} or {binary} bytes: write `{suggestion}` for {binary}")]
    Ambiguous {
        /// What was typed after the number.
        unit: String,
        /// Its decimal meaning.
        decimal: &'static str,
        /// Its binary meaning.
        binary: &'static str,
        /// How to write the binary meaning.
        suggestion: &'static str,
    },
    /// Larger than the largest value that makes sense.
    #[error("it is too large; at most {0}")]
    TooLarge(&'static str),
    /// Not zero, but smaller than the smallest unit.
    #[error("it is smaller than {0}")]
    TooSmall(&'static str),
    /// Zero, where zero has no meaning.
    #[error("zero has no meaning here; expected {0}")]
    Zero(&'static str),
}

const SIZE: &str = "a size such as 64, 64k, 1.5MiB or 1G (k, M, G, T are powers of 1,024)";
const DURATION: &str = "a duration such as 500ms, 10s, 5m, 2h or 1d (no unit: seconds)";
const WINDOW: &str = "two durations such as 5s/60s: so long, once in each such time";
const RATE: &str = "a rate such as 1MiB/s, 10MiB/min or 500MiB/h";
const PERCENT: &str = "a percentage above 0, such as 5";
const PID: &str = "a process number such as 1234";
const COUNT: &str = "a whole number";

/// Bytes: a number, optionally followed by B, k, M, G, T (either case) or KiB, MiB, GiB, TiB.
/// All of these are powers of 1,024.
///
/// # Errors
/// A message for people that says what would have been right.
pub fn size(text: &str) -> Result<u64, ValueError> {
    let (number, unit) = Decimal::read(text, SIZE, "16EiB - 1")?;
    let bytes = number.times(size_unit(unit)?).ok_or(ValueError::TooLarge("16EiB - 1"))?;
    let bytes = u64::try_from(bytes).map_err(|_| ValueError::TooLarge("16EiB - 1"))?;
    number.unless_lost(bytes, "one byte")
}

/// Times in which blocks are watched: so long, once in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// For how long; shorter than the period.
    pub on: Duration,
    /// How often.
    pub period: Duration,
}

/// Such as `5s/60s`.
///
/// # Errors
/// A message for people that says what would have been right.
pub fn window(text: &str) -> Result<Window, ValueError> {
    let (on, period) = text.split_once('/').ok_or(ValueError::Expected(WINDOW))?;
    let window = Window { on: duration(on)?, period: duration(period)? };
    if window.on < SHORTEST_WINDOW {
        return Err(ValueError::TooSmall("10ms, in which probes are hardly placed"));
    }
    if window.on >= window.period {
        return Err(ValueError::Expected("a first time that is shorter than the second"));
    }
    Ok(window)
}

/// How many allocations are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleInterval {
    /// As many as the budget allows.
    Auto,
    /// One for so many bytes; 0: every one.
    Bytes(u64),
}

/// Mean bytes between samples: `auto`, or a size up to a tebibyte.
///
/// # Errors
/// As [`size`].
pub fn sample_interval(text: &str) -> Result<SampleInterval, ValueError> {
    if text == "auto" {
        return Ok(SampleInterval::Auto);
    }
    match size(text)? {
        interval if interval <= LONGEST_INTERVAL => Ok(SampleInterval::Bytes(interval)),
        _ => Err(ValueError::TooLarge("1TiB")),
    }
}

fn size_unit(unit: &str) -> Result<u128, ValueError> {
    Ok(match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => return Err(ambiguous(unit, "1,000", "1,024", "KiB")),
        "mb" => return Err(ambiguous(unit, "1,000,000", "1,048,576", "MiB")),
        "gb" => return Err(ambiguous(unit, "10^9", "2^30", "GiB")),
        "tb" => return Err(ambiguous(unit, "10^12", "2^40", "TiB")),
        _ => return Err(ValueError::Unit { unit: unit.to_owned(), expected: SIZE }),
    })
}

fn ambiguous(
    unit: &str,
    decimal: &'static str,
    binary: &'static str,
    suggestion: &'static str,
) -> ValueError {
    ValueError::Ambiguous { unit: unit.to_owned(), decimal, binary, suggestion }
}

/// Bytes above zero.
///
/// # Errors
/// As [`size`].
pub fn positive_size(text: &str) -> Result<u64, ValueError> {
    size(text).and_then(|bytes| match bytes {
        0 => Err(ValueError::Zero(SIZE)),
        bytes => Ok(bytes),
    })
}

/// Bytes in a time: a size, a slash and `s`, `min` (or `m`), `h` or `d`.
///
/// # Errors
/// A message for people that says what would have been right.
pub fn rate(text: &str) -> Result<Rate, ValueError> {
    let (bytes, unit) = text.split_once('/').ok_or(ValueError::Expected(RATE))?;
    let seconds = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(ValueError::Unit { unit: unit.to_owned(), expected: RATE }),
    };
    match size(bytes.trim_end())? {
        0 => Err(ValueError::Zero(RATE)),
        bytes => Ok(Rate { bytes, per: seconds * SECOND }),
    }
}

/// A length of time: a number followed by ms, s, m, h or d; seconds without a unit.
///
/// # Errors
/// A message for people that says what would have been right.
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    const MOST: ValueError = ValueError::TooLarge("100 years");
    let (number, unit) = Decimal::read(text, DURATION, "100 years")?;
    let nanoseconds: u128 = match unit {
        "ms" => 1_000_000,
        "" | "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        "d" => 86_400 * 1_000_000_000,
        _ => return Err(ValueError::Unit { unit: unit.to_owned(), expected: DURATION }),
    };
    let total =
        number.times(nanoseconds).filter(|&total| total <= LONGEST.as_nanos()).ok_or(MOST)?;
    let total = u64::try_from(total).map_err(|_| MOST)?;
    number.unless_lost(total, "one nanosecond").map(Duration::from_nanos)
}

/// Memleak's positional interval. The first word after the options may also be a mistyped command,
/// which gets a message of its own.
///
/// # Errors
/// As [`duration`].
pub fn interval_word(text: &str) -> Result<Duration, ValueError> {
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err(ValueError::Expected(
            "an interval such as 10s; the commands run, doctor, completions, man and help come first, as in \
             `memtrace doctor --pid 1234`",
        ));
    }
    duration(text)
}

/// A whole number.
///
/// # Errors
/// A message for people that says what would have been right.
pub fn count(text: &str) -> Result<u64, ValueError> {
    whole(text, COUNT, u64::MAX, "18446744073709551615")
}

/// A whole number above zero.
///
/// # Errors
/// A message for people that says what would have been right.
pub fn positive_count(text: &str) -> Result<u64, ValueError> {
    count(text).and_then(|value| match value {
        0 => Err(ValueError::Zero("a whole number of at least 1")),
        value => Ok(value),
    })
}

/// A process or thread number, in the namespace that memtrace runs in.
///
/// # Errors
/// A message for people that says what would have been right.
pub fn pid(text: &str) -> Result<u32, ValueError> {
    let value = whole(text, PID, LARGEST_PID.into(), "4194304, the kernel's limit")?;
    match u32::try_from(value) {
        Ok(0) => Err(ValueError::Zero(PID)),
        Ok(value) => Ok(value),
        Err(_) => Err(ValueError::TooLarge("4194304, the kernel's limit")),
    }
}

fn whole(
    text: &str,
    expected: &'static str,
    most: u64,
    most_text: &'static str,
) -> Result<u64, ValueError> {
    let (number, unit) = Decimal::read(text, expected, most_text)?;
    if !unit.is_empty() || number.decimals > 0 {
        return Err(ValueError::Expected(expected));
    }
    match u64::try_from(number.digits) {
        Ok(value) if value <= most => Ok(value),
        _ => Err(ValueError::TooLarge(most_text)),
    }
}

/// A function that allocates.
///
/// # Errors
/// A message for people that shows the place and says what would have been right.
pub fn allocates(text: &str) -> Result<Signature, SignatureError> {
    Signature::parse(text, Role::Allocate)
}

/// A function that resizes.
///
/// # Errors
/// As [`allocates`].
pub fn reallocates(text: &str) -> Result<Signature, SignatureError> {
    Signature::parse(text, Role::Reallocate)
}

/// A function that frees.
///
/// # Errors
/// As [`allocates`].
pub fn frees(text: &str) -> Result<Signature, SignatureError> {
    Signature::parse(text, Role::Free)
}

/// A percentage above zero, with or without the sign: `5`, `2.5%`.
///
/// # Errors
/// A message for people that says what would have been right.
pub fn percent(text: &str) -> Result<f64, ValueError> {
    let (number, unit) = Decimal::read(text, PERCENT, "1000 %")?;
    if !matches!(unit, "" | "%") {
        return Err(ValueError::Unit { unit: unit.to_owned(), expected: PERCENT });
    }
    match number.digits as f64 / 10f64.powi(number.decimals as i32) {
        value if value > LARGEST_PERCENT => Err(ValueError::TooLarge("1000 %")),
        value if value > 0.0 => Ok(value),
        _ => Err(ValueError::Zero(PERCENT)),
    }
}

/// A decimal number: `digits` / 10^`decimals`.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    digits: u128,
    decimals: u32,
}

impl Decimal {
    /// Splits `text` into its number and what follows it, spaces between them left out. `most` is
    /// what a number with too many digits is compared to in the message.
    fn read<'a>(
        text: &'a str,
        expected: &'static str,
        most: &'static str,
    ) -> Result<(Self, &'a str), ValueError> {
        let text = text.trim();
        if text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            return Err(ValueError::Negative(expected));
        }
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
            return Err(ValueError::Expected(expected));
        }
        if whole.len() + fraction.len() > MOST_DIGITS {
            return Err(ValueError::TooLarge(most));
        }
        let digits =
            format!("{whole}{fraction}").parse().map_err(|_| ValueError::TooLarge(most))?;
        Ok((Self { digits, decimals: fraction.len() as u32 }, unit.trim_start()))
    }

    /// The number times `factor`, rounded to the nearest whole; `None` when it does not fit.
    fn times(self, factor: u128) -> Option<u128> {
        let divisor = 10u128.checked_pow(self.decimals)?;
        Some(self.digits.checked_mul(factor)?.checked_add(divisor / 2)? / divisor)
    }

    /// `value`, unless this number is above zero and its value was rounded away.
    fn unless_lost(self, value: u64, smallest: &'static str) -> Result<u64, ValueError> {
        match value {
            0 if self.digits > 0 => Err(ValueError::TooSmall(smallest)),
            value => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Duration, SampleInterval, ValueError, Window, count, duration, interval_word, percent, pid,
        sample_interval, size, window,
    };
    use super::{LONGEST, Rate, SECOND, positive_count, positive_size, rate};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    const GARBAGE: &[&str] = &[
        "", " ", ".", "1.", ".5", "1..2", "1.2.3", "abc", "k", "NaN", "nan", "inf", "-", "--5",
        "+5", "1e3", "0x10", "1_000", "1,000", "٣", "5 5", "🦀", "1\0", "∞", "-k",
    ];

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("64", 64),
            ("64B", 64),
            ("64k", 65_536),
            ("64K", 65_536),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("1.5MiB", 1_572_864),
            ("1G", 1 << 30),
            ("2TiB", 2 << 40),
            ("0.1GiB", 107_374_182),
            ("18446744073709551615", u64::MAX),
            ("000000000000000000064", 64),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        for text in ["18446744073709551616", "16777216TiB", "99999999999999999999999999T"] {
            assert_eq!(size(text), Err(ValueError::TooLarge("16EiB - 1")), "{text}");
        }
        assert_eq!(size(&"9".repeat(5000)), Err(ValueError::TooLarge("16EiB - 1")));
        assert!(matches!(size("-5"), Err(ValueError::Negative(_))));
        assert_eq!(size("0.4"), Err(ValueError::TooSmall("one byte")));
    }

    #[test]
    fn decimal_units_are_not_guessed() {
        let message = size("64KB").unwrap_err().to_string();
        assert_eq!(message, "`KB` may mean 1,000 or 1,024 bytes: write `KiB` for 1,024");
        assert!(matches!(size("1Mb"), Err(ValueError::Ambiguous { .. })));
        assert!(matches!(size("1x"), Err(ValueError::Unit { .. })));
    }

    #[test]
    fn durations_have_units() {
        for (text, milliseconds) in [
            ("0", 0),
            ("500ms", 500),
            ("10", 10_000),
            ("10s", 10_000),
            ("1.5s", 1_500),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("36500d", 3_153_600_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn durations_out_of_range_are_refused() {
        for text in ["101000d", "999999999999999999999999h", "18446744073709551616"] {
            assert_eq!(duration(text), Err(ValueError::TooLarge("100 years")), "{text}");
        }
        assert!(matches!(duration("-1s"), Err(ValueError::Negative(_))));
        assert_eq!(duration("0.0000000001s"), Err(ValueError::TooSmall("one nanosecond")));
        assert!(matches!(duration("5M"), Err(ValueError::Unit { .. })));
        assert!(LONGEST.as_nanos() < u64::MAX.into());
    }

    #[test]
    fn a_mistyped_command_is_recognised() {
        let message = interval_word("doktor").unwrap_err().to_string();
        assert!(message.contains("doctor"), "{message}");
        assert_eq!(interval_word("5"), Ok(Duration::from_secs(5)));
    }

    #[test]
    fn rates_are_sizes_in_a_time() {
        let of = |bytes, seconds| Ok(Rate { bytes, per: seconds * SECOND });
        assert_eq!(rate("1MiB/s"), of(1 << 20, 1));
        assert_eq!(rate("1.5k/min"), of(1536, 60));
        assert_eq!(rate("10 MiB / m"), of(10 << 20, 60));
        assert_eq!(rate("2G/h"), of(2 << 30, 3600));
        assert_eq!(rate("7/d"), of(7, 86_400));
        assert!(matches!(rate("10MiB"), Err(ValueError::Expected(_))));
        assert!(matches!(rate("10MiB/week"), Err(ValueError::Unit { .. })));
        assert!(matches!(rate("0/s"), Err(ValueError::Zero(_))));
        assert!(matches!(rate("-1/s"), Err(ValueError::Negative(_))));
        assert!(matches!(positive_size("0"), Err(ValueError::Zero(_))));
        assert_eq!(positive_size("1k"), Ok(1024));
    }

    #[test]
    fn windows_are_shorter_than_their_period_and_not_too_short() {
        let of = |on, period| {
            let [on, period] = [on, period].map(Duration::from_millis);
            Ok(Window { on, period })
        };
        assert_eq!(window("5s/60s"), of(5000, 60_000));
        assert_eq!(window("10ms/1m"), of(10, 60_000));
        assert_eq!(window("5 s / 1 m"), of(5000, 60_000));
        for text in ["", "5s", "5s:60s", "5s/5s", "6s/5s", "1m/5s"] {
            assert!(matches!(window(text), Err(ValueError::Expected(_))), "{text}");
        }
        for text in ["5ms/1s", "0/1s"] {
            assert!(matches!(window(text), Err(ValueError::TooSmall(_))), "{text}");
        }
        assert!(matches!(window("-1s/5s"), Err(ValueError::Negative(_))));
        assert!(matches!(window("5s/999999999d"), Err(ValueError::TooLarge(_))));
        for text in ["/", "5s/", "/5s", "5s/60s/7s", "a/b", "5s/\u{1b}[2J"] {
            assert!(window(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sampling_intervals_are_sizes_up_to_a_tebibyte() {
        let of = |bytes| Ok(SampleInterval::Bytes(bytes));
        assert_eq!(sample_interval("0"), of(0));
        assert_eq!(sample_interval("1"), of(1));
        assert_eq!(sample_interval("512KiB"), of(512 << 10));
        assert_eq!(sample_interval("1TiB"), of(1 << 40));
        assert_eq!(sample_interval("auto"), Ok(SampleInterval::Auto));
        for text in ["1.1TiB", "16TiB", "99999999999999999999999"] {
            assert!(matches!(sample_interval(text), Err(ValueError::TooLarge(_))), "{text}");
        }
        assert!(matches!(sample_interval("-1"), Err(ValueError::Negative(_))));
        for text in ["", "Auto", "none", "512KB", "1 in 8", "NaN", "inf"] {
            assert!(sample_interval(text).is_err(), "{text}");
        }
    }

    proptest! {
        /// Whatever is typed is a value or refused, and a window that is a value keeps its promises.
        #[test]
        fn anything_typed_is_a_value_or_refused(text in any::<String>(), on in "[0-9.]{0,4}[a-zµ]{0,2}") {
            let _ = (sample_interval(&text), percent(&text), rate(&text), size(&text), duration(&text));
            for text in [text.clone(), format!("{on}/{text}"), format!("{on}/{on}5s")] {
                if let Ok(Window { on, period }) = window(&text) {
                    prop_assert!(on < period && on >= Duration::from_millis(10));
                }
            }
        }
    }

    #[test]
    fn counts_are_whole() {
        assert_eq!(count("0"), Ok(0));
        assert_eq!(count("18446744073709551615"), Ok(u64::MAX));
        assert!(matches!(count("18446744073709551616"), Err(ValueError::TooLarge(_))));
        assert!(matches!(count("1.5"), Err(ValueError::Expected(_))));
        assert!(matches!(count("5k"), Err(ValueError::Expected(_))));
        assert!(matches!(positive_count("0"), Err(ValueError::Zero(_))));
        assert_eq!(positive_count("3"), Ok(3));
    }

    #[test]
    fn process_numbers_are_those_of_the_kernel() {
        assert_eq!(pid("1"), Ok(1));
        assert_eq!(pid("4194304"), Ok(4_194_304));
        assert!(matches!(pid("4194305"), Err(ValueError::TooLarge(_))));
        assert!(matches!(pid("99999999999999999999"), Err(ValueError::TooLarge(_))));
        assert!(matches!(pid("0"), Err(ValueError::Zero(_))));
        assert!(matches!(pid("-1"), Err(ValueError::Negative(_))));
        assert!(matches!(pid("1.0"), Err(ValueError::Expected(_))));
    }

    #[test]
    fn percentages_are_above_zero() {
        assert_eq!(percent("5"), Ok(5.0));
        assert_eq!(percent("2.5%"), Ok(2.5));
        assert_eq!(percent("2.5 %"), Ok(2.5));
        assert!(matches!(percent("0"), Err(ValueError::Zero(_))));
        assert!(matches!(percent("0.0%"), Err(ValueError::Zero(_))));
        assert!(matches!(percent("1001"), Err(ValueError::TooLarge(_))));
        assert!(matches!(percent("5k"), Err(ValueError::Unit { .. })));
    }

    #[test]
    fn garbage_is_refused_everywhere() {
        for text in GARBAGE {
            assert!(size(text).is_err(), "size {text:?}");
            assert!(duration(text).is_err(), "duration {text:?}");
            assert!(count(text).is_err(), "count {text:?}");
            assert!(pid(text).is_err(), "pid {text:?}");
            assert!(percent(text).is_err(), "percent {text:?}");
            assert!(rate(&format!("{text}/s")).is_err(), "rate {text:?}");
        }
    }

    proptest! {
        #[test]
        fn whole_sizes_read_back(bytes in any::<u64>()) {
            prop_assert_eq!(size(&bytes.to_string()), Ok(bytes));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,40}", numeric in "[-+0-9.eE]{0,40}[a-zA-Z%]{0,3}") {
            for text in [text, numeric] {
                let _ = (size(&text), duration(&text), count(&text), pid(&text), percent(&text));
                let _ = (rate(&text), rate(&format!("{text}/s")));
            }
        }
    }
}
