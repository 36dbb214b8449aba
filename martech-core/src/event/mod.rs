//! The event: what it holds, how it is parsed, what limits it has.

mod batch;
mod builder;
mod currency;
mod error;
mod facts;
mod id;
mod kind;
mod money;
mod parse;
mod time;
mod wire;

pub use batch::Batch;
pub use builder::EventBuilder;
pub use currency::{Currency, InvalidCurrency};
pub use error::{ErrorCode, EventError};
pub use facts::Facts;
pub use id::{EventId, EventIdError};
pub use kind::{EventType, EventTypes, InvalidEventType};
pub use money::{Money, MoneyError, MoneySum};
pub use parse::{EventRules, MAX_DEPTH, MAX_EVENT_BYTES};
pub use time::{InvalidTimestamp, Timestamp};

/// Something that a user did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Names the event: sending it again changes nothing.
    pub id: EventId,
    /// Who did it (the anonymous id where no user is known), 1 to 128 characters.
    pub user_id: String,
    /// What was done.
    pub event_type: EventType,
    /// When it was done.
    pub occurred_at: Timestamp,
    /// Whether `occurred_at` was made or corrected here, so that a repeated sending may come with another one.
    pub estimated_time: bool,
    /// When it came here.
    pub received_at: Timestamp,
    /// The device or browser that did it.
    pub anonymous_id: Option<String>,
    /// The visit that it belongs to, as the sender counts visits.
    pub session_id: Option<String>,
    /// A JSON object, kept as the text that came in.
    pub properties: Option<String>,
    /// What the figures need of the properties.
    pub facts: Facts,
}

impl Event {
    /// Begins an event of a known user.
    pub fn builder(user_id: impl Into<String>, event_type: EventType) -> EventBuilder {
        EventBuilder::new(user_id, event_type)
    }

    /// About what it takes of memory, in bytes: the measure of a sink's capacity.
    pub fn size(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let facts = text(&self.facts.page) + text(&self.facts.product) + text(&self.facts.search);
        let texts = text(&self.anonymous_id) + text(&self.session_id) + text(&self.properties) + facts;
        size_of::<Self>() + self.user_id.len() + self.event_type.as_str().len() + texts
    }
}
