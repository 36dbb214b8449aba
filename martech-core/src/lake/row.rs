//! The bytes of an event in the journal and in the hot table.
//!
//! A batch is its rows, one behind the other, each its id and then the rest in postcard's format (variable-length integers,
//! length-prefixed text).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::event::{Currency, Event, EventId, EventKey, EventType, Money};

/// An event as the lake holds it, its text borrowed from wherever it lies.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Row<'a> {
    /// In front of the rest: serde would take it byte by byte.
    #[serde(skip)]
    pub(super) id: [u8; 16],
    pub(super) user_id: &'a str,
    pub(super) event_type: &'a str,
    pub(super) occurred_at: i64,
    pub(super) received_at: i64,
    #[serde(borrow)]
    pub(super) anonymous_id: Option<&'a str>,
    #[serde(borrow)]
    pub(super) session_id: Option<&'a str>,
    #[serde(borrow)]
    pub(super) properties: Option<&'a str>,
    /// In millionths.
    pub(super) order_value: Option<i64>,
    #[serde(borrow)]
    pub(super) currency: Option<&'a str>,
    #[serde(borrow)]
    pub(super) page: Option<&'a str>,
    #[serde(borrow)]
    pub(super) product: Option<&'a str>,
    #[serde(borrow)]
    pub(super) search: Option<&'a str>,
}

impl<'a> Row<'a> {
    /// The row of an event.
    pub(super) fn of(event: &'a Event) -> Self {
        Self {
            id: *event.id.0.as_bytes(),
            user_id: &event.user_id,
            event_type: event.event_type.as_str(),
            occurred_at: event.occurred_at.millis(),
            received_at: event.received_at.millis(),
            anonymous_id: event.anonymous_id.as_deref(),
            session_id: event.session_id.as_deref(),
            properties: event.properties.as_deref(),
            order_value: event.facts.order_value.map(Money::micros),
            currency: event.facts.currency.as_ref().map(Currency::as_str),
            page: event.facts.page.as_deref(),
            product: event.facts.product.as_deref(),
            search: event.facts.search.as_deref(),
        }
    }

    /// Writes the row behind `bytes`.
    pub(super) fn encode(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.extend_from_slice(&self.id);
        postcard::to_extend(self, bytes).expect("a vector takes every byte and a row serializes without errors")
    }

    /// What in it no lake takes in.
    pub(super) fn check(&self) -> Result<(), BadRow> {
        if EventType::parse(self.event_type).is_err() {
            return Err(BadRow::Type(self.event_type.to_owned()));
        }
        match [self.occurred_at, self.received_at].into_iter().find(|time| !is_on_calendar(*time)) {
            Some(time) => Err(BadRow::Time(time)),
            None => Ok(()),
        }
    }

    /// Reads the row at the head of `bytes`; gives the row and what follows it.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), postcard::Error> {
        let (id, rest) = take_id(bytes)?;
        let (row, rest) = postcard::take_from_bytes(rest)?;
        Ok((Self { id, ..row }, rest))
    }

    /// What tells the event from others.
    pub(super) fn key(&self) -> EventKey {
        EventKey { id: EventId::from_bytes(self.id), day: day_of(self.occurred_at) }
    }
}

/// The beginning of a row, as far as it says whose the event is and when it was done.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct RowHead<'a> {
    #[serde(skip)]
    pub(super) id: [u8; 16],
    pub(super) user_id: &'a str,
    #[serde(rename = "event_type")]
    _event_type: &'a str,
    pub(super) occurred_at: i64,
}

impl<'a> RowHead<'a> {
    /// Reads the head of the row at the head of `bytes`.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, postcard::Error> {
        let (id, rest) = take_id(bytes)?;
        let (head, _) = postcard::take_from_bytes(rest)?;
        Ok(Self { id, ..head })
    }
}

fn take_id(bytes: &[u8]) -> Result<([u8; 16], &[u8]), postcard::Error> {
    let (id, rest) = bytes.split_first_chunk().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    Ok((*id, rest))
}

/// Bytes that no lake has written as a row.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRow {
    #[error(transparent)]
    Encoding(#[from] postcard::Error),
    #[error("{0:?} is no type of event")]
    Type(String),
    #[error("{0} ms is no time of the years -9999 to 9999")]
    Time(i64),
}

/// The UTC day of a time in milliseconds, counted from 1970-01-01.
pub(super) fn day_of(millis: i64) -> i32 {
    millis.div_euclid(MILLIS_PER_DAY) as i32
}

pub(super) const MILLIS_PER_DAY: i64 = 86_400_000;

/// Whether a time in milliseconds has a date, so that its event can be written to the file of a day.
pub(super) fn is_on_calendar(millis: i64) -> bool {
    jiff::Timestamp::from_millisecond(millis).is_ok()
}

/// Whether a day, counted from 1970-01-01, has a date.
pub(super) fn is_day(day: i32) -> bool {
    is_on_calendar(i64::from(day) * MILLIS_PER_DAY + MILLIS_PER_DAY / 2)
}

/// The hash by which users are found in the hot table.
pub(super) fn user_hash(user_id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(user_id.as_bytes())
}

/// The first sixteen bytes of a user id as a number: it orders most users, faster than their text does.
pub(super) fn user_head(user_id: &[u8]) -> u128 {
    let mut head = [0; 16];
    let shown = user_id.len().min(16);
    head[..shown].copy_from_slice(&user_id[..shown]);
    u128::from_be_bytes(head)
}

/// The order of user ids, each with its [head](user_head), which ends most comparisons.
pub(super) fn compare_users(left: (u128, &[u8]), right: (u128, &[u8])) -> Ordering {
    left.0.cmp(&right.0).then_with(|| match left.1.len().max(right.1.len()) {
        // All of them is in their heads, but for zeros at their ends.
        ..=16 => left.1.len().cmp(&right.1.len()),
        _ => left.1.cmp(right.1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventRules;

    #[test]
    fn user_ids_are_in_the_order_of_their_bytes() {
        let ids =
            ["", "a", "a\0", "a\0\0", "ab", "b", "0123456789abcdef", "0123456789abcdef\0", "0123456789abcdeg", "é"];
        let with_head = |id: &'static str| (user_head(id.as_bytes()), id.as_bytes());
        for (left, right) in ids.iter().flat_map(|left| ids.iter().map(move |right| (*left, *right))) {
            assert_eq!(compare_users(with_head(left), with_head(right)), left.cmp(right), "{left:?} and {right:?}");
        }
    }

    #[test]
    fn a_head_is_that_of_its_row() {
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
    fn what_no_lake_takes_in_is_no_row() {
        let event = Event::builder("u", EventType::PURCHASE).build(&EventRules::default()).unwrap();
        let row = Row::of(&event);
        assert!(row.check().is_ok());
        assert!(matches!(Row { event_type: "no type", ..row }.check(), Err(BadRow::Type(_))));
        assert!(matches!(Row { occurred_at: i64::MIN, ..row }.check(), Err(BadRow::Time(_))));
        assert!(matches!(Row { received_at: i64::MAX, ..row }.check(), Err(BadRow::Time(_))));
    }
}
