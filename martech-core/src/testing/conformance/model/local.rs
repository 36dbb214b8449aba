//! Calendar arithmetic that samples the local clock in small steps.

use jiff::{
    ToSpan,
    civil::{Date, DateTime},
    tz::{Offset, TimeZone},
};

use crate::query::{Interval, StatsQuery, TimeRange};

/// Contemporary clock changes and starts of local hours fall on multiples of a quarter of an hour.
const STEP: i64 = 15 * 60_000;

/// Returns the bucket of a time, computed from the local clock at that time and not from boundaries.
pub(crate) fn label(millis: i64, interval: Interval, tz: &TimeZone) -> (DateTime, Offset) {
    let instant = instant(millis);
    let local = tz.to_datetime(instant);
    let date = local.date();
    match interval {
        // An hour that repeats when clocks go back counts as two hours.
        Interval::Hour => (date.at(local.hour(), 0, 0, 0), tz.to_offset(instant)),
        Interval::Day => (date.at(0, 0, 0, 0), Offset::UTC),
        Interval::Week => {
            let days = i64::from(date.weekday().to_monday_zero_offset()).days();
            (date.checked_sub(days).expect("a date in range").at(0, 0, 0, 0), Offset::UTC)
        }
        Interval::Month => (date.first_of_month().at(0, 0, 0, 0), Offset::UTC),
    }
}

/// Finds the starts of the buckets in a range, wherever the label changes.
pub(super) fn bucket_starts(range: TimeRange, interval: Interval, tz: &TimeZone) -> Vec<i64> {
    let label = |millis| label(millis, interval, tz);
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

/// Returns the period before a range: the same number of local days if the range starts and ends at local midnight,
/// otherwise the same duration.
pub(super) fn previous(query: &StatsQuery) -> TimeRange {
    let TimeRange { from, to } = query.range;
    let date = |millis: i64| query.tz.to_datetime(instant(millis)).date();
    let begins_a_day = |millis: i64| date(millis - 1) != date(millis);
    let (first, end) = (from.millis(), to.millis());
    let mut start = first;
    if begins_a_day(first) && begins_a_day(end) {
        let days: i32 = days_between(date(first), date(end));
        while days_between(date(start - STEP), date(first)) <= days {
            start -= STEP;
        }
    }
    if start == first {
        // The range cuts days, or a zone that skipped days has no such local days before it.
        start = first - (end - first);
    }
    TimeRange { from: crate::event::Timestamp::from_millis(start), to: from }
}

fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).expect("dates in range").get_days()
}

fn instant(millis: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(millis).expect("a time in range")
}
