use serde::Serialize;

use super::{Event, EventError, EventId, EventRules, EventType, Timestamp};

/// Makes an event in Rust; [`build`](Self::build) holds it to the same rules as one that came as JSON.
#[derive(Debug, Clone, Default)]
pub struct EventBuilder {
    fields: serde_json::Map<String, serde_json::Value>,
}

impl EventBuilder {
    /// Something that a known user did.
    pub fn new(_user_id: impl Into<String>, _event_type: EventType) -> Self {
        unimplemented!()
    }

    /// Something that was done on a device whose user is not known.
    pub fn anonymous(_anonymous_id: impl Into<String>, _event_type: EventType) -> Self {
        unimplemented!()
    }

    /// Its id; one is made when this is not called.
    #[must_use]
    pub fn id(self, _id: EventId) -> Self {
        self
    }

    /// When it was done; now, when this is not called.
    #[must_use]
    pub fn occurred_at(self, _time: Timestamp) -> Self {
        self
    }

    /// The device or browser.
    #[must_use]
    pub fn anonymous_id(self, _id: impl Into<String>) -> Self {
        self
    }

    /// The visit.
    #[must_use]
    pub fn session_id(self, _id: impl Into<String>) -> Self {
        self
    }

    /// One property more.
    #[must_use]
    pub fn property(self, _name: impl Into<String>, _value: impl Serialize) -> Self {
        self
    }

    /// Checks it and takes out the facts.
    pub fn build(self, _rules: &EventRules) -> Result<Event, EventError> {
        unimplemented!()
    }
}
