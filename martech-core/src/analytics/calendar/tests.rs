use jiff::Timestamp as Instant;
use proptest::prelude::*;

use super::*;
use crate::testing::conformance::model::label;

fn tz(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn range(from: &str, to: &str) -> TimeRange {
    TimeRange { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

/// The bucket starts in local time.
fn starts(from: &str, to: &str, interval: Interval, zone: &str) -> Vec<String> {
    let calendar = Calendar::new(range(from, to), interval, WeekStart::Monday, &tz(zone)).unwrap();
    let local = |start: &i64| {
        let instant = Instant::from_millisecond(*start).unwrap();
        instant.display_with_offset(tz(zone).to_offset(instant)).to_string()
    };
    calendar.starts().iter().map(local).collect()
}

fn lengths_in_hours(calendar: &Calendar) -> Vec<i64> {
    calendar.starts().windows(2).map(|pair| (pair[1] - pair[0]) / HOUR_MILLIS).collect()
}

#[test]
fn days_have_23_or_25_hours_at_clock_changes() {
    let new_york = tz("America/New_York");
    let spring = range("2026-03-07T05:00:00Z", "2026-03-11T04:00:00Z");
    assert_eq!(
        lengths_in_hours(&Calendar::new(spring, Interval::Day, WeekStart::Monday, &new_york).unwrap()),
        [24, 23, 24]
    );
    let autumn = range("2026-10-31T04:00:00Z", "2026-11-04T05:00:00Z");
    assert_eq!(
        lengths_in_hours(&Calendar::new(autumn, Interval::Day, WeekStart::Monday, &new_york).unwrap()),
        [24, 25, 24]
    );
}

#[test]
fn repeated_hour_has_two_buckets() {
    assert_eq!(
        starts("2026-10-25T00:00:00Z", "2026-10-25T02:30:00Z", Interval::Hour, "Europe/Berlin"),
        ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"],
    );
}

#[test]
fn skipped_hour_has_no_bucket() {
    assert_eq!(
        starts("2026-03-29T00:15:00Z", "2026-03-29T02:00:00Z", Interval::Hour, "Europe/Berlin"),
        ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"],
    );
}

#[test]
fn hours_follow_the_local_clock() {
    assert_eq!(
        starts("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", Interval::Hour, "Asia/Kolkata"),
        ["2026-01-01T05:00:00+05:30", "2026-01-01T06:00:00+05:30"],
    );
}

#[test]
fn half_hour_clock_change_ends_an_hour() {
    // Lord Howe: at 02:00 +11:00 clocks go back to 01:30 +10:30.
    assert_eq!(
        starts("2026-04-04T14:30:00Z", "2026-04-04T16:30:00Z", Interval::Hour, "Australia/Lord_Howe"),
        ["2026-04-05T01:00:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T02:00:00+10:30",],
    );
    // A range that starts within the short hour.
    assert_eq!(
        starts("2026-04-04T15:10:00Z", "2026-04-04T15:20:00Z", Interval::Hour, "Australia/Lord_Howe"),
        ["2026-04-05T01:30:00+10:30"],
    );
}

#[test]
fn weeks_begin_on_monday() {
    assert_eq!(
        starts("2026-11-22T12:00:00Z", "2026-11-30T00:00:01Z", Interval::Week, "UTC"),
        ["2026-11-16T00:00:00+00:00", "2026-11-23T00:00:00+00:00", "2026-11-30T00:00:00+00:00"],
    );
}

#[test]
fn months_are_calendar_months() {
    assert_eq!(
        starts("2026-01-31T12:00:00Z", "2026-04-01T00:00:00Z", Interval::Month, "UTC"),
        ["2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"],
    );
}

#[test]
fn skipped_day_has_no_bucket() {
    // Samoa went from the 29th to the 31st of December 2011.
    assert_eq!(
        starts("2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", Interval::Day, "Pacific/Apia"),
        ["2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00"],
    );
}

#[test]
fn rejects_too_many_buckets() {
    let hours =
        |to| Calendar::new(range("2026-01-01T00:00:00Z", to), Interval::Hour, WeekStart::Monday, &TimeZone::UTC);
    assert_eq!(hours("2027-02-21T16:00:00Z").unwrap().starts().len(), MAX_BUCKETS);
    assert_eq!(hours("2027-02-21T16:00:00.001Z").unwrap_err().field, "interval");
    let ages = range("-009999-01-03T00:00:00Z", "9999-12-30T00:00:00Z");
    assert_eq!(
        Calendar::new(ages, Interval::Week, WeekStart::Monday, &tz("Europe/Berlin")).unwrap_err().field,
        "interval"
    );
}

#[test]
fn rejects_empty_and_out_of_range_spans() {
    let at = |from, to| {
        let range = TimeRange { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) };
        Calendar::new(range, Interval::Day, WeekStart::Monday, &TimeZone::UTC).map(|calendar| calendar.starts().len())
    };
    assert_eq!(at(1, 1).unwrap_err().field, "to");
    assert_eq!(at(2, 1).unwrap_err().field, "to");
    assert_eq!(at(i64::MIN, i64::MAX).unwrap_err().field, "from");
    assert_eq!(at(0, 1), Ok(1));
}

pub(in crate::analytics) fn any_zone() -> impl Strategy<Value = TimeZone> {
    let names = ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe", "UTC"];
    prop::sample::select(names.map(tz).to_vec())
}

pub(in crate::analytics) fn any_interval() -> impl Strategy<Value = Interval> {
    prop::sample::select(vec![Interval::Hour, Interval::Day, Interval::Week, Interval::Month])
}

pub(in crate::analytics) fn any_week() -> impl Strategy<Value = WeekStart> {
    prop::sample::select(vec![WeekStart::Monday, WeekStart::Saturday, WeekStart::Sunday])
}

proptest! {
    #[test]
    fn buckets_match_local_clock_labels(
        zone in any_zone(),
        interval in any_interval(),
        week in any_week(),
        // 2011 to 2026.
        from in 1_300_000_000_000i64..1_800_000_000_000,
        length in 1i64..100 * 24 * HOUR_MILLIS,
        places in prop::collection::vec(0.0..1.0f64, 1..40),
    ) {
        let range = TimeRange { from: Timestamp::from_millis(from), to: Timestamp::from_millis(from + length) };
        let calendar = Calendar::new(range, interval, week, &zone).unwrap();
        let starts = calendar.starts();
        prop_assert!(starts.is_sorted_by(|a, b| a < b));
        prop_assert!(starts[0] <= from);
        prop_assert!(starts[starts.len() - 1] < from + length);
        for start in starts {
            prop_assert_ne!(label(*start - 1, interval, week, &zone), label(*start, interval, week, &zone));
        }
        let mut hint = 0;
        for place in places {
            let millis = from + (length as f64 * place) as i64;
            let bucket = calendar.bucket_of(millis);
            prop_assert_eq!(label(millis, interval, week, &zone), label(starts[bucket], interval, week, &zone));
            hint = calendar.bucket_near(millis, hint);
            prop_assert_eq!(hint, bucket);
        }
    }
}
