//! Calendars by looking at the clock, again and again.

use jiff::{
    ToSpan,
    civil::{Date, DateTime},
    tz::{Offset, TimeZone},
};

use crate::query::{Interval, StatsQuery, TimeRange};

/// Clocks of our days change, and hours of all time zones begin, at quarters of an hour.
const STEP: i64 = 15 * 60_000;

/// Names the bucket of a moment: found by the local clock at that moment, not by any boundaries.
pub(crate) fn label(millis: i64, interval: Interval, tz: &TimeZone) -> (DateTime, Offset) {
    let instant = instant(millis);
    let local = tz.to_datetime(instant);
    let date = local.date();
    match interval {
        // An hour that is there twice, since clocks went back, is two.
        Interval::Hour => (date.at(local.hour(), 0, 0, 0), tz.to_offset(instant)),
        Interval::Day => (date.at(0, 0, 0, 0), Offset::UTC),
        Interval::Week => {
            let days = i64::from(date.weekday().to_monday_zero_offset()).days();
            (date.checked_sub(days).expect("a date of our days").at(0, 0, 0, 0), Offset::UTC)
        }
        Interval::Month => (date.first_of_month().at(0, 0, 0, 0), Offset::UTC),
    }
}

/// Where the buckets of a range begin: wherever the label changes.
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

/// The period before a range: as many local days, where it begins and ends with one, else as long a time.
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
        // Days are cut, or a place that skipped some had none before.
        start = first - (end - first);
    }
    TimeRange { from: crate::event::Timestamp::from_millis(start), to: from }
}

fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).expect("dates of our days").get_days()
}

fn instant(millis: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(millis).expect("a time of our days")
}
