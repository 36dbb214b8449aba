use super::{Currency, Event, EventTypes, Timestamp};

/// How events are read: which types, which currency, which limits.
#[derive(Debug, Clone)]
pub struct EventRules {
    /// Types that are taken.
    pub types: EventTypes,
    /// Currency of an order that names none.
    pub currency: Currency,
}

/// An event that is not taken: what was wrong, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EventError {
    /// For programs: `missing_field`, `unknown_type`, ...
    pub code: &'static str,
    /// Dotted path of the field, where one is to blame.
    pub field: Option<String>,
    /// For people.
    pub message: String,
}

impl EventRules {
    /// Reads one event from the text of a JSON object.
    pub fn parse(&self, _json: &str, _received_at: Timestamp) -> Result<Event, EventError> {
        unimplemented!()
    }
}
