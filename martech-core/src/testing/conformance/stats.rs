//! Checks of all statistics against a simple model.

use jiff::tz::TimeZone;

use super::{
    EventSubject, Verdict, events,
    events::millis,
    journeys::with_shop,
    model::Model,
    trial::{Trial, assert_appended, assert_same},
};
use crate::{
    event::{Event, Timestamp},
    query::{Compare, Interval, Reader, StatsQuery, TimeRange, parse_instant},
};

const ZONES: [&str; 5] = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"];
const INTERVALS: [Interval; 4] = [Interval::Hour, Interval::Day, Interval::Week, Interval::Month];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a known time zone")
}

fn range(from: i64, to: i64) -> TimeRange {
    TimeRange { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) }
}

/// Ranges of local days across clock changes, and ranges that cut days.
fn ranges(tz: &TimeZone, events: &[Event]) -> Vec<TimeRange> {
    let midnight = |date| parse_instant("from", date, tz).expect("a date");
    let days = [("2026-03-07", "2026-03-10"), ("2026-03-29", "2026-03-30"), ("2026-04-04", "2026-04-07")];
    let mut ranges: Vec<_> =
        days.map(|(from, to)| TimeRange { from: midnight(from), to: midnight(to) }).into_iter().collect();
    let (first, last) =
        (events[0].occurred_at.min(events[1].occurred_at), events[0].occurred_at.max(events[1].occurred_at));
    ranges.push(TimeRange { from: first, to: last });
    ranges.push(range(first.millis() + 1, last.millis() + 1));
    ranges
}

async fn assert_figures<R: Reader>(store: &R, model: &Model, query: StatsQuery) {
    let found = store.stats(query.clone()).await.expect("stats succeeds");
    let expected = model.stats(&query);
    // Compared in parts to keep the message short.
    let what = |part| format!("{part} of {query:?}");
    assert_eq!((found.from, found.to), (expected.from, expected.to), "{}", what("from and to"));
    assert_eq!((&found.tz, found.interval), (&expected.tz, expected.interval), "{}", what("tz and interval"));
    assert_eq!(found.totals, expected.totals, "{}", what("totals"));
    match (&found.previous, &expected.previous) {
        (Some(found), Some(expected)) => {
            assert_eq!((found.from, found.to), (expected.from, expected.to), "{}", what("previous from and to"));
            assert_eq!(found.totals, expected.totals, "{}", what("previous"));
            assert_same(&found.series, &expected.series, &what("previous series"));
        }
        (found, expected) => assert_eq!(found, expected, "{}", what("previous")),
    }
    assert_eq!(found.by_type, expected.by_type, "{}", what("byType"));
    assert_same(&found.series, &expected.series, &what("series"));
    assert_eq!(found.top, expected.top, "{}", what("top"));
}

/// Checks statistics in several time zones, over clock changes and partial days, in all intervals.
pub async fn figures<S: EventSubject>(subject: &S) -> Verdict {
    let (mut trial, model) = with_shop(subject, 120).await;
    for name in ZONES {
        let tz = zone(name);
        for (place, range) in ranges(&tz, &model.events).into_iter().enumerate() {
            for interval in INTERVALS {
                // Long ranges by the hour add no coverage.
                if interval != Interval::Hour || place < 3 {
                    let query = StatsQuery::new(range).tz(tz.clone()).interval(interval);
                    assert_figures(trial.store(), &model, query).await;
                }
            }
        }
        trial.disturb().await;
    }
    // The whole history, an empty range, and single milliseconds.
    for (from, to) in
        [("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"), ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z")]
    {
        let query = StatsQuery::new(range(millis(from), millis(to))).interval(Interval::Week);
        assert_figures(trial.store(), &model, query).await;
    }
    for point in events::turning_points() {
        let query = StatsQuery::new(range(point, point + 1)).tz(zone("Asia/Kolkata"));
        assert_figures(trial.store(), &model, query).await;
    }
    Verdict::Passed
}

/// Checks the comparison with the same dates of the year before, also where they overlap the range, and with no period.
pub async fn compared_periods<S: EventSubject>(subject: &S) -> Verdict {
    let (mut trial, mut model) = with_shop(subject, 124).await;
    // Another shop's events, a year earlier.
    let earlier = events::shop(125, 700, S::IDENTITY).into_iter().map(|event| Event {
        occurred_at: Timestamp::from_millis(event.occurred_at.millis() - 365 * events::DAY),
        ..event
    });
    let earlier: Vec<Event> = earlier.collect();
    for batch in earlier.chunks(170) {
        assert_appended(&trial.append(batch).await, batch.len(), &[], "events of the year before");
        trial.disturb().await;
    }
    model.events.extend(earlier);
    for name in ZONES {
        let tz = zone(name);
        let midnight = |date| parse_instant("from", date, &tz).expect("a date");
        let days = |(from, to)| TimeRange { from: midnight(from), to: midnight(to) };
        let short = [("2026-03-07", "2026-03-10"), ("2026-03-28", "2026-04-01")].map(days);
        // A year, which ends where the range begins, and thirteen months, which overlap it.
        let long = [("2025-04-05", "2026-04-05"), ("2025-03-01", "2026-04-01")].map(days);
        let cut = ranges(&tz, &model.events).pop().expect("a range that cuts days");
        let ask = |range| StatsQuery::new(range).tz(tz.clone()).compare(Compare::PreviousYear);
        for range in short.into_iter().chain([cut]) {
            assert_figures(trial.store(), &model, ask(range)).await;
        }
        assert_figures(trial.store(), &model, ask(short[0]).interval(Interval::Hour)).await;
        for range in long {
            assert_figures(trial.store(), &model, ask(range).interval(Interval::Month)).await;
        }
        assert_figures(trial.store(), &model, ask(short[0]).compare(Compare::None)).await;
        trial.disturb().await;
    }
    Verdict::Passed
}

/// Checks the statistics of an empty store.
pub async fn an_empty_store<S: EventSubject>(subject: &S) -> Verdict {
    let trial = Trial::open(subject, 121).await;
    let range = range(millis("2026-03-01T00:00:00Z"), millis("2026-03-31T22:00:00Z"));
    for interval in INTERVALS {
        let query = StatsQuery::new(range).tz(zone("Europe/Berlin")).interval(interval);
        assert_figures(trial.store(), &Model::default(), query).await;
    }
    Verdict::Passed
}

/// Checks that an invalid query is refused with an error that names the field.
pub async fn impossible_questions<S: EventSubject>(subject: &S) -> Verdict {
    let trial = Trial::open(subject, 123).await;
    let cases = [
        (range(5, 5), Interval::Day, "to"),
        (range(5, 4), Interval::Day, "to"),
        (range(0, 400 * 366 * events::DAY / 10), Interval::Hour, "interval"),
        (range(i64::MIN, i64::MAX), Interval::Month, "from"),
    ];
    // The calendar has no year before this one.
    let first = range(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MIN.as_millisecond() + events::DAY);
    let refusal = trial.store().stats(StatsQuery::new(first).compare(Compare::PreviousYear)).await;
    let refusal = refusal.map(|_| "has an answer".to_owned()).unwrap_or_else(|refusal| refusal.to_string());
    assert!(refusal.starts_with("compare: "), "a year before the calendar is refused: {refusal}");
    for (range, interval, field) in cases {
        let query = StatsQuery::new(range).interval(interval);
        let what = format!("{query:?}");
        let Err(refusal) = trial.store().stats(query).await else { panic!("{what} has no answer") };
        let refusal = refusal.to_string();
        assert!(refusal.starts_with(&format!("{field}: ")), "{what} is refused because of {field}: {refusal}");
    }
    Verdict::Passed
}
