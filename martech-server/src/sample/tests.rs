use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use martech_core::{
    MemoryStore, Store,
    event::EventType,
    query::{Reader, Stats, StatsQuery, TimeRange, start_of_day},
};

use super::*;

/// A Sunday in Berlin, a week after clocks went back there, at 17:20.
const NOW: Timestamp = Timestamp::from_millis(1_793_550_000_000);
const MINUTE: i64 = 60_000;

fn zone() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn events(seed: u64, now: Timestamp, currency: &str) -> Vec<Event> {
    let shop = SampleShop::new(seed, now, zone(), currency.parse().unwrap());
    shop.flat_map(|batch| batch.unwrap()).collect()
}

fn shop() -> &'static [Event] {
    static SHOP: OnceLock<Vec<Event>> = OnceLock::new();
    SHOP.get_or_init(|| events(1, NOW, "EUR"))
}

/// Returns the figures of the last days.
async fn stats(days: i64) -> Stats {
    let store = MemoryStore::new();
    store.append(shop()).await.unwrap();
    let midnight = |days: i64| {
        let today = zone().to_datetime(NOW.into()).date();
        start_of_day(today.checked_add(days.days()).unwrap(), &zone()).unwrap()
    };
    let range = TimeRange { from: midnight(1 - days), to: midnight(1) };
    store.stats(StatsQuery::new(range).tz(zone())).await.unwrap()
}

fn property(event: &Event, name: &str) -> serde_json::Value {
    let properties: serde_json::Value = serde_json::from_str(event.properties.as_deref().unwrap()).unwrap();
    properties[name].clone()
}

fn purchases(events: &[Event]) -> impl Iterator<Item = &Event> {
    events.iter().filter(|event| event.event_type == EventType::PURCHASE)
}

#[tokio::test]
async fn figures_are_those_of_a_shop() {
    for days in [90, 30] {
        let stats = stats(days).await;
        let totals = &stats.totals;
        let conversion = totals.conversion.unwrap();
        assert!((0.02..0.03).contains(&conversion), "{days} days: {conversion}");
        let average = totals.average_order_value[0].amount.micros() as f64 / 1e6;
        assert!((50.0..70.0).contains(&average), "{days} days: {average}");
        assert_eq!((stats.top.pages.len(), stats.top.products.len(), stats.top.searches.len()), (10, 10, 10));
        assert_eq!(stats.top.pages[0].page, "/");
    }
    let whole = stats(90).await;
    let totals = &whole.totals;
    assert_eq!(totals.events, shop().len() as u64);
    assert!((60_000..100_000).contains(&totals.events), "{}", totals.events);
    assert!((4_000..10_000).contains(&totals.users), "{}", totals.users);
    assert_eq!(totals.new_users, totals.users);
    // The busiest day is one of the sale, which is in the last 30 days.
    let orders: Vec<u64> = whole.series.iter().map(|bucket| bucket.totals.orders).collect();
    let busiest = whole.series.iter().enumerate().max_by_key(|(_, bucket)| bucket.totals.sessions).unwrap().0;
    assert!(busiest > 60, "{busiest}");
    assert!(orders[busiest] as f64 > 2.0 * totals.orders as f64 / 90.0, "{orders:?}");
    // Growth: the last four weeks have more visits than the first four.
    let sessions = |days: std::ops::Range<usize>| whole.series[days].iter().map(|day| day.totals.sessions).sum::<u64>();
    assert!(sessions(62..90) > sessions(0..28) * 5 / 4);
    let types: BTreeSet<&str> = whole.by_type.iter().map(|row| row.event_type.as_str()).collect();
    let expected = ["add_to_cart", "page_view", "purchase", "remove_from_cart", "search", "session_start"];
    assert_eq!(types, BTreeSet::from(expected));
}

#[test]
fn visits_follow_the_hours_in_the_time_zone() {
    let mut by_hour = [0_u32; 24];
    for event in shop().iter().filter(|event| event.event_type == EventType::SESSION_START) {
        by_hour[zone().to_datetime(event.occurred_at.into()).hour() as usize] += 1;
    }
    let (least, most) = (by_hour.iter().min().unwrap(), by_hour.iter().max().unwrap());
    assert!((2..6).any(|hour| by_hour[hour] == *least), "{by_hour:?}");
    assert!((19..22).any(|hour| by_hour[hour] == *most), "{by_hour:?}");
    assert!(*most > 10 * *least, "{by_hour:?}");
}

#[test]
fn a_part_of_the_visitors_is_signed_in_and_few_come_often() {
    let mut visits = BTreeMap::<&str, u32>::new();
    for event in shop().iter().filter(|event| event.event_type == EventType::SESSION_START) {
        *visits.entry(&event.user_id).or_default() += 1;
    }
    let signed_in = visits.keys().filter(|user| !user.starts_with("anon-")).count();
    assert!((10..40).contains(&(signed_in * 100 / visits.len())), "{signed_in} of {}", visits.len());
    let mut counts: Vec<u32> = visits.into_values().collect();
    counts.sort_unstable_by(|left, right| right.cmp(left));
    let all: u32 = counts.iter().sum();
    let of_tenth: u32 = counts[..counts.len() / 10].iter().sum();
    assert!(of_tenth * 100 / all >= 30, "a tenth of the visitors has {of_tenth} of {all} visits");
    assert!(counts.iter().filter(|count| **count == 1).count() * 2 > counts.len(), "most come once");
}

#[test]
fn events_reach_up_to_now() {
    let last = shop().iter().map(|event| event.occurred_at.millis()).max().unwrap();
    assert!(last <= NOW.millis() && last > NOW.millis() - 2 * MINUTE, "{}", NOW.millis() - last);
    let first = shop()[0].occurred_at;
    let days = (NOW.millis() - first.millis()) / (24 * 60 * MINUTE);
    assert_eq!(days, 89);
    assert!(shop().iter().all(|event| event.received_at == NOW && event.session_id.is_some()));
}

#[test]
fn orders_add_up() {
    let mut ids = BTreeSet::new();
    for order in purchases(shop()) {
        assert!(ids.insert(property(order, "orderId").to_string()));
        assert_eq!(property(order, "currency"), "EUR");
        let items = property(order, "items");
        let cents = |text: &serde_json::Value| text.as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
        let items = items.as_array().unwrap();
        let sum: i64 = items.iter().map(|item| cents(&item["price"]) * item["quantity"].as_i64().unwrap()).sum();
        assert_eq!(cents(&property(order, "total")), sum);
        assert!(items.iter().any(|item| item["productId"] == property(order, "productId")));
        assert!(items.iter().all(|item| item["name"].is_string() && item["category"].is_string()));
    }
    assert!(ids.len() > 200);
}

#[test]
fn prices_have_the_decimals_of_the_currency() {
    for (currency, decimals) in [("JPY", None), ("EUR", Some(2)), ("KWD", Some(3))] {
        // A day is enough: the first batch.
        let shop = SampleShop::new(1, NOW, zone(), currency.parse().unwrap());
        let few: Vec<Event> = shop.take(7).flat_map(|batch| batch.unwrap()).collect();
        let totals: Vec<_> = purchases(&few).map(|order| property(order, "total")).collect();
        assert!(!totals.is_empty());
        for total in totals {
            let found = total.as_str().unwrap().split_once('.').map(|(_, decimals)| decimals.len());
            assert_eq!(found, decimals, "{total} {currency}");
        }
    }
}

#[test]
fn same_seed_and_day_give_the_same_events() {
    let ids = |events: &[Event]| events.iter().map(|event| event.id).collect::<BTreeSet<_>>();
    assert_eq!(events(1, NOW, "EUR"), shop());
    // Four hours earlier, only the latest visits differ.
    let earlier = Timestamp::from_millis(NOW.millis() - 240 * MINUTE);
    let before = events(1, earlier, "EUR");
    let latest = |event: &&Event| event.occurred_at.millis() < earlier.millis() - 21 * MINUTE;
    let (before, now) = (before.iter().filter(latest).cloned(), shop().iter().filter(latest).cloned());
    let (before, now): (Vec<_>, Vec<_>) = (before.collect(), now.collect());
    assert_eq!(ids(&before), ids(&now));
    let all = ids(shop());
    assert_eq!(all.len(), shop().len());
    assert!(all.is_disjoint(&ids(&events(2, NOW, "EUR"))));
}

#[test]
fn a_day_may_have_just_begun() {
    let midnight = start_of_day(zone().to_datetime(NOW.into()).date(), &zone()).unwrap();
    let count = events(1, midnight, "EUR").len();
    assert!((50_000..100_000).contains(&count), "{count}");
}
