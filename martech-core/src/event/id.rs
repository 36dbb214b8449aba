use std::{fmt, str::FromStr, sync::Mutex};

use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Uuid};

use super::Timestamp;

/// The id of an event: a UUID. The text form is hyphenated and lowercase; binary formats use 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// An error returned for text that is not a valid event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventIdError {
    /// The text has no visible characters.
    #[error("an event id must not be empty; leave it out to have one generated")]
    Empty,
    /// The text has more than 128 characters.
    #[error("an event id has at most {} characters", EventId::MAX_CHARS)]
    TooLong,
    /// The nil UUID, which identifies nothing: events that share it would all count as one.
    #[error("an event id must not be the nil UUID; leave it out to have one generated")]
    Nil,
    /// A text that JavaScript produces from a missing value, such as `undefined`: events that share it would all count
    /// as one.
    #[error(
        "an event id must not be undefined, null, NaN or [object ...], which JavaScript produces from a missing value; leave it out to have one generated"
    )]
    Placeholder,
}

/// Returns whether a text is what JavaScript produces from a missing value or an object when a program uses it as an
/// id. The match is case-sensitive, because `Null` is a surname.
pub(super) fn is_placeholder(text: &str) -> bool {
    matches!(text, "undefined" | "null" | "NaN") || (text.starts_with("[object ") && text.ends_with(']'))
}

/// Returns whether a text has no visible characters: only white space and zero-width characters.
pub(super) fn is_blank(text: &str) -> bool {
    let is_invisible = |c: char| matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}');
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

impl EventId {
    /// The namespace for ids that are not UUIDs: the UUIDv5 of `martech:event-id` in the URL namespace (RFC 9562).
    pub const NAMESPACE: Uuid = Uuid::from_u128(0x26497edd_4d81_5d33_8111_1ba62acc1d83);

    /// The maximum length of a text accepted as an id, in characters.
    pub const MAX_CHARS: usize = 128;

    /// Converts text to an id. A UUID in any of its usual notations, in either case, is taken as is. Any other text of
    /// 1 to 128 characters becomes the UUIDv5 of its bytes under [`NAMESPACE`](Self::NAMESPACE).
    ///
    /// # Errors
    /// Fails for text without visible characters, for text of more than 128 characters, for the nil UUID, and for the
    /// texts that JavaScript produces from missing values.
    pub fn from_text(text: &str) -> Result<Self, EventIdError> {
        if let Ok(uuid) = Uuid::try_parse(text) {
            return if uuid.is_nil() { Err(EventIdError::Nil) } else { Ok(Self(uuid)) };
        }
        if is_blank(text) {
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

    /// Returns a new UUIDv7, greater than every id that this process generated before.
    pub fn new_v7() -> Self {
        static SEQUENCE: Mutex<ContextV7> = Mutex::new(ContextV7::new());
        Self::made_at(Timestamp::now(), &SEQUENCE)
    }

    /// A clock before 1970 counts as 1970, because no UUIDv7 has an earlier time.
    fn made_at(now: Timestamp, sequence: &Mutex<ContextV7>) -> Self {
        let now = u64::try_from(now.millis()).unwrap_or(0);
        let (seconds, nanos) = (now / 1000, (now % 1000) as u32 * 1_000_000);
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(sequence, seconds, nanos)))
    }

    /// Maps the id into a namespace, so that ids supplied by one kind of sender never collide with those of another.
    /// The mapping is one-way: nobody can find an id that maps to a given one.
    ///
    /// The result is the UUIDv5 of this id under `namespace`. A UUIDv7 keeps its timestamp, so that new events still
    /// sort as new, and the hash fills the remaining bits.
    #[must_use]
    pub fn within(self, namespace: &Uuid) -> Self {
        let hash = Uuid::new_v5(namespace, self.as_bytes());
        if self.0.get_version_num() != 7 {
            return Self(hash);
        }
        let mut bytes = hash.into_bytes();
        bytes[..6].copy_from_slice(&self.as_bytes()[..6]);
        bytes[6] = bytes[6] & 0x0f | 0x70;
        Self::from_bytes(bytes)
    }

    /// Returns the 16 bytes in the big-endian layout of RFC 9562, which sort in the same order as the ids.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Creates an id from its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// Parses with [`EventId::from_text`].
impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v7_ids_ascend_when_the_clock_goes_back() {
        let sequence = Mutex::new(ContextV7::new());
        let at = |millis| EventId::made_at(Timestamp::from_millis(millis), &sequence);
        let ids = [-5, i64::MIN, 0, 7, 6, 7, 1_795_342_500_250, -1, 1_795_342_500_250].map(at);
        assert!(ids.is_sorted_by(|left, right| left < right), "{ids:?}");
        assert!(ids.iter().all(|id| id.0.get_version_num() == 7));
        assert_eq!(ids[6].0.get_timestamp().unwrap().to_unix(), (1_795_342_500, 250_000_000));
        assert!(EventId::new_v7() < EventId::new_v7());
    }

    const NAMESPACE: Uuid = Uuid::from_u128(0xdb9ba360_e95b_57b7_a232_e6ad7e817d23);

    #[test]
    fn within_maps_ids_deterministically_per_namespace() {
        let order = EventId::from_text("order-1001").unwrap();
        let within = order.within(&NAMESPACE);
        assert_eq!(within.0, Uuid::new_v5(&NAMESPACE, order.as_bytes()));
        assert_eq!(within, order.within(&NAMESPACE));
        assert_ne!(within, order.within(&Uuid::NAMESPACE_OID));
        assert_ne!(within.within(&NAMESPACE), within);
    }

    #[test]
    fn within_preserves_uuid_v7_timestamp() {
        let of = |text: &str| EventId::from_text(text).unwrap();
        let (left, right) = (of("018f3f7e-0000-7000-8000-00000000beef"), of("018f3f7e-0000-7000-8000-00000000bee0"));
        let [near, other] = [left, right].map(|id| id.within(&NAMESPACE));
        for within in [near, other] {
            assert_eq!(within.as_bytes()[..6], left.as_bytes()[..6]);
            assert_eq!((within.0.get_version_num(), within.0.get_variant()), (7, uuid::Variant::RFC4122));
        }
        assert_ne!(near, other);
        assert_eq!(near.as_bytes()[7..], Uuid::new_v5(&NAMESPACE, left.as_bytes()).as_bytes()[7..]);
        assert!(of("018f3f7f-0000-7000-8000-000000000000").within(&NAMESPACE) > near);
    }
}
