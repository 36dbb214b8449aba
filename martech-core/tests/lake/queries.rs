use std::collections::BTreeMap;

use martech_core::{
    Event,
    event::{EventType, Timestamp},
    lake::Lake,
    query::{Interval, JourneyQuery, Order, StatsQuery, TimeRange, UserSort},
};

use crate::common::*;

/// A lake with events in merged files, in small files and in the hot table.
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
async fn a_journey_is_complete_ordered_and_as_it_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, all) = filled(dir.path()).await;
    for user in ["user-0", "user-17", "user-59"] {
        let expected = of_user(&all, user);
        let found = lake.journey(journey(user)).await.unwrap();
        assert_eq!(found.next, None);
        assert_eq!(found.events.len(), expected.len());
        for (found, expected) in found.events.iter().zip(&expected) {
            // Facts are for figures; a journey shows the properties that they came from.
            let expected = Event { facts: found.facts.clone(), ..(*expected).clone() };
            assert_eq!(*found, expected);
        }
        let descending = lake.journey({
            let mut query = journey(user);
            query.order = Order::Descending;
            query
        });
        let mut found = descending.await.unwrap().events;
        found.reverse();
        assert!(found.iter().map(|event| event.id).eq(expected.iter().map(|event| event.id)));
    }
    assert!(lake.journey(journey("nobody")).await.unwrap().events.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_journey_follow_each_other_while_events_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, all) = filled(dir.path()).await;
    for (round, (order, limit)) in
        [(Order::Ascending, 7), (Order::Descending, 7), (Order::Ascending, 1), (Order::Descending, 64)]
            .into_iter()
            .enumerate()
    {
        let mut expected: Vec<_> = of_user(&all, "user-3").into_iter().map(|event| event.id).collect();
        if order == Order::Descending {
            expected.reverse();
        }
        let mut query = journey("user-3");
        (query.order, query.limit) = (order, limit);
        let mut found = Vec::new();
        let mut late = (round as u64 + 1) * 1_000_000;
        loop {
            let page = lake.journey(query.clone()).await.unwrap();
            assert!(page.events.len() <= limit);
            found.extend(page.events.iter().map(|event| event.id).filter(|id| expected.contains(id)));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
            late += 1;
            store(&lake, &[event(late, "user-3", START + (late % 100) as i64 * HOUR)]).await;
            if late.is_multiple_of(10) {
                lake.roll().await.unwrap();
            }
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_of_many_events_in_a_day_is_read_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    // Three at a time; few of them are purchases; others come before and behind in the files.
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
            let mut query = JourneyQuery { order, limit, types, ..journey("busy") };
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
async fn a_journey_can_be_narrowed_by_time_and_type() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, all) = filled(dir.path()).await;
    let mut query = journey("user-5");
    (query.from, query.to) =
        (Some(Timestamp::from_millis(START + 30 * HOUR)), Some(Timestamp::from_millis(START + 80 * HOUR)));
    query.types = vec![EventType::PURCHASE];
    let expected: Vec<_> = of_user(&all, "user-5")
        .into_iter()
        .filter(|event| (START + 30 * HOUR..START + 80 * HOUR).contains(&event.occurred_at.millis()))
        .filter(|event| event.event_type == EventType::PURCHASE)
        .map(|event| event.id)
        .collect();
    assert!(!expected.is_empty());
    let found: Vec<_> = lake.journey(query.clone()).await.unwrap().events.iter().map(|event| event.id).collect();
    assert_eq!(found, expected);
    (query.from, query.to) = (query.to, query.from);
    assert!(lake.journey(query).await.unwrap().events.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_summed_up_over_all_files() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, all) = filled(dir.path()).await;
    let mut expected = BTreeMap::<&str, (i64, i64, u64, u64)>::new();
    for event in &all {
        let user = expected.entry(&event.user_id).or_insert((i64::MAX, i64::MIN, 0, 0));
        user.0 = user.0.min(event.occurred_at.millis());
        user.1 = user.1.max(event.occurred_at.millis());
        user.2 += 1;
        user.3 += u64::from(event.event_type == EventType::PURCHASE);
    }
    let page = lake.users(users(UserSort::UserId)).await.unwrap();
    assert_eq!((page.total, page.users.len(), page.next), (60, 60, None));
    for user in &page.users {
        let found = (user.first_seen.millis(), user.last_seen.millis(), user.events, user.orders);
        assert_eq!(found, expected[user.user_id.as_str()], "{}", user.user_id);
        let revenue: Vec<_> = user.revenue.iter().map(|sum| sum.amount.to_string()).collect();
        let orders = user.orders as f64 * 12.5;
        assert_eq!(revenue, if user.orders == 0 { vec![] } else { vec![format!("{orders:.2}")] });
    }
    lake.roll().await.unwrap();
    lake.compact().await.unwrap();
    assert_eq!(lake.users(users(UserSort::UserId)).await.unwrap().users, page.users);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_can_be_sorted_by_everything_and_paged() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, _) = filled(dir.path()).await;
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
            let mut query = users(sort);
            query.order = order;
            let whole = lake.users(query.clone()).await.unwrap().users;
            let value = |user: &martech_core::query::UserRow| match sort {
                UserSort::UserId => 0,
                UserSort::FirstSeen => user.first_seen.millis().into(),
                UserSort::LastSeen => user.last_seen.millis().into(),
                UserSort::Events => user.events.into(),
                UserSort::Orders => user.orders.into(),
                UserSort::Revenue => user.revenue.first().map_or(0, |sum| sum.amount.micros()),
            };
            let mut expected = whole.clone();
            expected.sort_by(|left, right| left.user_id.cmp(&right.user_id));
            expected.sort_by_key(|user| if order == Order::Ascending { value(user) } else { -value(user) });
            if sort == UserSort::UserId && order == Order::Descending {
                expected.reverse();
            }
            assert_eq!(whole, expected, "{sort:?} {order:?}");

            query.limit = 7;
            let mut paged = Vec::new();
            loop {
                let page = lake.users(query.clone()).await.unwrap();
                assert_eq!(page.total, 60);
                paged.extend(page.users);
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(paged, whole, "{sort:?} {order:?}");
        }
    }
    let mut query = users(UserSort::LastSeen);
    query.prefix = "user-1".to_owned();
    let page = lake.users(query).await.unwrap();
    assert_eq!((page.total, page.users.len()), (11, 11));
    assert!(page.users.iter().all(|user| user.user_id.starts_with("user-1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_agree_with_counting_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, all) = filled(dir.path()).await;
    let tz = jiff::tz::TimeZone::get("America/New_York").unwrap();
    let range =
        TimeRange { from: Timestamp::from_millis(START + 40 * HOUR), to: Timestamp::from_millis(START + 100 * HOUR) };
    let stats = lake.stats(StatsQuery { range, tz, interval: Interval::Day }).await.unwrap();
    let within: Vec<&Event> = all.iter().filter(|event| range.contains(event.occurred_at)).collect();
    let users = within.iter().map(|event| &event.user_id).collect::<std::collections::BTreeSet<_>>().len() as u64;
    let orders = within.iter().filter(|event| event.event_type == EventType::PURCHASE).count() as u64;
    assert_eq!((stats.totals.events, stats.totals.users, stats.totals.orders), (within.len() as u64, users, orders));
    assert_eq!(stats.series.iter().map(|bucket| bucket.events).sum::<u64>(), within.len() as u64);
    let revenue: Vec<_> = stats.totals.revenue.iter().map(|sum| sum.amount.to_string()).collect();
    assert_eq!(revenue, [format!("{:.2}", orders as f64 * 12.5)]);
    let new_users = (0..60).filter(|user| {
        of_user(&all, &format!("user-{user}")).first().is_some_and(|first| range.contains(first.occurred_at))
    });
    assert_eq!(stats.totals.new_users, new_users.count() as u64);
    let views = within.iter().filter(|event| event.facts.page.is_some() && event.event_type == EventType::PAGE_VIEW);
    assert_eq!(stats.top.pages.iter().map(|page| page.views).sum::<u64>(), views.count() as u64);

    lake.roll().await.unwrap();
    lake.compact().await.unwrap();
    let tz = jiff::tz::TimeZone::get("America/New_York").unwrap();
    assert_eq!(lake.stats(StatsQuery { range, tz, interval: Interval::Day }).await.unwrap(), stats);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_questions_at_once_wait_for_their_turn_and_are_all_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, all) = filled(dir.path()).await;
    let range = TimeRange { from: Timestamp::from_millis(START), to: Timestamp::from_millis(START + 200 * HOUR) };
    let query = StatsQuery { range, tz: jiff::tz::TimeZone::UTC, interval: Interval::Day };
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
    // Someone who does not wait for the answer leaves the turn to others.
    drop(lake.stats(query.clone()));
    for question in asking {
        let (stats, events, user) = question.await.unwrap();
        assert_eq!(stats, alone);
        assert_eq!(events, of_user(&all, &user).len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_users_are_counted_once_whoever_reads_them() {
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
    let range = TimeRange { from: Timestamp::from_millis(START), to: Timestamp::from_millis(START + 80 * HOUR) };
    let stats = lake.stats(StatsQuery { range, tz: jiff::tz::TimeZone::UTC, interval: Interval::Day }).await.unwrap();
    assert_eq!((stats.totals.users, stats.totals.new_users), (last_seen.len() as u64, last_seen.len() as u64));
}
