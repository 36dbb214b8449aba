//! The rivals' encoding of an event: the fields of the lake's journal, except those in the key.

use martech_core::{
    Event,
    event::{Currency, Money},
};
use serde::{Deserialize, Serialize};

/// Fields that are not in the key, encoded with postcard.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    event_type: &'a str,
    received_at: i64,
    #[serde(borrow)]
    anonymous_id: Option<&'a str>,
    #[serde(borrow)]
    session_id: Option<&'a str>,
    #[serde(borrow)]
    properties: Option<&'a str>,
    order_value: Option<i64>,
    #[serde(borrow)]
    currency: Option<&'a str>,
    #[serde(borrow)]
    page: Option<&'a str>,
    #[serde(borrow)]
    product: Option<&'a str>,
    #[serde(borrow)]
    search: Option<&'a str>,
}

/// An event as returned by a journey, without facts, which are derived from the properties.
#[derive(Clone, PartialEq)]
pub(super) struct StoredEvent {
    time: i64,
    id: [u8; 16],
    event_type: String,
    received_at: i64,
    anonymous_id: Option<String>,
    session_id: Option<String>,
    properties: Option<String>,
}

impl StoredEvent {
    pub(super) fn new(time: i64, id: [u8; 16], row: &[u8]) -> Self {
        let row: Row<'_> = postcard::from_bytes(row).expect("rows decode");
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            time,
            id,
            event_type: row.event_type.to_owned(),
            received_at: row.received_at,
            anonymous_id: owned(row.anonymous_id),
            session_id: owned(row.session_id),
            properties: owned(row.properties),
        }
    }

    /// Decodes an event from a key made by [`Keyed::key`] and its row.
    pub(super) fn from_key(key: &[u8], row: &[u8]) -> Self {
        let (_, key) = key.split_at(key.len() - 24);
        let (time, id) = key.split_at(8);
        let time = i64::from_be_bytes(time.try_into().expect("eight bytes"));
        Self::new(time, id.try_into().expect("sixteen bytes"), row)
    }
}

impl From<Event> for StoredEvent {
    fn from(event: Event) -> Self {
        Self {
            time: event.occurred_at.millis(),
            id: *event.id.as_bytes(),
            event_type: event.event_type.as_str().to_owned(),
            received_at: event.received_at.millis(),
            anonymous_id: event.anonymous_id,
            session_id: event.session_id,
            properties: event.properties,
        }
    }
}

/// An event to insert.
pub(super) struct Keyed<'a> {
    pub(super) user: &'a str,
    pub(super) time: i64,
    pub(super) id: [u8; 16],
    pub(super) row: Vec<u8>,
}

/// A batch, ordered by (user, time, id).
pub(super) struct Batch<'a>(pub(super) Vec<Keyed<'a>>);

impl<'a> Batch<'a> {
    pub(super) fn new(events: &'a [Event]) -> Self {
        let mut events: Vec<_> = events.iter().map(Keyed::new).collect();
        events.sort_unstable_by(|one, other| (one.user, one.time, one.id).cmp(&(other.user, other.time, other.id)));
        Self(events)
    }
}

/// Returns the events of a group of batches ordered by id, each with the index of its batch.
pub(super) fn by_id<'a, 'b>(group: &'b [Batch<'a>]) -> Vec<(usize, &'b Keyed<'a>)> {
    let batches = group.iter().enumerate();
    let mut events: Vec<_> = batches.flat_map(|(at, batch)| batch.0.iter().map(move |event| (at, event))).collect();
    events.sort_by_key(|(_, event)| event.id);
    events
}

impl<'a> Keyed<'a> {
    fn new(event: &'a Event) -> Self {
        Self { user: &event.user_id, time: event.occurred_at.millis(), id: *event.id.as_bytes(), row: row(event) }
    }

    /// Encodes the key so that bytes sort by (user, time, id). User ids contain no zero byte, and no time is before
    /// 1970.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = user_prefix(self.user);
        key.extend_from_slice(&self.time.to_be_bytes());
        key.extend_from_slice(&self.id);
        key
    }
}

/// Returns the prefix of a user's keys.
pub(super) fn user_prefix(user: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(user.len() + 25);
    key.extend_from_slice(user.as_bytes());
    key.push(0);
    key
}

fn row(event: &Event) -> Vec<u8> {
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
    postcard::to_extend(&row, Vec::with_capacity(256)).expect("rows serialize")
}
