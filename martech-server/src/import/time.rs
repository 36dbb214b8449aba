//! Parses times in the notation of a file.

use std::str::FromStr;

use jiff::{civil, fmt::strtime, tz::TimeZone};
use martech_core::{event::Timestamp, query::parse_time_zone};

use super::terms::{Flag, Terms};

/// The notation of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// Seconds since 1970, with or without decimals.
    UnixSeconds,
    /// A whole number of milliseconds, microseconds or nanoseconds since 1970.
    Unix(Unit),
    /// A pattern for `strptime`; see [`jiff::fmt::strtime`].
    Pattern(String),
}

/// A unit smaller than a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }

    const fn in_a_millisecond(self) -> i64 {
        match self {
            Self::Milliseconds => 1,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1_000_000,
        }
    }
}

impl FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "unix" => Ok(Self::UnixSeconds),
            "unix_ms" => Ok(Self::Unix(Unit::Milliseconds)),
            "unix_us" => Ok(Self::Unix(Unit::Microseconds)),
            "unix_ns" => Ok(Self::Unix(Unit::Nanoseconds)),
            // A pattern without a conversion specifier matches only itself.
            _ if text.contains('%') => Ok(Self::Pattern(text.to_owned())),
            _ => Err("expected `unix`, `unix_ms`, `unix_us`, `unix_ns` or a pattern such as %Y-%m-%d".to_owned()),
        }
    }
}

/// Numbers below this (March 1973 as milliseconds, the year 5138 as seconds) are more likely seconds.
const SMALLEST_MILLIS: u64 = 100_000_000_000;
/// Numbers from this on (the year 2286 as milliseconds, April 1970 as microseconds) are more likely microseconds.
const TOO_MANY_MILLIS: u64 = 10_000_000_000_000;

/// The year 5138, in milliseconds since 1970. From this time on, a number is more likely milliseconds than seconds.
const LARGEST_SECONDS: i64 = SMALLEST_MILLIS as i64 * 1000;

/// Reads times in one format. Times without an offset are in one time zone.
#[derive(Debug, Clone)]
pub(crate) struct TimeReader {
    format: Option<TimeFormat>,
    zone: TimeZone,
    terms: Terms,
}

impl TimeReader {
    /// Creates a reader whose messages name options in these terms.
    pub(crate) fn new(format: Option<TimeFormat>, zone: TimeZone, terms: Terms) -> Self {
        Self { format, zone, terms }
    }

    /// Returns the time that `text` means.
    ///
    /// # Errors
    ///
    /// Returns a message with the expected format.
    pub(crate) fn read(&self, text: &str) -> Result<Timestamp, String> {
        let (text, time_format) = (text.trim(), self.terms.name(Flag::TimeFormat));
        match &self.format {
            None => self.read_usual(text),
            Some(TimeFormat::Unix(unit)) => {
                let whole: i64 = text.parse().map_err(|_| format!("not a whole number of {}", unit.name()))?;
                Ok(Timestamp::from_millis(whole.div_euclid(unit.in_a_millisecond())))
            }
            Some(TimeFormat::UnixSeconds) => {
                let time = seconds(text).ok_or_else(|| "not a number of seconds since 1970".to_owned())?;
                if time.millis() >= LARGEST_SECONDS {
                    let fault = "too large for seconds since 1970";
                    return Err(format!("{fault}; use {time_format} unix_ms for milliseconds"));
                }
                Ok(time)
            }
            Some(TimeFormat::Pattern(pattern)) => {
                let parsed = strtime::parse(pattern, text)
                    .map_err(|error| format!("not in the format of {time_format}: {error}"))?;
                self.place(&parsed)
                    .map_err(|error| format!("in the format of {time_format}, but not a valid time: {error}"))
            }
        }
    }

    /// Reads RFC 3339, a civil date or time, or epoch milliseconds.
    fn read_usual(&self, text: &str) -> Result<Timestamp, String> {
        let time_format = self.terms.name(Flag::TimeFormat);
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(time);
        }
        // Eight digits are more likely a date than the first hours of 1970.
        if text.len() != 8
            && let Some(millis) = millis(text)
        {
            return match millis.unsigned_abs() {
                ..SMALLEST_MILLIS => Err(format!(
                    "too small for milliseconds since 1970; use {time_format} unix for seconds, or unix_ms for \
                     milliseconds of the years around 1970"
                )),
                TOO_MANY_MILLIS.. => Err(format!(
                    "too large for milliseconds since 1970; use {time_format} unix_us for microseconds, unix_ns for \
                     nanoseconds, or %Y%m%d%H%M%S for the digits of a date"
                )),
                _ => Ok(Timestamp::from_millis(millis)),
            };
        }
        let has_offset_or_zone = text.contains(['+', '[']);
        let civil: Option<civil::DateTime> = if has_offset_or_zone { None } else { text.parse().ok() };
        let time = civil.and_then(|civil| self.zone.to_timestamp(civil).ok());
        time.map(Timestamp::from).ok_or_else(|| {
            format!(
                "not an RFC 3339 time, a date such as 2026-11-22 or epoch milliseconds; use {time_format} for other \
                 formats"
            )
        })
    }

    fn place(&self, parsed: &strtime::BrokenDownTime) -> Result<Timestamp, String> {
        // %z and %s determine the instant without a time zone.
        if parsed.offset().is_some() || parsed.timestamp().is_some() {
            return parsed.to_timestamp().map(Timestamp::from).map_err(|error| error.to_string());
        }
        let named = parsed.iana_time_zone().map(parse_time_zone).transpose();
        let named = named.map_err(|error| format!("%Q {}", error.message))?;
        let civil = || {
            let date = parsed.to_date()?;
            let time = if parsed.hour().is_some() { parsed.to_time()? } else { civil::Time::midnight() };
            // Times that a clock change skips or repeats are resolved by RFC 5545, as jiff does by default.
            named.as_ref().unwrap_or(&self.zone).to_timestamp(date.to_datetime(time))
        };
        civil().map(Timestamp::from).map_err(|error: jiff::Error| error.to_string())
    }
}

/// Reads a whole number. Drops a fraction, which the clocks of some languages add.
fn millis(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    whole.parse().ok().filter(|_| is_number)
}

/// Reads seconds exactly to the millisecond. Drops finer digits.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis = fraction.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let whole: i64 = whole.parse().ok()?;
    let millis = if text.starts_with('-') { -millis } else { millis };
    whole.checked_mul(1000)?.checked_add(millis).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Option<&str>, zone: &str, text: &str) -> Result<String, String> {
        let format = format.map(|format| format.parse().unwrap());
        let reader = TimeReader::new(format, TimeZone::get(zone).unwrap(), Terms::Flags);
        reader.read(text).map(|time| time.to_string())
    }

    #[test]
    fn reads_default_formats() {
        let cases = [
            ("2026-11-22T10:15:00.250Z", "2026-11-22T10:15:00.250Z"),
            ("2026-11-22T10:15:00+05:00", "2026-11-22T05:15:00.000Z"),
            ("2026-11-22", "2026-11-21T23:00:00.000Z"),
            ("2026-07-22 10:15:00", "2026-07-22T08:15:00.000Z"),
            ("1763806500000", "2025-11-22T10:15:00.000Z"),
        ];
        for (text, time) in cases {
            assert_eq!(read(None, "Europe/Berlin", text).as_deref(), Ok(time), "{text}");
        }
        for text in ["", "yesterday", "22.11.2026", "2026-02-30"] {
            assert!(read(None, "UTC", text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_dates_around_1970() {
        let cases = [
            ("1970-01-02", "1970-01-02T00:00:00.000Z"),
            ("1972-06-30 12:00:00", "1972-06-30T12:00:00.000Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z"),
            ("19700102", "1970-01-02T00:00:00.000Z"),
        ];
        for (text, time) in cases {
            assert_eq!(read(None, "UTC", text).as_deref(), Ok(time), "{text}");
        }
    }

    #[test]
    fn suggests_a_format_for_numbers_that_are_not_milliseconds() {
        for (text, flag) in [
            ("1763806500", "use --time-format unix for seconds"),
            ("1763806500.25", "use --time-format unix for seconds"),
            ("86400000", "a date such as"),
            ("1763806500000000", "use --time-format unix_us for microseconds"),
            ("1763806500000000000", "unix_ns for nanoseconds"),
            ("20261122101500", "%Y%m%d%H%M%S"),
        ] {
            let fault = read(None, "UTC", text).unwrap_err();
            assert!(fault.contains(flag), "{text}: {fault}");
        }
    }

    #[test]
    fn reads_patterns_in_a_time_zone() {
        assert_eq!(read(Some("%Y%m%d"), "UTC", "19970101").as_deref(), Ok("1997-01-01T00:00:00.000Z"));
        assert_eq!(
            read(Some("%d.%m.%Y %H:%M"), "Europe/Berlin", "01.07.2026 12:00").as_deref(),
            Ok("2026-07-01T10:00:00.000Z")
        );
        assert_eq!(
            read(Some("%Y-%m-%d %H:%M %z"), "Europe/Berlin", "2026-07-01 12:00 +0000").as_deref(),
            Ok("2026-07-01T12:00:00.000Z")
        );
        assert_eq!(read(Some("%s"), "Europe/Berlin", "60").as_deref(), Ok("1970-01-01T00:01:00.000Z"));
        assert!(read(Some("%Y%m%d"), "UTC", "19970230").unwrap_err().contains("time-format"));
    }

    #[test]
    fn reads_the_time_zone_in_the_text() {
        let zoned = |text: &str| read(Some("%Y-%m-%d %H:%M %Q"), "UTC", text);
        assert_eq!(zoned("2026-07-01 12:00 Europe/Berlin").as_deref(), Ok("2026-07-01T10:00:00.000Z"));
        assert_eq!(zoned("2026-01-01 12:00 America/New_York").as_deref(), Ok("2026-01-01T17:00:00.000Z"));
        assert_eq!(zoned("2026-01-01 12:00 +0100").as_deref(), Ok("2026-01-01T11:00:00.000Z"));
        for zone in ["Etc/Unknown", "Factory", "Mars/Olympus"] {
            let fault = zoned(&format!("2026-01-01 12:00 {zone}")).unwrap_err();
            assert!(fault.contains("IANA time zone"), "{fault}");
        }
    }

    #[test]
    fn reads_unix_times_exactly() {
        assert_eq!(read(Some("unix"), "UTC", "1.2345").as_deref(), Ok("1970-01-01T00:00:01.234Z"));
        assert_eq!(read(Some("unix"), "UTC", "1763806500").as_deref(), Ok("2025-11-22T10:15:00.000Z"));
        assert_eq!(read(Some("unix_ms"), "UTC", "1").as_deref(), Ok("1970-01-01T00:00:00.001Z"));
        assert_eq!(read(Some("unix_us"), "UTC", "1763806500250999").as_deref(), Ok("2025-11-22T10:15:00.250Z"));
        assert_eq!(read(Some("unix_us"), "UTC", "-1").as_deref(), Ok("1969-12-31T23:59:59.999Z"));
        assert_eq!(read(Some("unix_ns"), "UTC", "1763806500250999999").as_deref(), Ok("2025-11-22T10:15:00.250Z"));
        for text in ["1e3", "1.x", "", "99999999999999999999"] {
            assert!(read(Some("unix"), "UTC", text).is_err(), "{text}");
        }
    }
}
