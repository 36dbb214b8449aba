//! `GET /stats`: the figures of a project.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use jiff::{ToSpan, tz::TimeZone};
use martech_core::{
    event::Timestamp,
    query::{Compare, Interval, Reader, Stats, StatsQuery, TimeRange, WeekStart, parse_time_zone, start_of_day},
};

use crate::{
    http::{
        csv::Format,
        error::{ApiError, catalogue},
        openapi::{Refusals, faults::OfQuery},
        params::{Params, message},
    },
    projects::Project,
    routes::{queries::QueryLimit, tables},
};

/// Length of the default range, in days.
const DEFAULT_DAYS: i64 = 30;

/// Retrieve figures.
///
/// Returns totals, a time series, top lists, and the totals and the series of another period to compare with. By
/// default, the range covers the last 30 days up to the end of today, in buckets of one day, and is compared with the
/// period before it.
#[utoipa::path(
    get,
    path = "/stats",
    tag = "Figures",
    operation_id = "getStats",
    params(
        ("from" = Option<String>, Query, format = "instant", description = "The inclusive start of the range: a date in the time zone, or an RFC 3339 time.", example = "2026-11-01"),
        ("to" = Option<String>, Query, format = "instant", description = "The exclusive end of the range, in the same forms as `from`.", example = "2026-12-01"),
        ("tz" = Option<String>, Query, format = "iana-time-zone", description = "The IANA time zone of dates; by default that of the project.", example = "Europe/Berlin"),
        ("interval" = inline(Option<Interval>), Query, description = "The width of the buckets of the series; by default a day."),
        ("weekStart" = inline(Option<WeekStart>), Query, description = "The first day of a week, with `interval=week`; by default Monday."),
        ("compare" = inline(Option<Compare>), Query, description = "The period to compare with: the one before (the default), the same dates one year earlier, or none.")
    ),
    responses(
        (
            status = 200,
            description = "The figures; as CSV, the series alone.",
            content((Stats = "application/json"), (String = "text/csv", example = json!(tables::STATS_EXAMPLE))),
            headers(("Content-Disposition" = Option<String>, description = "With CSV: the name of the file."))
        ),
        Refusals<OfQuery>
    ),
)]
pub(super) async fn stats(
    State(limit): State<Arc<QueryLimit>>,
    project: Project,
    format: Format,
    params: Params,
) -> Result<Response, ApiError> {
    let query = question(params, &project.settings().time_zone, Timestamp::now())?;
    let stats = limit.run(project.backend().stats(query)).await?;
    Ok(format.respond(project.id(), &stats))
}

/// Reads the parameters. The store checks the range.
pub(crate) fn question(mut params: Params, tz: &TimeZone, now: Timestamp) -> Result<StatsQuery, ApiError> {
    let tz = params.one("tz", |text| message(parse_time_zone(text)))?.unwrap_or_else(|| tz.clone());
    let (from, to) = (params.instant("from", &tz)?, params.instant("to", &tz)?);
    let interval = params.one("interval", |text| message(text.parse()))?.unwrap_or(Interval::Day);
    let week_start = params.one("weekStart", |text| message(text.parse()))?.unwrap_or_default();
    let compare = params.one("compare", |text| message(text.parse()))?.unwrap_or_default();
    params.finish()?;

    let to = match to {
        Some(to) => to,
        None => shifted_day(now, 1, &tz).ok_or_else(|| outside("to"))?,
    };
    let from = match from {
        Some(from) => from,
        None => shifted_day(to, -DEFAULT_DAYS, &tz).ok_or_else(|| outside("from"))?,
    };
    Ok(StatsQuery::new(TimeRange { from, to }).tz(tz).interval(interval).week_start(week_start).compare(compare))
}

/// Returns the start of the local day that lies `days` days after the day of `time`.
fn shifted_day(time: Timestamp, days: i64, tz: &TimeZone) -> Option<Timestamp> {
    let date = tz.to_datetime(jiff::Timestamp::from(time)).date();
    start_of_day(date.checked_add(days.days()).ok()?, tz)
}

fn outside(field: &str) -> ApiError {
    catalogue::invalid_parameter(field, "the edge of the calendar is too near; give both from and to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_days_in_local_time() {
        let tz = TimeZone::get("Europe/Berlin").unwrap();
        // 23:30 UTC is already the next day in Berlin. The clocks change between that day and the day before yesterday.
        let time: Timestamp = "2026-03-29T23:30:00Z".parse().unwrap();
        assert_eq!(shifted_day(time, 1, &tz).unwrap().to_string(), "2026-03-30T22:00:00.000Z");
        assert_eq!(shifted_day(time, -2, &tz).unwrap().to_string(), "2026-03-27T23:00:00.000Z");
    }
}
