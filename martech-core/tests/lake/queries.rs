//! Queries that are specific to the lake. Requirements for all stores are in `tests/conformance`.

use std::collections::BTreeMap;

use martech_core::{
    Event,
    event::{EventType, Timestamp},
    lake::Lake,
    query::{Compare, Order, Reader, StatsQuery, TimeRange, UserSort},
};

use crate::common::*;

/// Creates a lake with events in merged files, in small files and in the hot table.
async fn filled(dir: &std::path::Path) -> (Lake, Vec<Event>) {
    let lake = open(dir).await;
    let all = events(0..5000, 60, 6);
    for (round, batch) in all.chunks(700).enumerate() {
        store(&lake, batch).await;
        match round {
            2 => {
                lake.roll().await.unwrap();
                lake.compact().await.unwrap();
            }
            3 | 5 => lake.roll().await.unwrap(),
            _ => {}
        }
    }
    (lake, all)
}

fn of_user<'a>(all: &'a [Event], user: &str) -> Vec<&'a Event> {
    let mut events: Vec<&Event> = all.iter().filter(|event| event.user_id == user).collect();
    events.sort_by_key(|event| (event.occurred_at, event.id));
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn long_journey_is_read_in_both_orders() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    // Three events at each time, few of them purchases, with events of other users before and behind them in the files.
    let all: Vec<_> = (0..30_000)
        .map(|number| {
            let user = ["aaa", "busy", "zzz"][usize::from(number % 10 > 0) + usize::from(number % 10 > 8)];
            let time = START + number as i64 / 3 * 1000;
            if number % 401 == 0 { purchase(number, user, time, "1.00") } else { event(number, user, time) }
        })
        .collect();
    for part in all.chunks(20_000) {
        store(&lake, part).await;
        lake.roll().await.unwrap();
    }
    for round in ["as it came", "compacted"] {
        for (order, limit, types) in [
            (Order::Ascending, 1000, vec![]),
            (Order::Descending, 1000, vec![]),
            (Order::Ascending, 7, vec![EventType::PURCHASE]),
            (Order::Descending, 7, vec![EventType::PURCHASE]),
        ] {
            let mut expected = of_user(&all, "busy");
            expected.retain(|event| types.is_empty() || types.contains(&event.event_type));
            if order == Order::Descending {
                expected.reverse();
            }
            let mut query = journey("busy").order(order).limit(limit).types(types);
            let mut found = Vec::new();
            loop {
                let page = lake.journey(query.clone()).await.unwrap();
                found.extend(page.events.into_iter().map(|event| event.id));
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
                assert_eq!(found.len() % limit, 0, "every page but the last is full");
            }
            assert_eq!(found, expected.iter().map(|event| event.id).collect::<Vec<_>>(), "{order:?}, {round}");
        }
        lake.compact().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_queries_are_queued_and_all_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, all) = filled(dir.path()).await;
    let range = TimeRange { from: Timestamp::from_millis(START), to: Timestamp::from_millis(START + 200 * HOUR) };
    let query = StatsQuery::new(range);
    let alone = lake.stats(query.clone()).await.unwrap();
    let asking: Vec<_> = (0..24)
        .map(|number| {
            let (lake, query) = (lake.clone(), query.clone());
            tokio::spawn(async move {
                let user = format!("user-{number}");
                (lake.stats(query).await.unwrap(), lake.journey(journey(&user)).await.unwrap().events.len(), user)
            })
        })
        .collect();
    // A caller that does not wait for the answer frees its slot.
    drop(lake.stats(query.clone()));
    for question in asking {
        let (stats, events, user) = question.await.unwrap();
        assert_eq!(stats, alone);
        assert_eq!(events, of_user(&all, &user).len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_selected_pages_of_large_files() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let all = events(0..40_000, 15_000, 3);
    for (round, batch) in all.chunks(10_000).enumerate() {
        store(&lake, batch).await;
        if round < 3 {
            lake.roll().await.unwrap();
        }
        if round == 1 {
            lake.compact().await.unwrap();
        }
    }
    let mut last_seen = BTreeMap::<&str, i64>::new();
    for event in &all {
        let time = last_seen.entry(&event.user_id).or_insert(i64::MIN);
        *time = (*time).max(event.occurred_at.millis());
    }
    for (prefix, sort) in [("", UserSort::LastSeen), ("", UserSort::UserId), ("user-1", UserSort::LastSeen)] {
        let mut expected: Vec<_> = last_seen.iter().filter(|(user, _)| user.starts_with(prefix)).collect();
        match sort {
            UserSort::LastSeen => expected.sort_by_key(|(user, time)| (-**time, **user)),
            _ => expected.reverse(),
        }
        let mut query = users(sort);
        (query.prefix, query.limit) = (prefix.to_owned(), 1000);
        let mut found = Vec::new();
        loop {
            let page = lake.users(query.clone()).await.unwrap();
            assert_eq!(page.total, expected.len() as u64, "{prefix:?} {sort:?}");
            found.extend(page.users.iter().map(|user| (user.user_id.clone(), user.last_seen.millis())));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert!(found.iter().map(|(user, time)| (user.as_str(), *time)).eq(expected.iter().map(|(u, t)| (**u, **t))));
    }
    for user in last_seen.keys().step_by(1000) {
        let found = lake.journey(journey(user)).await.unwrap().events;
        assert!(found.iter().map(|event| event.id).eq(of_user(&all, user).iter().map(|event| event.id)), "{user}");
    }
    let range = TimeRange { from: Timestamp::from_millis(START), to: Timestamp::from_millis(START + 80 * HOUR) };
    let stats = lake.stats(StatsQuery::new(range)).await.unwrap();
    assert_eq!((stats.totals.users, stats.totals.new_users), (last_seen.len() as u64, last_seen.len() as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn journey_spans_many_pages_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let all = events(0..9000, 2, 1);
    store(&lake, &all).await;
    lake.roll().await.unwrap();
    for order in [Order::Ascending, Order::Descending] {
        let mut expected: Vec<_> = of_user(&all, "user-1").iter().map(|event| event.id).collect();
        if order == Order::Descending {
            expected.reverse();
        }
        let mut query = journey("user-1").order(order).limit(1100);
        let mut found = Vec::new();
        loop {
            let page = lake.journey(query.clone()).await.unwrap();
            found.extend(page.events.iter().map(|event| event.id));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn comparison_with_the_previous_year_skips_the_months_between() {
    const DAY: i64 = 24 * HOUR;
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let times = [START, START - 100 * DAY, START - 365 * DAY];
    let all: Vec<_> = (0..).zip(times).map(|(number, time)| event(number, "u", time)).collect();
    store(&lake, &all).await;
    lake.roll().await.unwrap();
    // A query that reads the day between fails.
    for folder in ["events", "facts"] {
        let files = std::fs::read_dir(dir.path().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files: std::collections::BTreeSet<_> = files.collect();
        std::fs::remove_file(files.iter().nth(1).unwrap()).unwrap();
    }
    let around = |from: i64| TimeRange { from: Timestamp::from_millis(from), to: Timestamp::from_millis(START + 1) };
    let week = StatsQuery::new(around(START - 7 * DAY)).compare(Compare::PreviousYear);
    let stats = lake.stats(week).await.unwrap();
    assert_eq!((stats.totals.events, stats.previous.map(|previous| previous.totals.events)), (1, Some(1)));
    let months = StatsQuery::new(around(START - 200 * DAY)).compare(Compare::PreviousYear);
    assert!(lake.stats(months).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn journey_pages_through_events_of_one_time() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    // More than a block of facts, in two files and the hot table, between events of other times and of other users.
    let all: Vec<_> = (0..4000_u64)
        .map(|number| {
            let time = START + i64::from(number % 10 == 0) * (number as i64 - 2000);
            event(number, if number % 3 == 0 { "other" } else { "mine" }, time)
        })
        .collect();
    for batch in all.chunks(1500) {
        store(&lake, batch).await;
        if batch.len() == 1500 {
            lake.roll().await.unwrap();
        }
    }
    for order in [Order::Ascending, Order::Descending] {
        let mut expected: Vec<_> = all.iter().filter(|event| event.user_id == "mine").collect();
        expected.sort_by_key(|event| (event.occurred_at, event.id));
        if order == Order::Descending {
            expected.reverse();
        }
        let mut query = journey("mine").order(order).limit(70);
        let mut found = Vec::new();
        loop {
            let page = lake.journey(query.clone()).await.unwrap();
            assert!(page.events.len() == 70 || page.next.is_none());
            found.extend(page.events.iter().map(|event| event.id));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert!(found.iter().eq(expected.iter().map(|event| &event.id)), "{order:?}");
    }
    let all = lake.journey(journey("mine").limit(usize::MAX)).await.unwrap();
    assert_eq!((all.events.len(), all.next), (2666, None));
}
