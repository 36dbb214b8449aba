//! The encoding DELTA_BINARY_PACKED: numbers as differences, in blocks with as many bits as each block needs.

use super::bits::groups;
use crate::varint;

/// Takes a list of at most `most` numbers off the front of `bytes`, into `numbers`. Returns `None` if it is not such a
/// list.
pub(crate) fn take(bytes: &mut &[u8], most: usize, numbers: &mut Vec<i64>) -> Option<()> {
    numbers.clear();
    let mut size = || usize::try_from(varint::read(bytes)?).ok();
    let (block, parts, count) = (size()?, size()?, size()?);
    let mut last = varint::read_signed(bytes)?;
    if count == 0 {
        return Some(());
    }
    if count > most || parts == 0 || block / parts == 0 || !(block / parts).is_multiple_of(8) {
        return None;
    }
    let of_part = block / parts;
    numbers.push(last);
    while numbers.len() < count {
        let least = varint::read_signed(bytes)?;
        let (widths, rest) = bytes.split_at_checked(parts)?;
        *bytes = rest;
        for width in widths {
            let wanted = (count - numbers.len()).min(of_part);
            if wanted == 0 {
                break; // the remaining parts have a width and no data
            }
            let (packed, rest) = bytes.split_at_checked((of_part / 8).checked_mul(usize::from(*width))?)?;
            *bytes = rest;
            let behind = numbers.len() + wanted;
            groups(packed, u32::from(*width), wanted)?.for_each(|group| {
                numbers.extend_from_slice(&group.map(|delta| {
                    last = last.wrapping_add(least).wrapping_add(delta as i64);
                    last
                }));
            });
            // The padding after the last difference is dropped. No other part follows it.
            numbers.truncate(behind);
        }
    }
    Some(())
}
