//! Bit-packed numbers, and Parquet's hybrid of run lengths and bit-packed groups.

use crate::varint;

/// The number of values unpacked at a time. A group ends at a byte boundary for every width.
pub(crate) const GROUP: usize = 8;

/// Returns the first `count` numbers of `width` bits in `packed`, lowest bits first, in groups. Bits after the end
/// count as zeros. Returns `None` if there are fewer than `count` numbers, or if the width is more than 64.
#[inline]
pub(crate) fn groups(packed: &[u8], width: u32, count: usize) -> Option<impl Iterator<Item = [u64; GROUP]>> {
    let bytes = width as usize;
    if width > 64 || packed.len().checked_mul(8)? < bytes.checked_mul(count)? {
        return None;
    }
    let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
    Some((0..count.div_ceil(GROUP)).map(move |group| {
        let begin = group * bytes;
        let mut numbers = [0; GROUP];
        if width <= 8 {
            // All eight numbers are in one word.
            let word = word(packed, begin);
            (0..).zip(&mut numbers).for_each(|(index, number): (u32, _)| *number = word >> (index * width) & mask);
        } else {
            for (index, number) in numbers.iter_mut().enumerate() {
                let (byte, shift) = (begin + index * bytes / 8, index * bytes % 8);
                let low = word(packed, byte) >> shift;
                // Up to seven bits are in the byte after the word.
                let high = if width > 57 && shift > 0 { word(packed, byte + 8) << (64 - shift) } else { 0 };
                *number = (low | high) & mask;
            }
        }
        numbers
    }))
}

/// Reads eight bytes from `at` on. Bytes after the end are zero.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).unwrap_or_default() {
        [a, b, c, d, e, f, g, h, ..] => u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        tail => tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Reads the first `count` numbers of a list in Parquet's hybrid encoding of run lengths and bit-packed groups, with
/// `width` bits each (at most 32), into `numbers`. Returns `None` if there are fewer.
pub(crate) fn hybrid(mut bytes: &[u8], width: u32, count: usize, numbers: &mut Vec<u32>) -> Option<()> {
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
                let index = position * width as usize + bit as usize;
                bytes[index / 8] |= 1 << (index % 8);
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn round_trips_packed_numbers(width in 0_u32..=64, numbers in prop::collection::vec(any::<u64>(), 0..50)) {
            let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
            let numbers: Vec<u64> = numbers.iter().map(|number| number & mask).collect();
            let packed = pack(&numbers, width);
            let unpacked: Vec<_> = groups(&packed, width, numbers.len()).unwrap().flatten().collect();
            prop_assert_eq!(&unpacked[..numbers.len()], &numbers);
            prop_assert!(width == 0 || groups(&packed, width, numbers.len() + GROUP).is_none());
        }

        #[test]
        fn reads_hybrid_of_runs_and_packed_groups(
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
        fn hybrid_tolerates_arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60), width in 0_u32..40) {
            let mut numbers = Vec::new();
            let _ = hybrid(&bytes, width, 500, &mut numbers);
            prop_assert!(numbers.len() <= 500);
        }
    }
}
