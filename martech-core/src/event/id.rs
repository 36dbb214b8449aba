use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names an event: a UUID. As text hyphenated and in lower case; in binary formats 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// A text that names no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventIdError {
    /// Nothing in it, or nothing but white space.
    #[error("an event id must not be empty; leave it out to have one made")]
    Empty,
    /// More than 128 characters.
    #[error("an event id has at most {} characters", EventId::MAX_CHARS)]
    TooLong,
    /// The UUID of zeros, which names nothing: events that share it would all count as one.
    #[error("the nil UUID names no event; leave the id out to have one made")]
    Nil,
    /// What JavaScript makes of a missing value, such as `undefined`: events that share it would all count as one.
    #[error(
        "an event id is undefined, null, NaN or [object ...]: JavaScript made that of a missing value; leave it out to have one made"
    )]
    Placeholder,
}

/// Whether a text is what JavaScript makes of a missing value, or of an object, where a program takes it for an id. Exactly
/// so: `Null` is a name that people have.
pub(super) fn is_placeholder(text: &str) -> bool {
    matches!(text, "undefined" | "null" | "NaN") || (text.starts_with("[object ") && text.ends_with(']'))
}

impl EventId {
    /// The namespace of ids that are not UUIDs: the UUIDv5 of `martech:event-id` in the namespace of URLs (RFC 9562).
    pub const NAMESPACE: Uuid = Uuid::from_u128(0x26497edd_4d81_5d33_8111_1ba62acc1d83);

    /// The longest text that is taken as an id.
    pub const MAX_CHARS: usize = 128;

    /// A UUID in any of its usual notations and either case is taken as it is;
    /// every other text of 1 to 128 characters becomes the UUIDv5 of its bytes under [`NAMESPACE`](Self::NAMESPACE).
    /// Texts of white space, and those that JavaScript makes of missing values, name no event.
    pub fn from_text(text: &str) -> Result<Self, EventIdError> {
        if let Ok(uuid) = Uuid::try_parse(text) {
            return if uuid.is_nil() { Err(EventIdError::Nil) } else { Ok(Self(uuid)) };
        }
        if text.trim().is_empty() {
            return Err(EventIdError::Empty);
        }
        if is_placeholder(text) {
            return Err(EventIdError::Placeholder);
        }
        if text.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(EventIdError::TooLong);
        }
        Ok(Self(Uuid::new_v5(&Self::NAMESPACE, text.as_bytes())))
    }

    /// A new id, greater than every one that this process made before (a UUIDv7).
    pub fn new_v7() -> Self {
        Self(Uuid::now_v7())
    }

    /// The sixteen bytes, big-endian as RFC 9562 lays them out: they sort as the ids do.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From the sixteen bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// By [`EventId::from_text`].
impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_text(text)
    }
}
