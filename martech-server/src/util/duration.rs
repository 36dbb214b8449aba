//! Durations as people write them.

use std::time::Duration;

use jiff::SignedDuration;

/// Parses a time such as `500ms`, `30s` or `5m`, of at most a year.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|_| "expected a time such as 500ms, 30s or 5m".to_owned())?;
    let duration = Duration::try_from(duration).map_err(|_| "must not be negative".to_owned())?;
    // More than a year is a mistake, and much longer times would overflow sums.
    if duration > Duration::from_secs(366 * 86_400) { Err("must be at most a year".to_owned()) } else { Ok(duration) }
}
