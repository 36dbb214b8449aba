use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::{Currency, EventId, MoneySum, Timestamp};

fn tz(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

#[test]
fn date_means_start_of_local_day() {
    let start = |zone, text| parse_instant("from", text, &tz(zone)).unwrap().to_string();
    assert_eq!(start("UTC", "2026-11-22"), "2026-11-22T00:00:00.000Z");
    assert_eq!(start("America/New_York", "2026-03-08"), "2026-03-08T05:00:00.000Z");
    assert_eq!(start("America/New_York", "2026-03-09"), "2026-03-09T04:00:00.000Z");
    // Clocks went from 00:00 to 01:00: the day began at 01:00 -02:00.
    assert_eq!(start("America/Sao_Paulo", "2018-11-04"), "2018-11-04T03:00:00.000Z");
    // 00:00 occurred twice: the day began with the first.
    assert_eq!(start("America/Havana", "2025-11-02"), "2025-11-02T04:00:00.000Z");
}

#[test]
fn time_with_offset_ignores_the_zone() {
    let zone = tz("Asia/Kolkata");
    assert_eq!(parse_instant("to", "2026-11-22T10:15:00.250+01:00", &zone), Ok(time("2026-11-22T09:15:00.250Z")));
}

#[test]
fn rejects_invalid_instants_with_their_field() {
    for text in
        ["", "yesterday", "2026-02-30", "2026-13-01", "22.11.2026", "2026-11-22T10:15:00", "20261122", "9999-99-99"]
    {
        let error = parse_instant("to", text, &TimeZone::UTC).unwrap_err();
        assert_eq!(error.field, "to", "{text}");
        assert!(error.message.contains("RFC 3339"), "{error}");
    }
}

#[test]
fn parses_query_string_keywords() {
    assert_eq!("week".parse(), Ok(Interval::Week));
    assert_eq!("year".parse::<Interval>().unwrap_err().field, "interval");
    assert_eq!("desc".parse(), Ok(Order::Descending));
    assert_eq!("DESC".parse::<Order>().unwrap_err().field, "order");
    assert_eq!("lastSeen".parse(), Ok(UserSort::LastSeen));
    assert_eq!("name".parse::<UserSort>().unwrap_err().field, "sort");
    assert_eq!(parse_time_zone("Europe/Berlin").unwrap().iana_name(), Some("Europe/Berlin"));
    assert_eq!(parse_time_zone("UTC").unwrap().iana_name(), Some("UTC"));
    assert_eq!(parse_time_zone("Europe/Atlantis").unwrap_err().field, "tz");
}

#[test]
fn rejects_unknown_places_as_time_zones() {
    for name in ["Etc/Unknown", "etc/unknown", "Factory", "FACTORY", "", "+00", "+01:00"] {
        assert_eq!(parse_time_zone(name).map_err(|error| error.field), Err("tz"), "{name}");
    }
}

#[test]
fn suggests_escaping_a_plus_decoded_as_space() {
    for text in ["2026-11-22T10:15:00 01:00", "2026-11-22T10:15:00.250 0530"] {
        let error = parse_instant("from", text, &TimeZone::UTC).unwrap_err();
        assert!(error.message.contains("%2B"), "{text}: {error}");
    }
    for text in ["2026-11-22T10:15:00", "2026-11-22 10:15:00", "a b"] {
        let error = parse_instant("from", text, &TimeZone::UTC).unwrap_err();
        assert!(!error.message.contains("%2B"), "{text}: {error}");
    }
}

#[test]
fn local_times_show_their_offset() {
    let show = |text, zone| LocalTime::new(time(text), &tz(zone)).to_string();
    assert_eq!(show("2026-03-08T05:00:00Z", "America/New_York"), "2026-03-08T00:00:00-05:00");
    assert_eq!(show("2026-03-09T04:00:00Z", "America/New_York"), "2026-03-09T00:00:00-04:00");
    assert_eq!(show("2026-03-09T04:00:00Z", "Asia/Kolkata"), "2026-03-09T09:30:00+05:30");
    assert_eq!(show("2026-03-09T04:00:00.25Z", "UTC"), "2026-03-09T04:00:00.25Z");
    // Local mean time: -4:56:02, which RFC 3339 cannot express.
    assert_eq!(show("1850-01-01T00:00:00Z", "America/New_York"), "1850-01-01T00:00:00Z");
}

fn any_sort() -> impl Strategy<Value = UserSort> {
    prop::sample::select(vec![
        UserSort::UserId,
        UserSort::FirstSeen,
        UserSort::LastSeen,
        UserSort::Events,
        UserSort::Orders,
        UserSort::Revenue,
    ])
}

fn any_order() -> impl Strategy<Value = Order> {
    prop::sample::select(vec![Order::Ascending, Order::Descending])
}

proptest! {
    #[test]
    fn journey_cursor_round_trips(millis: i64, id: [u8; 16], order in any_order()) {
        let cursor = JourneyCursor { occurred_at: Timestamp::from_millis(millis), event_id: EventId::from_bytes(id) };
        prop_assert_eq!(JourneyCursor::decode(&cursor.encode(order), order), Ok(cursor));
    }

    #[test]
    fn users_cursor_round_trips(value: i128, user_id in "(?s).{1,128}", sort in any_sort(), order in any_order()) {
        let cursor = UsersCursor { value, user_id };
        let text = cursor.encode(sort, order, Currency::USD);
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        prop_assert_eq!(UsersCursor::decode(&text, sort, order, Currency::USD), Ok(cursor));
    }

    #[test]
    fn rejects_cursors_of_another_sort_or_order(
        sorts in (any_sort(), any_sort()),
        orders in (any_order(), any_order()),
    ) {
        let text = UsersCursor { value: 7, user_id: "u1".into() }.encode(sorts.0, orders.0, Currency::USD);
        let decoded = UsersCursor::decode(&text, sorts.1, orders.1, Currency::USD);
        prop_assert_eq!(decoded.is_ok(), sorts.0 == sorts.1 && orders.0 == orders.1);
    }

    #[test]
    fn rejects_text_that_is_not_a_cursor(text in "(?s).{0,80}", order in any_order()) {
        let error = JourneyCursor::decode(&text, order).unwrap_err();
        prop_assert_eq!(error.field, "cursor");
    }
}

#[test]
fn revenue_cursor_is_bound_to_the_currency() {
    let cursor = UsersCursor { value: 12_500_000, user_id: "u1".into() };
    let (usd, eur) = (currency("USD"), currency("EUR"));
    let text = cursor.encode(UserSort::Revenue, Order::Descending, usd);
    assert!(UsersCursor::decode(&text, UserSort::Revenue, Order::Descending, usd).is_ok());
    let error = UsersCursor::decode(&text, UserSort::Revenue, Order::Descending, eur).unwrap_err();
    assert!(error.message.contains("currency"), "{error}");
    let text = cursor.encode(UserSort::Events, Order::Descending, usd);
    assert!(UsersCursor::decode(&text, UserSort::Events, Order::Descending, eur).is_ok());
}

#[test]
fn rejects_cursors_of_another_kind_of_query() {
    let cursor = JourneyCursor { occurred_at: Timestamp::from_millis(1), event_id: EventId::from_bytes([1; 16]) };
    let text = cursor.encode(Order::Ascending);
    assert!(UsersCursor::decode(&text, UserSort::Events, Order::Ascending, Currency::USD).is_err());
    assert!(JourneyCursor::decode(&text, Order::Descending).is_err());
    assert!(JourneyCursor::decode(&text[..text.len() - 4], Order::Ascending).is_err());
    assert!(JourneyCursor::decode(&"A".repeat(100_000), Order::Ascending).is_err());
}

#[test]
fn user_row_serializes_to_wire_shape() {
    let row = UserRow {
        user_id: "u1".into(),
        first_seen: time("2026-11-22T10:15:00Z"),
        last_seen: time("2026-11-22T10:15:00.25Z"),
        events: 3,
        sessions: 1,
        orders: 1,
        revenue: vec![CurrencyAmount { currency: Currency::USD, amount: MoneySum(12_500_000) }],
    };
    let expected = json!({
        "userId": "u1",
        "firstSeen": "2026-11-22T10:15:00.000Z",
        "lastSeen": "2026-11-22T10:15:00.250Z",
        "events": 3,
        "sessions": 1,
        "orders": 1,
        "revenue": [{"currency": "USD", "amount": "12.50"}],
    });
    assert_eq!(serde_json::to_value(row).unwrap(), expected);
}

#[test]
fn amounts_have_the_decimals_of_their_currency() {
    let amount = |code, micros| {
        let amount = CurrencyAmount { currency: currency(code), amount: MoneySum(micros) };
        serde_json::to_value(amount).unwrap()["amount"].as_str().unwrap().to_owned()
    };
    assert_eq!(amount("JPY", 1_234_000_000), "1234");
    assert_eq!(amount("JPY", -500_250_000), "-500.25");
    assert_eq!(amount("USD", 12_000_000), "12.00");
    assert_eq!(amount("USD", 12_345_600), "12.3456");
    assert_eq!(amount("KWD", 1_500_000), "1.500");
    assert_eq!(amount("CLF", 0), "0.0000");
    assert_eq!(amount("USDT", 5_000_000), "5.00");
}

#[test]
fn totals_without_sessions_omit_conversion() {
    let zone = TimeZone::UTC;
    let at = LocalTime::new(time("2026-11-22T00:00:00Z"), &zone);
    let expected = json!({
        "from": "2026-11-22T00:00:00Z", "to": "2026-11-22T00:00:00Z",
        "events": 0, "users": 0, "newUsers": 0, "sessions": 0, "orders": 0, "revenue": [], "averageOrderValue": [],
        "revenuePerUser": [],
        "series": [],
    });
    let compared = ComparedPeriod { from: at, to: at, totals: Totals::default(), series: Vec::new() };
    assert_eq!(serde_json::to_value(compared).unwrap(), expected);
}
