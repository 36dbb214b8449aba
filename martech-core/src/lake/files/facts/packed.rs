//! Lists of integers, bit-packed: each number is stored as its distance from the least one, in as many bits as the
//! greatest distance needs.
//!
//! ```text
//! least: zigzag varint; width: u8; distances: width bits each, lowest bits first, in groups of eight
//! ```
//!
//! A group takes `width` bytes, so that it ends at a byte for every width. The last group is filled with zeros.

use crate::varint;

/// The number of values in a group.
const GROUP: usize = 8;

/// Appends a list of numbers. The reader must know their count.
pub(super) fn write(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64> + Clone) {
    let least = numbers.clone().min().unwrap_or_default();
    let distance = |number: i64| number.wrapping_sub(least).cast_unsigned();
    let width = numbers.clone().map(|number| 64 - distance(number).leading_zeros()).max().unwrap_or_default();
    varint::write_signed(out, least);
    out.push(width as u8);
    let (mut word, mut filled, mut count) = (0_u128, 0, 0);
    let fill = std::iter::repeat_n(least, GROUP - 1);
    let count_of_numbers = numbers.clone().count();
    for number in numbers.chain(fill).take(count_of_numbers.next_multiple_of(GROUP)) {
        word |= u128::from(distance(number)) << filled;
        filled += width;
        while filled >= 8 {
            out.push(word as u8);
            word >>= 8;
            filled -= 8;
        }
        count += 1;
    }
    debug_assert!(filled == 0 && count % GROUP == 0, "groups end at bytes");
}

/// Takes `count` numbers off the front of `bytes` into a list, each converted from its distance and the least number.
/// Returns `None` if there are fewer.
#[inline]
fn read_as<T>(
    bytes: &mut &[u8],
    count: usize,
    distances: &mut Vec<u64>,
    numbers: &mut Vec<T>,
    convert: impl Fn(i64, u64) -> T,
) -> Option<()> {
    let least = varint::read_signed(bytes)?;
    let (&width, rest) = bytes.split_first()?;
    let groups = count.div_ceil(GROUP);
    let behind = rest.get(groups.checked_mul(width.into())?..)?;
    unpack(rest, width, groups, distances)?;
    *bytes = behind;
    numbers.clear();
    numbers.extend(distances.iter().take(count).map(|distance| convert(least, *distance)));
    Some(())
}

/// Takes `count` numbers off the front of `bytes` into a list. `distances` is room to work in.
pub(super) fn read(bytes: &mut &[u8], count: usize, distances: &mut Vec<u64>, numbers: &mut Vec<i64>) -> Option<()> {
    read_as(bytes, count, distances, numbers, |least, distance| least.wrapping_add(distance.cast_signed()))
}

/// Takes `count` codes, which have 32 bits, off the front of `bytes` into a list.
pub(super) fn read_codes(
    bytes: &mut &[u8],
    count: usize,
    distances: &mut Vec<u64>,
    codes: &mut Vec<u32>,
) -> Option<()> {
    read_as(bytes, count, distances, codes, |least, distance| least.wrapping_add(distance.cast_signed()) as u32)
}

/// Unpacks groups from the front of `packed`, which may go on behind them.
fn unpack(packed: &[u8], width: u8, groups: usize, numbers: &mut Vec<u64>) -> Option<()> {
    numbers.clear();
    numbers.resize(groups * GROUP, 0);
    // A function for each width, so that all shifts are constants.
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                0 => {}
                $($width => unpack_width::<$width>(packed, numbers),)*
                _ => return None,
            }
        };
    }
    by_width! {
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
    }
    Some(())
}

fn unpack_width<const WIDTH: usize>(packed: &[u8], numbers: &mut [u64]) {
    let (groups, _) = numbers.as_chunks_mut::<GROUP>();
    let mut padded = [0; 64 + 16];
    for (number, group) in groups.iter_mut().enumerate() {
        let begin = number * WIDTH;
        // A word may reach beyond its group. At the end of the block, there may be no bytes.
        let bytes = match packed.get(begin..begin + WIDTH + 16) {
            Some(bytes) => bytes,
            None => {
                let rest = packed.get(begin..).unwrap_or_default();
                let rest = &rest[..rest.len().min(WIDTH)];
                padded[..rest.len()].copy_from_slice(rest);
                &padded[..WIDTH + 16]
            }
        };
        unpack_group::<WIDTH>(bytes, group);
    }
}

#[inline]
fn unpack_group<const WIDTH: usize>(bytes: &[u8], group: &mut [u64; GROUP]) {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    for (index, number) in group.iter_mut().enumerate() {
        let (byte, shift) = (index * WIDTH / 8, index * WIDTH % 8);
        let low = word(byte) >> shift;
        // Up to seven bits are in the byte after the word.
        let high = if WIDTH > 57 && shift > 0 { word(byte + 8) << (64 - shift) } else { 0 };
        *number = (low | high) & (u64::MAX >> (64 - WIDTH));
    }
}

/// Appends bits, lowest first. The last byte is filled with zeros.
pub(super) fn write_bits(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    for (filled, bit) in bits.enumerate() {
        if filled % 8 == 0 {
            out.push(0);
        }
        if let Some(last) = out.last_mut() {
            *last |= u8::from(bit) << (filled % 8);
        }
    }
}

/// Takes `count` bits off the front of `bytes`.
pub(super) fn read_bits<'a>(bytes: &mut &'a [u8], count: usize) -> Option<Bits<'a>> {
    let (bits, behind) = bytes.split_at_checked(count.div_ceil(8))?;
    *bytes = behind;
    Some(Bits { bits, count })
}

/// A list of bits.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bits: &'a [u8],
    count: usize,
}

impl Bits<'_> {
    pub(super) fn get(&self, index: usize) -> bool {
        self.bits[index / 8] >> (index % 8) & 1 == 1
    }

    /// Returns how many bits are set.
    pub(super) fn ones(&self) -> usize {
        let ones: u32 = self.bits.iter().map(|byte| byte.count_ones()).sum();
        (ones as usize).min(self.count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trips_numbers(numbers in prop::collection::vec(any::<i64>(), 0..50), shift in 0_u32..64) {
            let numbers: Vec<i64> = numbers.iter().map(|number| number >> shift).collect();
            let mut bytes = Vec::new();
            write(&mut bytes, numbers.iter().copied());
            bytes.push(7);
            let (mut rest, mut found) = (bytes.as_slice(), Vec::new());
            read(&mut rest, numbers.len(), &mut Vec::new(), &mut found).unwrap();
            prop_assert_eq!(found, numbers);
            prop_assert_eq!(rest, [7]);
        }

        #[test]
        fn round_trips_bits(bits in prop::collection::vec(any::<bool>(), 0..50)) {
            let mut bytes = Vec::new();
            write_bits(&mut bytes, bits.iter().copied());
            bytes.push(7);
            let mut rest = bytes.as_slice();
            let read = read_bits(&mut rest, bits.len()).unwrap();
            prop_assert_eq!((0..bits.len()).map(|index| read.get(index)).collect::<Vec<_>>(), bits.clone());
            prop_assert_eq!(read.ones(), bits.iter().filter(|bit| **bit).count());
            prop_assert_eq!(rest, [7]);
        }

        #[test]
        fn tolerates_arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0_usize..500) {
            let mut numbers = Vec::new();
            let _ = read(&mut bytes.as_slice(), count, &mut Vec::new(), &mut numbers);
            prop_assert!(numbers.len() <= 500);
        }
    }
}
