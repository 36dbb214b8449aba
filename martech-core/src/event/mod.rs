//! The event: its fields, its JSON form and its limits.
//!
//! # As JSON
//! | field | type | |
//! |---|---|---|
//! | `eventId` | string | A UUID, or any other text of 1 to 128 characters, which [becomes a UUID](EventId::from_text). An id from a public sender is mapped [into a namespace](Sender::id). Generated when absent. |
//! | `userId` | string | 1 to 128 characters, no control characters, no leading or trailing white space. |
//! | `anonymousId` | string | Same rules as `userId`. Used in its place when `userId` is absent. One of the two is required. |
//! | `sessionId` | string | Same rules as `userId`. Optional. |
//! | `type` | string | One of the [known types](EventType::KNOWN) or a [configured](EventTypes) one. Required. |
//! | `occurredAt` | string or number | RFC 3339 with an offset, or milliseconds since 1970 as a number or a string of digits. Defaults to the time of arrival. |
//! | `properties` | object | Any JSON object, stored as the text received. Some names [feed the statistics](facts). |
//!
//! `null` means absent. Unknown fields are rejected, so that a misspelled field is not silently lost. The exception is
//! `receivedAt`, which is accepted and ignored, so that the events of a journey can be sent again.
//!
//! - An event has at most 32 KiB of JSON, nested at most 32 levels deep. The event itself is level one, `properties` is
//!   level two.
//! - An object must not have the same key twice.
//! - An id must not be `undefined`, `null`, `NaN` or `[object ...]`: JavaScript produces these texts from missing
//!   values.
//! - A lone surrogate (`\ud83d` without its other half) becomes U+FFFD everywhere.
//! - `occurredAt` lies between 1970 and 24 hours after arrival. It has millisecond precision; finer digits are
//!   truncated. A number below 100,000,000,000 is rejected, because it is most likely in seconds. If
//!   [`EventRules::public_days`] is set, events from [public](Sender::is_public) senders are at most that many days
//!   old.
//! - If a batch says in `sentAt` when it was sent, and that is off by a minute or more, the sender's clock is assumed
//!   to be wrong, and `occurredAt` is corrected by the difference.
//!
//! Every fault is reported as an [`EventError`], which names the field where there is one.

mod batch;
mod builder;
mod currency;
pub(crate) mod error;
pub mod facts;
mod id;
pub(crate) mod json;
mod key;
mod kind;
mod money;
mod parse;
pub(crate) mod row;
mod sender;
mod time;
mod wire;

pub use batch::Batch;
pub use builder::EventBuilder;
pub use currency::{Currency, InvalidCurrency, UnlistedCurrency};
pub use error::{ErrorCode, EventError};
pub use facts::Facts;
pub use id::{EventId, EventIdError};
pub use json::replace_lone_surrogates;
pub use key::{EventKey, Fingerprint, Signature};
pub use kind::{EventType, EventTypes, InvalidEventType};
pub use money::{Money, MoneyError, MoneySum};
pub use parse::{EventRules, MAX_DEPTH, MAX_EVENT_BYTES, MAX_ID_CHARS};
pub use sender::Sender;
pub(crate) use time::MILLIS_PER_DAY;
pub use time::{InvalidTimestamp, Timestamp};
pub use wire::UserEvent;

/// An action of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Identifies the event. Sending the event again with the same id changes nothing.
    pub id: EventId,
    /// The user, or the anonymous id if no user is known; 1 to 128 characters.
    pub user_id: String,
    /// The type of the action.
    pub event_type: EventType,
    /// Time of the action.
    pub occurred_at: Timestamp,
    /// Whether `occurred_at` was set or corrected on arrival. If so, a repeated send may carry a different time.
    pub estimated_time: bool,
    /// Time of arrival.
    pub received_at: Timestamp,
    /// The device or browser that the event came from.
    pub anonymous_id: Option<String>,
    /// The visit that the event belongs to, as counted by the sender.
    pub session_id: Option<String>,
    /// A JSON object, stored as the text received, including white space between its values. Lone surrogates were
    /// replaced with U+FFFD, so strict JSON readers accept it.
    pub properties: Option<String>,
    /// The facts that statistics need from the properties.
    pub facts: Facts,
}

impl Event {
    /// Starts building an event of a known user.
    pub fn builder(user_id: impl Into<String>, event_type: EventType) -> EventBuilder {
        EventBuilder::new(user_id, event_type)
    }

    /// Returns the approximate memory footprint in bytes. Sinks measure their capacity in it.
    pub fn size(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let facts = text(&self.facts.page) + text(&self.facts.product) + text(&self.facts.search);
        let texts = text(&self.anonymous_id) + text(&self.session_id) + text(&self.properties) + facts;
        size_of::<Self>() + self.user_id.len() + self.event_type.as_str().len() + texts
    }
}
