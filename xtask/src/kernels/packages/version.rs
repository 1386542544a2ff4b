//! Debian's order of versions, as deb-version(7) describes it.

use std::cmp::Ordering;

/// Compares `[epoch:]upstream[-revision]`.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let [one, other] = [one, other].map(parts);
    let by_part = |(one, other): (&str, &str)| compare_part(one, other);
    one.0
        .cmp(&other.0)
        .then_with(|| by_part((one.1, other.1)))
        .then_with(|| by_part((one.2, other.2)))
}

fn parts(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    (epoch.parse().unwrap_or(0), upstream, revision)
}

/// Compares runs of other characters and runs of digits in turn.
fn compare_part<'a>(mut one: &'a str, mut other: &'a str) -> Ordering {
    while !one.is_empty() || !other.is_empty() {
        let (words, rest) = split_both(one, other, |byte| !byte.is_ascii_digit());
        let (numbers, rest) = split_both(rest.0, rest.1, |byte| byte.is_ascii_digit());
        let order =
            compare_words(words.0, words.1).then_with(|| compare_numbers(numbers.0, numbers.1));
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = rest;
    }
    Ordering::Equal
}

type Pair<'a> = (&'a str, &'a str);

/// Splits both where `is_part` ends.
fn split_both<'a>(one: &'a str, other: &'a str, is_part: fn(u8) -> bool) -> (Pair<'a>, Pair<'a>) {
    let split = |text: &'a str| {
        text.split_at(text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len()))
    };
    let (one, other) = (split(one), split(other));
    ((one.0, other.0), (one.1, other.1))
}

/// A tilde sorts before the end, the end before letters, letters before all else.
fn compare_words(one: &str, other: &str) -> Ordering {
    let weight = |byte: u8| match byte {
        b'~' => -1,
        byte if byte.is_ascii_alphabetic() => i32::from(byte),
        byte => i32::from(byte) + 256,
    };
    let length = one.len().max(other.len());
    let weights = |text: &str| -> Vec<i32> {
        text.bytes().map(weight).chain(std::iter::repeat(0)).take(length).collect()
    };
    weights(one).cmp(&weights(other))
}

/// Compares numbers of any length.
fn compare_numbers(one: &str, other: &str) -> Ordering {
    let [one, other] = [one, other].map(|digits| digits.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::compare;
    use std::cmp::Ordering;

    #[test]
    fn versions_have_debians_order() {
        // Each is earlier than the next.
        let ordered = [
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0a",
            "1.0+b",
            "1.0.1",
            "1.9",
            "1.10-2",
            "1.10-10",
            "6.1.176-1",
            "6.12.9-1",
            "6.12.107-1~bpo12+1",
            "6.12.107-1",
            "1:0.1",
        ];
        for (index, one) in ordered.iter().enumerate() {
            for (position, other) in ordered.iter().enumerate() {
                assert_eq!(compare(one, other), index.cmp(&position), "{one} and {other}");
            }
        }
    }

    #[test]
    fn what_is_written_otherwise_may_be_equal() {
        for (one, other) in [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.01", "1.1"), ("", "")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} and {other}");
        }
    }
}
