use std::{cmp::Ordering, fmt, str::FromStr};

use jiff::{
    civil::Date,
    tz::{Offset, TimeZone},
};
use serde::{Serialize, Serializer};

use super::QueryError;
use crate::event::Timestamp;

/// A span of time: `from` inclusive, `to` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// First moment.
    pub from: Timestamp,
    /// First moment that is not in it.
    pub to: Timestamp,
}

impl TimeRange {
    /// Whether a moment lies in it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }
}

/// Ascending or descending.
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
    /// A comparison of what ascends, in this order.
    pub(crate) fn apply(self, ascending: Ordering) -> Ordering {
        match self {
            Self::Ascending => ascending,
            Self::Descending => ascending.reverse(),
        }
    }

    /// The name in a query string.
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

/// A bucket of a time series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Interval {
    /// Clock hours.
    Hour,
    /// Calendar days.
    Day,
    /// Weeks that begin on Monday.
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

/// A moment as a clock in some place shows it: RFC 3339 with that place's offset, or `Z` where the offset is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// The moment.
    pub at: Timestamp,
    offset: Offset,
}

impl LocalTime {
    /// A moment in a time zone.
    pub fn new(at: Timestamp, tz: &TimeZone) -> Self {
        Self { at, offset: tz.to_offset(at.into()) }
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from(self.at);
        // RFC 3339 has no seconds in its offsets; local mean times before 1900 do.
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

/// Reads the value of a query's time field: a date, which means the first moment of that day in `tz`,
/// or an RFC 3339 time.
pub fn parse_instant(field: &'static str, text: &str, tz: &TimeZone) -> Result<Timestamp, QueryError> {
    let wrong = || {
        let expected = "must be a date such as 2026-11-22 or an RFC 3339 time such as 2026-11-22T10:15:00Z";
        match lost_its_plus(text) {
            true => QueryError::new(field, format!("{expected}; in a URL, write the + of an offset as %2B")),
            false => QueryError::new(field, expected),
        }
    };
    // Ten characters are a date and nothing else: no time with an offset is so short.
    if text.len() == 10 {
        let date: Date = text.parse().map_err(|_| wrong())?;
        return start_of_day(date, tz).ok_or_else(wrong);
    }
    text.parse().map_err(|_| wrong())
}

/// Whether a text would be a time with a `+` in place of its last blank, which is what a query string makes of a `+`.
fn lost_its_plus(text: &str) -> bool {
    text.rsplit_once(' ').is_some_and(|(time, offset)| format!("{time}+{offset}").parse::<Timestamp>().is_ok())
}

/// Names that the time zone database, or CLDR, has for an unknown place. They are no time zones.
const NO_ZONES: [&str; 2] = ["Etc/Unknown", "Factory"];

/// Reads the name of an IANA time zone, such as `Europe/Berlin` or `UTC`.
pub fn parse_time_zone(text: &str) -> Result<TimeZone, QueryError> {
    let is_zone = !NO_ZONES.iter().any(|name| name.eq_ignore_ascii_case(text));
    let zone = if is_zone { TimeZone::get(text).ok() } else { None };
    zone.ok_or_else(|| QueryError::new("tz", "must be the name of an IANA time zone such as Europe/Berlin or UTC"))
}

/// The first moment of a local day: midnight, or where clocks skip midnight, the moment they jump to.
/// `None` at the edges of the calendar, the years -9999 and 9999.
pub fn start_of_day(date: Date, tz: &TimeZone) -> Option<Timestamp> {
    tz.to_timestamp(date.at(0, 0, 0, 0)).ok().map(Into::into)
}
