//! The event: what it holds, how it is parsed, what limits it has.
//!
//! # As JSON
//! | field | type | |
//! |---|---|---|
//! | `eventId` | string | A UUID, or any other text of 1 to 128 characters, which [becomes a UUID](EventId::from_text); of a public sender it becomes one [of its kind](Sender::id). One is made when absent. |
//! | `userId` | string | 1 to 128 characters, no control characters, no white space at either end. |
//! | `anonymousId` | string | The same; stands in for `userId` where that is absent. One of the two is required. |
//! | `sessionId` | string | The same; optional. |
//! | `type` | string | One of the [known types](EventType::KNOWN), or one that is [configured](EventTypes). Required. |
//! | `occurredAt` | string or number | RFC 3339 with an offset, or milliseconds since 1970 as a number or digits in a string. When it arrived, where absent. |
//! | `properties` | object | Anything; kept as the text that came in. Some names [count in figures](facts). |
//!
//! `null` means absent. No other field is taken, so that a misspelt one does not get lost; only `receivedAt` is let
//! through and ignored, so that the events of a journey can be sent again.
//!
//! - An event has at most 32 KiB of JSON, nested at most 32 levels deep: itself is the first, `properties` the second.
//! - No object in it may have a key twice.
//! - No id is `undefined`, `null`, `NaN` or `[object ...]`: JavaScript makes these texts of missing values.
//! - Half a surrogate pair (`\ud83d` alone) becomes U+FFFD wherever it stands.
//! - `occurredAt` lies between 1970 and 24 hours after the arrival. It is exact to the millisecond; what is finer is cut
//!   off. A number below 100,000,000,000 is refused: it is most likely meant as seconds.
//!   Where [`EventRules::public_days`] says so, events of [public](Sender::is_public) senders are at most so many days old.
//! - When a batch says with `sentAt` when it was sent, and that is off by a minute or more, the sender's clock is
//!   taken to be wrong, and `occurredAt` is corrected by the difference.
//!
//! Whatever is wrong gets an [`EventError`] that names the field.

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
pub use json::mended as replace_lone_surrogates;
pub use key::{Deed, EventKey, Fingerprint};
pub use kind::{EventType, EventTypes, InvalidEventType};
pub use money::{Money, MoneyError, MoneySum};
pub use parse::{EventRules, MAX_DEPTH, MAX_EVENT_BYTES, MAX_ID_CHARS};
pub use sender::Sender;
pub(crate) use time::MILLIS_PER_DAY;
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
    /// A JSON object, kept as the text that came in, blanks and line breaks between its values included. A strict JSON reader
    /// can read it: half a surrogate pair became U+FFFD.
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
