//! The period that a range is compared with.

use jiff::{
    ToSpan,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use crate::{
    event::Timestamp,
    query::{Compare, QueryError, StatsQuery, TimeRange, start_of_day},
};

/// Returns the period that a query compares its range with. The range must not be empty.
///
/// # Errors
/// Fails if the calendar has no such year. A previous period is cut at the edge of the calendar and may be empty.
pub(super) fn compared(query: &StatsQuery) -> Result<Option<TimeRange>, QueryError> {
    let (range, tz) = (query.range, &query.tz);
    match query.compare {
        Compare::None => Ok(None),
        Compare::PreviousPeriod => Ok(Some(previous_days(range, tz).unwrap_or_else(|| same_duration(range)))),
        Compare::PreviousYear => match previous_year(range, tz) {
            Some(compared) => Ok(Some(compared)),
            None => Err(QueryError::new("compare", "the calendar has no year before this range")),
        },
    }
}

/// Returns as many local days before a range as it has. If it ends within a day, so does the period, at the same local
/// time. Returns `None` if the range does not begin with a day, or if a place that skipped days has no such days.
fn previous_days(range: TimeRange, tz: &TimeZone) -> Option<TimeRange> {
    let first = day_beginning_at(range.from, tz)?;
    let (end, ends_day) = (local(range.to, tz), begins_day(range.to, tz));
    let days = first.until(end.date()).ok()?.get_days() + i32::from(!ends_day);
    let from = start_of_day(first.checked_sub(days.days()).ok()?, tz)?;
    let to = moment(end.checked_sub(days.days()).ok()?, ends_day, tz)?;
    (from < to && to <= range.from).then_some(TimeRange { from, to })
}

/// Returns the same duration before a range, cut at the edge of the calendar.
fn same_duration(range: TimeRange) -> TimeRange {
    let (from, to) = (range.from.millis(), range.to.millis());
    let before = (2 * from - to).max(jiff::Timestamp::MIN.as_millisecond());
    TimeRange { from: Timestamp::from_millis(before), to: range.from }
}

fn previous_year(range: TimeRange, tz: &TimeZone) -> Option<TimeRange> {
    let (first, end) = (local(range.from, tz), local(range.to, tz));
    let from = moment(year_before(first)?, begins_day(range.from, tz), tz)?;
    let end_before = match is_leap_day(end.date()) && first.date() != end.date() {
        // March 1.
        true => year_before(end.checked_add(1.day()).ok()?)?,
        false => year_before(end)?,
    };
    // Clocks that went back within the range, or forward a year earlier, can turn the edges around.
    let to = moment(end_before, begins_day(range.to, tz), tz)?;
    let same_duration = || from.millis() + range.to.millis() - range.from.millis();
    Some(TimeRange { from, to: if from < to { to } else { Timestamp::from_millis(same_duration()) } })
}

/// Returns the same date and time in the year before. February 29 becomes February 28.
fn year_before(local: DateTime) -> Option<DateTime> {
    local.checked_sub(1.year()).ok()
}

/// Returns the moment of a local time. A time that clocks skip is counted on from before the change; of a time that
/// they repeat, the first moment is returned.
fn moment(local: DateTime, begins_day: bool, tz: &TimeZone) -> Option<Timestamp> {
    match begins_day {
        true => start_of_day(local.date(), tz),
        false => tz.to_timestamp(local).ok().map(Into::into),
    }
}

fn local(time: Timestamp, tz: &TimeZone) -> DateTime {
    tz.to_datetime(time.into())
}

fn is_leap_day(date: Date) -> bool {
    (date.month(), date.day()) == (2, 29)
}

fn begins_day(time: Timestamp, tz: &TimeZone) -> bool {
    day_beginning_at(time, tz).is_some()
}

fn day_beginning_at(time: Timestamp, tz: &TimeZone) -> Option<Date> {
    let date = local(time, tz).date();
    (start_of_day(date, tz)? == time).then_some(date)
}
