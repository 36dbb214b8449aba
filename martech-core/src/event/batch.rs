use super::{EventError, Timestamp};

/// A body of events, taken apart but not yet read: see [`EventRules::parse_batch`](super::EventRules::parse_batch).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<'a> {
    /// When the sender's clock said that it was sent.
    pub sent_at: Option<Timestamp>,
    /// The JSON text of each event, or why it has none.
    pub items: Vec<Result<&'a str, EventError>>,
    /// Whether the body was one event object, not a list.
    pub single: bool,
}

impl<'a> Batch<'a> {
    /// How many events a body may hold, where nothing else is said.
    pub const MAX_EVENTS: usize = 100_000;

    /// A JSON body: an event object, an array of them, or `{"events": [...], "sentAt": ...}`.
    pub fn from_json(body: &'a [u8]) -> Result<Self, EventError> {
        Self::from_json_limited(body, Self::MAX_EVENTS)
    }

    /// The same with another limit than [`MAX_EVENTS`](Self::MAX_EVENTS).
    pub fn from_json_limited(_body: &'a [u8], _max_events: usize) -> Result<Self, EventError> {
        unimplemented!()
    }

    /// A body of lines, each an event object (NDJSON).
    pub fn from_ndjson(body: &'a [u8]) -> Result<Self, EventError> {
        Self::from_ndjson_limited(body, Self::MAX_EVENTS)
    }

    /// The same with another limit than [`MAX_EVENTS`](Self::MAX_EVENTS).
    pub fn from_ndjson_limited(_body: &'a [u8], _max_events: usize) -> Result<Self, EventError> {
        unimplemented!()
    }
}
