use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::{
    analytics::{
        calendar::tests::{any_interval, any_week, any_zone},
        row::session_key,
        symbols::{Interner, NAME_OVERHEAD},
    },
    event::{Currency, Event, EventId, EventType, Facts, Money},
    query::{Compare, Interval, StatsQuery, TimeRange, WeekStart},
    testing::conformance::model::Model,
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn query(from: &str, to: &str, zone: &str, interval: Interval) -> StatsQuery {
    StatsQuery::new(TimeRange { from: time(from), to: time(to) }).tz(TimeZone::get(zone).unwrap()).interval(interval)
}

/// Counts the events, with the users spread over several accumulators.
fn count(query: &StatsQuery, events: &[Event], first_seen: &[i64], workers: usize) -> Stats {
    let plan = Arc::new(StatsPlan::new(query).unwrap());
    let mut accumulators: Vec<_> = (0..workers).map(|_| StatsAccumulator::new(plan.clone())).collect();
    let users: BTreeSet<_> = events.iter().map(|event| &event.user_id).collect();
    for (number, user) in users.into_iter().enumerate() {
        let accumulator = &mut accumulators[number % workers];
        let of_user = events.iter().filter(|event| event.user_id == *user);
        let mut rows: Vec<_> = of_user.map(|event| Row::of(event, accumulator.symbols())).collect();
        rows.sort_by_key(|row| row.occurred_at);
        accumulator.user(&rows);
    }
    for (index, time) in first_seen.iter().enumerate() {
        accumulators[index % workers].new_user(*time);
    }
    let merged = accumulators.into_iter().reduce(|mut a, b| {
        a.merge(b);
        a
    });
    merged.unwrap().finish()
}

/// Returns the time at which each user was first seen.
fn first_seen(events: &[Event]) -> Vec<i64> {
    let mut first: BTreeMap<&str, i64> = BTreeMap::new();
    for event in events {
        let seen = first.entry(&event.user_id).or_insert(i64::MAX);
        *seen = event.occurred_at.millis().min(*seen);
    }
    first.into_values().collect()
}

fn click(user: u8, at: Timestamp, event_type: &str, facts: Facts) -> Event {
    Event {
        id: EventId::new_v7(),
        user_id: user.to_string(),
        event_type: EventType::parse(event_type).unwrap(),
        occurred_at: at,
        estimated_time: false,
        received_at: at,
        anonymous_id: None,
        session_id: None,
        properties: None,
        facts,
    }
}

fn value(code: &str, micros: i64) -> Facts {
    Facts { order_value: Some(Money::from_micros(micros)), currency: Some(code.parse().unwrap()), ..Facts::default() }
}

fn page(page: &str) -> Facts {
    Facts { page: Some(page.to_owned()), ..Facts::default() }
}

#[test]
fn matches_figures_computed_by_hand() {
    let query = query("2026-03-08T05:00:00Z", "2026-03-10T04:00:00Z", "America/New_York", Interval::Day);
    let click = |user, text, event_type, facts| click(user, time(text), event_type, facts);
    let visit = |session: &str, event| Event { session_id: Some(session.to_owned()), ..event };
    let none = Facts::default;
    let order = Facts { product: Some("cup".to_owned()), ..value("USD", 10_000_000) };
    let search = Facts { search: Some("tea".to_owned()), ..none() };
    let clicks = [
        // Friday evening, in the previous period.
        click(1, "2026-03-07T04:50:00Z", "page_view", none()),
        // Sunday, a day of 23 hours: a session that started before midnight, with an order.
        click(1, "2026-03-08T04:55:00Z", "page_view", page("/")),
        click(1, "2026-03-08T05:05:00Z", "page_view", page("/")),
        click(1, "2026-03-08T05:10:00Z", "purchase", order),
        click(1, "2026-03-08T05:11:00Z", "purchase", value("USD", 5_000_001)),
        visit("s", click(2, "2026-03-09T03:59:59.999Z", "search", search)),
        // Monday, the same session.
        visit("s", click(2, "2026-03-09T04:00:00Z", "page_view", page("/tea"))),
        // An order without a value. Its page does not count as viewed.
        visit("t", click(2, "2026-03-09T15:00:00Z", "purchase", page("/tea"))),
        // Tuesday, after the range.
        click(3, "2026-03-10T04:00:00Z", "page_view", none()),
    ];
    let first_seen =
        ["2026-03-07T04:50:00Z", "2026-03-09T03:59:59.999Z", "2026-03-10T04:00:00Z"].map(|at| time(at).millis());
    let stats = serde_json::to_value(count(&query, &clicks, &first_seen, 1)).unwrap();
    let expected = serde_json::json!({
        "from": "2026-03-08T00:00:00-05:00",
        "to": "2026-03-10T00:00:00-04:00",
        "tz": "America/New_York",
        "interval": "day",
        "totals": {
            "events": 6, "users": 2, "newUsers": 1, "sessions": 3, "orders": 3,
            "revenue": [{"currency": "USD", "amount": "15.000001"}],
            // 7.5000005, half to even.
            "averageOrderValue": [{"currency": "USD", "amount": "7.50"}],
            "revenuePerUser": [{"currency": "USD", "amount": "7.50"}],
            "conversion": 0.666667,
        },
        "previous": {
            "from": "2026-03-06T00:00:00-05:00",
            "to": "2026-03-08T00:00:00-05:00",
            "events": 2, "users": 1, "newUsers": 1, "sessions": 2, "orders": 0,
            "revenue": [], "averageOrderValue": [], "revenuePerUser": [], "conversion": 0.0,
            "series": [
                {
                    "start": "2026-03-06T00:00:00-05:00",
                    "events": 1, "users": 1, "newUsers": 1, "sessions": 1, "orders": 0,
                    "revenue": [], "averageOrderValue": [], "revenuePerUser": [], "conversion": 0.0,
                },
                {
                    "start": "2026-03-07T00:00:00-05:00",
                    "events": 1, "users": 1, "newUsers": 0, "sessions": 1, "orders": 0,
                    "revenue": [], "averageOrderValue": [], "revenuePerUser": [], "conversion": 0.0,
                },
            ],
        },
        "byType": [
            {"type": "purchase", "events": 3, "users": 2},
            {"type": "page_view", "events": 2, "users": 2},
            {"type": "search", "events": 1, "users": 1},
        ],
        "series": [
            {
                "start": "2026-03-08T00:00:00-05:00",
                "events": 4, "users": 2, "newUsers": 1, "sessions": 2, "orders": 2,
                "revenue": [{"currency": "USD", "amount": "15.000001"}],
                "averageOrderValue": [{"currency": "USD", "amount": "7.50"}],
                "revenuePerUser": [{"currency": "USD", "amount": "7.50"}],
                // One of two sessions.
                "conversion": 0.5,
                "byType": {"page_view": 1, "purchase": 2, "search": 1},
            },
            {
                "start": "2026-03-09T00:00:00-04:00",
                "events": 2, "users": 1, "newUsers": 0, "sessions": 1, "orders": 1,
                "revenue": [], "averageOrderValue": [], "revenuePerUser": [], "conversion": 1.0,
                "byType": {"page_view": 1, "purchase": 1},
            },
        ],
        "top": {
            "pages": [{"page": "/", "views": 1, "users": 1}, {"page": "/tea", "views": 1, "users": 1}],
            "products": [{"product": "cup", "events": 1, "orders": 1, "users": 1}],
            "searches": [{"term": "tea", "searches": 1, "users": 1}],
        },
    });
    assert_eq!(stats, expected);
}

fn previous(from: &str, to: &str, zone: &str) -> (String, String) {
    compared(from, to, zone, Compare::PreviousPeriod)
}

#[test]
fn previous_period_has_as_many_local_days() {
    // Clocks change on March 29: the 7 days before have 167 hours, so the period starts an hour later in UTC.
    let (from, to) = previous("2026-03-29T22:00:00Z", "2026-04-05T22:00:00Z", "Europe/Berlin");
    assert_eq!((from.as_str(), to.as_str()), ("2026-03-22T23:00:00.000Z", "2026-03-29T22:00:00.000Z"));
}

#[test]
fn previous_period_of_days_that_are_not_over_ends_at_the_same_time() {
    // Three days until 15:30. The clocks change on March 29, in the days before.
    let (from, to) = previous("2026-03-29T22:00:00Z", "2026-04-01T13:30:00Z", "Europe/Berlin");
    assert_eq!((from.as_str(), to.as_str()), ("2026-03-26T23:00:00.000Z", "2026-03-29T13:30:00.000Z"));
    // A day until 02:30, which clocks skipped the day before.
    let (from, to) = previous("2026-03-29T22:00:00Z", "2026-03-30T00:30:00Z", "Europe/Berlin");
    assert_eq!((from.as_str(), to.as_str()), ("2026-03-28T23:00:00.000Z", "2026-03-29T01:30:00.000Z"));
}

#[test]
fn previous_period_has_same_duration_for_partial_first_days() {
    let (from, to) = previous("2026-03-29T22:30:00Z", "2026-04-05T22:00:00Z", "Europe/Berlin");
    assert_eq!((from.as_str(), to.as_str()), ("2026-03-22T23:00:00.000Z", "2026-03-29T22:30:00.000Z"));
}

#[test]
fn previous_period_is_never_empty() {
    // Samoa skipped December 30, 2011.
    let (from, to) = previous("2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", "Pacific/Apia");
    assert_eq!((from.as_str(), to.as_str()), ("2011-12-29T10:00:00.000Z", "2011-12-30T10:00:00.000Z"));
}

fn compared(from: &str, to: &str, zone: &str, compare: Compare) -> (String, String) {
    let plan = StatsPlan::new(&query(from, to, zone, Interval::Day).compare(compare)).unwrap();
    let compared = plan.compared().unwrap();
    (compared.from.to_string(), compared.to.to_string())
}

/// The dates of the previous year in Berlin, for a range of whole days there.
fn dates_of_previous_year(from: &str, to: &str) -> (String, String) {
    let tz = TimeZone::get("Europe/Berlin").unwrap();
    let midnight = |date: &str| crate::query::parse_instant("from", date, &tz).unwrap();
    let query = StatsQuery::new(TimeRange { from: midnight(from), to: midnight(to) }).tz(tz.clone());
    let compared = StatsPlan::new(&query.compare(Compare::PreviousYear)).unwrap().compared().unwrap();
    let date = |time: Timestamp| {
        let local = tz.to_datetime(time.into());
        assert_eq!((local.hour(), local.minute()), (0, 0), "{local}");
        local.date().to_string()
    };
    (date(compared.from), date(compared.to))
}

#[test]
fn previous_year_has_the_same_dates() {
    for (range, expected) in [
        (("2026-11-01", "2026-12-01"), ("2025-11-01", "2025-12-01")),
        // Clocks changed on March 29 in 2026, and on March 30 in 2025.
        (("2026-03-29", "2026-03-30"), ("2025-03-29", "2025-03-30")),
        // February with and without its 29th day.
        (("2028-02-01", "2028-03-01"), ("2027-02-01", "2027-03-01")),
        (("2029-02-01", "2029-03-01"), ("2028-02-01", "2028-03-01")),
        (("2028-02-28", "2028-02-29"), ("2027-02-28", "2027-03-01")),
        (("2028-02-29", "2028-03-01"), ("2027-02-28", "2027-03-01")),
        (("2028-02-29", "2032-02-29"), ("2027-02-28", "2031-03-01")),
    ] {
        let (from, to) = dates_of_previous_year(range.0, range.1);
        assert_eq!((from.as_str(), to.as_str()), expected, "{range:?}");
    }
}

#[test]
fn previous_year_of_partial_days_has_the_same_local_times() {
    let in_berlin = |from, to| compared(from, to, "Europe/Berlin", Compare::PreviousYear);
    // From 23:30 in winter to 01:30 in summer time.
    let (from, to) = in_berlin("2026-03-28T22:30:00Z", "2026-04-01T23:30:00.5Z");
    assert_eq!((from.as_str(), to.as_str()), ("2025-03-28T22:30:00.000Z", "2025-04-01T23:30:00.500Z"));
    // From 06:00 to 12:00 on February 29, and from February 28 at 18:00 to 06:00 of the next day.
    let (from, to) = in_berlin("2028-02-29T05:00:00Z", "2028-02-29T11:00:00Z");
    assert_eq!((from.as_str(), to.as_str()), ("2027-02-28T05:00:00.000Z", "2027-02-28T11:00:00.000Z"));
    let (from, to) = in_berlin("2028-02-28T17:00:00Z", "2028-02-29T05:00:00Z");
    assert_eq!((from.as_str(), to.as_str()), ("2027-02-28T17:00:00.000Z", "2027-03-01T05:00:00.000Z"));
    // Clocks repeat the hour from 02:00 to 03:00: from the first 02:50 to the second 02:10. A year earlier they do not.
    let (from, to) = in_berlin("2026-10-25T00:50:00Z", "2026-10-25T01:10:00Z");
    assert_eq!((from.as_str(), to.as_str()), ("2025-10-25T00:50:00.000Z", "2025-10-25T01:10:00.000Z"));
}

fn spans(from: &str, to: &str, compare: Compare) -> Vec<(String, String)> {
    let plan = StatsPlan::new(&query(from, to, "UTC", Interval::Month).compare(compare)).unwrap();
    let day = |time: Timestamp| time.to_string()[..10].to_owned();
    plan.spans().iter().map(|span| (day(span.from), day(span.to))).collect()
}

#[test]
fn spans_leave_out_the_time_between() {
    let span = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let november = |compare| spans("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", compare);
    assert_eq!(november(Compare::None), [span("2026-11-01", "2026-12-01")]);
    assert_eq!(november(Compare::PreviousPeriod), [span("2026-10-02", "2026-12-01")]);
    assert_eq!(november(Compare::PreviousYear), [span("2025-11-01", "2025-12-01"), span("2026-11-01", "2026-12-01")]);
    // A whole year, and more than a year.
    let longer = |to| spans("2026-01-01T00:00:00Z", to, Compare::PreviousYear);
    assert_eq!(longer("2027-01-01T00:00:00Z"), [span("2025-01-01", "2027-01-01")]);
    assert_eq!(longer("2027-07-01T00:00:00Z"), [span("2025-01-01", "2027-07-01")]);
}

#[test]
fn events_in_both_periods_count_in_both() {
    let query = query("2026-01-01T00:00:00Z", "2027-07-01T00:00:00Z", "UTC", Interval::Month);
    let day = |text| click(1, time(text), "purchase", value("EUR", 1_000_000));
    let clicks = ["2025-02-01T00:00:00Z", "2026-02-01T00:00:00Z", "2027-02-01T00:00:00Z"].map(day);
    let stats = count(&query.compare(Compare::PreviousYear), &clicks, &first_seen(&clicks), 1);
    let previous = stats.previous.unwrap();
    assert_eq!((stats.totals.orders, previous.totals.orders), (2, 2));
    let months = |orders: Vec<u64>| {
        let months = orders.into_iter().enumerate();
        months.filter(|(_, orders)| *orders > 0).map(|(month, _)| month).collect::<Vec<_>>()
    };
    assert_eq!(months(stats.series.iter().map(|bucket| bucket.totals.orders).collect()), [1, 13]);
    assert_eq!(months(previous.series.iter().map(|bucket| bucket.totals.orders).collect()), [1, 13]);
    assert_eq!((stats.totals.new_users, previous.totals.new_users), (0, 1));
}

#[test]
fn compared_period_may_have_more_buckets_than_a_series() {
    // 416 days and 16 hours, the most that a series by the hour has. The same dates a year earlier have a leap day.
    let most = query("2028-03-01T00:00:00Z", "2029-04-21T16:00:00Z", "UTC", Interval::Hour);
    let plan = StatsPlan::new(&most.clone().compare(Compare::PreviousYear)).unwrap();
    let buckets = |planned: &plan::Planned| planned.calendar.starts().len();
    assert_eq!(buckets(&plan.current), crate::analytics::MAX_BUCKETS);
    assert_eq!(buckets(plan.compared.as_ref().unwrap()), crate::analytics::MAX_BUCKETS + 24);
}

#[test]
fn first_year_of_the_calendar_has_none_before() {
    let first = query("-009999-02-01T00:00:00Z", "-009999-03-01T00:00:00Z", "UTC", Interval::Day);
    let refused = StatsPlan::new(&first.clone().compare(Compare::PreviousYear)).unwrap_err();
    assert_eq!(refused.field, "compare");
    assert!(StatsPlan::new(&first).is_ok());
    // The previous period is cut, down to nothing.
    let edge = Timestamp::from_millis(jiff::Timestamp::MIN.as_millisecond());
    let range = TimeRange { from: edge, to: Timestamp::from_millis(edge.millis() + DAY) };
    let stats = count(&StatsQuery::new(range), &[], &[], 1);
    assert_eq!(stats.previous.unwrap().series, []);
}

#[test]
fn averages_round_half_to_even() {
    let average = |micros, orders| Revenue { micros, orders }.per(orders);
    assert_eq!([average(5, 2), average(7, 2), average(-5, 2), average(-7, 2)], [2, 4, -2, -4]);
    assert_eq!([average(1, 3), average(2, 3), average(-1, 3), average(-2, 3), average(0, 0)], [0, 1, 0, -1, 0]);
}

#[test]
fn top_lists_keep_ten_rows_with_ties_by_name() {
    let query = query("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "UTC", Interval::Month);
    let pages = ["m", "l", "k", "j", "i", "h", "g", "f", "e", "d", "c", "b", "b"];
    let clicks = pages.map(|name| click(1, query.range.from, "page_view", page(name)));
    let stats = count(&query, &clicks, &[], 1);
    let listed: String = stats.top.pages.iter().map(|row| row.page.as_str()).collect();
    assert_eq!(listed, "bcdefghijk");
}

#[test]
fn counts_many_types_and_sessions() {
    let query = query("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "UTC", Interval::Hour);
    let count = |workers: u64| {
        let plan = Arc::new(StatsPlan::new(&query).unwrap());
        let mut accumulators: Vec<_> = (0..workers).map(|_| StatsAccumulator::new(plan.clone())).collect();
        for user in 0..6 {
            let accumulator = &mut accumulators[(user % workers) as usize];
            let row = |number: u64| {
                // Workers encounter the types in different orders.
                let name = format!("type{}", (number + user * 77) % 200);
                let event_type = accumulator.symbols().types.intern(&name);
                let session = session_key(&format!("session{}", number % 1_000));
                Row { session, ..Row::new(query.range.from.millis() + number as i64 * MINUTE / 2, event_type) }
            };
            let rows: Vec<_> = (0..2_000).map(row).collect();
            accumulator.user(&rows);
        }
        let merged = accumulators.into_iter().reduce(|mut a, b| {
            a.merge(b);
            a
        });
        merged.unwrap().finish()
    };
    let stats = count(1);
    assert_eq!((stats.totals.events, stats.totals.users, stats.totals.sessions), (12_000, 6, 6_000));
    assert_eq!(stats.by_type.len(), 200);
    assert!(stats.by_type.iter().all(|row| row.events == 60 && row.users == 6), "{:?}", stats.by_type);
    assert_eq!(stats.series.iter().map(|bucket| bucket.by_type.values().sum::<u64>()).sum::<u64>(), 12_000);
    assert_eq!(count(4), stats);
}

#[test]
fn reports_incomplete_lists_when_names_overflow() {
    let query = query("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "UTC", Interval::Day);
    let plan = Arc::new(StatsPlan::new(&query).unwrap());
    let (mut first, mut second) = (StatsAccumulator::new(plan.clone()), StatsAccumulator::new(plan));
    first.symbols().pages = Interner::with_room("/".len() + NAME_OVERHEAD);
    for (accumulator, pages) in [(&mut first, ["/", "/tea"]), (&mut second, ["/", "/cups"])] {
        let page = |page| accumulator.symbols().pages.intern(page);
        let rows = pages.map(page).map(|page| Row { page, ..Row::new(query.range.from.millis(), Symbols::PAGE_VIEW) });
        accumulator.user(&rows);
    }
    assert!(!StatsAccumulator::new(first.plan.clone()).finish().top.incomplete);
    second.merge(first);
    let stats = second.finish();
    assert_eq!(stats.totals.events, 4);
    assert!(stats.top.incomplete);
    assert_eq!(
        stats.top.pages.iter().map(|row| (row.page.as_str(), row.views)).collect::<Vec<_>>(),
        [("/", 2), ("/cups", 1)]
    );
}

proptest! {
    /// Counts and completeness depend on the union of the names of all workers.
    #[test]
    fn name_memory_is_bounded_across_merged_workers(
        names in prop::collection::vec((prop::collection::vec(0..12_usize, 1..8), 0..3_usize), 1..12),
        room in 1..10_usize,
    ) {
        let query = query("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "UTC", Interval::Day);
        let plan = Arc::new(StatsPlan::new(&query).unwrap());
        let room = room * (NAME_OVERHEAD + 6);
        let name = |length: usize| "x".repeat(length);
        let mut workers: Vec<_> = (0..3).map(|_| {
            let mut worker = StatsAccumulator::new(plan.clone());
            worker.symbols().searches = Interner::with_room(room);
            worker
        }).collect();
        for (lengths, worker) in &names {
            let symbols = workers[*worker].symbols();
            let searches: Vec<_> = lengths.iter().map(|length| symbols.searches.intern(&name(*length))).collect();
            let row = |search| Row { search, ..Row::new(query.range.from.millis(), Symbols::SEARCH) };
            workers[*worker].user(&searches.into_iter().map(row).collect::<Vec<_>>());
        }
        let merged = workers.into_iter().reduce(|mut left, right| { left.merge(right); left }).unwrap().finish();
        let all: std::collections::BTreeSet<usize> = names.iter().flat_map(|(lengths, _)| lengths.clone()).collect();
        let needed: usize = all.iter().map(|length| length + NAME_OVERHEAD).sum();
        prop_assert_eq!(merged.top.incomplete, needed > room);
        let kept: usize = merged.top.searches.iter().map(|row| row.term.len() + NAME_OVERHEAD).sum();
        prop_assert!(kept <= room);
        if needed <= room {
            let counted: u64 = merged.top.searches.iter().map(|row| row.searches).sum();
            prop_assert_eq!(counted as usize, names.iter().map(|(lengths, _)| lengths.len()).sum::<usize>());
        }
    }
}

fn any_click(from: i64, length: i64, compares_years: bool) -> impl Strategy<Value = Event> {
    let word = |words: &'static [&'static str]| prop::sample::select(words);
    let maybe = move |words| prop::option::of(word(words).prop_map(str::to_owned));
    (
        // Clustered, so that sessions span several events and buckets, and gaps of exactly 30 minutes occur.
        (0..40i64, (0..20i64, 0..2i64).prop_map(|(steps, more)| steps * 5 * MINUTE + more), 0..3u8),
        word(&["page_view", "purchase", "search", "add_to_cart", "login"]),
        maybe(&["s1", "s2", "s3"]),
        prop::option::of((word(&["USD", "EUR", "JPY"]), -1_000_000..99_000_000i64)),
        maybe(&["/", "/cups", "/tea"]),
        maybe(&["cup", "pot"]),
        maybe(&["tea", "cup"]),
    )
        .prop_map(move |((part, within, user), event_type, session_id, money, page, product, search)| {
            let year = i64::from(compares_years && part % 2 == 0) * 365 * DAY;
            let millis = from - year - length - DAY + part * (2 * length + 2 * DAY) / 40 + within;
            let facts = money.map_or_else(Facts::default, |(code, micros)| value(code, micros));
            let facts = Facts { page, product, search, ..facts };
            Event { session_id, ..click(user, Timestamp::from_millis(millis), event_type, facts) }
        })
}

/// Ranges around clock changes, with events inside and outside of them.
fn any_question() -> impl Strategy<Value = (StatsQuery, Vec<Event>)> {
    let bases = [
        "2026-03-05T10:00:00Z",
        "2026-10-20T00:00:00Z",
        "2011-12-20T10:00:00Z",
        "2012-12-20T10:00:00Z",
        "2026-03-28T23:00:00Z",
        "2028-02-24T23:00:00Z",
    ];
    let compares = vec![Compare::PreviousPeriod, Compare::PreviousYear, Compare::None];
    let asked = (any_zone(), any_interval(), any_week(), prop::sample::select(compares));
    (asked, prop::sample::select(bases.map(time).to_vec()), 0..20 * 24i64, 1..30 * 48i64).prop_flat_map(
        |((tz, interval, week_start, compare), base, later, half_hours)| {
            let (from, length) = (base.millis() + later * 60 * MINUTE, half_hours * 30 * MINUTE);
            let range = TimeRange { from: Timestamp::from_millis(from), to: Timestamp::from_millis(from + length) };
            let query = StatsQuery { range, tz, interval, week_start, compare };
            let clicks = any_click(from, length, compare == Compare::PreviousYear);
            (Just(query), prop::collection::vec(clicks, 0..120))
        },
    )
}

proptest! {
    #[test]
    fn accumulators_match_the_reference_model((query, clicks) in any_question(), workers in 1..4usize) {
        let counted = count(&query, &clicks, &first_seen(&clicks), workers);
        prop_assert_eq!(&counted, &Model { events: clicks }.stats(&query));
        let sum = |of: fn(&crate::query::SeriesBucket) -> u64| counted.series.iter().map(of).sum::<u64>();
        prop_assert_eq!(sum(|bucket| bucket.totals.events), counted.totals.events);
        prop_assert_eq!(sum(|bucket| bucket.totals.sessions), counted.totals.sessions);
        prop_assert_eq!(sum(|bucket| bucket.totals.new_users), counted.totals.new_users);
        prop_assert_eq!(sum(|bucket| bucket.totals.orders), counted.totals.orders);
        if let Some(previous) = &counted.previous {
            let sum = |of: fn(&crate::query::ComparedBucket) -> u64| previous.series.iter().map(of).sum::<u64>();
            prop_assert_eq!(sum(|bucket| bucket.totals.events), previous.totals.events);
            prop_assert_eq!(sum(|bucket| bucket.totals.sessions), previous.totals.sessions);
            prop_assert_eq!(sum(|bucket| bucket.totals.new_users), previous.totals.new_users);
        }
    }
}

#[test]
fn revenue_sum_exceeds_largest_amount() {
    let query = query("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "UTC", Interval::Day);
    let order = click(1, query.range.from, "purchase", value("USD", i64::MAX));
    let stats = count(&query, &[order.clone(), order], &[], 1);
    assert_eq!(stats.totals.revenue[0].currency, Currency::USD);
    assert_eq!(stats.totals.revenue[0].amount.micros(), 2 * i128::from(i64::MAX));
}

#[test]
fn session_converts_in_the_bucket_in_which_it_began() {
    let query = query("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "UTC", Interval::Day);
    let clicks = [
        click(1, time("2026-01-01T23:50:00Z"), "page_view", Facts::default()),
        click(1, time("2026-01-02T00:05:00Z"), "purchase", Facts::default()),
        click(2, time("2026-01-02T12:00:00Z"), "page_view", Facts::default()),
    ];
    let stats = count(&query, &clicks, &first_seen(&clicks), 2);
    let buckets: Vec<_> = stats.series.iter().map(|bucket| &bucket.totals).collect();
    assert_eq!(buckets.iter().map(|totals| totals.sessions).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(buckets.iter().map(|totals| totals.orders).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(buckets.iter().map(|totals| totals.conversion).collect::<Vec<_>>(), [Some(1.0), Some(0.0)]);
    assert_eq!(stats.totals.conversion, Some(0.5));
}

#[test]
fn weeks_begin_on_the_day_of_the_query() {
    let begin = |week| {
        let query = query("2026-01-01T00:00:00Z", "2026-01-12T00:00:00Z", "UTC", Interval::Week).week_start(week);
        let stats = count(&query, &[], &[], 1);
        stats.series.iter().map(|bucket| bucket.start.to_string()[5..10].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(begin(WeekStart::Monday), ["12-29", "01-05"]);
    assert_eq!(begin(WeekStart::Sunday), ["12-28", "01-04", "01-11"]);
    assert_eq!(begin(WeekStart::Saturday), ["12-27", "01-03", "01-10"]);
}
