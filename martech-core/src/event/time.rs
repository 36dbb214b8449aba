use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
///
/// As text, RFC 3339 with milliseconds and `Z`: `2026-11-22T10:15:00.250Z`. In binary formats, the milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time with an offset, such as 2026-11-22T10:15:00.250Z")]
pub struct InvalidTimestamp;

pub(crate) const MILLIS_PER_DAY: i64 = 86_400_000;

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// What the system clock shows. The only place in this crate that asks it for the time of day,
    /// besides [`EventId::new_v7`](super::EventId::new_v7): everything else is told the time.
    pub fn now() -> Self {
        jiff::Timestamp::now().into()
    }

    /// The UTC day that it lies in, counted from 1970-01-01.
    pub const fn day(self) -> i32 {
        self.0.div_euclid(MILLIS_PER_DAY) as i32
    }

    /// The first moment of that day.
    #[must_use]
    pub const fn start_of_day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(MILLIS_PER_DAY))
    }
}

/// To the millisecond; a finer part is cut off.
impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        // Floor, so that cutting off means the same before 1970.
        Self(time.as_millisecond() - i64::from(time.subsec_nanosecond() % 1_000_000 < 0))
    }
}

/// Years beyond -9999 and 9999, which have no calendar date here, become the last moment that has one.
impl From<Timestamp> for jiff::Timestamp {
    fn from(time: Timestamp) -> Self {
        let edge = if time.0 < 0 { Self::MIN } else { Self::MAX };
        Self::from_millisecond(time.0).unwrap_or(edge)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", jiff::Timestamp::from(*self))
    }
}

/// From RFC 3339; the offset is required, and a part below the millisecond is cut off. Some other notations of ISO 8601
/// that leave no doubt pass too: a blank for the `T`, an offset without its colon. A leap second is the second before it.
impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        if text.ends_with(['Z', 'z']) || has_offset_of_a_day(text) { Ok(time.into()) } else { Err(InvalidTimestamp) }
    }
}

/// Whether the offset of a time has less than 24 hours, as RFC 3339 wants it. `text` can be read as a time.
fn has_offset_of_a_day(text: &str) -> bool {
    let time = text.split_once('[').map_or(text, |(time, _)| time);
    // Behind the date, whose dashes are no signs.
    let time = time.get("2026-11-22".len()..).unwrap_or_default();
    let hours = time.rfind(['+', '-']).and_then(|sign| time.get(sign + 1..sign + 3));
    hours.is_none_or(|hours| hours.parse().is_ok_and(|hours: u8| hours < 24))
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}
