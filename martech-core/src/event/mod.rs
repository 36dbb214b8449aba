//! The event: what it holds, how it is parsed, what limits it has.

use serde::{Deserialize, Serialize};

mod facts;
mod id;
mod kind;
mod money;
mod parse;
mod time;

pub use facts::Facts;
pub use id::EventId;
pub use kind::{EventType, EventTypes};
pub use money::{Currency, Money};
pub use parse::{EventError, EventRules};
pub use time::Timestamp;

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
