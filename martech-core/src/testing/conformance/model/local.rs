//! Calendar arithmetic that samples the local clock in small steps.

use jiff::{
    civil::{Date, DateTime, Weekday},
    tz::{Offset, TimeZone},
};

use crate::{
    event::Timestamp,
    query::{Compare, Interval, StatsQuery, TimeRange, WeekStart},
};

/// Contemporary clock changes and starts of local hours fall on multiples of a quarter of an hour.
const STEP: i64 = 15 * 60_000;
const DAY: i64 = 24 * 60 * 60_000;

/// Returns the bucket of a time, computed from the local clock at that time and not from boundaries.
pub(crate) fn label(millis: i64, interval: Interval, week: WeekStart, tz: &TimeZone) -> (DateTime, Offset) {
    let instant = instant(millis);
    let local = tz.to_datetime(instant);
    let date = local.date();
    match interval {
        // An hour that repeats when clocks go back counts as two hours.
        Interval::Hour => (date.at(local.hour(), 0, 0, 0), tz.to_offset(instant)),
        Interval::Day => (date.at(0, 0, 0, 0), Offset::UTC),
        Interval::Week => {
            let first = match week {
                WeekStart::Monday => Weekday::Monday,
                WeekStart::Saturday => Weekday::Saturday,
                WeekStart::Sunday => Weekday::Sunday,
            };
            let mut date = date;
            while date.weekday() != first {
                date = date.yesterday().expect("a date in range");
            }
            (date.at(0, 0, 0, 0), Offset::UTC)
        }
        Interval::Month => (date.first_of_month().at(0, 0, 0, 0), Offset::UTC),
    }
}

/// Finds the starts of the buckets in a range, wherever the label changes.
pub(super) fn bucket_starts(range: TimeRange, query: &StatsQuery) -> Vec<i64> {
    let label = |millis| label(millis, query.interval, query.week_start, &query.tz);
    let (from, to) = (range.from.millis(), range.to.millis());
    let step = from.div_euclid(STEP) * STEP;
    let mut first = step;
    while label(first - STEP) == label(from) {
        first -= STEP;
    }
    let mut starts = vec![first];
    let mut last = label(from);
    for millis in (step + STEP..to).step_by(STEP as usize) {
        if label(millis) != last {
            starts.push(millis);
            last = label(millis);
        }
    }
    starts
}

/// Returns the period that a query compares its range with.
pub(super) fn compared(query: &StatsQuery) -> Option<TimeRange> {
    match query.compare {
        Compare::PreviousPeriod => Some(previous(query)),
        Compare::PreviousYear => Some(previous_year(query)),
        Compare::None => None,
    }
}

/// Returns the period before a range. If the range begins with a local day, the period has as many local days, and ends
/// at the same local time. Otherwise it has the same duration.
fn previous(query: &StatsQuery) -> TimeRange {
    let TimeRange { from, to } = query.range;
    let tz = &query.tz;
    let (first, end) = (from.millis(), to.millis());
    let same_duration = (first - (end - first), first);
    let (start, stop) = if begins_a_day(first, tz) { days_before(first, end, tz) } else { same_duration };
    // A zone that skipped days may have no such local days.
    let (start, stop) = if start < stop && stop <= first { (start, stop) } else { same_duration };
    TimeRange { from: Timestamp::from_millis(start), to: Timestamp::from_millis(stop) }
}

/// Returns the edges of a range, moved back by the local days that it touches.
fn days_before(first: i64, end: i64, tz: &TimeZone) -> (i64, i64) {
    let days = days_between(date(first, tz), date(end - 1, tz)) + 1;
    let back = |millis: i64| {
        let local = tz.to_datetime(instant(millis));
        let local = if begins_a_day(millis, tz) { local.date().at(0, 0, 0, 0) } else { local };
        let wanted = local.checked_sub(jiff::Span::new().days(days)).expect("a date in range");
        let about = millis - i64::from(days) * DAY;
        first_moment(wanted, about - 3 * DAY..about + 3 * DAY, tz)
    };
    (back(first), back(end))
}

/// Finds the first moment of a local time. Clocks skip some local times: half an hour, an hour or, in Samoa, a day. Time
/// goes on from before that.
fn first_moment(wanted: DateTime, among: std::ops::Range<i64>, tz: &TimeZone) -> i64 {
    for skipped in [0, 30 * 60_000, 60 * 60_000, DAY] {
        let before = wanted.checked_sub(jiff::Span::new().milliseconds(skipped)).expect("a date in range");
        let mut candidates = among.clone().step_by(STEP as usize);
        if let Some(found) = candidates.find(|found| tz.to_datetime(instant(*found)) == before) {
            return found + skipped;
        }
    }
    panic!("{wanted} exists in {tz:?}, or a little or a day earlier")
}

/// Returns the same local times one year earlier. February 29 becomes February 28 at the start of a range. At its end,
/// it becomes March 1, unless the range begins on that day.
fn previous_year(query: &StatsQuery) -> TimeRange {
    let (from, to) = (query.range.from.millis(), query.range.to.millis());
    let is_one_day = date(from, &query.tz) == date(to, &query.tz);
    let start = year_before(from, (2, 28), &query.tz);
    let mut end = year_before(to, if is_one_day { (2, 28) } else { (3, 1) }, &query.tz);
    if end <= start {
        // Clock changes turned the edges around.
        end = start + (to - from);
    }
    TimeRange { from: Timestamp::from_millis(start), to: Timestamp::from_millis(end) }
}

fn year_before(millis: i64, leap_day: (i8, i8), tz: &TimeZone) -> i64 {
    let local = tz.to_datetime(instant(millis));
    let local = if begins_a_day(millis, tz) { local.date().at(0, 0, 0, 0) } else { local };
    let (month, day) = if (local.month(), local.day()) == (2, 29) { leap_day } else { (local.month(), local.day()) };
    let wanted = local.with().year(local.year() - 1).month(month).day(day).build().expect("a date");
    first_moment(wanted, millis - 369 * DAY..millis - 360 * DAY, tz)
}

fn date(millis: i64, tz: &TimeZone) -> Date {
    tz.to_datetime(instant(millis)).date()
}

fn begins_a_day(millis: i64, tz: &TimeZone) -> bool {
    date(millis - 1, tz) != date(millis, tz)
}

fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).expect("dates in range").get_days()
}

fn instant(millis: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(millis).expect("a time in range")
}
