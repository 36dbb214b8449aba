use std::{fmt, str::FromStr, sync::Mutex};

use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Uuid};

use super::Timestamp;

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

/// Whether nothing can be seen of a text: white space, and characters without a width.
pub(super) fn is_blank(text: &str) -> bool {
    let is_invisible = |c: char| matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}');
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
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

    /// A new id, greater than every one that this process made before (a UUIDv7).
    pub fn new_v7() -> Self {
        static SEQUENCE: Mutex<ContextV7> = Mutex::new(ContextV7::new());
        Self::made_at(Timestamp::now(), &SEQUENCE)
    }

    /// A clock that stands before 1970 counts as standing at its beginning: no UUID has a time before.
    fn made_at(now: Timestamp, sequence: &Mutex<ContextV7>) -> Self {
        let now = u64::try_from(now.millis()).unwrap_or(0);
        let (seconds, nanos) = (now / 1000, (now % 1000) as u32 * 1_000_000);
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(sequence, seconds, nanos)))
    }

    /// The id that stands for this one where senders have ids of their own, so that theirs never meet those of others: nobody
    /// can find an id that becomes a given one.
    ///
    /// It is the UUIDv5 of this id under `namespace`. Of a UUIDv7 the time stays, so that what was new still sorts as
    /// new, and the hash is in the other bits.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_whatever_the_clock_shows() {
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
    fn an_id_within_a_namespace_is_one_of_its_own() {
        let order = EventId::from_text("order-1001").unwrap();
        let within = order.within(&NAMESPACE);
        assert_eq!(within.0, Uuid::new_v5(&NAMESPACE, order.as_bytes()));
        assert_eq!(within, order.within(&NAMESPACE));
        assert_ne!(within, order.within(&Uuid::NAMESPACE_OID));
        assert_ne!(within.within(&NAMESPACE), within);
    }

    #[test]
    fn a_uuid_v7_keeps_its_time_within_a_namespace() {
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
