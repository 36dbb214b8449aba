//! Queries as text: query strings, cursors, times, time zones, ids, codes. Accepted input is consistent, and printed
//! values are parsed back as the same values.

use std::str;

use http::{StatusCode, Uri};
use jiff::tz::TimeZone;
use martech_core::{
    analytics::{Calendar, MAX_BUCKETS, StatsPlan},
    event::{Currency, EventId, EventType, Timestamp},
    query::{
        Compare, Interval, JourneyCursor, LocalTime, Order, StatsQuery, UserSort, UsersCursor, parse_instant,
        parse_time_zone, start_of_day,
    },
};
use martech_server::testing;

const NOW: Timestamp = Timestamp::from_millis(1_795_400_000_000);
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Africa/Monrovia"];
const ORDERS: [Order; 2] = [Order::Ascending, Order::Descending];
const SORTS: [UserSort; 6] =
    [UserSort::UserId, UserSort::FirstSeen, UserSort::LastSeen, UserSort::Events, UserSort::Orders, UserSort::Revenue];

pub fn run(data: &[u8]) {
    let [kind, choice, text @ ..] = data else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let zone = || TimeZone::get(ZONES[usize::from(*choice) % ZONES.len()]).expect("these zones are known");
    let order = ORDERS[usize::from(*choice) % 2];
    let sort = SORTS[usize::from(*choice / 2) % SORTS.len()];
    match kind {
        b's' => with_uri(text, |uri| testing::stats_query(uri, &zone(), NOW).map(|query| stats(&query))),
        b'j' => with_uri(text, |uri| {
            testing::journey_query("u", uri, &zone()).map(|query| {
                assert!((1..=1000).contains(&query.limit));
                assert!(query.from.is_none_or(|from| query.to.is_none_or(|to| from < to)));
                query.cursor.inspect(|cursor| journey_cursor(*cursor, query.order));
            })
        }),
        b'u' => with_uri(text, |uri| {
            testing::users_query(uri, Currency::USD).map(|query| {
                assert!((1..=1000).contains(&query.limit) && query.prefix.chars().count() <= 128);
                query.cursor.inspect(|cursor| users_cursor(cursor, query.sort, query.order, query.currency));
            })
        }),
        b'c' => {
            if let Ok(cursor) = JourneyCursor::decode(text, order) {
                journey_cursor(cursor, order);
                ORDERS.iter().filter(|other| **other != order).for_each(|other| {
                    JourneyCursor::decode(text, *other).expect_err("a cursor belongs to one order");
                });
            }
            if let Ok(cursor) = UsersCursor::decode(text, sort, order, Currency::USD) {
                users_cursor(&cursor, sort, order, Currency::USD);
            }
            // The text as the user id of a cursor.
            users_cursor(
                &UsersCursor { value: i128::from(*choice), user_id: text.to_owned() },
                sort,
                order,
                Currency::USD,
            );
        }
        b't' => times(text, &zone()),
        _ => names(text),
    }
}

/// Asserts that a request with this query string is accepted, or rejected as a client error.
fn with_uri(text: &str, ask: impl FnOnce(&Uri) -> Result<(), StatusCode>) {
    if let Ok(uri) = format!("/?{text}").parse()
        && let Err(status) = ask(&uri)
    {
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}

/// Asserts that an accepted query can be answered: its calendar covers the range without gaps.
fn stats(query: &StatsQuery) {
    let StatsQuery { range, interval, week_start, tz, compare, .. } = query;
    assert!(range.from < range.to);
    let plan = StatsPlan::new(query).expect("the question was taken");
    assert_eq!(plan.compared().is_none(), *compare == Compare::None);
    let spans = plan.spans();
    assert!(spans.iter().all(|span| span.from < span.to) && spans.windows(2).all(|pair| pair[0].to < pair[1].from));
    assert_eq!(spans.last().map(|span| span.to), Some(range.to));
    let calendar = Calendar::new(*range, *interval, *week_start, tz).expect("the question was taken");
    let starts = calendar.starts();
    assert!((1..=MAX_BUCKETS).contains(&starts.len()) && starts.is_sorted_by(|left, right| left < right));
    assert!(starts[0] <= range.from.millis() && starts[starts.len() - 1] < range.to.millis());
    assert_eq!(calendar.bucket_of(range.from.millis()), 0);
    assert_eq!(calendar.bucket_of(range.to.millis() - 1), starts.len() - 1);
    for start in starts.iter().skip(1).take(50).map(|start| Timestamp::from_millis(*start)) {
        let date = tz.to_datetime(start.into()).date();
        if *interval != Interval::Hour {
            assert_eq!(start_of_day(date, tz), Some(start));
        }
        LocalTime::new(start, tz)
            .to_string()
            .parse::<Timestamp>()
            .map(|read| assert_eq!(read, start))
            .expect("RFC 3339");
    }
}

fn journey_cursor(cursor: JourneyCursor, order: Order) {
    assert_eq!(JourneyCursor::decode(&cursor.encode(order), order), Ok(cursor));
}

fn users_cursor(cursor: &UsersCursor, sort: UserSort, order: Order, currency: Currency) {
    if cursor.user_id.chars().count() <= 128 {
        let text = cursor.encode(sort, order, currency);
        assert_eq!(UsersCursor::decode(&text, sort, order, currency).as_ref(), Ok(cursor));
    }
}

fn times(text: &str, zone: &TimeZone) {
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(parse_instant("from", text, zone).ok(), (text.len() != 10).then_some(time));
    }
    if let Ok(time) = parse_instant("from", text, zone) {
        assert_eq!(time.to_string().parse(), Ok(time), "{text:?}");
    }
    if let Ok(zone) = parse_time_zone(text) {
        let name = zone.iana_name().expect("it was found by its name");
        assert_eq!(parse_time_zone(name).as_ref(), Ok(&zone));
    }
    for known in ["hour", "day", "week", "month"] {
        assert!(text != known || text.parse::<Interval>().is_ok());
    }
    for known in ["previousPeriod", "previousYear", "none"] {
        assert!(text != known || text.parse::<Compare>().is_ok());
    }
}

fn names(text: &str) {
    if let Ok(id) = EventId::from_text(text) {
        assert_eq!(EventId::from_text(&id.to_string()), Ok(id));
        assert_eq!(EventId::from_bytes(*id.as_bytes()), id);
    }
    if let Ok(currency) = text.parse::<Currency>() {
        assert_eq!(currency.as_str().parse(), Ok(currency));
        assert!(currency.as_str().eq_ignore_ascii_case(text));
    }
    if let Ok(kind) = EventType::parse(text) {
        assert_eq!(EventType::parse(kind.as_str()).as_ref(), Ok(&kind));
    }
    if let Ok(order) = text.parse::<Order>() {
        assert_eq!(order.as_str(), text);
    }
    if let Ok(sort) = text.parse::<UserSort>() {
        assert_eq!(sort.as_str(), text);
    }
}
