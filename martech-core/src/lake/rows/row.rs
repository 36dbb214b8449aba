//! Keys and sort order of rows.

use std::cmp::Ordering;

use serde::Deserialize;

pub(crate) use crate::event::row::{BadRow, Row, is_on_calendar};
use crate::event::{EventId, EventKey, Fingerprint, MILLIS_PER_DAY, Signature, Timestamp, row::take_id};

/// The beginning of a row, up to the user and the time of the event.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct RowHead<'a> {
    #[serde(skip)]
    pub(crate) id: [u8; 16],
    pub(crate) user_id: &'a str,
    #[serde(rename = "event_type")]
    _event_type: &'a str,
    pub(crate) occurred_at: i64,
}

impl<'a> RowHead<'a> {
    /// Decodes the head of the row at the start of `bytes`.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, postcard::Error> {
        let (id, rest) = take_id(bytes)?;
        let (head, _) = postcard::take_from_bytes(rest)?;
        Ok(Self { id, ..head })
    }
}

/// Returns the key of a row's event.
pub(crate) fn key_of(row: &Row<'_>) -> EventKey {
    EventKey { id: EventId::from_bytes(row.id), day: day_of(row.occurred_at) }
}

/// Returns the fingerprint of a row's user, type and time.
pub(crate) fn print_of(row: &Row<'_>) -> Fingerprint {
    Signature { user_id: row.user_id, event_type: row.event_type, occurred_at: Timestamp::from_millis(row.occurred_at) }
        .fingerprint()
}

/// Returns the UTC day of a time in milliseconds, counted from 1970-01-01.
pub(crate) fn day_of(millis: i64) -> i32 {
    Timestamp::from_millis(millis).day()
}

/// Returns whether a day, counted from 1970-01-01, has a calendar date.
pub(crate) fn is_day(day: i32) -> bool {
    is_on_calendar(i64::from(day) * MILLIS_PER_DAY + MILLIS_PER_DAY / 2)
}

/// Returns the hash by which the hot table finds the rows of a user.
pub(crate) fn user_hash(user_id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(user_id.as_bytes())
}

/// Returns the first sixteen bytes of a user id as a number. Heads order most users, and compare faster than texts.
pub(crate) fn user_head(user_id: &[u8]) -> u128 {
    let mut head = [0; 16];
    let shown = user_id.len().min(16);
    head[..shown].copy_from_slice(&user_id[..shown]);
    u128::from_be_bytes(head)
}

/// Compares user ids, each with its [head](user_head). Most comparisons end with the heads.
pub(crate) fn compare_users(left: (u128, &[u8]), right: (u128, &[u8])) -> Ordering {
    left.0.cmp(&right.0).then_with(|| match left.1.len().max(right.1.len()) {
        // The heads hold all bytes of both ids, except for zeros at their ends.
        ..=16 => left.1.len().cmp(&right.1.len()),
        _ => left.1.cmp(right.1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventRules, EventType};

    #[test]
    fn row_head_agrees_with_its_row() {
        let event = Event::builder("u", EventType::PURCHASE).property("total", "1.5").build(&EventRules::default());
        let (row, bytes) = (event.unwrap(), b"before".to_vec());
        let bytes = Row::of(&row).encode(bytes);
        let (decoded, rest) = Row::decode(&bytes[6..]).unwrap();
        assert!(rest.is_empty());
        let head = RowHead::decode(&bytes[6..]).unwrap();
        assert_eq!((head.id, head.user_id, head.occurred_at), (decoded.id, "u", row.occurred_at.millis()));
        assert_eq!(&bytes[6..22], row.id.0.as_bytes());
        assert!(Row::decode(&bytes[6..21]).is_err() && RowHead::decode(&bytes[6..25]).is_err());
    }

    #[test]
    fn orders_user_ids_by_their_bytes() {
        let ids =
            ["", "a", "a\0", "a\0\0", "ab", "b", "0123456789abcdef", "0123456789abcdef\0", "0123456789abcdeg", "é"];
        let with_head = |id: &'static str| (user_head(id.as_bytes()), id.as_bytes());
        for (left, right) in ids.iter().flat_map(|left| ids.iter().map(move |right| (*left, *right))) {
            assert_eq!(compare_users(with_head(left), with_head(right)), left.cmp(right), "{left:?} and {right:?}");
        }
    }
}
