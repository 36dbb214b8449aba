//! Times as files write them.

use std::str::FromStr;

use jiff::{civil, fmt::strtime, tz::TimeZone};
use martech_core::event::Timestamp;

/// How times are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// Seconds since 1970, with or without decimals.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMillis,
    /// As `strptime` reads it; see [`jiff::fmt::strtime`].
    Pattern(String),
}

impl FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "unix" => Ok(Self::UnixSeconds),
            "unix_ms" => Ok(Self::UnixMillis),
            // A pattern without a conversion matches nothing but itself.
            _ if text.contains('%') => Ok(Self::Pattern(text.to_owned())),
            _ => Err("`unix`, `unix_ms` or a pattern such as %Y-%m-%d".to_owned()),
        }
    }
}

/// Reads times of one format, and places those without an offset in a time zone.
#[derive(Debug, Clone)]
pub(crate) struct TimeReader {
    format: Option<TimeFormat>,
    zone: TimeZone,
}

impl TimeReader {
    pub(crate) fn new(format: Option<TimeFormat>, zone: TimeZone) -> Self {
        Self { format, zone }
    }

    /// Whether a plain number is a time in milliseconds, as it is in an event.
    pub(crate) fn takes_epoch_millis(&self) -> bool {
        self.format.is_none()
    }

    /// The moment that `text` means, or what it should have looked like.
    pub(crate) fn read(&self, text: &str) -> Result<Timestamp, String> {
        let text = text.trim();
        match &self.format {
            None => self.read_usual(text),
            Some(TimeFormat::UnixMillis) => {
                text.parse().map(Timestamp::from_millis).map_err(|_| "not a whole number of milliseconds".to_owned())
            }
            Some(TimeFormat::UnixSeconds) => {
                seconds(text).ok_or_else(|| "not a number of seconds since 1970".to_owned())
            }
            Some(TimeFormat::Pattern(pattern)) => {
                let parsed = strtime::parse(pattern, text).map_err(|error| format!("not of --time-format: {error}"))?;
                self.place(&parsed).map_err(|error| format!("of --time-format, but no time: {error}"))
            }
        }
    }

    /// RFC 3339, a civil date or time, or epoch milliseconds.
    fn read_usual(&self, text: &str) -> Result<Timestamp, String> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(time);
        }
        // Eight digits are more likely a date than the first hours of 1970.
        if text.len() > 8
            && let Ok(millis) = text.parse()
        {
            return Ok(Timestamp::from_millis(millis));
        }
        let has_offset_or_zone = text.contains(['+', '[']);
        let civil: Option<civil::DateTime> = if has_offset_or_zone { None } else { text.parse().ok() };
        let time = civil.and_then(|civil| self.zone.to_timestamp(civil).ok());
        time.map(Timestamp::from).ok_or_else(|| {
            "not an RFC 3339 time, a date such as 2026-11-22 or epoch milliseconds; --time-format reads others"
                .to_owned()
        })
    }

    fn place(&self, parsed: &strtime::BrokenDownTime) -> Result<Timestamp, jiff::Error> {
        // %z, %Q and %s name the moment itself.
        if parsed.offset().is_some() || parsed.iana_time_zone().is_some() || parsed.timestamp().is_some() {
            return parsed.to_timestamp().map(Timestamp::from);
        }
        let date = parsed.to_date()?;
        let time = if parsed.hour().is_some() { parsed.to_time()? } else { civil::Time::midnight() };
        // In the hour that a clock change skips or repeats: what RFC 5545 says, as jiff does it.
        self.zone.to_timestamp(date.to_datetime(time)).map(Timestamp::from)
    }
}

/// Seconds with up to millisecond precision, exactly; a finer part is cut off.
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
        let reader = TimeReader::new(format, TimeZone::get(zone).unwrap());
        reader.read(text).map(|time| time.to_string())
    }

    #[test]
    fn reads_the_usual_notations() {
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
    fn reads_by_a_pattern_in_a_zone() {
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
    fn reads_unix_times_exactly() {
        assert_eq!(read(Some("unix"), "UTC", "1.2345").as_deref(), Ok("1970-01-01T00:00:01.234Z"));
        assert_eq!(read(Some("unix"), "UTC", "1763806500").as_deref(), Ok("2025-11-22T10:15:00.000Z"));
        assert_eq!(read(Some("unix_ms"), "UTC", "1").as_deref(), Ok("1970-01-01T00:00:00.001Z"));
        for text in ["1e3", "1.x", "", "99999999999999999999"] {
            assert!(read(Some("unix"), "UTC", text).is_err(), "{text}");
        }
    }
}
