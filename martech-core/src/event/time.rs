use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
///
/// The text form is RFC 3339 with milliseconds and `Z`: `2026-11-22T10:15:00.250Z`. Binary formats hold the
/// milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// An error returned for text that is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time with an offset, such as 2026-11-22T10:15:00.250Z")]
pub struct InvalidTimestamp;

pub(crate) const MILLIS_PER_DAY: i64 = 86_400_000;

impl Timestamp {
    /// Creates a timestamp from milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Returns the current time of the system clock. Every read of the time of day in this crate goes through this
    /// function.
    pub fn now() -> Self {
        jiff::Timestamp::now().into()
    }

    /// Returns the UTC day as a number of days since 1970-01-01.
    pub const fn day(self) -> i32 {
        self.0.div_euclid(MILLIS_PER_DAY) as i32
    }

    /// Returns the first moment of the UTC day.
    #[must_use]
    pub const fn start_of_day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(MILLIS_PER_DAY))
    }
}

/// Truncates to the millisecond.
impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        // Floor, so that truncation rounds the same way before 1970.
        Self(time.as_millisecond() - i64::from(time.subsec_nanosecond() % 1_000_000 < 0))
    }
}

/// Clamps times outside the years -9999 to 9999, which have no calendar date, to the first or last moment that has one.
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

/// Parses RFC 3339. The offset is required, and digits below the millisecond are truncated. Some other unambiguous ISO
/// 8601 notations are accepted: a space in place of the `T`, an offset without its colon. A leap second becomes the
/// second before it.
impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        if text.ends_with(['Z', 'z']) || has_offset_of_a_day(text) { Ok(time.into()) } else { Err(InvalidTimestamp) }
    }
}

/// Returns whether the offset of a time is below 24 hours, as RFC 3339 requires. `text` must be a valid time.
fn has_offset_of_a_day(text: &str) -> bool {
    let time = text.split_once('[').map_or(text, |(time, _)| time);
    // Skips the date, whose dashes are not signs.
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
