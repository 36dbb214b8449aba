use proptest::prelude::*;

use super::*;
use crate::analytics::{SESSION_GAP_MILLIS, SessionsDecodeError, Symbol, session_key};

const MINUTE: i64 = 60_000;

fn symbols() -> Symbols {
    let mut symbols = Symbols::new();
    symbols.currencies.intern(Currency::USD);
    symbols.currencies.intern("EUR".parse().unwrap());
    symbols
}

fn symbol(code: &str) -> Symbol {
    symbols().currencies.intern(code.parse().unwrap())
}

fn visit(minute: i64, session: &str) -> Row {
    let session = if session.is_empty() { 0 } else { session_key(session) };
    Row { session, ..Row::new(minute * MINUTE, Symbols::PAGE_VIEW) }
}

fn sessions(rows: &[Row]) -> Sessions {
    Sessions::from_rows(rows)
}

#[test]
fn gap_over_30_minutes_ends_session_without_id() {
    assert_eq!(sessions(&[visit(0, ""), visit(30, ""), visit(60, "")]).count(), 1);
    assert_eq!(sessions(&[visit(0, ""), visit(30, ""), visit(61, "")]).count(), 2);
    let just_over = Row::new(SESSION_GAP_MILLIS + 1, Symbols::PAGE_VIEW);
    assert_eq!(sessions(&[visit(0, ""), just_over]).count(), 2);
}

#[test]
fn session_id_spans_gaps_of_any_length() {
    assert_eq!(sessions(&[visit(0, "a"), visit(500, "b"), visit(1_000, "a")]).count(), 2);
}

#[test]
fn events_with_an_id_do_not_bridge_gaps() {
    assert_eq!(sessions(&[visit(0, ""), visit(25, "a"), visit(50, "")]).count(), 3);
}

#[test]
fn merged_events_join_two_runs() {
    let mut ends = sessions(&[visit(0, ""), visit(60, "")]);
    assert_eq!(ends.count(), 2);
    ends.merge(&sessions(&[visit(30, "")]));
    assert_eq!(ends.count(), 1);
}

#[test]
fn summarizes_a_user_for_an_answer() {
    let symbols = symbols();
    let (usd, eur) = (symbol("USD"), symbol("EUR"));
    let order =
        |minute, currency, order_value| Row { currency, order_value, ..Row::new(minute * MINUTE, Symbols::PURCHASE) };
    let rows =
        [visit(0, "a"), order(1, usd, 12_500_000), order(2, eur, 1), order(3, usd, 10_000), order(4, Symbol::NONE, 9)];
    let summary = UserSummary::from_rows(&rows, &symbols).unwrap();
    let row = summary.to_row("u1".into());
    assert_eq!((row.events, row.sessions, row.orders), (5, 2, 4));
    assert_eq!((row.first_seen.millis(), row.last_seen.millis()), (0, 4 * MINUTE));
    let revenue: Vec<_> = row.revenue.iter().map(|amount| format!("{} {}", amount.amount, amount.currency)).collect();
    assert_eq!(revenue, ["0.000001 EUR", "12.51 USD"]);
    assert_eq!(summary.sort_value(UserSort::Revenue, Currency::USD), 12_510_000);
    assert_eq!(summary.sort_value(UserSort::Revenue, "GBP".parse().unwrap()), 0);
    assert_eq!(UserSummary::from_rows(&[], &symbols), None);
}

#[test]
fn decode_rejects_damaged_bytes() {
    let mut bytes = Vec::new();
    sessions(&[visit(0, "a"), visit(1, "b"), visit(2, "")]).encode(&mut bytes);
    for len in 0..bytes.len() {
        // A cut right after the ids removes only the runs. Their number is not encoded, so the rest is valid.
        assert_eq!(Sessions::decode(&bytes[..len]).is_ok(), len == 17, "{len} bytes");
    }
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(Sessions::decode(&huge), Err(SessionsDecodeError));
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..2_000i64, 0..5u64, 0..4u32, 0..3usize, -5_000..5_000i64).prop_map(
        |(minute, session, kind, currency, order_value)| {
            let currencies = [Symbol::NONE, symbol("USD"), symbol("EUR")];
            let event_type = if kind == 0 { Symbols::PURCHASE } else { Symbols::PAGE_VIEW };
            // Three in five have no session id.
            let session = session.saturating_sub(2);
            Row { session, currency: currencies[currency], order_value, ..Row::new(minute * MINUTE, event_type) }
        },
    );
    prop::collection::vec(row, 1..60)
}

fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| row.occurred_at);
    rows
}

proptest! {
    #[test]
    fn merged_summaries_equal_summary_of_all_events(rows in any_rows(), parts in prop::collection::vec(0..4usize, 60)) {
        let symbols = symbols();
        let whole = UserSummary::from_rows(&in_order(rows.clone()), &symbols).unwrap();
        let part = |number| {
            let rows = rows.iter().zip(&parts).filter(|(_, part)| **part == number).map(|(row, _)| *row).collect();
            UserSummary::from_rows(&in_order(rows), &symbols)
        };
        let merged = (0..4).filter_map(part).reduce(|mut a, b| {
            a.merge(&b);
            a
        });
        prop_assert_eq!(merged, Some(whole));
    }

    #[test]
    fn sessions_round_trip_through_bytes(rows in any_rows()) {
        let sessions = Sessions::from_rows(&in_order(rows));
        let mut bytes = Vec::new();
        sessions.encode(&mut bytes);
        prop_assert_eq!(Sessions::decode(&bytes), Ok(sessions));
    }

    #[test]
    fn decode_accepts_or_rejects_arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(sessions) = Sessions::decode(&bytes) {
            let mut again = Vec::new();
            sessions.encode(&mut again);
            prop_assert_eq!(Sessions::decode(&again), Ok(sessions));
        }
    }
}
