//! An event as the rivals store it: the fields of the lake's journal, but for those that stand in the key.

use martech_core::{
    Event,
    event::{Currency, Money},
};
use serde::Serialize;

/// What is not in the key, in postcard's format.
#[derive(Serialize)]
struct Row<'a> {
    event_type: &'a str,
    received_at: i64,
    anonymous_id: Option<&'a str>,
    session_id: Option<&'a str>,
    properties: Option<&'a str>,
    order_value: Option<i64>,
    currency: Option<&'a str>,
    page: Option<&'a str>,
    product: Option<&'a str>,
    search: Option<&'a str>,
}

/// An event as it is read back: time, id, row.
pub(super) type StoredEvent = (i64, [u8; 16], Vec<u8>);

/// An event on its way in.
pub(super) struct Keyed<'a> {
    pub(super) user: &'a str,
    pub(super) time: i64,
    pub(super) id: [u8; 16],
    pub(super) row: Vec<u8>,
}

/// A batch, in the order of (user, time, id).
pub(super) struct Batch<'a>(pub(super) Vec<Keyed<'a>>);

impl<'a> Batch<'a> {
    pub(super) fn of(events: &'a [Event]) -> Self {
        let mut events: Vec<_> = events.iter().map(Keyed::of).collect();
        events.sort_unstable_by(|one, other| (one.user, one.time, one.id).cmp(&(other.user, other.time, other.id)));
        Self(events)
    }
}

/// The events of a group of batches by id, each with the batch it comes from.
pub(super) fn by_id<'a, 'b>(group: &'b [Batch<'a>]) -> Vec<(usize, &'b Keyed<'a>)> {
    let batches = group.iter().enumerate();
    let mut events: Vec<_> = batches.flat_map(|(at, batch)| batch.0.iter().map(move |event| (at, event))).collect();
    events.sort_by_key(|(_, event)| event.id);
    events
}

impl<'a> Keyed<'a> {
    fn of(event: &'a Event) -> Self {
        Self { user: &event.user_id, time: event.occurred_at.millis(), id: *event.id.as_bytes(), row: row(event) }
    }

    /// Keys as bytes, in the order of (user, time, id): no user has a zero byte in it, no time lies before 1970.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = user_prefix(self.user);
        key.extend_from_slice(&self.time.to_be_bytes());
        key.extend_from_slice(&self.id);
        key
    }
}

/// How the keys of a user begin.
pub(super) fn user_prefix(user: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(user.len() + 25);
    key.extend_from_slice(user.as_bytes());
    key.push(0);
    key
}

/// What [`Keyed::key`] and a row say.
pub(super) fn stored(key: &[u8], row: &[u8]) -> StoredEvent {
    let (_, key) = key.split_at(key.len() - 24);
    let (time, id) = key.split_at(8);
    let time = i64::from_be_bytes(time.try_into().expect("eight bytes"));
    (time, id.try_into().expect("sixteen bytes"), row.to_vec())
}

pub(super) fn row(event: &Event) -> Vec<u8> {
    let row = Row {
        event_type: event.event_type.as_str(),
        received_at: event.received_at.millis(),
        anonymous_id: event.anonymous_id.as_deref(),
        session_id: event.session_id.as_deref(),
        properties: event.properties.as_deref(),
        order_value: event.facts.order_value.map(Money::micros),
        currency: event.facts.currency.as_ref().map(Currency::as_str),
        page: event.facts.page.as_deref(),
        product: event.facts.product.as_deref(),
        search: event.facts.search.as_deref(),
    };
    postcard::to_extend(&row, Vec::with_capacity(256)).expect("a vector takes every byte")
}
