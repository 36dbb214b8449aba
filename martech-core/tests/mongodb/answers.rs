//! A server, memory and a lake give the same answers for the same events.

use martech_core::{
    Event, EventRules, EventType, Lake, LakeOptions, MemoryStore, Store,
    event::{EventId, Timestamp},
    query::{
        Interval, JourneyQuery, Order, Reader, StatsQuery, TimeRange, UserSort, UsersQuery, parse_instant,
        parse_time_zone,
    },
};

use crate::server::Scratch;

const START: i64 = 1_774_600_000_000; // 2026-03-27, two days before clocks change in Europe.

/// Purchases with amounts that floats would round, and visits with and without sessions, around a clock change.
pub(crate) fn shop() -> Vec<Event> {
    let mut random = fastrand::Rng::with_seed(6);
    let rules = EventRules::default();
    let mut events = Vec::new();
    for number in 0..1200_u128 {
        let kind = [EventType::PAGE_VIEW, EventType::PURCHASE, EventType::SEARCH, EventType::ADD_TO_CART];
        let mut builder = Event::builder(format!("user-{}", random.u8(..40)), kind[random.usize(..4)].clone())
            .id(EventId(uuid::Uuid::from_u128(number + 1)))
            .occurred_at(Timestamp::from_millis(START + random.i64(0..4 * 86_400) * 1000))
            .received_at(Timestamp::from_millis(START + 5 * 86_400_000))
            .property("page", format!("/p{}", random.u8(..20)))
            .property("q", ["tea", "Tee", "té"][random.usize(..3)]);
        if random.bool() {
            builder = builder.session_id(format!("s{}", random.u8(..3)));
        }
        if random.bool() {
            let amounts = ["0.1", "0.2", "-0.3", "999999999999.999999", "19.99"];
            let currency = ["EUR", "USD"][random.usize(..2)];
            builder = builder.property("total", amounts[random.usize(..5)]).property("currency", currency);
        }
        events.push(builder.build(&rules).unwrap());
    }
    events
}

pub(crate) async fn answers<R: Reader>(store: &R) -> Vec<String> {
    let mut answers = Vec::new();
    for zone in ["UTC", "Europe/Berlin", "Australia/Lord_Howe"] {
        let tz = parse_time_zone(zone).unwrap();
        let range = TimeRange {
            from: parse_instant("from", "2026-03-28", &tz).unwrap(),
            to: parse_instant("to", "2026-03-31", &tz).unwrap(),
        };
        for interval in [Interval::Hour, Interval::Day] {
            let stats = store.stats(StatsQuery::new(range).tz(tz.clone()).interval(interval)).await.unwrap();
            answers.push(serde_json::to_string(&stats).unwrap());
        }
    }
    let sorts = [
        UserSort::UserId,
        UserSort::FirstSeen,
        UserSort::LastSeen,
        UserSort::Events,
        UserSort::Orders,
        UserSort::Revenue,
    ];
    for sort in sorts {
        for order in [Order::Ascending, Order::Descending] {
            let currency = "EUR".parse().unwrap();
            let mut query = UsersQuery::default().sort(sort).order(order).currency(currency).limit(15);
            loop {
                let page = store.users(query.clone()).await.unwrap();
                answers.push(format!("{} {:?}", page.total, page.users));
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
            }
        }
    }
    for user in ["user-0", "user-7"] {
        for order in [Order::Ascending, Order::Descending] {
            let query = JourneyQuery::new(user).order(order).limit(500);
            let mut journey = store.journey(query).await.unwrap().events;
            journey.iter_mut().for_each(|event| event.facts = Default::default());
            answers.push(format!("{journey:?}"));
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn server_lake_and_memory_give_the_same_answers() {
    let Some(scratch) = Scratch::new() else { return };
    let events = shop();
    let (server, memory) = (scratch.store().await, MemoryStore::of_events());
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(LakeOptions::new(folder.path())).await.unwrap();
    for batch in events.chunks(400) {
        assert_eq!(server.append(batch).await.unwrap().stored, batch.len());
        memory.append(batch).await.unwrap();
        lake.append(batch).await.unwrap();
    }
    lake.roll().await.unwrap();
    let (on_server, in_memory, in_lake) = (answers(&server).await, answers(&memory).await, answers(&lake).await);
    for ((server, memory), lake) in on_server.iter().zip(&in_memory).zip(&in_lake) {
        assert_eq!(server, memory);
        assert_eq!(server, lake);
    }
    assert_eq!(on_server.len(), in_lake.len());
    lake.close().await.unwrap();
}
