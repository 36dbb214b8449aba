//! The figures of a shop.

use axum::{Json, extract::State};
use jiff::{ToSpan, tz::TimeZone};
use martech_core::{
    event::Timestamp,
    query::{Interval, Stats, StatsQuery, parse_time_zone, start_of_day},
};

use crate::{
    App,
    error::ApiError,
    params::{self, Params, message},
};

/// Days that are shown when the question names no beginning.
const DEFAULT_DAYS: i64 = 30;
/// Most buckets of a series: a year of hours, and 27 years of days.
const MAX_BUCKETS: i64 = 10_000;

/// `GET /stats`: the last 30 days to the end of today, day by day, unless something else is asked for.
pub(super) async fn stats(State(app): State<App>, mut params: Params) -> Result<Json<Stats>, ApiError> {
    let tz = params.one("tz", |text| message(parse_time_zone(text)))?.unwrap_or_else(|| app.time_zone().clone());
    let (from, to) = (params.instant("from", &tz)?, params.instant("to", &tz)?);
    let interval = params.one("interval", |text| message(text.parse()))?.unwrap_or(Interval::Day);
    params.finish()?;

    let outside = || ApiError::bad_parameter("to", "to must lie within the calendar");
    let to = match to {
        Some(to) => to,
        None => shifted_day(Timestamp::now(), 1, &tz).ok_or_else(outside)?,
    };
    let from = match from {
        Some(from) => from,
        None => shifted_day(to, -DEFAULT_DAYS, &tz).ok_or_else(outside)?,
    };
    let range = params::range(from, to)?;
    let buckets = (to.millis() - from.millis()) / shortest(interval);
    if buckets > MAX_BUCKETS {
        let message = format!("so long a time has more than {MAX_BUCKETS} such intervals; choose a longer interval");
        return Err(ApiError::bad_parameter("interval", message));
    }
    Ok(Json(app.lake().stats(StatsQuery { range, tz, interval }).await?))
}

/// The first moment of the local day that is some days after the one of `time`.
fn shifted_day(time: Timestamp, days: i64, tz: &TimeZone) -> Option<Timestamp> {
    let date = tz.to_datetime(jiff::Timestamp::from(time)).date();
    start_of_day(date.checked_add(days.days()).ok()?, tz)
}

/// In milliseconds; a day may be an hour shorter when clocks change, which this bound need not know.
fn shortest(interval: Interval) -> i64 {
    const HOUR: i64 = 3_600_000;
    match interval {
        Interval::Hour => HOUR,
        Interval::Day => 24 * HOUR,
        Interval::Week => 7 * 24 * HOUR,
        Interval::Month => 28 * 24 * HOUR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_shifted_in_local_time() {
        let tz = TimeZone::get("Europe/Berlin").unwrap();
        // 23:30 UTC is already the next day in Berlin; clocks change between it and the day before yesterday.
        let time: Timestamp = "2026-03-29T23:30:00Z".parse().unwrap();
        assert_eq!(shifted_day(time, 1, &tz).unwrap().to_string(), "2026-03-30T22:00:00.000Z");
        assert_eq!(shifted_day(time, -2, &tz).unwrap().to_string(), "2026-03-27T23:00:00.000Z");
    }
}
