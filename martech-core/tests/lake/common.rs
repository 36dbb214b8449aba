use std::{path::Path, time::Duration};

use martech_core::{
    Event, Store,
    event::{EventId, EventRules, EventType, Timestamp},
    lake::{Lake, LakeOptions},
    query::{JourneyQuery, Reader, UserSort, UsersQuery},
};
use uuid::Uuid;

pub(crate) const START: i64 = 1_760_000_000_000;
pub(crate) const HOUR: i64 = 3_600_000;

/// Returns options that disable automatic rolls and compactions.
pub(crate) fn options(dir: &Path) -> LakeOptions {
    LakeOptions::new(dir).roll_age(Duration::from_secs(3600)).auto_compaction(false)
}

pub(crate) async fn open(dir: &Path) -> Lake {
    Lake::open(options(dir)).await.unwrap()
}

pub(crate) fn id(number: u64) -> EventId {
    EventId(Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_le_bytes()))
}

/// Creates event `number` of a user at a time.
pub(crate) fn event(number: u64, user: &str, occurred_at: i64) -> Event {
    Event::builder(user, EventType::PAGE_VIEW)
        .id(id(number))
        .occurred_at(Timestamp::from_millis(occurred_at))
        .property("page", format!("/page/{}", number % 7))
        .build(&EventRules::default())
        .unwrap()
}

pub(crate) fn purchase(number: u64, user: &str, occurred_at: i64, total: &str) -> Event {
    Event::builder(user, EventType::PURCHASE)
        .id(id(number))
        .occurred_at(Timestamp::from_millis(occurred_at))
        .property("total", total)
        .build(&EventRules::default())
        .unwrap()
}

/// Creates events of `users` users over `days` days, one for each number.
pub(crate) fn events(numbers: std::ops::Range<u64>, users: u64, days: i64) -> Vec<Event> {
    numbers
        .map(|number| {
            let random = xorshift(number);
            let time = START + (random % (days as u64 * 86_400_000)) as i64;
            let user = format!("user-{}", (random >> 20) % users);
            if random.is_multiple_of(10) { purchase(number, &user, time, "12.50") } else { event(number, &user, time) }
        })
        .collect()
}

fn xorshift(number: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    x.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

pub(crate) async fn store(lake: &Lake, events: &[Event]) {
    let appended = lake.append(events).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates, appended.rejected), (events.len(), vec![], vec![]));
}

pub(crate) fn journey(user: &str) -> JourneyQuery {
    JourneyQuery::new(user).limit(1000)
}

pub(crate) fn users(sort: UserSort) -> UsersQuery {
    UsersQuery::default().sort(sort)
}

/// Returns the sorted ids of all events, read through every page of users and journeys.
pub(crate) async fn all_ids(lake: &Lake) -> Vec<EventId> {
    let mut ids = Vec::new();
    let mut page = users(UserSort::UserId);
    loop {
        let found = lake.users(page.clone()).await.unwrap();
        for user in &found.users {
            let mut query = journey(&user.user_id);
            loop {
                let found = lake.journey(query.clone()).await.unwrap();
                ids.extend(found.events.iter().map(|event| event.id));
                query.cursor = found.next;
                if query.cursor.is_none() {
                    break;
                }
            }
        }
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    ids.sort_unstable();
    ids
}

pub(crate) fn sorted_ids(events: &[Event]) -> Vec<EventId> {
    let mut ids: Vec<_> = events.iter().map(|event| event.id).collect();
    ids.sort_unstable();
    ids
}
