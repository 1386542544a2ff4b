//! Numbers in as few bytes as they need: seven bits in each, the lowest first, the eighth says that another
//! one follows (LEB128, as in DWARF 5, section 7.6).

/// Most bytes of one: 64 bits by sevens.
const LONGEST: u32 = 10;

/// This bit of a byte says that the number goes on in the next one.
pub(in crate::recording) const CONTINUES: u8 = 0x80;

/// Appends a number.
#[inline]
pub(in crate::recording) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    // Most are short, and times are most of the others.
    if number < 0x80 {
        return bytes.push(number as u8);
    }
    if number < 0x4000 {
        return bytes.extend_from_slice(&[number as u8 | CONTINUES, (number >> 7) as u8]);
    }
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Appends how far it is from `before` to `number`, around the end of numbers if that is nearer: small
/// steps in either direction are small numbers.
#[inline]
pub(in crate::recording) fn put_step(bytes: &mut Vec<u8>, before: u64, number: u64) {
    let step = number.wrapping_sub(before).cast_signed();
    put(bytes, ((step << 1) ^ (step >> 63)).cast_unsigned());
}

/// Takes a number off the front; `None` if none is there.
#[inline]
pub(in crate::recording) fn take(bytes: &mut &[u8]) -> Option<u64> {
    // Most are short.
    if let [byte @ ..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Some((*byte).into());
    }
    let mut number = 0;
    for place in 0..LONGEST {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes what [`put_step`] has written.
#[inline]
pub(in crate::recording) fn take_step(bytes: &mut &[u8], before: u64) -> Option<u64> {
    let number = take(bytes)?;
    let step = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
    Some(before.wrapping_add(step.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use super::{put, put_step, take, take_step};
    use proptest::prelude::{any, proptest};

    proptest! {
        #[test]
        fn numbers_and_steps_come_back(before in any::<u64>(), number in any::<u64>()) {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            put_step(&mut bytes, before, number);
            let mut rest = bytes.as_slice();
            assert_eq!(take(&mut rest), Some(number));
            assert_eq!(take_step(&mut rest, before), Some(number));
            assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_give_a_number_or_none(bytes in any::<Vec<u8>>()) {
            let mut rest = bytes.as_slice();
            while take(&mut rest).is_some() {}
        }
    }

    #[test]
    fn small_steps_are_one_byte_in_either_direction() {
        for (before, number) in [(5, 5), (5, 60), (60, 5), (0, u64::MAX), (u64::MAX, 0)] {
            let mut bytes = Vec::new();
            put_step(&mut bytes, before, number);
            assert_eq!(bytes.len(), 1, "{before} → {number}");
        }
    }
}
