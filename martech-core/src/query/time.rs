use std::{cmp::Ordering, fmt, str::FromStr};

use jiff::{
    civil::{Date, Weekday},
    tz::{Offset, TimeZone},
};
use serde::{Serialize, Serializer};

use super::QueryError;
use crate::event::Timestamp;

/// A half-open range of time: `from` is inclusive, `to` is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// Inclusive start.
    pub from: Timestamp,
    /// Exclusive end.
    pub to: Timestamp,
}

impl TimeRange {
    /// Returns whether a moment lies in the range.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }
}

/// Sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Order {
    /// Smallest or oldest first.
    #[default]
    #[cfg_attr(feature = "openapi", schema(rename = "asc"))]
    Ascending,
    /// Largest or newest first.
    #[cfg_attr(feature = "openapi", schema(rename = "desc"))]
    Descending,
}

impl Order {
    /// Applies this order to an ascending comparison.
    pub(crate) fn apply(self, ascending: Ordering) -> Ordering {
        match self {
            Self::Ascending => ascending,
            Self::Descending => ascending.reverse(),
        }
    }

    /// Returns the name used in a query string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}

impl FromStr for Order {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "asc" => Ok(Self::Ascending),
            "desc" => Ok(Self::Descending),
            _ => Err(QueryError::new("order", "must be asc or desc")),
        }
    }
}

/// The bucket width of a time series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Interval {
    /// Clock hours.
    Hour,
    /// Calendar days.
    Day,
    /// Weeks. They begin on Monday, unless the query names another day.
    Week,
    /// Calendar months.
    Month,
}

impl FromStr for Interval {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err(QueryError::new("interval", "must be hour, day, week or month")),
        }
    }
}

/// The first day of a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum WeekStart {
    /// As in ISO 8601.
    #[default]
    Monday,
    /// As in most of the Middle East.
    Saturday,
    /// As in America.
    Sunday,
}

impl WeekStart {
    /// Returns the day.
    pub(crate) fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}

impl FromStr for WeekStart {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "monday" => Ok(Self::Monday),
            "saturday" => Ok(Self::Saturday),
            "sunday" => Ok(Self::Sunday),
            _ => Err(QueryError::new("weekStart", "must be monday, saturday or sunday")),
        }
    }
}

/// A moment in local time: RFC 3339 with the local offset, or UTC with `Z` if the offset is zero or not a whole number
/// of minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// The moment.
    pub at: Timestamp,
    offset: Offset,
}

impl LocalTime {
    /// Creates the local time of a moment in a time zone.
    pub fn new(at: Timestamp, tz: &TimeZone) -> Self {
        Self { at, offset: tz.to_offset(at.into()) }
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from(self.at);
        // RFC 3339 offsets have no seconds, but those of local mean times before 1900 do.
        if self.offset.seconds() % 60 == 0 && self.offset != Offset::UTC {
            at.display_with_offset(self.offset).fmt(f)
        } else {
            at.fmt(f)
        }
    }
}

impl Serialize for LocalTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Parses the time field of a query: a date, which means the first moment of that day in `tz`, or an RFC 3339 time.
///
/// # Errors
/// Fails with an error about `field` if the text is neither.
pub fn parse_instant(field: &'static str, text: &str, tz: &TimeZone) -> Result<Timestamp, QueryError> {
    let wrong = || {
        let expected = "must be a date such as 2026-11-22 or an RFC 3339 time such as 2026-11-22T10:15:00Z";
        match lost_its_plus(text) {
            true => QueryError::new(field, format!("{expected}; in a URL, write the + of an offset as %2B")),
            false => QueryError::new(field, expected),
        }
    };
    // A text of ten characters can only be a date: a time with an offset is longer.
    if text.len() == 10 {
        let date: Date = text.parse().map_err(|_| wrong())?;
        return start_of_day(date, tz).ok_or_else(wrong);
    }
    text.parse().map_err(|_| wrong())
}

/// Returns whether a text is a time once its last space is replaced with `+`. Decoding a query string turns an
/// unescaped `+` into a space.
fn lost_its_plus(text: &str) -> bool {
    text.rsplit_once(' ').is_some_and(|(time, offset)| format!("{time}+{offset}").parse::<Timestamp>().is_ok())
}

/// Names that the time zone database or CLDR uses for an unknown place. These are not time zones.
const NO_ZONES: [&str; 2] = ["Etc/Unknown", "Factory"];

/// Parses the name of an IANA time zone, such as `Europe/Berlin` or `UTC`.
pub fn parse_time_zone(text: &str) -> Result<TimeZone, QueryError> {
    let is_zone = !NO_ZONES.iter().any(|name| name.eq_ignore_ascii_case(text));
    let zone = if is_zone { TimeZone::get(text).ok() } else { None };
    zone.ok_or_else(|| QueryError::new("tz", "must be the name of an IANA time zone such as Europe/Berlin or UTC"))
}

/// Returns the first moment of a local day: midnight or, if clocks skip midnight, the moment that they jump to. Returns
/// `None` at the edges of the calendar, the years -9999 and 9999.
pub fn start_of_day(date: Date, tz: &TimeZone) -> Option<Timestamp> {
    tz.to_timestamp(date.at(0, 0, 0, 0)).ok().map(Into::into)
}
