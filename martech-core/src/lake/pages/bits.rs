//! Numbers of a few bits each, packed, and in runs.

use crate::varint;

/// Numbers that are unpacked at once: they end with a byte, whatever their width.
pub(super) const GROUP: usize = 8;

/// The numbers of `width` bits that are packed in some bytes, lowest bits first, a group at a time. `None` when there are
/// fewer than `count`, or when the width is more than 64; behind them the last group has zeros.
#[inline]
pub(super) fn groups(packed: &[u8], width: u32, count: usize) -> Option<impl Iterator<Item = [u64; GROUP]>> {
    let bytes = width as usize;
    if width > 64 || packed.len().checked_mul(8)? < bytes.checked_mul(count)? {
        return None;
    }
    let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
    Some((0..count.div_ceil(GROUP)).map(move |group| {
        let begin = group * bytes;
        let mut numbers = [0; GROUP];
        if width <= 8 {
            // All eight are in one word.
            let word = word(packed, begin);
            (0..).zip(&mut numbers).for_each(|(place, number): (u32, _)| *number = word >> (place * width) & mask);
        } else {
            for (place, number) in numbers.iter_mut().enumerate() {
                let (byte, shift) = (begin + place * bytes / 8, place * bytes % 8);
                let low = word(packed, byte) >> shift;
                // Up to seven bits are in the byte behind.
                let high = if width > 57 && shift > 0 { word(packed, byte + 8) << (64 - shift) } else { 0 };
                *number = (low | high) & mask;
            }
        }
        numbers
    }))
}

/// Eight bytes from `at` on; those behind the end are zero.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).unwrap_or_default() {
        [a, b, c, d, e, f, g, h, ..] => u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        tail => tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Reads the first `count` numbers of a list in Parquet's hybrid of runs and packed groups, `width` bits each (32 at
/// most), into `numbers`. `None` when there are fewer.
pub(super) fn hybrid(mut bytes: &[u8], width: u32, count: usize, numbers: &mut Vec<u32>) -> Option<()> {
    numbers.clear();
    if width > 32 {
        return None;
    }
    while numbers.len() < count {
        let missing = count - numbers.len();
        let header = varint::read(&mut bytes)?;
        let length = usize::try_from(header >> 1).ok()?;
        if header & 1 == 1 {
            // The last group may be cut short.
            let packed = bytes.split_at_checked(length.checked_mul(width as usize)?);
            let (packed, rest) = packed.unwrap_or((bytes, &[]));
            let wanted = length.saturating_mul(GROUP).min(missing);
            groups(packed, width, wanted)?
                .for_each(|group| numbers.extend_from_slice(&group.map(|number| number as u32)));
            numbers.truncate(count - missing + wanted);
            bytes = rest;
        } else {
            let (value, rest) = bytes.split_at_checked(width.div_ceil(8) as usize)?;
            numbers.resize(numbers.len() + length.min(missing), word(value, 0) as u32);
            bytes = rest;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pack(numbers: &[u64], width: u32) -> Vec<u8> {
        let mut bytes = vec![0_u8; (numbers.len() * width as usize).div_ceil(8)];
        for (position, number) in numbers.iter().enumerate() {
            for bit in (0..width).filter(|bit| number >> bit & 1 == 1) {
                let place = position * width as usize + bit as usize;
                bytes[place / 8] |= 1 << (place % 8);
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out(width in 0_u32..=64, numbers in prop::collection::vec(any::<u64>(), 0..50)) {
            let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
            let numbers: Vec<u64> = numbers.iter().map(|number| number & mask).collect();
            let packed = pack(&numbers, width);
            let unpacked: Vec<_> = groups(&packed, width, numbers.len()).unwrap().flatten().collect();
            prop_assert_eq!(&unpacked[..numbers.len()], &numbers);
            prop_assert!(width == 0 || groups(&packed, width, numbers.len() + GROUP).is_none());
        }

        #[test]
        fn a_hybrid_of_runs_and_groups_comes_out(
            width in 1_u32..=32,
            parts in prop::collection::vec((any::<u64>(), 0..30_usize, any::<bool>()), 1..8),
            missing in 0..40_usize,
        ) {
            let mask = u64::MAX >> (64 - width);
            let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
            for (seed, length, is_packed) in parts {
                if is_packed {
                    let group: Vec<u64> = (0..length as u64 * 8).map(|n| seed.wrapping_mul(n + 1) & mask).collect();
                    varint::write(&mut bytes, (length as u64) << 1 | 1);
                    bytes.extend(pack(&group, width));
                    numbers.extend(group);
                } else {
                    varint::write(&mut bytes, (length as u64) << 1);
                    bytes.extend_from_slice(&(seed & mask).to_le_bytes()[..width.div_ceil(8) as usize]);
                    numbers.extend(std::iter::repeat_n(seed & mask, length));
                }
            }
            let (count, mut read) = (numbers.len().saturating_sub(missing), Vec::new());
            hybrid(&bytes, width, count, &mut read).unwrap();
            let expected: Vec<u32> = numbers[..count].iter().map(|number| *number as u32).collect();
            prop_assert_eq!(&read, &expected);
            prop_assert!(hybrid(&bytes, width, numbers.len() + 1, &mut read).is_none());
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), width in 0_u32..40) {
            let mut numbers = Vec::new();
            let _ = hybrid(&bytes, width, 500, &mut numbers);
            prop_assert!(numbers.len() <= 500);
        }
    }
}
